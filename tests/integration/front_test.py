"""What a client may do to the gateway before and after login, over TCP and TLS."""

import base64
import os
import re
import socket
import ssl
import threading
import time
import unittest
import warnings

import tap
from gateway import CLEAR, IMPLICIT, STARTTLS, Gateway, example_backend, memory_bound
from pop3client import Client, trusting

GREETING = b"+OK popgate ready\r\n"
MEBIBYTE = 1 << 20
GROWTH_MAX = memory_bound(2 * MEBIBYTE)  # of a process, whatever a client does


def plain(user, password="password", authzid=""):
    return base64.b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()


def until_closed(connection):
    """All that comes until the connection ends, however it ends."""
    received = b""
    try:
        while octets := connection.recv(65536):
            received += octets
    except ConnectionResetError:
        pass
    return received


def send_until_refused(connection, octets, times):
    """Sends the same octets again and again until the other side has closed. Returns how many were taken."""
    taken = 0
    try:
        for _ in range(times):
            connection.sendall(octets)
            taken += len(octets)
    except OSError:
        pass
    return taken


class _Front(unittest.TestCase):
    """One gateway before plugin example for all tests of a class. Each test takes names of its own."""

    listeners = (CLEAR,)
    backend = {}
    options = {}

    @classmethod
    def setUpClass(cls):
        cls.gate = Gateway([example_backend(**cls.backend)], listeners=cls.listeners, **cls.options)
        cls.addClassCleanup(cls.gate.stop)
        cls.gate.start()

    def client(self, port=0, **options):
        client = Client(self.gate.ports[port], **options)
        self.addCleanup(client.close)
        return client

    def logged_in(self, user, port=0, **options):
        client = self.client(port, **options)
        self.assertRegex(client.login(user, "password"), rb"^\+OK")
        return client

    def connect(self, port=0, **options):
        connection = socket.create_connection(("127.0.0.1", self.gate.ports[port]), 20, **options)
        self.addCleanup(connection.close)
        return connection

    def assert_closed_within(self, connection, least, most, since):
        """The connection ends, in silence but for a greeting, in good time."""
        self.assertIn(until_closed(connection), (b"", GREETING))
        took = time.monotonic() - since
        self.assertGreater(took, least)
        self.assertLess(took, most)

    @staticmethod
    def resident_peak(*pids):
        """The most memory that processes ever had, in octets."""
        sum_of_all = 0
        for pid in pids:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                sum_of_all += int(re.search(r"^VmHWM:\s+(\d+) kB", file.read(), re.M).group(1)) * 1024
        return sum_of_all

    def front_peak(self):
        return self.resident_peak(*self.gate.pids("front"))

    def session_end(self, user):
        return self.gate.wait_for_log(f"event=session_end user={user} .*").group()


