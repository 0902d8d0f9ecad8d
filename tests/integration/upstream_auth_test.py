"""Every mechanism of plugin imap against a real Dovecot: passwords, a master user, access tokens, a client's certificate."""

import base64
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import unittest

import accountlist
import certificates
import dovecot
import tap
from accountlist import account
from features import GSASL
from gateway import CLEAR, Gateway, imap_backend
from pop3client import Client

FINE = rb"^\+OK"
AUTH = rb"^-ERR \[AUTH\]"
PERMANENT = rb"^-ERR \[SYS/PERM\]"

MORE = """
auth_mechanisms = plain login scram-sha-256 scram-sha-1 oauthbearer xoauth2 external
auth_master_user_separator = *
auth_verbose = yes
passdb {{
  driver = passwd-file
  args = {folder}/masters
  master = yes
}}
passdb {{
  driver = static
  mechanisms = external
  args = nopassword
}}
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {folder}/oauth2.conf
}}
ssl_ca = <{ca}
ssl_require_crl = no
ssl_verify_client_cert = yes
auth_ssl_username_from_cert = yes
"""

OAUTH2 = """
introspection_mode = post
introspection_url = http://127.0.0.1:{port}/introspect
username_attribute = sub
active_attribute = active
active_value = true
"""


class Introspection:
    """An endpoint that knows whose a token is: `good-NAME`."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                token = body.partition("token=")[2].partition("&")[0]
                good = token.startswith("good-")
                answer = json.dumps({"active": good, **({"sub": token[5:]} if good else {})}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST

            def log_message(self, *_):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@unittest.skipUnless(dovecot.available(), "needs Dovecot")
class Mechanisms(unittest.TestCase):
    listeners = ({**CLEAR, "mechanisms": ["XOAUTH2", "OAUTHBEARER", "USER"]},)

    @classmethod
    def setUpClass(cls):
        cls.introspection = Introspection()
        cls.addClassCleanup(cls.introspection.close)
        folder = tempfile.mkdtemp(prefix="popgate-auth-", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        for name, text in (("masters", "boss:{PLAIN}master\n"), ("oauth2.conf", OAUTH2.format(port=cls.introspection.port))):
            with open(os.path.join(folder, name), "w", encoding="ascii") as file:
                file.write(text)
        cls.authority = certificates.Authority(os.path.join(folder, "tls"))
        cls.server = dovecot.Dovecot(more=MORE.format(folder=folder, ca=cls.authority.file),
                                     certificate=cls.authority.issue("server"))
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        for user in ("ann", "bob", "cert"):
            cls.server.append(user, [f"Subject: {user}\r\n\r\ntext\r\n".encode()])

    def gateway(self, *accounts, security="tls", **settings):
        if security != "none":
            settings["ca_file"] = self.authority.file
        gate = Gateway([imap_backend(self.server, security=security, **settings)], listeners=self.listeners,
                       **({"accounts": "accounts"} if accounts else {}))
        self.addCleanup(gate.stop)
        if accounts:
            accountlist.write(gate, *accounts)
        gate.allow_warning("event=login_failed")
        return gate.start()

    def told(self, gate, user="ann", password="secret", *, ask=None):
        """What the login is told, and where it leads."""
        with Client(gate.port) as client:
            reply = client.command(ask) if ask else client.login(user, password)
            while reply.startswith(b"+ "):
                reply = client.command("AQ==")
            if not reply.startswith(b"+OK"):
                return reply
            return client.multiline("TOP 1 0").split(b"\r\n")[0]

    def method(self):
        """How Dovecot says that the last login was made."""
        lines = [line for line in self.server.log().splitlines() if "imap-login: Info: Login:" in line]
        return lines[-1].partition("method=")[2].partition(",")[0]

    def test_passwords(self):
        for auth in ("login", "plain", "sasl-login", *(("scram-sha-256", "scram-sha-1") if GSASL else ())):
            for security in ("tls", "starttls", "none"):
                with self.subTest(auth=auth, security=security):
                    gate = self.gateway(auth=auth, security=security)
                    self.assertEqual(self.told(gate), b"Subject: ann")
                    self.assertIn(self.method().lower(), {"login": ("plain",), "sasl-login": ("login",)}.get(auth, (auth,)))
                    self.assertRegex(self.told(gate, password="wrong"), AUTH)

    def test_the_one_that_is_chosen(self):
        for security, method in (("tls", "PLAIN"), ("none", "SCRAM-SHA-256" if GSASL else "PLAIN")):
            self.assertEqual(self.told(self.gateway(security=security)), b"Subject: ann")
            self.assertEqual(self.method(), method)

    def test_a_master_user(self):
        for auth in ("auto", "plain"):
            gate = self.gateway(account("ann", auth_user="boss", upstream_secret="master"),
                                account("x", auth_user="boss", upstream_secret="wrong", upstream_user="ann"), auth=auth)
            self.assertEqual(self.told(gate), b"Subject: ann")
            self.assertNotRegex(self.told(gate, "x"), FINE)

    def test_tokens_of_the_clients_own(self):
        for auth in ("auto", "oauthbearer", "xoauth2"):
            with self.subTest(auth=auth):
                gate = self.gateway(auth=auth)
                ask = lambda token: "AUTH OAUTHBEARER " + base64.b64encode(
                    f"n,a=bob,\1auth=Bearer {token}\1\1".encode()).decode()
                self.assertEqual(self.told(gate, ask=ask("good-bob")), b"Subject: bob")
                self.assertEqual(self.method().lower(), "oauthbearer" if auth == "auto" else auth)
                self.assertRegex(self.told(gate, ask=ask("good-ann")), AUTH)  # hers, and not his
                self.assertRegex(self.told(gate, ask=ask("bad")), AUTH)
                self.assertNotIn("good-", gate.log())

    def test_a_certificate(self):
        own = self.authority.issue("cert", usage="clientAuth")
        gate = self.gateway(account("cert"), account("ann"), client_certificate=own[0], client_key=own[1])
        self.assertEqual(self.told(gate, "cert"), b"Subject: cert")
        self.assertEqual(self.method(), "EXTERNAL")
        self.assertNotRegex(self.told(gate, "ann"), FINE)  # it is not hers
        self.assertRegex(self.told(gate, "cert", "wrong"), AUTH)  # the account's own
        fixed = self.gateway(account("ann"), client_certificate=own[0], client_key=own[1], auth="external")
        self.assertRegex(self.told(fixed, "cert", "anything"), AUTH)  # nobody has proved who that is
        self.assertIn("auth is fixed to EXTERNAL, which takes no password", fixed.log())


class Settings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="popgate-client-", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        authority = certificates.Authority(folder)
        cls.own, cls.other = authority.issue("own"), authority.issue("other")

    def fault(self, **settings):
        gate = Gateway([imap_backend(port=1, **settings)])
        self.addCleanup(gate.kill)
        gate.write_config()
        done = subprocess.run(gate.command("check"), capture_output=True, text=True, check=False)
        return done.stderr + done.stdout if done.returncode else ""

    def test_a_certificate_and_its_key(self):
        certificate, key = self.own
        tls = {"security": "tls"}
        self.assertEqual(self.fault(**tls, client_certificate=certificate, client_key=key), "")
        for settings, words in (({"client_certificate": certificate}, "client_key: is missing"),
                                ({"client_key": key}, "client_certificate: is missing"),
                                ({"client_certificate": certificate, "client_key": self.other[1]},
                                 "client_key: .* does not belong to client_certificate"),
                                ({"client_certificate": "/dev/null", "client_key": key}, "client_certificate: /dev/null: "),
                                ({"client_certificate": certificate, "client_key": certificate}, "client_key: "),
                                ({"client_certificate": certificate, "client_key": "/nowhere"}, "client_key: /nowhere: "),
                                ({"auth": "external"}, 'auth: "external" needs client_certificate')):
            with self.subTest(settings=settings):
                self.assertRegex(self.fault(**tls, **settings), r"popgate\.conf:\d+: .*" + words)
        self.assertRegex(self.fault(security="none", client_certificate=certificate, client_key=key), "has no meaning with security")

    def test_a_key_that_others_may_read(self):
        certificate, key = self.own
        os.chmod(key, 0o640)
        self.addCleanup(os.chmod, key, 0o600)
        self.assertRegex(self.fault(security="tls", client_certificate=certificate, client_key=key),
                         r"client_key: .*others may use it \(mode 0640\): chmod 600 it")

    def test_a_key_behind_a_passphrase(self):
        certificate, key = self.own
        locked = key + ".locked"
        subprocess.run(("openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:geheim", "-out", locked), check=True)
        os.chmod(locked, 0o600)
        self.assertRegex(self.fault(security="tls", client_certificate=certificate, client_key=locked), "client_key: ")

    def test_what_cannot_be_done(self):
        for settings, entry, words in (({"auth": "login"}, {"auth_user": "boss", "upstream_secret": "x"}, "a master user"),
                                       ({"auth": "plain"}, {}, "")):
            gate = Gateway([imap_backend(port=1, **settings)], accounts="accounts")
            self.addCleanup(gate.kill)
            accountlist.write(gate, account("ann", **entry))
            gate.write_config()
            done = subprocess.run(gate.command("check"), capture_output=True, text=True, check=False)
            self.assertIn(words, done.stderr + done.stdout)
            self.assertEqual(done.returncode != 0, bool(words))


if __name__ == "__main__":
    tap.main()
