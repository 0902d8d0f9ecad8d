"""The PROXY protocol: who a connection is for is what a trusted proxy says, and only a trusted one says anything."""

import errno
import os
import poplib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

import accountlist
import tap
from examplecase import ExampleCase, wait_until
from gateway import CLEAR, IMPLICIT, STARTTLS, Gateway, example_backend
from pop3client import Client, trusting

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FRONT_OF = {"proxy_protocol": True, "proxy_networks": ["127.0.0.0/28"]}
HAPROXY = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")


def line(source, family="TCP4", destination=None):
    return f"PROXY {family} {source} {destination or source} 40000 110\r\n".encode()


def octets(source, command=0x21, more=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source)
    body = address + address + (40000).to_bytes(2, "big") + (110).to_bytes(2, "big") + more
    return SIGNATURE + bytes((command, 0x21 if ":" in source else 0x11)) + len(body).to_bytes(2, "big") + body


LOCAL = SIGNATURE + b"\x20\x00\x00\x00"


class Proxied(Client):
    """Comes as a proxy does: the header, and nothing before it. TLS only after it."""

    def __init__(self, port, header, *, source="127.0.0.1", tls=False):
        self.socket = socket.create_connection(("127.0.0.1", port), 20, (source, 0))
        for piece in header if isinstance(header, (list, tuple)) else [header]:
            self.socket.sendall(piece)
            time.sleep(0.002 if isinstance(header, (list, tuple)) else 0)
        if tls:
            self.socket = trusting().wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()


class ProxyCase(ExampleCase):
    def gateway(self, *listeners, **options):
        return super().gateway(listeners=[{**one, **FRONT_OF} for one in listeners or (CLEAR,)], **options)

    def proxied(self, gate, header, port=0, **options):
        client = Proxied(gate.ports[port], header, **options)
        self.addCleanup(client.close)
        return client

    def raw(self, gate, data, source="127.0.0.1"):
        """Sends it and returns everything that comes."""
        with socket.create_connection(("127.0.0.1", gate.port), 20, (source, 0)) as connection:
            received = b""
            try:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while octet := connection.recv(4096):
                    received += octet
            except OSError as error:
                self.assertIn(error.errno, (errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE))
            return received

    def peer_of(self, gate, user):
        return gate.wait_for_log(rf"event=session_end .*user={user} peer=(\S+)").group(1)


class Told(ProxyCase):
    def assert_peer(self, gate, header, user, peer, **options):
        client = self.proxied(gate, header, **options)
        self.assertRegex(client.greeting, rb"^\+OK")
        self.assertRegex(client.login(user, "password"), rb"^\+OK")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.peer_of(gate, user), peer)

    def test_the_client_is_whom_the_proxy_names(self):
        gate = self.gateway()
        self.assert_peer(gate, line("192.0.2.7"), "a", "192.0.2.7")
        self.assert_peer(gate, line("2001:db8::7", "TCP6"), "b", "2001:db8::7")
        self.assert_peer(gate, line("::ffff:192.0.2.8", "TCP6"), "c", "192.0.2.8")
        self.assert_peer(gate, octets("192.0.2.9"), "d", "192.0.2.9")
        self.assert_peer(gate, octets("2001:db8::9"), "e", "2001:db8::9")
        self.assert_peer(gate, octets("::ffff:192.0.2.10"), "f", "192.0.2.10")
        self.assert_peer(gate, octets("192.0.2.11", more=b"\x04\x03\x00" + b"x" * 0x300), "g", "192.0.2.11")
        self.assert_peer(gate, octets("127.0.0.1"), "h", "127.0.0.1")

    def test_without_an_address_it_is_the_proxy(self):
        gate = self.gateway()
        self.assert_peer(gate, b"PROXY UNKNOWN\r\n", "a", "127.0.0.3", source="127.0.0.3")
        self.assert_peer(gate, b"PROXY UNKNOWN 192.0.2.7 192.0.2.7 1 2\r\n", "b", "127.0.0.3", source="127.0.0.3")
        self.assert_peer(gate, LOCAL, "c", "127.0.0.3", source="127.0.0.3")
        self.assert_peer(gate, octets("192.0.2.7", command=0x20), "d", "127.0.0.3", source="127.0.0.3")

    def test_tls_begins_right_behind_the_header(self):
        gate = self.gateway(IMPLICIT, STARTTLS)
        self.assert_peer(gate, line("192.0.2.7"), "a", "192.0.2.7", tls=True)
        self.assert_peer(gate, octets("192.0.2.8", more=b"\x20\x00\x02ab"), "b", "192.0.2.8", tls=True)
        client = self.proxied(gate, line("192.0.2.9"), 1)
        self.assertRegex(client.stls(), rb"^\+OK")
        self.assertRegex(client.login("c", "password"), rb"^\+OK")
        client.command("QUIT")
        self.assertEqual(self.peer_of(gate, "c"), "192.0.2.9")

    def test_header_and_first_octets_in_one_segment(self):
        gate = self.gateway(CLEAR, IMPLICIT)
        self.assertRegex(self.raw(gate, octets("192.0.2.7") + b"USER ann\r\nPASS password\r\nSTAT\r\nQUIT\r\n"),
                         rb"^(\+OK[^\r]*\r\n){5}$")
        # a client hello behind it, made without a socket
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        talk = trusting().wrap_bio(incoming, outgoing)
        with self.assertRaises(ssl.SSLWantReadError):
            talk.do_handshake()
        with socket.create_connection(("127.0.0.1", gate.ports[1]), 20) as connection:
            connection.sendall(line("192.0.2.8") + outgoing.read())
            while True:
                incoming.write(connection.recv(65536))
                try:
                    talk.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
            connection.sendall(outgoing.read())
            greeting = b""
            while not greeting:
                try:
                    greeting = talk.read()
                except ssl.SSLWantReadError:
                    incoming.write(connection.recv(65536))
            self.assertRegex(greeting, rb"^\+OK")

    def test_input_85_split_at_every_octet(self):
        gate = self.gateway()
        for header in (line("192.0.2.7"), octets("192.0.2.7", more=b"\x04\x00\x01x")):
            for cut in range(1, len(header)):
                with Proxied(gate.port, [header[:cut], header[cut:] + b"NOOP\r\n"]) as client:
                    self.assertRegex(client.greeting, rb"^\+OK", cut)
            with Proxied(gate.port, [header[at:at + 1] for at in range(len(header))]) as client:
                self.assertRegex(client.greeting, rb"^\+OK")