class Tls(_Front):
    listeners = (STARTTLS, IMPLICIT, {**STARTTLS, "cleartext_login": True})

    def capabilities(self, client):
        return client.multiline("CAPA").split(b"\r\n")

    def handshake(self, version, port=1):
        """A TLS connection of one version."""
        context = trusting(self.gate.ca_file)
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        return self.secure(context, self.connect(port))

    def secure(self, context, connection):
        secured = context.wrap_socket(connection, server_hostname="localhost", suppress_ragged_eofs=False)
        self.addCleanup(secured.close)
        return secured

    def test_stls_secures_the_connection_and_the_login(self):
        client = self.client()
        self.assertRegex(client.stls(), rb"^\+OK")
        self.assertEqual(client.socket.version(), "TLSv1.3")
        self.assertRegex(client.login("stls", "password"), rb"^\+OK")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertIn("tls=TLSv1.3", self.session_end("stls"))

    def test_input_02_stls_is_announced_before_tls_only(self):
        client = self.client()
        before = self.capabilities(client)
        self.assertIn(b"STLS", before)
        self.assertNotIn(b"USER", before)
        self.assertFalse([line for line in before if line.startswith(b"SASL")])
        client.stls()
        after = self.capabilities(client)
        self.assertNotIn(b"STLS", after)
        self.assertIn(b"USER", after)
        self.assertIn(b"SASL PLAIN LOGIN", after)
        client.login("announced", "password")
        self.assertNotIn(b"STLS", self.capabilities(client))

    def test_what_is_announced_before_login_is_announced_after_it(self):
        client = self.client()
        before = set(self.capabilities(client))
        client.stls()
        before |= set(self.capabilities(client))
        client.login("superset", "password")
        missing = before - set(self.capabilities(client))
        self.assertEqual(missing, {b"STLS", b"USER", b"SASL PLAIN LOGIN"})

    def test_stls_sends_no_second_greeting(self):
        client = self.client()
        client.stls()
        client.socket.settimeout(0.2)
        self.assertRaises(TimeoutError, client.socket.recv, 1)

    def test_input_03_stls_twice_is_refused(self):
        client = self.client()
        client.stls()
        self.assertRegex(client.command("STLS"), rb"^-ERR")
        self.assertRegex(client.login("twice", "password"), rb"^\+OK")

    def test_input_03_stls_after_login_is_refused(self):
        client = self.logged_in("late", 2)
        self.assertRegex(client.command("STLS"), rb"^-ERR")
        self.assertRegex(client.command("NOOP"), rb"^\+OK")

    def test_input_03_under_implicit_tls_stls_is_refused_and_not_announced(self):
        client = self.client(1, tls=True)
        self.assertNotIn(b"STLS", self.capabilities(client))
        self.assertRegex(client.command("STLS"), rb"^-ERR")
        self.assertRegex(client.login("implicit", "password"), rb"^\+OK")

    def test_input_02_stls_forgets_the_name_that_user_gave(self):
        client = self.client(2)
        self.assertRegex(client.command("USER forgotten"), rb"^\+OK")
        client.stls()
        self.assertRegex(client.command("PASS password"), rb"^-ERR USER")
        self.assertNotIn("forgotten", self.gate.log())

    def test_input_01_commands_that_came_with_stls_are_never_executed(self):
        self.gate.expect_warning("octets after STLS")
        for tail in (b"USER injected\r\nPASS password\r\n", b"C", b"\r\n", b"CAPA\r\n" * 1000):
            with self.subTest(tail=tail[:20]):
                connection = self.connect(2)
                self.assertEqual(connection.recv(100), GREETING)
                connection.sendall(b"STLS\r\n" + tail)
                received = until_closed(connection)
                self.assertIn(received.count(b"\r\n"), (0, 1))
                self.assertRegex(received, rb"^(\+OK begin TLS negotiation now\r\n)?$")
        self.assertNotIn("injected", self.gate.log())

    def test_input_01_handshake_that_came_with_stls_is_not_taken_either(self):
        self.gate.expect_warning("octets after STLS")
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = trusting().wrap_bio(incoming, outgoing)
        self.assertRaises(ssl.SSLWantReadError, hello.do_handshake)
        connection = self.connect()
        connection.recv(100)
        connection.sendall(b"STLS\r\n" + outgoing.read())
        self.assertRegex(until_closed(connection), rb"^(\+OK [^\r]*\r\n)?$")

    def test_every_end_is_announced_by_close_notify(self):
        endings = {"quit before login": b"QUIT\r\n",
                   "quit after login": b"USER %s\r\nPASS password\r\nQUIT\r\n",
                   "unknown commands": b"A\r\nB\r\nC\r\n",
                   "nul after login": b"USER %s\r\nPASS password\r\n\0\r\n"}
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name, octets in endings.items():
                with self.subTest(version=version, name=name):
                    connection = self.handshake(version)
                    connection.sendall(octets.replace(b"%s", name.replace(" ", "-").encode()))
                    while connection.recv(1000):  # an end without close_notify raises SSLEOFError
                        pass

    def test_input_05_garbage_instead_of_a_handshake_closes_the_connection(self):
        for octets in (os.urandom(4096), b"GET / HTTP/1.1\r\n\r\n", b"USER ann\r\n" * 10, b"\x16\x03\x01\xff\xff" + b"x" * 70_000):
            with self.subTest(octets=octets[:10]):
                connection = self.connect(1)
                send_until_refused(connection, octets, 1)
                self.assertNotIn(b"+OK", until_closed(connection))
        connection = self.connect()
        connection.recv(100)
        connection.sendall(b"STLS\r\n")
        self.assertRegex(connection.recv(100), rb"^\+OK")
        connection.sendall(b"USER ann\r\nPASS password\r\n" * 10)
        self.assertNotRegex(until_closed(connection), rb"\+OK|-ERR")
        self.assertRegex(self.client(1, tls=True).greeting, rb"^\+OK")


