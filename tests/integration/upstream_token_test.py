"""Tokens that the agent keeps fresh, shown to an IMAP server that knows which of them it takes."""

import base64
import time

import tap
from gateway import imap_backend
from imapscript import Server
from oauthcase import OAuthCase
from pop3client import Client

FINE = rb"^\+OK"
MAIL = {101: b"Subject: first\r\n\r\nbody of the first\r\n"}


class Tokens(OAuthCase):
    def serve(self):
        """Takes every token but those in `stale`."""
        self.stale, self.shown = set(), []

        def judge(talk, tag, rest):
            text = base64.b64decode(rest.split(" ")[1]).decode()
            self.shown.append(text.partition("Bearer ")[2].rstrip("\1"))
            if self.shown[-1] in self.stale:
                talk.line("+ " + base64.b64encode(b'{"status":"invalid_token"}').decode())
                talk.file.readline()
                talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")
            else:
                talk.ok(tag, "in")
        self.imap = Server(MAIL, on={"AUTHENTICATE": judge}, capability="IMAP4rev1 SASL-IR UIDPLUS AUTH=OAUTHBEARER")
        self.addCleanup(self.imap.close)
        self.provide(backends=[imap_backend(port=self.imap.port, reconnect_timeout=5)])
        self.log_in()
        self.gate.allow_warning("event=login_failed")
        self.gate.start()

    def test_a_token_that_runs_out_in_a_session_is_replaced_without_a_word(self):
        self.serve()
        with Client(self.gate.port, timeout=60) as client:
            self.assertRegex(client.login("ann", "local"), FINE)
            self.assertEqual(client.multiline("RETR 1"), MAIL[101])
            time.sleep(31)  # one that is younger and is refused is not replaced
            self.stale.add(self.shown[-1])
            self.imap.say("", hang_up=True)
            self.assertEqual(client.multiline("RETR 1"), MAIL[101])
            client.command("QUIT")
        first, again, second = self.shown
        self.assertEqual(first, again)
        self.assertNotEqual(first, second)
        for token in self.shown:
            self.assertNotIn(token, self.gate.log())

    def test_a_server_that_takes_none_is_no_wrong_password(self):
        self.serve()
        self.stale = type("All", (), {"__contains__": lambda *_: True})()
        with Client(self.gate.port, timeout=60) as client:
            self.assertRegex(client.login("ann", "local"), rb"^-ERR \[SYS/(PERM|TEMP)\]")
        self.assertLessEqual(len(self.shown), 2)


if __name__ == "__main__":
    tap.main()