class Refused(ProxyCase):
    def test_input_85_nobody_else_is_let_in(self):
        gate = self.gateway()
        gate.expect_warning("127.0.0.99 is none of the proxy_networks")
        for header in (line("192.0.2.7"), octets("192.0.2.7"), LOCAL, b"", b"USER ann\r\n"):
            self.assertEqual(self.raw(gate, header, source="127.0.0.99"), b"")
        self.assertRegex(self.proxied(gate, LOCAL).greeting, rb"^\+OK")
        # one word about all of them
        self.assertEqual(len(re.findall("is none of the proxy_networks", gate.log())), 1)

    def test_input_85_from_a_proxy_the_header_is_mandatory(self):
        gate = self.gateway()
        gate.expect_warning("sent no sound header of the PROXY protocol")
        for data in (b"USER ann\r\n", b"\x16\x03\x01", b"PROXY TCP4 192.0.2.7\r\n", b"PROXY UNKNOWN", b"P" * 200,
                     b"PROXY " + b"x" * 200, SIGNATURE, SIGNATURE + b"\x21\x11\xff\xff" + b"x" * 5000,
                     SIGNATURE + b"\x21\x21\x00\x0c" + b"x" * 12, octets("192.0.2.7", command=0x31)):
            self.assertEqual(self.raw(gate, data), b"", data[:40])
        self.assertRegex(self.proxied(gate, LOCAL).greeting, rb"^\+OK")
        self.assertEqual(len(re.findall("sent no sound header", gate.log())), 1)

    def test_a_look_without_a_word_is_no_fault(self):
        gate = self.gateway()
        self.assertEqual(self.raw(gate, b""), b"")
        self.assertRegex(self.proxied(gate, LOCAL).greeting, rb"^\+OK")

    def test_input_85_a_header_that_does_not_come_ends_the_connection(self):
        gate = self.gateway(limits={"handshake_timeout": 1})
        for begun in (b"", b"PROXY TCP4 192", octets("192.0.2.7")[:20]):
            with socket.create_connection(("127.0.0.1", gate.port), 20) as connection:
                connection.sendall(begun)
                start = time.monotonic()
                try:
                    self.assertEqual(connection.recv(100), b"")
                except ConnectionResetError:
                    pass
                self.assertLess(time.monotonic() - start, 5)
                self.assertGreater(time.monotonic() - start, 0.8)

    def test_who_waits_for_a_header_costs_no_processor(self):
        gate = self.gateway()
        gate.expect_warning("sent no sound header of the PROXY protocol: it ended too soon")
        with socket.create_connection(("127.0.0.1", gate.port), 20) as connection:
            connection.sendall(b"PROXY TCP4 192.0.2.7 ")
            time.sleep(0.1)
            with open(f"/proc/{gate.pids('front')[0]}/stat", encoding="ascii") as file:
                before = file.read().rpartition(")")[2].split()[11:13]
            time.sleep(0.5)
            with open(f"/proc/{gate.pids('front')[0]}/stat", encoding="ascii") as file:
                after = file.read().rpartition(")")[2].split()[11:13]
            self.assertLess(sum(map(int, after)) - sum(map(int, before)), 10)

    def test_a_stop_ends_those_that_have_not_said_who_they_are(self):
        gate = self.gateway()
        with socket.create_connection(("127.0.0.1", gate.port), 20):
            time.sleep(0.1)
            gate.stop()

    def test_elsewhere_a_header_is_no_header(self):
        gate = ExampleCase.gateway(self)
        with Client(gate.port) as client:
            self.assertRegex(client.command("PROXY TCP4 192.0.2.7 192.0.2.1 1 2"), rb"^-ERR")


