"""TLS towards POP3 clients: profiles, protocol names, several certificates, and what a client may not do under it."""

import socket
import ssl
import subprocess
import time
import warnings

import imapscript
import tap
from examplecase import ExampleCase
from gateway import IMPLICIT, STARTTLS, Gateway, example_backend, imap_backend
from pop3client import trusting

VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1, "TLSv1.2": ssl.TLSVersion.TLSv1_2,
            "TLSv1.3": ssl.TLSVersion.TLSv1_3}
TAKEN = {"modern": {"TLSv1.3"}, "intermediate": {"TLSv1.2", "TLSv1.3"}, "legacy": set(VERSIONS)}
GREETING = b"+OK popgate ready\r\n"
LEGACY_WARNING = "profile legacy takes TLS 1.0"


def context_of(version=None, suites="ALL", protocols=(), ca_file=None):
    """What an old device, or a new one, would speak."""
    context = trusting(ca_file)
    context.set_ciphers(suites + ":@SECLEVEL=0")
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = VERSIONS[version]
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


class TlsCase(ExampleCase):
    def secure(self, context, port, stls=False, name="localhost", session=None):
        """A connection after its handshake, the greeting read."""
        raw = socket.create_connection(("127.0.0.1", port), 20)
        self.addCleanup(raw.close)
        if stls:
            raw.recv(100)
            raw.sendall(b"STLS\r\n")
            raw.recv(100)
        secured = context.wrap_socket(raw, server_hostname=name, session=session)
        self.addCleanup(secured.close)
        if not stls:
            self.assertEqual(secured.recv(100), GREETING)
        return secured

    def refused(self, alert, context, port, **options):
        with self.assertRaisesRegex(ssl.SSLError, alert):
            self.secure(context, port, **options).recv(1)

    def talk(self, connection, *lines):
        """The last reply."""
        for line in lines:
            connection.sendall(line.encode() + b"\r\n")
            reply = connection.recv(1000)
        return reply


class Profiles(TlsCase):
    """One listener for each profile and way; the default's says nothing of it. The certificate is an RSA one, for the
    sake of old suites."""

    @classmethod
    def setUpClass(cls):
        listeners, cls.ways = [], []
        for way in (IMPLICIT, STARTTLS):
            for profile in TAKEN:
                listeners.append(way if profile == "intermediate" else {**way, "profile": profile})
                cls.ways.append((profile, way is STARTTLS))
        cls.gate = Gateway([example_backend()], listeners=listeners)
        cls.addClassCleanup(cls.gate.stop)
        cls.gate.use_certificate(*cls.gate.authority.issue("rsa", rsa=True))
        cls.gate.expect_warning(LEGACY_WARNING)
        cls.gate.start()

    def test_input_06_old_versions_are_taken_by_a_legacy_listener_alone(self):
        for port, (profile, stls) in zip(self.gate.ports, self.ways):
            for version in VERSIONS:
                with self.subTest(profile=profile, stls=stls, version=version):
                    context = context_of(version)
                    if version in TAKEN[profile]:
                        connection = self.secure(context, port, stls)
                        self.assertEqual(connection.version(), version)
                        self.assertRegex(self.talk(connection, "CAPA"), rb"^\+OK")
                    else:
                        self.refused("(?i)alert.protocol.version", context, port, stls=stls)

    def test_each_legacy_listener_is_warned_of_at_start(self):
        self.assertEqual(len(self.gate.warnings()), 2)
        for port, (profile, _) in zip(self.gate.ports, self.ways):
            if profile == "legacy":
                self.assertRegex(self.gate.log(), rf"level=warn .*127\.0\.0\.1 port {port}: {LEGACY_WARNING}")

    def test_the_log_has_the_version_of_each_login(self):
        for version in VERSIONS:
            name = version.replace(".", "-")
            connection = self.secure(context_of(version), self.gate.ports[2])
            self.assertRegex(self.talk(connection, f"USER {name}", "PASS wrong"), rb"^-ERR \[AUTH\]")
            self.assertRegex(self.talk(connection, f"USER {name}", "PASS password", "QUIT"), rb"^\+OK")
            self.gate.wait_for_log(rf'event=login_failed user={name} .*tls={version} ')
            self.gate.wait_for_log(rf'event=session_end user={name} .*tls={version} ')

    def test_suites_without_aead_or_forward_secrecy_are_taken_by_a_legacy_listener_alone(self):
        for port, (profile, stls) in zip(self.gate.ports, self.ways):
            for suite in ("ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384", "AES128-GCM-SHA256", "AES256-SHA"):
                with self.subTest(profile=profile, stls=stls, suite=suite):
                    context = context_of("TLSv1.2", suite)
                    if profile == "legacy":
                        self.assertEqual(self.secure(context, port, stls).cipher()[0], suite)
                    else:
                        self.refused("(?i)alert.(handshake.failure|protocol.version)", context, port, stls=stls)

    def test_a_legacy_listener_prefers_the_best_suite(self):
        context = context_of("TLSv1.2", "AES256-SHA:AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256")
        self.assertEqual(self.secure(context, self.gate.ports[2]).cipher()[0], "ECDHE-RSA-AES128-GCM-SHA256")

    def test_a_client_that_puts_chacha20_first_gets_it(self):
        for first, second in (("CHACHA20", "AESGCM"), ("AESGCM", "CHACHA20")):
            context = context_of("TLSv1.2", f"ECDHE+{first}:ECDHE+{second}")
            self.assertEqual("CHACHA20" in self.secure(context, self.gate.ports[1]).cipher()[0], first == "CHACHA20")

    def test_tls_sessions_of_one_profile_are_not_resumed_under_another(self):
        legacy, usual = self.gate.ports[2], self.gate.ports[1]
        context = context_of("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256")
        session = self.secure(context, legacy).session
        self.assertTrue(self.secure(context, legacy, session=session).session_reused)
        self.assertFalse(self.secure(context, usual, session=session).session_reused)

    def test_input_07_protocol_names(self):
        for port, (profile, stls) in zip(self.gate.ports, self.ways):
            with self.subTest(profile=profile, stls=stls):
                for names in (["http/1.1"], ["imap", "smtp"], ["pop"], ["pop3s"]):
                    self.refused("(?i)alert.no.application.protocol", context_of(protocols=names), port, stls=stls)
                for names, chosen in ((["pop3"], "pop3"), (["h2", "pop3"], "pop3"), ([], None)):
                    connection = self.secure(context_of(protocols=names), port, stls)
                    self.assertEqual(connection.selected_alpn_protocol(), chosen)
                    self.assertRegex(self.talk(connection, "CAPA"), rb"^\+OK")


