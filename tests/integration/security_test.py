"""How the gateway reaches a real IMAP server: each kind of security, and STARTTLS that somebody takes away.
tests/fault/starttls_test.py has the rest."""

import unittest

import dovecot
import tap
from dovecot import PASSWORD, Dovecot
from gateway import Gateway, imap_backend
from pop3client import Client
from proxy import Proxy

MESSAGE = b"Subject: one\r\n\r\ntext\r\n"


def setUpModule():
    if not dovecot.available():
        raise unittest.SkipTest("there is no Dovecot on this machine")


class GoodServer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.server.append("reader", [MESSAGE])

    def read(self, backend):
        with Gateway([backend]) as gate, Client(gate.port) as client:
            self.assertRegex(client.login("reader", PASSWORD), rb"^\+OK")
            self.assertEqual(client.multiline("RETR 1"), MESSAGE)
            self.assertRegex(client.command("QUIT"), rb"^\+OK")

    def refused(self, backend, user, password, code, *warnings):
        with Gateway([backend]) as gate, Client(gate.port) as client:
            for pattern in warnings:
                gate.expect_warning(pattern)
            self.assertRegex(client.login(user, password), rb"^-ERR " + code)
            # The connection lives on in AUTHORIZATION.
            self.assertRegex(client.command("CAPA"), rb"^\+OK")

    def test_mail_comes_over_implicit_tls(self):
        self.read(imap_backend(self.server, security="tls"))

    def test_mail_comes_over_starttls(self):
        self.read(imap_backend(self.server, security="starttls"))

    def test_mail_comes_in_clear_where_told_so(self):
        self.read(imap_backend(self.server, security="none"))

    def test_starttls_hides_name_password_and_mail(self):
        with Proxy(self.server.imap_port) as proxy:
            self.read(imap_backend(self.server, security="starttls", port=proxy.port))
            self.assertIn(b"STARTTLS", bytes(proxy.sent))
            for word in (b"reader", PASSWORD.encode(), b"LOGIN", b"AUTHENTICATE", b"SELECT"):
                self.assertNotIn(word, bytes(proxy.sent))

    def test_wrong_password_is_auth(self):
        for security in ("tls", "starttls", "none"):
            with self.subTest(security=security):
                self.refused(imap_backend(self.server, security=security), "reader", "wrong", rb"\[AUTH\]")

    def test_good_login_follows_a_wrong_password_on_the_same_connection(self):
        with Gateway([imap_backend(self.server)]) as gate, Client(gate.port) as client:
            self.assertRegex(client.login("reader", "wrong"), rb"^-ERR \[AUTH\]")
            self.assertRegex(client.login("reader", PASSWORD), rb"^\+OK")

    def test_missing_folder_needs_an_administrator(self):
        backend = imap_backend(self.server, folder="No such folder")
        self.refused(backend, "reader", PASSWORD, rb"\[SYS/PERM\]", r"event=login_failed .*status=perm")

    def test_another_folder_is_the_maildrop_where_configured(self):
        self.server.append("folders", [b"Subject: elsewhere\r\n\r\n1\r\n"], folder="Eing&AOQ-nge")
        with Gateway([imap_backend(self.server, folder="Eingänge")]) as gate, Client(gate.port) as client:
            self.assertRegex(client.login("folders", PASSWORD), rb"^\+OK 1 messages")
            self.assertIn(b"elsewhere", client.multiline("RETR 1"))

    def test_server_that_is_down_is_temporary(self):
        for security in ("tls", "starttls", "none"):
            with self.subTest(security=security):
                backend = imap_backend(self.server, security=security, port=dovecot.free_port())
                self.refused(backend, "reader", PASSWORD, rb"\[SYS/TEMP\]", r"event=login_failed .*status=temp")

    def test_password_never_stands_in_the_log(self):
        with Gateway([imap_backend(self.server)], log={"level": "debug"}) as gate:
            for password in ("hush-hush", PASSWORD):
                with Client(gate.port) as client:
                    client.login("reader", password)
            gate.wait_for_log("event=session_end")
            for word in ("hush-hush", "pass=" + PASSWORD, f'"{PASSWORD}"'):
                self.assertNotIn(word, gate.log())


class StrippedStarttls(unittest.TestCase):
    """Somebody in between takes STARTTLS away: no credential, [SYS/TEMP]."""

    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()

    def try_login(self, **proxy_options):
        with Proxy(self.server.imap_port, **proxy_options) as proxy:
            with Gateway([imap_backend(self.server, security="starttls", port=proxy.port)]) as gate:
                gate.expect_warning(r"event=login_failed .*status=temp .*STARTTLS")
                with Client(gate.port) as client:
                    self.assertRegex(client.login("reader", PASSWORD), rb"^-ERR \[SYS/TEMP\]")
            for word in (b"LOGIN", b"AUTHENTICATE", PASSWORD.upper().encode(), b"READER"):
                self.assertNotIn(word, bytes(proxy.sent).upper())

    def test_input_35_capability_without_starttls_gets_no_password(self):
        self.try_login(from_server=lambda data: data.replace(b" STARTTLS", b""))

    def test_input_35_no_to_starttls_gets_no_password(self):
        self.try_login(from_client=lambda data: data.replace(b"STARTTLS", b"NOTHING!"))

    def test_input_35_alert_that_asks_for_a_login_in_clear_gets_no_password(self):
        self.try_login(from_server=lambda data: data.replace(b"OK Begin TLS negotiation now.",
                                                             b"NO [ALERT] Please log in now."))


if __name__ == "__main__":
    tap.main()