class Limits(ProxyCase):
    def is_served(self, gate, header, **options):
        try:
            client = self.proxied(gate, header, **options)
        except (OSError, EOFError):
            return None
        return client

    def test_a_connection_counts_for_its_client(self):
        gate = self.gateway(limits={"max_connections_per_address": 2})
        for source in ("192.0.2.7", "192.0.2.8", "127.0.0.1", "2001:db8::7"):
            held = [self.is_served(gate, octets(source)) for _ in range(2)]
            self.assertTrue(all(held), source)
            self.assertIsNone(self.is_served(gate, octets(source)), source)
            held[0].close()
            self.assertTrue(wait_until(lambda: self.is_served(gate, octets(source)) is not None, 5))
        # the same client, whatever the form
        self.assertIsNone(self.is_served(gate, line("::ffff:192.0.2.7", "TCP6")))
        self.assertIsNone(self.is_served(gate, line("2001:db8::1:7", "TCP6")))

    def test_a_proxy_may_have_as_many_as_it_likes(self):
        gate = self.gateway(limits={"max_connections_per_address": 2})
        for _ in range(6):
            self.assertIsNotNone(self.is_served(gate, LOCAL, source="127.0.0.3"))
            self.assertIsNotNone(self.is_served(gate, b"PROXY UNKNOWN\r\n", source="127.0.0.3"))

    def test_who_does_not_say_who_it_is_makes_way(self):
        gate = self.gateway(limits={"max_connections": 3})
        gate.expect_warning("limits.max_connections is reached")
        silent = [socket.create_connection(("127.0.0.1", gate.port), 20) for _ in range(6)]
        self.assertRegex(self.proxied(gate, octets("192.0.2.7")).login("ann", "password"), rb"^\+OK")
        for one in silent:
            one.close()

    def test_networks_of_accounts_are_the_clients(self):
        gate = Gateway([example_backend()], listeners=[{**CLEAR, **FRONT_OF}], accounts="accounts")
        self.addCleanup(gate.stop)
        accountlist.write(gate, accountlist.account("ann", upstream_secret="password", networks=["192.0.2.0/24"]))
        gate.start()
        for header in (octets("192.0.2.7"), line("::ffff:192.0.2.8", "TCP6")):
            client = self.proxied(gate, header)
            self.assertRegex(client.login("ann", "secret"), rb"^\+OK")
            client.command("QUIT")
        for header in (octets("198.51.100.7"), octets("127.0.0.1"), LOCAL, octets("2001:db8::c000:207")):
            self.assertRegex(self.proxied(gate, header).login("ann", "secret"), rb"^-ERR \[AUTH\]")

    def test_input_21_wrong_passwords_count_for_the_client(self):
        gate = self.gateway(limits={"login_penalty": 15})
        begun = time.monotonic()
        self.assertRegex(self.proxied(gate, octets("192.0.2.7")).login("ann", "wrong"), rb"^-ERR \[AUTH\]")
        self.assertGreater(time.monotonic() - begun, 1.9)
        begun = time.monotonic()
        self.assertRegex(self.proxied(gate, octets("192.0.2.8")).login("bob", "password"), rb"^\+OK")
        self.assertLess(time.monotonic() - begun, 1.5)
        self.assertRegex(self.proxied(gate, octets("192.0.2.7")).login("carl", "wrong"), rb"^-ERR \[AUTH\]")
        self.assertRegex(gate.log(), r"event=login_failed .*user=carl peer=192.0.2.7 .*delay=4 ")
        # what a proxy calls the loopback is an address like any other
        for number, user in enumerate(("dora", "emil")):
            self.assertRegex(self.proxied(gate, octets("127.0.0.1")).login(user, "wrong"), rb"^-ERR \[AUTH\]")
            self.assertRegex(gate.log(), rf"event=login_failed .*user={user} peer=127.0.0.1 .*delay={2 << number} ")


