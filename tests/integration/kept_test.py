"""limits.keep_open with real servers: a Dovecot that others use at the same time, and a Maildir."""

import os
import shutil
import signal
import unittest

import dovecot
import localmail
import plugincase
import tap
from dovecot import Dovecot
from gateway import CLEAR, IMPLICIT, SANITIZED, Gateway, imap_backend
from localmail import LocalMail
from pop3client import Client

FINE = rb"^\+OK"
KEEP = {"keep_open": 60}


def letters(*numbers):
    return [b"Subject: %d\r\n\r\n" % number + b"line %d\r\n" % number * 1000 for number in numbers]


class _Case(unittest.TestCase):
    user = "ann"

    def start(self, backend, **sections):
        self.gate = Gateway([backend], limits=KEEP, **sections)
        self.addCleanup(self.gate.stop)
        self.gate.start()

    def client(self, password, expected=FINE, tls=False):
        client = Client(self.gate.ports[-1], tls=tls)
        self.addCleanup(client.close)
        self.assertRegex(client.login(self.user, password), expected)
        return client

    def visit(self, password, *commands, tls=False):
        """Reads everything, as programs do, then the commands and QUIT."""
        client = self.client(password, tls=tls)
        count = int(client.command("STAT").split()[1])
        found = [client.multiline(f"RETR {number}") for number in range(1, count + 1)]
        for command in commands:
            self.assertRegex(client.command(command), FINE)
        self.assertRegex(client.command("QUIT"), FINE)
        return found

    def session(self):
        pids = self.gate.pids("session")
        self.assertEqual(len(pids), 1)
        return pids[0]


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class Imap(_Case):
    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def setUp(self):
        self.user = self.id().rpartition(".")[2]
        self.server.append(self.user, letters(1, 2, 3, 4))

    def test_mail_that_comes_and_goes_between_two_visits(self):
        self.start(imap_backend(self.server))
        self.assertEqual(self.visit(dovecot.PASSWORD), letters(1, 2, 3, 4))
        kept = self.session()
        self.server.append(self.user, letters(5))
        self.assertEqual(self.visit(dovecot.PASSWORD, "DELE 1", "DELE 3"), letters(1, 2, 3, 4, 5))
        with self.server.imap(self.user) as other:
            other.select("INBOX")
            other.uid("STORE", "2", "+FLAGS", r"(\Deleted)")
            other.expunge()
        self.assertEqual(self.visit(dovecot.PASSWORD, "DELE 2"), letters(4, 5))
        self.assertEqual(self.visit(dovecot.PASSWORD), letters(4))
        self.assertEqual(self.session(), kept)

    def test_one_folder_by_several_names_is_kept_once(self):
        """And is never in use for its owner."""
        self.start(imap_backend(self.server), routes=[
            {"users": "*", "backend": "main", "folder_delimiter": "+", "folders": ["INBOX", "Other"]}])
        with self.server.imap(self.user) as mailbox:
            mailbox.create("Other")
        user = self.user
        for name in (user, f"{user}+inbox", user, user.upper(), f"{user}+INBOX", f"{user.upper()}+inbox", user):
            self.user = name
            self.assertEqual(self.visit(dovecot.PASSWORD), letters(1, 2, 3, 4))
            self.gate.wait_until(lambda: len(self.gate.pids("session")) == 1, "the others to end")
        kept = self.session()
        self.assertEqual(self.visit(dovecot.PASSWORD), letters(1, 2, 3, 4))
        self.assertEqual(self.session(), kept)
        self.user = f"{user}+Other"  # which is another one
        self.assertEqual(self.visit(dovecot.PASSWORD), [])
        self.assertEqual(len(self.gate.pids("session")), 2)

    def test_under_tls_on_both_sides(self):
        self.start(imap_backend(self.server, security="tls"), listeners=[IMPLICIT])
        for _ in range(3):
            self.assertEqual(self.visit(dovecot.PASSWORD, tls=True), letters(1, 2, 3, 4))
        self.assertEqual(self.gate.log().count("event=session_end"), 3)
        self.session()

    def test_without_root_and_with_the_sandbox(self):
        self.start(imap_backend(self.server), unprivileged=True,
                   sandbox="off" if SANITIZED else "required")
        self.visit(dovecot.PASSWORD, "DELE 1")
        kept = self.session()
        self.assertEqual(self.visit(dovecot.PASSWORD, "DELE 1"), letters(2, 3, 4))
        self.assertEqual(self.visit(dovecot.PASSWORD), letters(3, 4))
        self.assertEqual(self.session(), kept)

    def test_a_mailbox_that_was_emptied(self):
        self.start(imap_backend(self.server))
        self.visit(dovecot.PASSWORD, *(f"DELE {number}" for number in range(1, 5)))
        self.assertEqual(self.visit(dovecot.PASSWORD), [])
        self.server.append(self.user, letters(9))
        self.assertEqual(self.visit(dovecot.PASSWORD), letters(9))
        self.session()


