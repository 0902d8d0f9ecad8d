"""Tokens through the whole: a provider, the store, the gateway, and a real Dovecot that asks the provider whose a token
is."""

import os
import unittest

import dovecot
import tap
from gateway import imap_backend
from oauthcase import OAuthCase
from oauthserver import OAuthServer
from pop3client import Client

MORE = """
auth_mechanisms = plain login oauthbearer xoauth2
auth_verbose = yes
passdb {{
  driver = oauth2
  mechanisms = oauthbearer xoauth2
  args = {path}
}}
"""

OAUTH2 = """
introspection_mode = post
introspection_url = http://127.0.0.1:{port}/introspect
username_attribute = sub
active_attribute = active
active_value = true
"""


@unittest.skipUnless(dovecot.available(), "needs Dovecot")
class Mail(OAuthCase):
    def begin(self, auth, lifetime=3600, movable=False):
        server = OAuthServer(tls=False, lifetime=lifetime)
        path = os.path.join(server.folder, "oauth2.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(OAUTH2.format(port=server.port))
        server.on["/introspect"] = lambda form: (200, self.describe(form["token"]))
        self.mail = dovecot.Dovecot(more=MORE.format(path=path))
        self.addCleanup(self.mail.stop)
        self.mail.start()
        self.mail.append("ann", [b"Subject: by token\r\n\r\ntext\r\n"])
        self.provide(server=server, provider={"insecure_loopback": True}, movable=movable,
                     backends=[imap_backend(self.mail, security="tls", auth=auth)])
        self.log_in()
        self.gate.start()

    def describe(self, token):
        """To the mail server."""
        with open(os.path.join(self.server.accepts, "tokens"), encoding="ascii") as file:
            good = token in file.read().splitlines()
        return {"active": good, **({"sub": "ann"} if good else {})}

    def read_mail(self):
        with Client(self.gate.port, timeout=60) as client:
            reply = client.login("ann", "local")
            if not reply.startswith(b"+OK"):
                return reply
            return client.multiline("TOP 1 0").split(b"\r\n")[0]

    def test_each_mechanism_opens_the_mailbox(self):
        for auth in ("xoauth2", "oauthbearer"):
            with self.subTest(auth=auth):
                self.begin(auth)
                self.assertEqual(self.read_mail(), b"Subject: by token")
                self.assertIn(f"method={auth.upper()}", self.mail.log())
                self.gate.stop()
                self.mail.stop()

    def test_token_near_its_end_is_refreshed_first(self):
        self.begin("xoauth2", lifetime=120, movable=True)
        self.later(61)
        self.server.lifetime = 3600
        self.assertEqual(self.read_mail(), b"Subject: by token")
        self.assertEqual(len(self.asked()), 1)
        self.gate.stop()

    def test_token_that_the_mail_server_refuses_is_renewed_within_the_login(self):
        self.begin("xoauth2", movable=True)
        self.later(31)  # of one that is younger the server would refuse the next as well
        self.server.accept()
        self.assertEqual(self.read_mail(), b"Subject: by token")
        self.assertEqual(len(self.asked()), 1)
        self.gate.stop()

    def test_mailbox_that_takes_no_token_is_no_wrong_password(self):
        self.begin("xoauth2")
        self.server.accept()
        self.gate.expect_warning(r"login_failed .*status=perm .*just made")
        self.assertRegex(self.read_mail(), rb"^-ERR \[SYS/PERM\] .*mailbox")
        self.gate.stop()


if __name__ == "__main__":
    tap.main()