@unittest.skipIf(HAPROXY is None, "haproxy is not installed")
class RealProxy(ProxyCase):
    """haproxy itself, with the example that is installed."""

    @classmethod
    def setUpClass(cls):
        with open(os.path.join(os.environ["srcdir"], "etc/haproxy.cfg"), encoding="utf-8") as file:
            cls.example = file.read()

    def start(self, gate):
        folder = tempfile.mkdtemp(prefix="popgate-test-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder, True)
        with socket.socket() as one, socket.socket() as two:
            for each in (one, two):
                each.bind(("127.0.0.1", 0))
            clear, tls = one.getsockname()[1], two.getsockname()[1]
        text = self.example
        for old, new in (("bind :110", f"bind 127.0.0.1:{clear}"), ("bind :995", f"bind 127.0.0.1:{tls}"),
                         ("192.0.2.10:110", f"127.0.0.1:{gate.ports[0]}"),
                         ("192.0.2.10:995", f"127.0.0.1:{gate.ports[1]}"), ("inter 10s", "inter 200ms")):
            self.assertIn(old, text)
            text = text.replace(old, new)
        path = os.path.join(folder, "haproxy.cfg")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        with open(os.path.join(folder, "log"), "wb") as log:
            process = subprocess.Popen([HAPROXY, "-db", "-f", path], stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return clear, tls

    def test_through_haproxy(self):
        gate = self.gateway(STARTTLS, IMPLICIT)
        clear, tls = self.start(gate)

        def is_up():
            try:
                Client(clear).close()
                return True
            except (OSError, EOFError):
                return False
        self.assertTrue(wait_until(is_up, 10))
        with Client(clear, source="127.0.0.40") as client:
            self.assertRegex(client.stls(), rb"^\+OK")
            self.assertRegex(client.login("ann", "password"), rb"^\+OK")
            client.command("QUIT")
        self.assertEqual(self.peer_of(gate, "ann"), "127.0.0.40")
        client = poplib.POP3_SSL("127.0.0.1", tls, context=trusting(), timeout=20)
        client.user("bob")
        client.pass_("password")
        self.assertEqual(len(client.list()[1]), 3)
        client.quit()
        self.assertEqual(self.peer_of(gate, "bob"), "127.0.0.1")
        # some health checks later it is still there, and there is nothing to complain of
        time.sleep(1)
        self.assertTrue(is_up())


class Configuration(ProxyCase):
    def check_config(self, **listener):
        gate = Gateway([example_backend()], listeners=[{**CLEAR, **listener}])
        self.addCleanup(gate.kill)
        gate.write_config()
        done = subprocess.run(gate.command("check"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        return done.returncode, done.stdout

    def test_faults(self):
        for listener, word in (({"proxy_protocol": True}, "needs the proxies' addresses"),
                               ({"proxy_networks": ["192.0.2.1"]}, "has no use without `proxy_protocol = true`"),
                               ({"proxy_protocol": True, "proxy_networks": ["192.0.2.1/24"]}, "is no network"),
                               ({"proxy_protocol": True, "proxy_networks": ["proxy.example.org"]}, "is no network"),
                               ({"proxy_protocol": True, "proxy_networks": []}, "is an empty list"),
                               ({"proxy_protocol": True, "proxy_networks": 3}, "proxy_networks")):
            status, text = self.check_config(**listener)
            self.assertNotEqual(status, 0, listener)
            self.assertIn(word, text)
            self.assertRegex(text, r"popgate.conf:\d+: ")
        status, text = self.check_config(proxy_protocol=True, proxy_networks=["192.0.2.1", "2001:db8::/32"])
        self.assertEqual(status, 0, text)
        status, text = self.check_config(proxy_protocol=True, proxy_networks="192.0.2.1")
        self.assertEqual(status, 0, text)


if __name__ == "__main__":
    tap.main()
