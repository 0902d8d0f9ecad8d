"""Mail programs that people really use, each in clear, with STLS and with TLS from the first octet."""

import os
import poplib
import re
import shutil
import stat
import subprocess
import unittest

import dovecot
import tap
from dovecot import PASSWORD, Dovecot
from gateway import CLEAR, IMPLICIT, STARTTLS, Gateway, imap_backend
from pop3client import trusting

MESSAGES = [b"From: a@example.org\r\nSubject: first\r\n\r\n.leading dot\r\n..two\r\n.\r\nlast\r\n",
            b"From: b@example.org\r\nSubject: second\r\n\r\n" + b"0123456789" * 7 + b"\r\n"]


def setUpModule():
    if not dovecot.available():
        raise unittest.SkipTest("there is no Dovecot on this machine")


class _Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.gate = Gateway([imap_backend(cls.server)], listeners=(CLEAR, STARTTLS, IMPLICIT))
        cls.addClassCleanup(cls.gate.stop)
        cls.gate.start()
        cls.clear, cls.starttls, cls.implicit = cls.gate.ports

    def setUp(self):
        self.user = self.id().rpartition(".")[2]
        self.server.append(self.user, MESSAGES)


class Poplib(_Clients):
    def read_all(self, connection):
        connection.user(self.user)
        connection.pass_(PASSWORD)
        count, octets = connection.stat()
        self.assertEqual((count, octets), (2, sum(map(len, MESSAGES))))
        found = [b"".join(line + b"\r\n" for line in connection.retr(i + 1)[1]) for i in range(count)]
        self.assertEqual(found, MESSAGES)
        connection.dele(1)
        self.assertTrue(connection.quit().startswith(b"+OK"))
        self.assertEqual(list(self.server.bodies(self.user).values()), MESSAGES[1:])

    def test_poplib_in_clear(self):
        self.read_all(poplib.POP3("127.0.0.1", self.clear, timeout=20))

    def test_poplib_with_stls(self):
        connection = poplib.POP3("localhost", self.starttls, timeout=20)
        connection.stls(trusting(self.gate.ca_file))
        self.read_all(connection)

    def test_poplib_with_implicit_tls(self):
        self.read_all(poplib.POP3_SSL("localhost", self.implicit, timeout=20,
                                      context=trusting(self.gate.ca_file)))


@unittest.skipUnless(shutil.which("curl"), "there is no curl on this machine")
class Curl(_Clients):
    def curl(self, *arguments):
        done = subprocess.run(("curl", "-sS", "--max-time", "20", "-u", f"{self.user}:{PASSWORD}",
                               "--cacert", self.gate.ca_file, *arguments), capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def read_all(self, base, *options):
        listing = self.curl(*options, base + "/")
        sizes = [int(line.split()[1]) for line in listing.splitlines()]
        self.assertEqual(sizes, [len(message) for message in MESSAGES])
        for number, message in enumerate(MESSAGES, 1):
            self.assertEqual(self.curl(*options, f"{base}/{number}"), message)
        self.curl(*options, "-X", "DELE", "-l", f"{base}/1")
        self.assertEqual(list(self.server.bodies(self.user).values()), MESSAGES[1:])

    def test_curl_in_clear(self):
        self.read_all(f"pop3://127.0.0.1:{self.clear}")

    def test_curl_with_stls(self):
        self.read_all(f"pop3://localhost:{self.starttls}", "--ssl-reqd")

    def test_curl_with_implicit_tls(self):
        self.read_all(f"pop3s://localhost:{self.implicit}")

    def test_curl_with_sasl_plain(self):
        self.read_all(f"pop3s://localhost:{self.implicit}", "--login-options", "AUTH=PLAIN")


@unittest.skipUnless(shutil.which("fetchmail"), "there is no fetchmail on this machine")
class Fetchmail(_Clients):
    """Runs in a private folder; a program of our own takes the mail."""

    def fetchmail(self, port, options, *arguments):
        folder = self.gate.path(f"fetchmail-{self.user}")
        os.makedirs(folder, exist_ok=True)
        mailbox = os.path.join(folder, "mail")
        script = os.path.join(folder, "deliver")
        with open(script, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\ncat >>{mailbox} && echo ==end== >>{mailbox}\n")
        os.chmod(script, 0o755)
        rc = os.path.join(folder, "rc")
        with open(rc, "w", encoding="ascii") as file:
            file.write(f'poll localhost protocol pop3 port {port} uidl\n'
                       f'  user "{self.user}" password "{PASSWORD}" mda "{script}" {options}\n')
        os.chmod(rc, stat.S_IRUSR | stat.S_IWUSR)
        done = subprocess.run(("fetchmail", "-f", rc, "--nosyslog", "--timeout", "20", "-N",
                               "--pidfile", os.path.join(folder, "pid"), *arguments),
                              env={**os.environ, "FETCHMAILHOME": folder, "HOME": folder}, capture_output=True,
                              timeout=60, check=False)
        text = (done.stdout + done.stderr).decode(errors="replace")
        if not os.path.exists(mailbox):
            return done.returncode, text, []
        with open(mailbox, "rb") as file:
            mails = file.read().split(b"==end==\n")[:-1]
        os.unlink(mailbox)
        return done.returncode, text, mails

    def read_all(self, port, options):
        for arguments, expected, left in ((("--keep",), 2, 2), (("--keep",), 0, 2), (("--all", "--nokeep"), 2, 0)):
            status, text, mails = self.fetchmail(port, options, *arguments)
            # 1 is fetchmail's "no mail that is new".
            self.assertEqual(status, 0 if expected else 1, text)
            self.assertEqual(len(mails), expected, text)
            for mail, message in zip(mails, MESSAGES):
                header, _, body = mail.partition(b"\n\n")
                self.assertEqual(body, message.partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n"))
                self.assertIn(re.search(rb"Subject: \w+", message).group(), header)
            self.assertEqual(len(self.server.bodies(self.user)), left)

    def test_fetchmail_in_clear(self):
        self.read_all(self.clear, "sslproto ''")

    def test_fetchmail_with_stls(self):
        self.read_all(self.starttls, f"sslproto 'auto' sslcertck sslcertfile '{self.gate.ca_file}'")

    def test_fetchmail_with_implicit_tls(self):
        self.read_all(self.implicit, f"ssl sslcertck sslcertfile '{self.gate.ca_file}'")


if __name__ == "__main__":
    tap.main()
