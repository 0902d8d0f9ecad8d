"""Tokens that the agent keeps fresh, shown to an IMAP server that knows which of them it takes."""

import base64
import time

import tap
from gateway import imap_backend
from imapscript import Server
from oauthcase import OAuthCase
from pop3client import Client

FINE = rb"^\+OK"
NO_TOKEN = rb"^-ERR \[SYS/PERM\] .*popgate oauth status"
MAIL = {101: b"Subject: first\r\n\r\nbody of the first\r\n"}


class Tokens(OAuthCase):
    def serve(self, movable=False, application=False):
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
        self.provide(backends=[imap_backend(port=self.imap.port, reconnect_timeout=5)], movable=movable)
        if application:
            self.let_application_ask()
        else:
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

    def test_a_token_got_anew_is_not_taken_for_the_one_that_was_refused(self):
        """Of the first nothing is known any more: it was forgotten, or damaged."""
        for application in (False, True):
            with self.subTest(application=application):
                self.serve(application=application)
                with Client(self.gate.port, timeout=60) as client:
                    self.assertRegex(client.login("ann", "local"), FINE)
                    if application:
                        self.damage_rows()
                        self.popgate("oauth", "login", "ann")
                    else:
                        self.popgate("oauth", "logout", "ann")
                        self.log_in()
                    before = len(self.server.asked)
                    self.stale.add(self.shown[-1])
                    self.imap.say("", hang_up=True)
                    self.assertEqual(client.multiline("RETR 1"), MAIL[101])
                    client.command("QUIT")
                self.assertEqual(self.shown[0], self.shown[1])
                self.assertEqual(self.shown[2], self.server.access_tokens[-1])
                self.assertEqual(len(self.server.asked), before)
                self.gate.stop()

    def revoke(self):
        """At the provider and, some time after the token was made, at the mail server."""
        self.later(31)
        self.server.refresh_tokens.clear()
        self.stale.update(self.server.access_tokens)

    def test_a_permission_that_ends_in_a_session_is_told_as_such(self):
        self.serve(movable=True)
        self.gate.allow_warning("event=token_revoked")
        self.gate.expect_warning("event=fetch_failed .*revoked")
        with Client(self.gate.port, timeout=60) as client:
            self.assertRegex(client.login("ann", "local"), FINE)
            self.revoke()
            self.imap.say("", hang_up=True)
            for command in ("RETR 1", "TOP 1 0"):
                self.assertRegex(client.command(command), NO_TOKEN)
            client.command("DELE 1")
            self.gate.expect_warning("event=commit_failed")
            self.assertRegex(client.command("QUIT"), rb"^-ERR \[SYS/PERM\] 0 of 1")
        self.assertEqual(len(self.asked()), 1)

    def test_a_permission_that_has_ended_is_told_by_the_login_that_finds_it(self):
        self.serve(movable=True)
        self.gate.allow_warning("event=token_revoked")
        self.revoke()
        for _ in range(2):
            with Client(self.gate.port, timeout=60) as client:
                self.assertRegex(client.login("ann", "local"), NO_TOKEN)
        self.assertEqual(len(self.shown), 1)

    def test_a_token_just_made_that_is_refused_is_no_permission_that_has_ended(self):
        self.serve()
        self.stale.update(self.server.access_tokens)
        self.gate.expect_warning("login_failed .*status=perm .*just made")
        with Client(self.gate.port, timeout=60) as client:
            self.assertRegex(client.login("ann", "local"), rb"^-ERR \[SYS/PERM\] the mailbox cannot be opened")


if __name__ == "__main__":
    tap.main()
