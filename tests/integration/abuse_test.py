"""Clients that leave at the wrong moment, ask without listening, or ask for too much:
whatever they do, nothing of theirs stays, and nobody else notices."""

import os
import re
import signal
import socket
import ssl
import time
import unittest

import tap
from gateway import CLEAR, IMPLICIT, SANITIZED, Gateway, example_backend, memory_bound
from pop3client import Client, trusting


def descriptors(gate, role):
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in gate.pids(role))


def resident(gate, role):
    total = 0
    for pid in gate.pids(role):
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            total += int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit(pid, name):
    """The soft limit of a process, as proc(5) calls it."""
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        return re.search(rf"^{name} +(\S+)", file.read(), re.M).group(1)


def tls_connection(port):
    connection = trusting().wrap_socket(socket.create_connection(("127.0.0.1", port), 20))
    connection.recv(100)
    return connection


@unittest.skipIf(os.geteuid() != 0, "looks into processes of another user")
class NothingStays(unittest.TestCase):
    def gateway(self, *, messages=3, listeners=(CLEAR, IMPLICIT), **sections):
        gate = Gateway(backends=[example_backend(messages=messages)], listeners=listeners, **sections)
        gate.start()
        self.addCleanup(gate.stop)
        with Client(gate.port) as client:  # from here on all is there
            self.assertRegex(client.login("first", "password"), rb"^\+OK")
        gate.wait_until(lambda: not gate.pids("session"), "the session to end")
        return gate

    def test_exchanges_that_were_left_are_forgotten(self):
        """Clients that leave in the middle of a SASL exchange leave no descriptor behind."""
        gate = self.gateway()
        before = {role: descriptors(gate, role) for role in ("broker", "front")}
        for _ in range(100):
            with Client(gate.port) as client:
                self.assertTrue(client.command("AUTH PLAIN").startswith(b"+ "))
        gate.wait_until(lambda: all(descriptors(gate, role) <= count for role, count in before.items()),
                        "the descriptors to be closed")

    def test_a_session_is_limited_and_its_spawner_lives_on(self):
        """What a session may use is bounded; the processor time that counts is its own."""
        memory = 100 << 20
        gate = self.gateway(limits={"session_cpu": 77, "session_memory": memory})
        with Client(gate.port) as client:
            self.assertRegex(client.login("ann", "password"), rb"^\+OK")
            session, spawner = gate.pids("session")[0], gate.pids("spawner")[0]
            with open(f"/proc/{session}/statm", encoding="ascii") as file:
                mapped = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            self.assertEqual(limit(session, "Max cpu time"), "77")
            self.assertEqual(limit(session, "Max open files"), "64")
            if not SANITIZED:
                self.assertAlmostEqual(int(limit(session, "Max address space")), mapped + memory, delta=4 << 20)
            self.assertEqual(limit(spawner, "Max cpu time"), "unlimited")

    def test_no_descriptor_is_free_for_a_moment_and_logins_go_on_after_it(self):
        """A broker that ran out of descriptors serves logins again as soon as some are free."""
        gate = self.gateway(prefix=("sh", "-c", 'ulimit -n 200; exec "$@"', "sh"), limits={"max_connections": 36})
        gate.allow_warning("status=temp")
        clients = [Client(gate.port) for _ in range(34)]
        for client in clients:
            client.command("AUTH PLAIN")
        for pid in gate.pids("broker"):
            free = 200 - len(os.listdir(f"/proc/{pid}/fd"))
            self.assertGreater(free, 0)
        for client in clients:
            client.close()
        with Client(gate.port) as client:
            client.command("USER joe")
            self.assertTrue(client.command("PASS password").startswith(b"+OK"))

    def test_tls_client_that_closes_while_it_is_owed_octets_is_let_go(self):
        """A TLS client that says goodbye in the middle of a reply frees its connection and its mailbox soon."""
        gate = self.gateway(messages=50000, limits={"stall_timeout": 2})
        before = descriptors(gate, "front")
        for number in range(5):
            connection = tls_connection(gate.ports[1])
            connection.sendall(b"USER joe%d\r\nPASS password\r\nUIDL\r\n" % number)
            connection.recv(10)
            time.sleep(0.3)
            try:
                connection.unwrap()
            except (ssl.SSLError, OSError):
                pass
            connection.close()
        gate.wait_until(lambda: descriptors(gate, "front") <= before and not gate.pids("session"),
                        "connections and sessions to end", 15)

    def test_replies_nobody_reads_are_not_piled_up(self):
        """A client that asks without reading costs the front no memory, before its login and after its session's death."""
        gate = self.gateway()
        gate.allow_warning("session_died|session died")
        lost = Client(gate.port)
        lost.command("USER joe")
        lost.command("PASS password")
        gate.kill_process("session")
        before = resident(gate, "front")
        for client, question in ((Client(gate.port), b"CAPA\r\n"), (lost, b"NOOP\r\n")):
            client.socket.settimeout(2)
            flood = question * 20000
            try:
                for _ in range(40):
                    client.send(flood)
            except (TimeoutError, socket.timeout):
                pass
            self.assertLess(resident(gate, "front") - before, memory_bound(8 << 20))
            client.close()

    def test_many_commands_behind_a_tls_login_are_all_answered(self):
        """What a TLS client pipelines behind its password is answered to the last command."""
        gate = self.gateway()
        for count in (6500, 7000, 7500, 9000):
            connection = tls_connection(gate.ports[1])
            connection.settimeout(10)
            connection.sendall(b"USER joe\r\nPASS password\r\n" + b"NOOP\r\n" * count + b"QUIT\r\n")
            received = b""
            while not received.endswith(b"goodbye\r\n"):
                piece = connection.recv(65536)
                self.assertTrue(piece, f"closed after {received.count(b'+OK')} replies")
                received += piece
            self.assertEqual(received.count(b"+OK\r\n"), count)
            connection.close()

    def test_front_does_not_spin_when_a_busy_session_dies(self):
        """A session that dies with commands in its queue costs the front no CPU."""
        gate = self.gateway(listeners=[CLEAR])
        gate.allow_warning("session_died|session died")
        client = Client(gate.port)
        client.command("USER joe")
        client.command("PASS password")
        session, = gate.pids("session")
        os.kill(session, signal.SIGSTOP)
        for _ in range(2500):
            client.send(b"NOOP\r\n")
        time.sleep(0.3)
        os.kill(session, signal.SIGKILL)
        front, = gate.pids("front")
        time.sleep(0.3)
        before = cpu_seconds(front)
        time.sleep(1.5)
        self.assertLess(cpu_seconds(front) - before, 0.5)
        client.close()

    def test_exchange_that_outlives_its_broker_ends_in_a_temporary_error(self):
        """A client between two SASL steps is told when the broker has died."""
        gate = self.gateway(listeners=[CLEAR])
        gate.expect_warning("process_died.*broker")
        with Client(gate.port) as client:
            self.assertTrue(client.command("AUTH LOGIN").startswith(b"+ "))
            before = gate.pids("broker")
            gate.kill_process("broker")
            gate.wait_until(lambda: gate.pids("broker") and gate.pids("broker") != before, "a new broker")
            time.sleep(0.2)
            self.assertTrue(client.command("am9l").startswith(b"-ERR [SYS/TEMP]"))
            client.command("USER joe")
            self.assertTrue(client.command("PASS password").startswith(b"+OK"))

    def test_nobody_is_let_in_to_wait_while_it_stops(self):
        """Once it stops, a new connection is refused rather than left without a greeting."""
        gate = self.gateway(listeners=[CLEAR], messages=200000, limits={"shutdown_timeout": 3})
        gate.allow_warning("did not end in time")
        port = gate.port
        client = Client(port)
        client.send(b"USER joe\r\nPASS password\r\nUIDL\r\n")
        client.line()
        time.sleep(0.3)
        gate.signal(signal.SIGTERM)
        gate.wait_for_log("stopping")
        time.sleep(0.2)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)
        client.close()

    def test_reopening_the_log_leaks_no_descriptor(self):
        """Reopening the log closes the old one in every process."""
        path = f"/tmp/popgate-log-{os.getpid()}"
        self.addCleanup(lambda: os.path.exists(path) and os.unlink(path))
        gate = self.gateway(listeners=[CLEAR], log={"to": "file", "file": path})
        before = {one.pid: len(os.listdir(f"/proc/{one.pid}/fd")) for one in gate.processes()}
        for _ in range(5):
            gate.signal(signal.SIGUSR1)
            time.sleep(0.1)
        after = {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in before}
        self.assertEqual(before, after)


if __name__ == "__main__":
    tap.main()