class Maildir(_Case):
    def setUp(self):
        self.mail = LocalMail()
        self.addCleanup(self.mail.remove)
        self.mail.add("ann")
        for text in (b"Subject: 1\n\none\n", b"Subject: 2\n\ntwo\n"):
            self.mail.deliver("ann", text)
        self.start(self.mail.backend(), listeners=[CLEAR])

    def test_mail_that_comes_and_goes_between_two_visits(self):
        self.assertEqual(len(self.visit(localmail.PASSWORD, "DELE 1")), 2)
        kept = self.session()
        self.mail.deliver("ann", b"Subject: 3\n\nthree\n")
        self.assertEqual(self.visit(localmail.PASSWORD), [b"Subject: 2\r\n\r\ntwo\r\n", b"Subject: 3\r\n\r\nthree\r\n"])
        self.assertEqual(self.session(), kept)

    def test_another_maildir_in_its_place(self):
        self.visit(localmail.PASSWORD)
        kept = self.session()
        shutil.move(self.mail.home("ann"), self.mail.home("ann") + "-old")
        self.mail.add_folder("ann")
        self.mail.deliver("ann", b"Subject: other\n\nother\n")
        self.assertEqual(self.visit(localmail.PASSWORD), [b"Subject: other\r\n\r\nother\r\n"])
        self.assertEqual(self.session(), kept)

    def test_a_password_that_was_changed_no_longer_opens_it(self):
        self.visit(localmail.PASSWORD)
        self.mail.write(self.mail.password_file("ann"), b"*" + localmail.QUICK.encode() + b"\n")
        self.client(localmail.PASSWORD, rb"^-ERR \[AUTH\]")
        self.mail.write(self.mail.password_file("ann"), localmail.QUICK.encode() + b"\n")
        self.visit(localmail.PASSWORD)
        os.remove(self.mail.password_file("ann"))
        self.client(localmail.PASSWORD, rb"^-ERR \[AUTH\]")


class Closing(plugincase.FolderCase):
    def test_a_drop_that_is_slow_to_close_delays_no_login(self):
        """Its session has found that it is not for this login, and must say so at once."""
        plugincase.build(self.folder, "shaky", plugincase.SHAKY)
        with Gateway([{"name": "shaky", "plugin": "shaky", "way": "spin-close", "state": self.path("state")}],
                     limits=KEEP, plugin_directory=self.folder) as gate:
            for flag in ("NOOP", "UTF8"):  # a drop for clients without UTF8 is not for those with it
                with Client(gate.port, timeout=10) as client:
                    client.command(flag)
                    self.assertRegex(client.login("ann", "open sesame"), FINE)
                    self.assertRegex(client.command("QUIT"), FINE)
                    self.assertTrue(client.is_closed())
            for pid in gate.pids("session"):
                os.kill(pid, signal.SIGKILL)
            gate.expect_warning("event=session_died")
            gate.wait_until(lambda: not gate.pids("session"), "the sessions to end")


if __name__ == "__main__":
    tap.main()