class Deadlines(_Front):
    """handshake_timeout is 1 s, login_timeout 2 s: absolute, whatever trickles in."""

    listeners = (CLEAR, IMPLICIT, STARTTLS)
    options = {"limits": {"handshake_timeout": 1, "login_timeout": 2}}

    def drip(self, connection, octets, interval):
        """Sends octet by octet beside the test, until the connection ends."""
        def run():
            try:
                for octet in octets:
                    connection.sendall(bytes((octet,)))
                    time.sleep(interval)
            except OSError:
                pass
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join)

    def test_input_05_silent_handshake_is_closed(self):
        start = time.monotonic()
        self.assert_closed_within(self.connect(1), 0.9, 1.9, start)

    def test_input_05_dripping_handshake_is_closed(self):
        start = time.monotonic()
        connection = self.connect(1)
        self.drip(connection, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 0.1)
        self.assert_closed_within(connection, 0.9, 1.9, start)

    def test_input_05_silent_handshake_after_stls_is_closed(self):
        start = time.monotonic()
        connection = self.connect(2)
        connection.recv(100)
        connection.sendall(b"STLS\r\n")
        connection.recv(100)
        self.assert_closed_within(connection, 0.9, 1.9, start)

    def test_input_29_silent_client_is_closed_without_a_word(self):
        start = time.monotonic()
        self.assert_closed_within(self.connect(), 1.9, 3, start)

    def test_input_29_dripping_client_is_closed_without_a_word(self):
        start = time.monotonic()
        connection = self.connect()
        self.drip(connection, b"USER somebody-who-types-slowly", 0.2)
        self.assert_closed_within(connection, 1.9, 3, start)

    def test_input_29_commands_do_not_push_the_deadline_off(self):
        start = time.monotonic()
        connection = self.connect()
        self.drip(connection, b"LANG en\r\nUSER ann\r\n" * 100, 0.03)
        self.assertRegex(until_closed(connection), rb"\+OK")
        self.assertLess(time.monotonic() - start, 3)

    def test_input_29_tls_does_not_push_the_deadline_off(self):
        context = trusting()
        for port, pause, most in ((1, 0.5, 2.4), (2, 1.2, 3)):
            with self.subTest(port=port):
                start = time.monotonic()
                connection = self.connect(port)
                time.sleep(pause)
                if port == 2:
                    connection.recv(100)
                    connection.sendall(b"STLS\r\n")
                    connection.recv(100)
                secured = context.wrap_socket(connection)
                self.addCleanup(secured.close)
                try:
                    self.assertIn(until_closed(secured), (b"", GREETING))
                except ssl.SSLError:
                    pass
                took = time.monotonic() - start
                self.assertGreater(took, 1.9)
                self.assertLess(took, most)

    def test_client_that_logged_in_is_not_subject_to_it(self):
        client = self.logged_in("patient")
        secured = self.logged_in("patient-too", 1, tls=True)
        time.sleep(2.3)
        self.assertRegex(client.command("NOOP"), rb"^\+OK")
        self.assertRegex(secured.command("NOOP"), rb"^\+OK")


