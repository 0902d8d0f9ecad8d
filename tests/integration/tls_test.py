"""TLS session resumption towards POP3 clients, and none towards IMAP servers."""

import os
import re
import signal
import socket
import ssl
import subprocess
import unittest

import tap
from dovecot import free_port
from examplecase import ExampleCase, wait_until
from gateway import IMPLICIT, STARTTLS, Gateway, imap_backend
from pop3client import Client, trusting

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def context_of(version):
    context = trusting()
    context.minimum_version = context.maximum_version = version
    return context


class Resumption(ExampleCase):
    def serve(self, **options):
        self.logins = 0
        return self.gateway(listeners=[IMPLICIT], **options)

    def connect(self, context, port, session=None, early=b""):
        """One login; returns the TLS session and whether it was resumed."""
        with socket.create_connection(("127.0.0.1", port), 20) as raw:
            if early:
                raw.recv(512)
                raw.sendall(early)
                raw.recv(512)
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as connection:
                file = connection.makefile("rb")
                if not early:
                    file.readline()
                self.logins += 1
                for line in (f"USER user{self.logins}", "PASS password", "QUIT"):
                    connection.sendall(line.encode() + b"\r\n")
                    self.assertTrue(file.readline().startswith(b"+OK"), line)
                return connection.session, connection.session_reused

    def test_sessions_are_resumed_with_every_front(self):
        gate = self.serve(fronts=3)
        for version in (TLS_1_2, TLS_1_3):
            context = context_of(version)
            session, resumed = self.connect(context, gate.port)
            self.assertFalse(resumed)
            for _ in range(20):
                session, resumed = self.connect(context, gate.port, session)
                self.assertTrue(resumed, version)

    def test_sessions_are_resumed_after_stls(self):
        gate = self.gateway(listeners=[STARTTLS])
        self.logins = 0
        context = context_of(TLS_1_3)
        session, _ = self.connect(context, gate.port, None, b"STLS\r\n")
        _, resumed = self.connect(context, gate.port, session, b"STLS\r\n")
        self.assertTrue(resumed)

    def reload(self, gate):
        gate.write_config()
        before = gate.log().count("configuration reloaded")
        gate.signal(signal.SIGHUP)
        gate.wait_until(lambda: gate.log().count("configuration reloaded") > before, "the reload")

    def test_sessions_outlive_a_reload(self):
        gate = self.serve()
        context = context_of(TLS_1_3)
        session, _ = self.connect(context, gate.port)
        self.reload(gate)
        session, resumed = self.connect(context, gate.port, session)
        self.assertTrue(resumed)

    def test_sessions_end_with_the_certificate_under_which_they_began(self):
        gate = self.serve()
        for version in (TLS_1_2, TLS_1_3):
            context = context_of(version)
            session, _ = self.connect(context, gate.port)
            gate.use_certificate(*gate.authority.issue(f"for-{version.value}"))
            self.reload(gate)
            session, resumed = self.connect(context, gate.port, session)
            self.assertFalse(resumed)
            self.assertTrue(self.connect(context, gate.port, session)[1])

    def test_sessions_outlive_the_front_that_began_them(self):
        gate = self.serve()
        context = context_of(TLS_1_3)
        session, _ = self.connect(context, gate.port)
        gate.allow_warning("front")
        front = gate.pids("front")[0]
        os.kill(front, signal.SIGKILL)
        gate.wait_until(lambda: gate.pids("front") not in ([], [front]), "another front")
        self.assertTrue(wait_until(lambda: self.accepts(gate.port)))
        self.assertTrue(self.connect(context, gate.port, session)[1])

    @staticmethod
    def accepts(port):
        try:
            with Client(port, tls=True):
                return True
        except (OSError, EOFError):
            return False

    def test_sessions_of_another_popgate_are_begun_anew(self):
        """Its keys are unknown here, as those of a forger are."""
        other, gate = self.serve(), self.serve()
        for version in (TLS_1_2, TLS_1_3):
            context = context_of(version)
            session, _ = self.connect(context, other.port)
            _, resumed = self.connect(context, gate.port, session)
            self.assertFalse(resumed)

    @unittest.skipIf(os.geteuid() != 0, "needs root, to read the memory of processes")
    def test_keys_are_in_no_process_that_talks_to_servers(self):
        gate = self.serve()
        client = self.client(gate, port=gate.port, tls=True)
        name = self.key_name(gate.port)
        keys = [memory[at + 16:at + 48] for memory in self.memory_of(gate.pid) for at in self.places(memory, name)]
        self.assertTrue(keys, "the supervisor's ring was not found")
        self.assertTrue(self.holds(gate.pids("front")[0], keys))
        for role in ("broker", "spawner", "session"):
            for pid in gate.pids(role):
                self.assertFalse(self.holds(pid, keys), role)
        client.command("QUIT")

    @staticmethod
    def key_name(port):
        """The first 16 octets of a ticket (RFC 5077, section 4)."""
        told = subprocess.run(("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
        line = re.search(r"TLS session ticket:\n\s+0000 - ([0-9a-f -]{47})", told)
        return bytes.fromhex(line.group(1).replace("-", " "))

    @staticmethod
    def places(memory, name):
        at = memory.find(name)
        while at >= 0:
            yield at
            at = memory.find(name, at + 1)

    def holds(self, pid, keys):
        return any(key in memory for memory in self.memory_of(pid) for key in keys)

    @staticmethod
    def memory_of(pid):
        with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
            for line in maps:
                span, access = line.split()[:2]
                begin, end = (int(at, 16) for at in span.split("-"))
                if access.startswith("rw") and end - begin < 64 << 20:
                    try:
                        memory.seek(begin)
                        yield memory.read(end - begin)
                    except OSError:
                        pass


class Upstream(ExampleCase):
    def test_no_session_is_resumed_towards_servers(self):
        """One user's TLS session is never another's."""
        gate = Gateway([imap_backend(port=free_port(), security="tls")])
        self.addCleanup(gate.stop)
        certificate, key = gate.authority.issue("upstream")
        backend = gate.sections["backends"][0]
        backend["ca_file"] = gate.ca_file
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        gate.allow_warning("login_failed")
        with socket.create_server(("127.0.0.1", backend["port"])) as listener:
            listener.settimeout(20)
            gate.start()
            for _ in range(3):
                self.refuse_one(gate, listener, context)
            self.assertEqual(context.session_stats()["hits"], 0)
            self.assertEqual(context.session_stats()["accept_good"], 3)

    def refuse_one(self, gate, listener, context):
        with Client(gate.port) as client:
            client.send(b"USER ann\r\nPASS secret\r\n")
            raw, _ = listener.accept()
            with context.wrap_socket(raw, server_side=True) as server:
                server.sendall(b"* BYE not now\r\n")
                client.line()
                self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")


if __name__ == "__main__":
    tap.main()
