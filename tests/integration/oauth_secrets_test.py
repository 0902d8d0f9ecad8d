"""The secrets of applications: a process that asks one provider has nothing of the others, and no log has any, whatever
a provider repeats."""

import base64
import os
import re
import signal
import subprocess
import threading
import unittest
import urllib.parse

import tap
from gateway import SANITIZED
from marker import marker, memory, places
from oauthcase import BrowserLogin, OAuthCase
from oauthserver import OAuthServer, always

OK = rb"^\+OK"
PERM = rb"^-ERR \[SYS/PERM\]"


def numbers_of(key):
    """The secret numbers of an RSA key, as octets."""
    text = subprocess.run(("openssl", "rsa", "-in", key, "-noout", "-text"), stdout=subprocess.PIPE, text=True, check=True).stdout
    found = {name: bytes.fromhex(re.sub(r"[\s:]", "", value))
             for name, value in re.findall(r"^(privateExponent|prime1|prime2|exponent1|exponent2|coefficient):\n((?: .*\n)+)", text, re.M)}
    assert len(found) == 6, text
    return found


def pieces_of(key):
    """{octets: what they are}: enough of each to tell it, in the orders in which they may lie in memory, and of the text."""
    pieces = {}
    for name, octets in numbers_of(key).items():
        middle = octets[len(octets) // 2:][:24]
        pieces[middle], pieces[middle[::-1]] = name, name + " by words"
    with open(key, "rb") as file:
        lines = file.read().splitlines()
    pieces.update((line, "text") for line in lines[2:-2])
    return pieces


@unittest.skipIf(SANITIZED, "a sanitizer's memory is too much to look through")
@unittest.skipUnless(os.geteuid() == 0, "only root may look into other processes")
class Secrets(OAuthCase):
    def begin(self):
        """ann's mailbox opens by the provider `test`, which has a key; `other` has one of its own, `plain` a secret."""
        self.provide(users=("ann",))
        provider = self.gate.sections["oauth"][0]
        self.keys = {}
        for name in ("test", "other"):
            certificate, self.keys[name] = self.server.authority.issue("client-" + name, rsa=True)
            section = {**provider, "name": name, "grant": "client_credentials", "certificate": certificate, "key": self.keys[name]}
            self.gate.sections["oauth"] += [section]
        del self.gate.sections["oauth"][0]
        secret = self.gate.path("client.secret")
        with open(secret, "w", encoding="ascii") as file:
            file.write(marker("p") + "\n")
        os.chmod(secret, 0o600)
        self.gate.sections["oauth"] += [{**provider, "name": "plain", "client_secret_file": secret}]
        self.gate.start()

    def find(self, pid):
        """{name of a provider: what of its key is in a process}; and pieces of the marked secret."""
        found, marked = {name: set() for name in self.keys}, []
        sought = {name: pieces_of(key) for name, key in self.keys.items()}
        for _, _, octets in memory(pid):
            marked += places(octets)
            for name, pieces in sought.items():
                found[name] |= {what for piece, what in pieces.items() if piece in octets}
        return found, marked

    def test_invariant_13_fetcher_has_secrets_of_its_own_provider_alone(self):
        self.begin()
        release = threading.Event()
        self.server.on["/token"] = [lambda form: release.wait(60) and None]
        replies = []
        thread = threading.Thread(target=lambda: replies.append(self.login("ann")))
        thread.start()
        self.gate.wait_until(lambda: self.asked("client_credentials"), "the request")
        (fetcher,) = self.gate.pids("fetcher")
        os.kill(fetcher, signal.SIGSTOP)  # it is looked at in peace
        try:
            found, marked = self.find(fetcher)
        finally:
            os.kill(fetcher, signal.SIGCONT)
            release.set()
        thread.join(30)
        self.assertRegex(replies[0], OK)
        self.assertIn("text", found["test"])  # what is sought can be found
        self.assertEqual((found["other"], marked), (set(), []))
        self.gate.stop()

    def test_invariant_13_keys_are_text_in_the_agent_alone(self):
        self.begin()
        roles = {role: self.gate.pids(role) for role in ("agent", "broker", "spawner", "front")}
        for role, pids in roles.items():
            for pid in pids:
                found, marked = self.find(pid)
                self.assertEqual(set().union(*found.values()), {"text"} if role == "agent" else set(), role)
                self.assertEqual(bool(marked), role == "agent", role)
        self.gate.stop()


class Repeated(OAuthCase):
    """A provider that refuses requests repeats them in its words."""

    SECRET = "s3cr/t+signs"

    def begin(self, **provider):
        self.provide(server=OAuthServer(lifetime=30), movable=True)
        path = self.gate.path("client.secret")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.SECRET + "\n")
        os.chmod(path, 0o600)
        self.section = self.gate.sections["oauth"][0]
        self.section.update(client_secret_file=path, **provider)
        self.gate.write_config()

    def ways(self, *names):
        """The handlers of requests, each with another way to repeat one, or what has one of these names in it."""
        def refuse(write):
            return lambda form: (400, {"error": "invalid_request", "error_description": "cannot read: " + write(form)})
        return [refuse(write) for write in (
            urllib.parse.urlencode,
            lambda form: urllib.parse.urlencode(form)[-150:],
            lambda form: urllib.parse.urlencode(form, quote_via=urllib.parse.quote).lower(),
            *(lambda form, name=name: form[name] for name in names),
            *(lambda form, name=name: urllib.parse.quote_plus(form[name]) for name in names))]

    def assert_hidden(self, said, *secrets):
        """The refusal is told, and no piece of a secret that is of use, however it is written."""
        self.assertIn("invalid_request", said)
        self.assertTrue(all(secrets))
        for secret in secrets:
            for form in (secret, urllib.parse.quote_plus(secret), urllib.parse.quote(secret, safe="").lower()):
                for at in range(max(1, len(form) - 19)):
                    self.assertNotIn(form[at:at + 20], said)

    def check_devices(self, proof):
        """Logins by device, which the provider refuses; proof: what shows in a form who asks."""
        code = "d3v/ce+code"
        self.server.on["/device"] = always(200, {"device_code": code, "user_code": "A", "interval": 1,
                                                 "verification_uri": "https://provider.example"})
        for way in self.ways("device_code", proof):
            self.server.on["/token"] = [way]
            said = self.popgate("oauth", "login", "ann", "--device", status=1)
            self.assert_hidden(said, code, self.asked("device_code")[-1][proof])

    def test_secret_in_the_form_and_device_code(self):
        self.begin()
        self.check_devices("client_secret")

    def test_assertion(self):
        self.begin()
        self.section["certificate"], self.section["key"] = self.server.authority.issue("client", rsa=True)
        del self.section["client_secret_file"]
        self.gate.write_config()
        self.check_devices("client_assertion")

    def test_code_of_a_browser_and_its_proof_key(self):
        self.begin()
        for way in self.ways("code", "code_verifier"):
            self.server.on["/token"] = [way]
            login = BrowserLogin(self.gate)
            self.addCleanup(login.close)
            login.visit("/?" + self.server.allow(login.query))
            said = login.end(1).rpartition("Waiting")[2]
            form = self.asked("authorization_code")[-1]
            self.assert_hidden(said, form["code"], form["code_verifier"])

    def test_secret_in_a_header_and_refresh_token(self):
        for self.SECRET in ("secret-of-the-application", "s+3"):
            with self.subTest(secret=self.SECRET):
                self.begin(client_auth="client_secret_basic", client_id="id")
                encoded = f"id:{urllib.parse.quote(self.SECRET, safe='')}"
                self.server.basic = ("id", self.SECRET)
                self.log_in()
                self.gate.expect_warning(r"login_failed .*status=perm .*invalid_request")
                self.gate.start()
                ways = [*self.ways("refresh_token"), lambda form: (
                    400, {"error": "invalid_request", "error_description": self.server.heads[-1]["Authorization"]})]
                for way in ways:
                    self.server.on["/token"] = [way]
                    self.assertRegex(self.login("ann"), PERM)
                    self.later(301)
                token = self.asked()[-1]["refresh_token"]
                self.assertEqual(len(self.asked()), len(ways))
                self.assert_hidden(self.gate.log(), self.SECRET, encoded, base64.b64encode(encoded.encode()).decode(), token)
                self.gate.stop()


if __name__ == "__main__":
    tap.main()