class Certificates(TlsCase):
    """Several, chosen by the name that the client asks for."""

    NAMES = {"first": "DNS:pop.example.org", "wild": "DNS:*.example.net", "exact": "DNS:mail.example.net,DNS:other.test"}

    @classmethod
    def setUpClass(cls):
        cls.gate = Gateway([example_backend()], listeners=[IMPLICIT, STARTTLS, {**IMPLICIT, "profile": "modern"}])
        cls.addClassCleanup(cls.gate.stop)
        issued = [cls.gate.authority.issue(name, alternatives=names) for name, names in cls.NAMES.items()]
        cls.gate.sections["tls"] = [{"certificate": certificate, "key": key} for certificate, key in issued]
        cls.gate.start()

    def served(self, name, port=0, version=None):
        """Which certificate is served to a client that asks for the name."""
        context = context_of(version, ca_file=self.gate.ca_file)
        context.check_hostname = False
        certificate = self.secure(context, self.gate.ports[port], stls=port == 1, name=name).getpeercert()
        return dict(pair for part in certificate["subject"] for pair in part)["commonName"]

    def test_the_name_asked_for_chooses_the_certificate(self):
        for port in range(3):
            for name, expected in (("pop.example.org", "first"), ("POP.Example.ORG", "first"), ("a.example.net", "wild"),
                                   ("mail.example.net", "exact"), ("other.test", "exact"), ("a.b.example.net", "first"),
                                   ("example.net", "first"), ("unknown.test", "first"), ("127.0.0.1", "first"),
                                   ("exact", "first"), (None, "first")):
                with self.subTest(port=port, name=name):
                    self.assertEqual(self.served(name, port), expected)
        self.assertEqual(self.served("other.test", version="TLSv1.2"), "exact")

    def test_a_client_that_verifies_the_name_is_content(self):
        for name in ("pop.example.org", "x.example.net", "mail.example.net"):
            self.secure(trusting(self.gate.ca_file), self.gate.ports[0], name=name)

    def test_tls_sessions_belong_to_their_certificate(self):
        for version in ("TLSv1.2", "TLSv1.3"):
            context = context_of(version)
            for first, second, resumed in (("other.test", "mail.example.net", True), ("other.test", "a.example.net", False),
                                           ("a.example.net", "unknown.test", False), ("b.example.net", "c.example.net", True)):
                with self.subTest(version=version, first=first, second=second):
                    connection = self.secure(context, self.gate.ports[0], name=first)
                    again = self.secure(context, self.gate.ports[0], name=second, session=connection.session)
                    self.assertEqual(again.session_reused, resumed)

    def test_each_fault_of_each_certificate_is_told(self):
        gate = Gateway([example_backend()], listeners=[IMPLICIT])
        self.addCleanup(gate.kill)
        nameless, its_key = self.gate.authority.issue("nameless", alternatives="IP:127.0.0.1")
        first, second = self.gate.sections["tls"][:2]
        gate.sections["tls"] = [{**first, "key": second["key"]}, {"certificate": nameless, "key": its_key}]
        gate.write_config()
        done = subprocess.run(gate.command("check"), capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertRegex(done.stderr + done.stdout, r"tls\.key \S+wild\.key")
        self.assertRegex(done.stderr + done.stdout, r"nameless\.pem has no DNS name")


class Clear(TlsCase):
    """A listener with STLS takes no credential before it."""

    LINES = ("USER ann", "PASS secret", "user ann", "AUTH PLAIN AGFubgBzZWNyZXQ=", "AUTH PLAIN", "AUTH LOGIN",
             "auth plain =")

    def setUp(self):
        self.server = imapscript.Server({1: b"Subject: 1\r\n\r\n1\r\n"})
        self.addCleanup(self.server.close)
        self.gate = Gateway([imap_backend(port=self.server.port)], listeners=[STARTTLS])
        self.addCleanup(self.gate.stop)
        self.gate.start()

    def nothing_went_upstream(self):
        self.assertEqual(self.server.connections, 0)
        self.assertEqual(self.gate.pids("session"), [])
        self.assertNotIn("event=login_failed", self.gate.log())

    def test_input_04_no_credential_is_taken_in_clear(self):
        client = self.client(self.gate, None)
        for line in self.LINES:
            with self.subTest(line=line):
                self.assertRegex(client.command(line), rb"^-ERR (?!\[)")
        self.assertEqual(client.multiline("AUTH"), b"")
        self.nothing_went_upstream()
        client.stls()
        self.assertRegex(client.login("ann", "secret"), rb"^\+OK 1 ")

    def test_input_04_nor_in_one_go(self):
        client = self.client(self.gate, None)
        client.send("".join(line + "\r\n" for line in self.LINES).encode())
        for line in self.LINES:
            self.assertRegex(client.line(), rb"^-ERR (?!\[)", line)
        self.nothing_went_upstream()
        client.stls()
        self.assertRegex(client.command("PASS secret"), rb"^-ERR USER")


class Floods(TlsCase):
    """Records that cost work and bring nothing. openssl's client does what nobody else can be made to."""

    def serve(self):
        return self.gateway(listeners=[IMPLICIT, STARTTLS])

    def start(self, port, *options):
        program = subprocess.Popen(("openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(program.communicate)
        self.addCleanup(program.kill)
        self.read_until(program, GREETING)
        return program

    def read_until(self, program, end):
        """Whether it came; False when the program ended before."""
        output = b""
        while not output.endswith(end):
            octet = program.stdout.read(1)
            if not octet:
                return False
            output += octet
        return True

    def send(self, program, line, end):
        try:
            program.stdin.write(line + b"\n")
            program.stdin.flush()
        except OSError:
            return False
        return self.read_until(program, end)

    def test_input_34_renegotiation_is_refused(self):
        gate = self.serve()
        program = self.start(gate.ports[0], "-tls1_2")
        program.stdin.write(b"R\n")
        program.stdin.flush()
        # It ends by itself when it is refused, and waits for more otherwise.
        self.assertNotEqual(program.wait(10), 0)
        self.assertRegex(program.stdout.read(), rb"(?s)RENEGOTIATING.*(?i:no.renegotiation|handshake failure)")
        self.assertRegex(self.client(gate, tls=True).command("NOOP"), rb"^\+OK")

    def test_input_34_key_updates_without_end_close_the_connection(self):
        gate = self.serve()
        for letter in (b"k", b"K"):  # K: ours is asked for as well
            program = self.start(gate.ports[0], "-tls1_3")
            count, deadline = 0, time.monotonic() + 20
            while self.send(program, letter, b"KEYUPDATE\n"):
                count += 1
                self.assertLess(time.monotonic(), deadline, "nobody minds the flood")
            self.assertGreater(count, 100)
        gate.wait_until(lambda: gate.log().count("key updates or renegotiations without end") == 2, "two log lines")
        self.assertRegex(self.client(gate, tls=True).command("NOOP"), rb"^\+OK")

    def test_input_34_a_few_key_updates_are_fine(self):
        gate = self.serve()
        program = self.start(gate.ports[0], "-tls1_3", "-crlf")
        for _ in range(20):
            self.assertTrue(self.send(program, b"K", b"KEYUPDATE\n"))
        self.assertTrue(self.send(program, b"CAPA", b".\r\n"))


if __name__ == "__main__":
    tap.main()