class Authorization(_Front):
    listeners = (CLEAR, {**CLEAR, "address": "::1"})
    backend = {"password": "password"}
    options = {"fronts": 2, "limits": {"max_connections_per_address": 3}}

    def assert_spoken_to(self, first, most):
        """A connection that begins with these octets ends, having heard no more than `most`."""
        connection = self.connect()
        send_until_refused(connection, first, 1)
        received = until_closed(connection)
        self.assertTrue((GREETING + most).startswith(received), received)

    def test_input_08_other_protocols_are_closed_and_nothing_comes_back(self):
        for first in (b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", b"EHLO example.org\r\n", b"HELO example.org\r\n",
                      b"POST / HTTP/1.0\r\n\r\nUSER ann\r\nPASS password\r\n", b"SSH-2.0-OpenSSH_9.2\r\n",
                      b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            with self.subTest(first=first):
                self.assert_spoken_to(first, b"")

    def test_input_09_third_unknown_command_closes_the_connection(self):
        client = self.client()
        client.send(b"A\r\nCAPA\r\nB\r\nC\r\nUSER ann\r\n")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertRegex(client.line(), rb"^\+OK")
        client.lines()
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertEqual(until_closed(client.socket), b"")

    def test_input_10_overlong_command_is_refused_and_skipped(self):
        client = self.client()
        client.send(b"USER " + b"x" * 249 + b"\r\nQUIT" + b" " * 5000 + b"\r\nLANG en\r\n")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertRegex(client.line(), rb"^\+OK en")

    def test_input_12_nul_closes_the_connection(self):
        self.assert_spoken_to(b"USER a\0nn\r\nUSER ann\r\nPASS password\r\n", b"-ERR NUL in a command\r\n")

    def test_input_11_endless_line_is_not_kept(self):
        before = self.front_peak()
        connection = self.connect()
        taken = send_until_refused(connection, b"x" * MEBIBYTE, 64)
        self.assertLess(taken, 32 * MEBIBYTE)
        self.assertIn(until_closed(connection), (b"", GREETING))
        self.assertLess(self.front_peak() - before, GROWTH_MAX)

    def test_sasl_exchange_ends_well_or_with_an_error_and_goes_on(self):
        client = self.client()
        exchanges = (("AUTH PLAIN", "*", rb"^-ERR"), ("AUTH PLAIN", "!", rb"^-ERR"), ("AUTH PLAIN", "=", rb"^-ERR"),
                     ("AUTH PLAIN", "", rb"^-ERR"), ("AUTH PLAIN", "AAAA", rb"^-ERR malformed"),
                     ("AUTH PLAIN", "QUIT", rb"^-ERR"), ("AUTH PLAIN", "A" * 17_000, rb"^-ERR line too long"),
                     ("AUTH PLAIN", plain("sasl", "wrong"), rb"^-ERR \[AUTH\]"))
        for command, response, reply in exchanges:
            with self.subTest(response=response[:20]):
                self.assertEqual(client.command(command), b"+ ")
                self.assertRegex(client.command(response), reply)
        for line, reply in ((f"AUTH PLAIN {'A' * 17_000}", rb"^-ERR line too long"), ("AUTH PLAIN =", rb"^-ERR malformed"),
                            ("AUTH PLAIN AA", rb"^-ERR"), ("AUTH NTLM", rb"^-ERR"), ("AUTH GSSAPI", rb"^-ERR"),
                            ("AUTH NTLM", rb"^-ERR"), (f"AUTH CRAM-MD5 {plain('x')}", rb"^-ERR")):
            with self.subTest(line=line[:20]):
                self.assertRegex(client.command(line), reply)
        self.assertEqual(client.multiline("AUTH"), b"PLAIN\r\nLOGIN\r\n")
        self.assertEqual(client.command("AUTH PLAIN"), b"+ ")
        self.assertRegex(client.command(plain("sasl")), rb"^\+OK")

    def test_sasl_login_takes_name_and_password(self):
        client = self.client()
        self.assertEqual(client.command("AUTH LOGIN"), b"+ " + base64.b64encode(b"Username:"))
        self.assertEqual(client.command(base64.b64encode(b"login").decode()), b"+ " + base64.b64encode(b"Password:"))
        self.assertRegex(client.command("*"), rb"^-ERR")
        self.assertEqual(client.command("AUTH LOGIN"), b"+ " + base64.b64encode(b"Username:"))
        client.command(base64.b64encode(b"login").decode())
        self.assertRegex(client.command(base64.b64encode(b"password").decode()), rb"^\+OK")

    def test_input_10_long_response_comes_by_continuation(self):
        # No more than wrong: it was taken whole.
        client = self.client()
        response = plain("long", "x" * 200)
        self.assertEqual(client.command("AUTH PLAIN"), b"+ ")
        self.assertRegex(client.command(response), rb"^-ERR \[AUTH\]")
        self.assertRegex(client.command(f"AUTH PLAIN {response}"), rb"^-ERR \[AUTH\]")

    def test_acting_for_somebody_else_is_refused_as_a_credential(self):
        client = self.client()
        self.assertRegex(client.command(f"AUTH PLAIN {plain('authcid', authzid='other')}"), rb"^-ERR \[AUTH\]")
        self.assertRegex(client.command(f"AUTH PLAIN {plain('authcid', authzid='authcid')}"), rb"^\+OK")

    def test_credentials_that_are_none_go_nowhere(self):
        before = self.gate.log().count("status=auth")
        client = self.client()
        for line in (f"AUTH PLAIN {plain('none', '')}", f"AUTH PLAIN {plain('', 'password')}",
                     f"AUTH PLAIN {plain('none', 'pass' + chr(0) + 'word')}", f"AUTH PLAIN {plain('none', 'a' + chr(10))}",
                     f"AUTH PLAIN {plain('no' + chr(13) + 'ne')}", "PASS password"):
            with self.subTest(line=line):
                self.assertRegex(client.command(line), rb"^-ERR (?!\[)")
        self.assertRegex(client.command("USER none"), rb"^\+OK")
        self.assertRegex(client.command("PASS "), rb"^-ERR (?!\[)")
        client.send(b"USER n\xe4me\r\n")
        self.assertRegex(client.line(), rb"^-ERR (?!\[)")
        self.assertEqual(self.gate.log().count("status=auth"), before)
        self.assertNotRegex(self.gate.log(), "user=none .*status=(?!malformed)")

    def test_awkward_name_is_one_harmless_line_of_the_log(self):
        names = ("esc\x1b[2Jape", "line\r\nlevel=warn event=forged", 'quote" user=forged', "back\\slash=1",
                 "c1\u009b2J", "separator\u2028line", "blanks in it ")
        for name in names:
            with self.subTest(name=name):
                before = self.gate.log().count("event=login_failed")
                client = self.client()
                self.assertRegex(client.command(f"AUTH PLAIN {plain(name, 'wrong')}"), rb"^-ERR")
                self.gate.wait_until(lambda: self.gate.log().count("event=login_failed") > before, "a log line")
                with open(self.gate.log_file, "rb") as file:
                    log = file.read()
                self.assertEqual(log.count(b"event=login_failed"), before + 1)
                self.assertNotRegex(log, rb"[^\x20-\x7e\n]")
                self.assertNotRegex(log, rb"(?m)^(?!time=).")
                self.assertNotIn(b" user=forged", log.replace(b'\\x22 user=forged', b""))

    def test_tenth_wrong_password_closes_the_connection(self):
        client = self.client()
        for _ in range(10):
            self.assertRegex(client.login("guessed", "wrong"), rb"^-ERR \[AUTH\]")
        self.assertTrue(client.is_closed())

    def test_wrong_password_says_the_same_for_every_name_and_not_that_it_is_in_use(self):
        self.logged_in("known")
        replies = {self.client().login(name, "wrong") for name in ("known", "unknown")}
        self.assertEqual(len(replies), 1)
        self.assertRegex(replies.pop(), rb"^-ERR \[AUTH\]")

    def test_what_comes_during_a_login_waits_for_its_end(self):
        # The maildrop is in use: the gateway waits for it for two seconds before it says so.
        self.logged_in("busy")
        client = self.client()
        client.send(b"USER busy\r\nPASS password\r\nUSER free\r\nPASS password\r\nSTAT\r\n")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^-ERR \[IN-USE\]")
        self.assertRegex(client.line(), rb"^\+OK send PASS")
        self.assertRegex(client.line(), rb"^\+OK 3 messages")
        self.assertRegex(client.line(), rb"^\+OK 3 ")

    def test_flood_during_a_login_is_not_kept(self):
        holder = self.logged_in("flooded")
        before = self.front_peak()
        client = self.client()
        client.send(b"USER flooded\r\nPASS password\r\n")
        client.socket.settimeout(1)
        taken = send_until_refused(client.socket, b"LANG en\r\n" * 50_000, 64)
        self.assertLess(self.front_peak() - before, GROWTH_MAX)
        self.assertLess(taken, 28 * MEBIBYTE)
        self.assertRegex(holder.command("NOOP"), rb"^\+OK")

    def test_client_that_leaves_during_a_login_leaves_nothing_behind(self):
        self.logged_in("held")
        sessions = len(self.gate.pids("session"))
        client = Client(self.gate.port)
        client.send(b"USER held\r\nPASS password\r\n")
        self.gate.wait_until(lambda: len(self.gate.pids("session")) == sessions + 1, "the second session")
        client.close()
        self.gate.wait_until(lambda: len(self.gate.pids("session")) == sessions, "the second session to go", 1)

    def test_clients_come_by_ipv6(self):
        client = Client(self.gate.ports[1], address="::1")
        self.addCleanup(client.close)
        self.assertRegex(client.login("six", "password"), rb"^\+OK")
        client.command("QUIT")
        self.assertIn("peer=::1 ", self.session_end("six"))

    def test_input_30_connections_of_one_address_are_counted_over_all_fronts(self):
        connections = [self.connect(source_address=("127.0.0.2", 0)) for _ in range(3)]
        for connection in connections:
            self.assertEqual(connection.recv(100), GREETING)
        for _ in range(4):
            self.assertEqual(until_closed(self.connect(source_address=("127.0.0.2", 0))), b"")
        # Others are served: another address, and this machine's own.
        self.assertEqual(self.connect(source_address=("127.0.0.3", 0)).recv(100), GREETING)
        for _ in range(5):
            self.assertEqual(self.connect().recv(100), GREETING)
        connections[0].close()

        def is_served():
            with socket.create_connection(("127.0.0.1", self.gate.port), 5, ("127.0.0.2", 0)) as connection:
                return connection.recv(100) == GREETING
        self.gate.wait_until(is_served, "room for one more")


class Passwords(_Front):
    backend = {"password": ' two  "words" %n {9} \\ ä '}

    def test_every_octet_of_a_password_counts(self):
        password = self.backend["password"]
        client = self.client()
        for other in (password.strip(), password.rstrip(), password.lstrip(), password.replace("  ", " ")):
            self.assertRegex(client.login("ann", other), rb"^-ERR \[AUTH\]")
        self.assertRegex(client.login("ann", password), rb"^\+OK")
        client.command("QUIT")
        self.assertRegex(self.client().command(f"AUTH PLAIN {plain('bob', password)}"), rb"^\+OK")
        self.assertNotIn("words", self.gate.log())


class Transaction(_Front):
    backend = {"messages": 100_000}
    options = {"limits": {"stall_timeout": 1}}

    def send_beside(self, client, octets):
        """Sends while the test reads."""
        thread = threading.Thread(target=send_until_refused, args=(client.socket, octets, 1), daemon=True)
        thread.start()
        self.addCleanup(thread.join)

    def test_whole_session_in_one_segment(self):
        client = self.client()
        client.send(b"CAPA\r\nUSER once\r\nPASS password\r\nSTAT\r\nRETR 1\r\nTOP 2 1\r\nUIDL 3\r\nDELE 1\r\nQUIT\r\n")
        self.assertRegex(client.line(), rb"^\+OK")
        client.lines()
        self.assertRegex(client.line(), rb"^\+OK send PASS")
        self.assertRegex(client.line(), rb"^\+OK 100000 messages")
        self.assertRegex(client.line(), rb"^\+OK 100000 ")
        self.assertRegex(client.line(), rb"^\+OK 57 octets")
        self.assertRegex(client.lines(), rb"Subject: message 1\r\n\r\nline 1\r\n$")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.lines(), rb"Subject: message 2\r\n\r\nline 1\r\n$")
        self.assertEqual(client.line(), b"+OK 3 example.3")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^\+OK .*1 messages removed")
        self.assertTrue(client.is_closed())

    def test_commands_during_a_long_reply_are_answered_after_it(self):
        client = self.logged_in("long")
        client.send(b"LIST\r\n")
        self.assertRegex(client.line(), rb"^\+OK")
        client.file.read(1000)
        client.send(b"RETR 2\r\nUIDL 3\r\n")
        client.lines()
        self.assertRegex(client.line(), rb"^\+OK 66 octets")
        client.lines()
        self.assertEqual(client.line(), b"+OK 3 example.3")

    def test_input_27_100000_commands_in_one_write_are_answered_in_order(self):
        others = self.gate.pids("session")
        client = self.logged_in("flood")
        pids = {"front": self.gate.pids("front")[0], "session": (set(self.gate.pids("session")) - set(others)).pop()}
        before = {role: self.resident_peak(pid) for role, pid in pids.items()}
        self.send_beside(client, b"".join(b"UIDL %d\r\n" % i for i in range(1, 100_001)))
        for i in range(1, 100_001):
            if client.line() != b"+OK %d example.%d" % (i, i):
                self.fail(f"reply {i}")
        for role, pid in pids.items():
            self.assertLess(self.resident_peak(pid) - before[role], GROWTH_MAX, role)
        self.assertRegex(client.command("QUIT"), rb"^\+OK")

    def test_input_09_20th_unknown_command_closes_the_session(self):
        client = self.logged_in("unknown")
        client.send(b"XYZZY\r\nNOOP\r\n" * 19 + b"XYZZY\r\nNOOP\r\n")
        for _ in range(19):
            self.assertRegex(client.line(), rb"^-ERR")
            self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertEqual(until_closed(client.socket), b"")
        self.assertIn("reason=abuse", self.session_end("unknown"))

    def test_input_10_overlong_command_is_refused_and_skipped(self):
        client = self.logged_in("overlong")
        client.send(b"STAT" + b" " * 250 + b"\r\nDELE" + b" " * 10_000 + b"1\r\nLIST 1\r\n")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertEqual(client.line(), b"+OK 1 57")

    def test_input_11_endless_line_closes_the_session_and_removes_nothing(self):
        client = self.logged_in("endless")
        client.command("DELE 1")
        before = self.front_peak()
        taken = send_until_refused(client.socket, b"x" * MEBIBYTE, 64)
        self.assertLess(taken, 32 * MEBIBYTE)
        self.assertEqual(until_closed(client.socket), b"")
        self.assertLess(self.front_peak() - before, GROWTH_MAX)
        self.assertIn("deleted=0", self.session_end("endless"))

    def test_input_12_nul_closes_the_session_and_removes_nothing(self):
        client = self.logged_in("nul")
        client.send(b"DELE 1\r\nQUIT\0\r\nQUIT\r\n")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertEqual(until_closed(client.socket), b"")
        self.assertIn("deleted=0", self.session_end("nul"))

    def stalled(self, user, commands):
        """A client that takes in little and reads nothing. Returns its connection when the gateway has let go."""
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", self.gate.port))
        start = time.monotonic()
        connection.sendall(b"USER %s\r\nPASS password\r\nDELE 1\r\n" % user.encode())
        thread = threading.Thread(target=send_until_refused, args=(connection, commands, 1), daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        end = self.session_end(user)
        self.assertGreater(time.monotonic() - start, 0.9)
        self.assertLess(time.monotonic() - start, 6)
        self.assertIn("deleted=0", end)
        self.assertNotIn("reason=quit", end)
        return connection

    def test_input_28_client_that_stops_reading_messages_is_closed_and_removes_nothing(self):
        connection = self.stalled("stalled", b"RETR 50\r\n" * 100_000 + b"QUIT\r\n")
        self.assertNotIn(b"goodbye", until_closed(connection))
        self.logged_in("stalled")

    def test_input_28_client_that_stops_reading_a_listing_is_closed_without_the_final_dot(self):
        connection = self.stalled("stuck", b"LIST\r\n" * 20)
        self.assertFalse(until_closed(connection).endswith(b"\r\n.\r\n"))
        self.logged_in("stuck")

    def test_client_that_reads_slowly_is_served(self):
        client = self.logged_in("slow")
        client.send(b"LIST\r\n")
        received = b""
        for _ in range(10):
            received += client.socket.recv(16384)
            time.sleep(0.25)
        while not received.endswith(b"\r\n.\r\n"):
            received += client.socket.recv(65536)
        self.assertEqual(received.count(b"\r\n"), 100_002)

    def test_half_closed_client_gets_all_its_answers(self):
        client = self.client()
        client.send(b"USER half\r\nPASS password\r\nLIST\r\nDELE 1\r\nQUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertEqual(client.lines().count(b"\r\n"), 100_000)
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^\+OK .*1 messages removed")
        self.assertTrue(client.is_closed())
        self.assertIn("deleted=1", self.session_end("half"))

    def test_client_that_half_closed_during_its_login_gets_its_answers(self):
        client = self.client()
        client.send(b"USER half-login\r\nPASS password\r\nDELE 1\r\nSTAT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        for reply in (rb"^\+OK send PASS", rb"^\+OK 100000 messages", rb"^\+OK", rb"^\+OK 99999 "):
            self.assertRegex(client.line(), reply)
        self.assertTrue(client.is_closed())
        self.assertIn("deleted=0", self.session_end("half-login"))

    def test_input_31_half_closed_client_without_quit_removes_nothing(self):
        client = self.logged_in("halfway")
        client.send(b"DELE 1\r\nQUIT")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertTrue(client.is_closed())
        self.assertIn("deleted=0", self.session_end("halfway"))

    def test_half_closed_client_before_login_gets_its_answers(self):
        client = self.client()
        client.send(b"LANG en\r\nUSER ann\r\nQUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertRegex(client.line(), rb"^\+OK en")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^\+OK goodbye")
        self.assertTrue(client.is_closed())

    def test_input_31_reset_instead_of_quit_removes_nothing(self):
        client = self.logged_in("reset")
        client.command("DELE 1")
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()
        self.assertIn("deleted=0", self.session_end("reset"))
        self.logged_in("reset")


if __name__ == "__main__":
    tap.main()
