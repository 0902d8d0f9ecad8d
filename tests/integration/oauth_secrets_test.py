"""The secrets of applications: a process that asks one provider has nothing of the others."""

import os
import re
import signal
import subprocess
import threading
import unittest

import tap
from gateway import SANITIZED
from marker import marker, memory, places
from oauthcase import OAuthCase

OK = rb"^\+OK"


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


if __name__ == "__main__":
    tap.main()
