"""Deadlines and limits, over TCP and TLS: who is slow but steady is served, who stalls is not; and what a process does
that has no descriptor left."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

import tap
from examplecase import ExampleCase
from gateway import CLEAR, IMPLICIT, NOBODY, Gateway, imap_backend, memory_bound
from imapscript import Server
from pop3client import Client

# Every time that the configuration knows but idle_timeout, which begins at 600.
SHORT = {"handshake_timeout": 4, "login_timeout": 4, "upstream_timeout": 4, "stall_timeout": 2, "fetch_window": 2,
         "commit_timeout": 2, "shutdown_timeout": 2}
LONG = 5  # seconds
BIG = b"Subject: big\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 200_000


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Pace(unittest.TestCase):
    """One way to the client in clear, where the session has its socket, one through the front."""

    def serve(self, messages, on=None, **limits):
        self.server = Server(messages, on=on)
        self.addCleanup(self.server.close)
        # no round trip to a message that was read ahead: each takes its time
        self.gate = Gateway([imap_backend(port=self.server.port)], listeners=(CLEAR, IMPLICIT),
                            limits={**SHORT, "fetch_minimum": 1000, "read_ahead": 0, **limits})
        self.addCleanup(self.gate.stop)
        self.gate.start()

    def log_in(self, road, user, **options):
        client = Client(self.gate.ports[road], tls=bool(road), **options)
        self.addCleanup(client.close)
        self.assertRegex(client.login(user, "secret"), rb"^\+OK")
        return client

    def on_both_roads(self, check):
        """At the same time."""
        faults = []

        def run(road):
            try:
                check(road)
            except BaseException as fault:  # for the test's own thread
                faults.append(fault)
        threads = [threading.Thread(target=run, args=(road,)) for road in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]

    def test_a_slow_but_steady_upstream_is_read_to_the_end(self):
        message = BIG[:50_000]

        def steady(talk, tag, _rest):
            talk.send(b"* 1 FETCH (UID 101 BODY[] {%d}\r\n" % len(message))
            for at in range(0, len(message), 1000):
                talk.send(message[at:at + 1000])
                time.sleep(LONG / 50)
            talk.send(b")\r\n")
            talk.ok(tag)
        self.serve({101: message}, {"BODY": steady})

        def check(road):
            client, begun = self.log_in(road, f"user{road}"), time.monotonic()
            self.assertEqual(client.multiline("RETR 1"), message + b"\r\n" * (not message.endswith(b"\n")))
            self.assertGreater(time.monotonic() - begun, LONG)
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.on_both_roads(check)

    def test_an_upstream_that_drips_below_the_minimum_is_given_up(self):
        message = BIG[:50_000]

        def drip(talk, _tag, _rest):
            talk.send(b"* 1 FETCH (UID 101 BODY[] {%d}\r\n" % len(message) + message[:20_000])
            for octet in message[20_000:]:
                talk.send(bytes((octet,)))
                time.sleep(0.1)
        self.serve({101: message}, {"BODY": drip})
        self.gate.allow_warning("event=fetch_failed")

        def check(road):
            client, begun = self.log_in(road, f"user{road}"), time.monotonic()
            client.send(b"RETR 1\r\n")
            received = client.rest()
            self.assertLess(time.monotonic() - begun, 10)
            self.assertFalse(received.endswith(b"\r\n.\r\n"))
            self.assertRegex(received, rb"^(\+OK|-ERR \[SYS/TEMP\])")
        self.on_both_roads(check)

    def test_a_slow_but_steady_client_gets_all_of_a_message(self):
        self.serve({101: BIG}, fetch_window=20)

        def check(road):
            client = self.log_in(road, f"user{road}")
            client.send(b"RETR 1\r\n")
            received, begun = b"", time.monotonic()
            while not received.endswith(b"\r\n.\r\n"):
                octets = client.socket.recv(65536)
                self.assertTrue(octets, f"cut after {len(received)} octets")
                received += octets
                # so that the whole takes long, and no single pause does
                if time.monotonic() - begun < LONG:
                    time.sleep(0.2)
            self.assertGreater(time.monotonic() - begun, LONG)
            self.assertEqual(received.partition(b"\r\n")[2][:-3], BIG)
        self.on_both_roads(check)

    def test_input_28_a_client_that_stops_reading_a_message_is_closed_and_keeps_its_mail(self):
        self.serve({101: BIG}, fetch_window=20)
        self.gate.allow_warning("event=fetch_failed")

        def check(road):
            connection = Client(self.gate.ports[road], tls=bool(road))
            self.addCleanup(connection.close)
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self.assertRegex(connection.login(f"user{road}", "secret"), rb"^\+OK")
            connection.command("DELE 1")
            connection.command("RSET")
            connection.send(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
            connection.file.read(10_000)
            begun = time.monotonic()
            end = self.gate.wait_for_log(f"event=session_end user=user{road} .*").group()
            self.assertLess(time.monotonic() - begun, 8)
            self.assertIn("deleted=0", end)
            self.assertNotIn("reason=quit", end)
        self.on_both_roads(check)
        self.assertEqual(sorted(self.server.messages), [101])
        self.assertEqual(self.server.commands("UID STORE"), [])


class Lines(ExampleCase):
    def test_input_13_a_line_ends_at_lf_alone_before_and_after_login(self):
        for tls in (False, True):
            with self.subTest(tls=tls):
                gate = self.gateway(listeners=[IMPLICIT if tls else CLEAR])
                client = self.client(gate, None, tls=tls)
                client.send(b"USER ann\rPASS password\r\nUSER ann\r\r\nPASS password\nUSER ann\nPASS password\n"
                            b"STAT\rDELE 1\r\nDELE 1\rSTAT\r\nDELE 1\r\r\n\rDELE 1\r\nSTAT\nQUIT\r\r\nQUIT\n")
                replies = [client.line()[:4].strip() for _ in range(12)]
                self.assertEqual(replies, [b"-ERR"] * 3 + [b"+OK", b"+OK"] + [b"-ERR"] * 4 + [b"+OK", b"-ERR", b"+OK"])
                self.assertTrue(client.is_closed())
                self.assertRegex(gate.wait_for_log("event=session_end .*").group(), "deleted=0 .*reason=quit")

    def test_input_27_100000_commands_before_login_are_answered_in_order_and_in_bounded_memory(self):
        gate = self.gateway()
        client = self.client(gate, None)
        front, = gate.pids("front")
        before = self.resident(front)
        lines = b"LANG en\r\nLANG xx\r\n" * 50_000
        thread = threading.Thread(target=client.send, args=(lines,), daemon=True)
        thread.start()
        for number in range(50_000):
            # the reply to LANG en is a line, that to a language that nobody knows another
            first, second = client.line(), client.line()
            if not (first.startswith(b"+OK en") and second.startswith(b"-ERR")):
                self.fail(f"replies {number}: {first} {second}")
        thread.join()
        self.assertLess(self.resident(front) - before, memory_bound(4 << 20))
        self.assertRegex(client.login("ann", "password"), rb"^\+OK")

    @staticmethod
    def resident(pid):
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def test_input_33_a_mailbox_is_free_again_after_kill_9_of_its_session(self):
        gate = self.gateway()
        gate.expect_warning("event=session_died")
        gate.allow_warning("the session died; its client is told so")
        first, second = self.client(gate), self.client(gate, None)
        self.assertRegex(second.login("ann", "password"), rb"^-ERR \[IN-USE\]")
        self.assertRegex(first.command("NOOP"), rb"^\+OK")
        gate.kill_process("session")
        self.assertRegex(second.login("ann", "password"), rb"^\+OK 3 messages")
        self.assertRegex(first.command("NOOP"), rb"^-ERR \[SYS/TEMP\]")


class Descriptors(ExampleCase):
    """A process's limit of open files is lowered while it runs."""

    def set_limit(self, pid, limit):
        """As the process's own user: root may lack the right in a container."""
        command = ("prlimit", f"--pid={pid}", f"--nofile={limit}:")
        done = subprocess.run((*NOBODY, *command) if os.geteuid() == 0 else command, stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            self.skipTest(f"prlimit: {done.stderr.decode().strip()}")

    def leave_free(self, pid, count):
        """So many descriptors, and no more. Returns the limit before."""
        used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            before = int(re.search(r"^Max open files +(\d+)", file.read(), re.M).group(1))
        free = (number for number in range(before) if number not in used)
        self.set_limit(pid, [next(free) for _ in range(count + 1)][-1])
        return before

    def setUp(self):
        if os.geteuid() != 0 or shutil.which("prlimit") is None:
            self.skipTest("looks into processes of another user, with prlimit")

    def test_input_76_a_front_without_descriptors_accepts_later_and_does_not_spin(self):
        gate = self.gateway()
        gate.allow_warning("accept: .*no new connections for half a second")
        front, = gate.pids("front")
        inside = self.client(gate)
        inside.command("NOOP")
        self.leave_free(front, 3)
        waiting = [socket.create_connection(("127.0.0.1", gate.port), 20) for _ in range(8)]
        for one in waiting:
            self.addCleanup(one.close)
        gate.wait_for_log("accept: .*no new connections for half a second")
        before = processor_seconds(front)
        time.sleep(1.5)
        self.assertLess(processor_seconds(front) - before, 0.3)
        # Who is inside notices nothing.
        self.assertRegex(inside.command("STAT"), rb"^\+OK 3 ")
        greeted = [one for one in waiting if self.has_greeting(one)]
        self.assertIn(len(greeted), range(1, 6))
        for one in greeted:
            one.close()
        rest = [one for one in waiting if one not in greeted]
        self.assertTrue(self.has_greeting(rest[0], 5))

    @staticmethod
    def has_greeting(connection, seconds=0.1):
        connection.settimeout(seconds)
        try:
            return connection.recv(100).startswith(b"+OK")
        except TimeoutError:
            return False

    def test_input_76_logins_wait_for_a_spawner_that_is_slow_with_few_descriptors_each(self):
        count, served = 700, 30
        gate = self.gateway(limits={"max_connections": count + 10})
        broker, = gate.pids("broker")
        spawner, = gate.pids("spawner")
        clients = [self.client(gate, None) for _ in range(count)]
        os.kill(spawner, signal.SIGSTOP)
        try:
            for number, client in enumerate(clients):
                client.send(b"USER user%d\r\nPASS password\r\n" % number)
            time.sleep(1)
            self.assertLess(len(os.listdir(f"/proc/{broker}/fd")), 2 * count + 100)
            for client in clients[served:]:
                client.close()
        finally:
            os.kill(spawner, signal.SIGCONT)
        for client in clients[:served]:
            client.socket.settimeout(60)
            self.assertRegex(client.line(), rb"^\+OK")
            self.assertRegex(client.line(), rb"^\+OK 3 messages")
            client.command("QUIT")

    def test_input_76_a_broker_without_descriptors_refuses_for_now_and_does_not_spin(self):
        gate = self.gateway()
        gate.allow_warning("status=temp|out of memory|process_died|cannot")
        client = self.client(gate, None)
        broker, = gate.pids("broker")
        before_limit = self.leave_free(broker, 1)
        before = processor_seconds(broker)
        self.assertRegex(client.login("ann", "password"), rb"^-ERR \[SYS/TEMP\]")
        time.sleep(1)
        for pid in gate.pids("broker"):
            self.assertLess(processor_seconds(pid) - before * (pid == broker), 0.3)
            self.set_limit(pid, before_limit)
        self.assert_served_again(gate)


if __name__ == "__main__":
    tap.main()
