"""No memory: the Nth allocation of a process fails, for each N that there is. What a client is told then is true, and
the listeners live. LONG=1 in the environment tries every N, which otherwise is every few."""

import os
import random
import re
import unittest

import tap
from examplecase import ExampleCase, wait_until
from gateway import Gateway, imap_backend
from imapscript import Server
from pop3client import Client
from shim import Shim

MESSAGES = {uid: b"Subject: %d\r\n\r\nbody of %d\r\n" % (uid, uid) for uid in (101, 102, 105)}
TRIES = 10000 if os.environ.get("LONG") else 40
TEMPORARY = rb"^-ERR \[SYS/TEMP\]"


class Memory(ExampleCase):
    def start(self, backend):
        self.shim = Shim()
        gate = Gateway([backend], environment=self.shim.environment, limits={"upstream_timeout": 5})
        self.addCleanup(gate.stop)
        # libetpan looks at no result of malloc: that costs a session, whose client is told so
        gate.allow_warning("event=session_died|the session died; its client is told so")
        gate.allow_warning("event=(fetch_failed|commit_failed|login_failed)|out of memory|cannot |libevent")
        return gate.start()

    # ---- one session -----------------------------------------------------------

    def talk(self, gate, expected):
        """A whole session; returns how far it came. Whatever it is told must be true."""
        done = []
        try:
            with Client(gate.port, timeout=10) as client:
                done.append("greeting")
                if not client.command("USER ann").startswith(b"+OK"):
                    return done
                reply = client.command("PASS password")
                if not reply.startswith(b"+OK"):
                    self.assertRegex(reply, TEMPORARY)
                    return done
                done.append("login")
                self.step(client, "STAT", done, rb"^\+OK %d %d$" % (len(expected), sum(map(len, expected.values()))))
                self.listing(client, done, len(expected))
                self.message(client, 1, list(expected.values())[0], done)
                self.message(client, 2, list(expected.values())[1], done)
                self.step(client, "DELE 1", done, rb"^\+OK")
                self.step(client, "QUIT", done, rb"^\+OK")
        except (EOFError, OSError):
            pass
        return done

    def step(self, client, command, done, right):
        reply = client.command(command)
        if reply.startswith(b"+"):
            self.assertRegex(reply, right)
            done.append(command)
        else:
            self.assertRegex(reply, TEMPORARY)

    def listing(self, client, done, count):
        reply = client.command("UIDL")
        if reply.startswith(b"+OK"):
            self.assertEqual(client.lines().count(b"\r\n"), count)
            done.append("UIDL")
        else:
            self.assertRegex(reply, TEMPORARY)

    def message(self, client, number, right, done):
        reply = client.command(f"RETR {number}")
        if reply.startswith(b"+OK"):
            self.assertEqual(client.lines(), right)
            done.append(f"RETR {number}")
        else:
            self.assertRegex(reply, TEMPORARY)

    # ---- all of them -------------------------------------------------------------

    def sweep(self, gate, process, expected, check=lambda done: None, more=0):
        """Lets each allocation of a kind of process fail in turn. Returns how many there were, and how many did."""
        self.shim.fail(process, 0)
        self.assertIn("QUIT", self.talk(gate, expected()))
        total = self.shim.calls
        step = max(1, total // TRIES)
        failed = 0
        for number in range(1 + random.randrange(step), total + 1, step):
            with self.subTest(process=process, allocation=number):
                wanted = expected()
                self.shim.fail(process, number, more)
                done = self.talk(gate, wanted)
                failed += self.shim.failed > 0
                self.shim.rest()
                self.settle(gate)
                check(done)
        self.assertGreater(failed, 0)
        return total, failed

    def settle(self, gate):
        """Until the last session is over, and the server has done what it asked for."""
        gate.wait_until(lambda: not gate.pids("session"), "the session to end")
        gate.wait_until(self.server.is_idle, "the server to be done")

    def dead(self, gate):
        """Signals that ended processes."""
        return re.findall(r"event=process_died .*signal=.*", gate.log())

    def scripted(self):
        self.server = Server(MESSAGES)
        self.addCleanup(self.server.close)
        return self.start(imap_backend(port=self.server.port, reconnect_timeout=2))

    def fresh(self):
        self.server.messages = dict(MESSAGES)
        return MESSAGES

    def nothing_else_removed(self, done):
        left = set(self.server.messages)
        self.assertIn(left, ({102, 105}, {101, 102, 105}))
        if "QUIT" in done and "DELE 1" in done:
            self.assertEqual(left, {102, 105})
        if "DELE 1" not in done:
            self.assertEqual(left, {101, 102, 105})

    def test_input_78_each_allocation_of_an_imap_session(self):
        gate = self.scripted()
        before = {role: gate.pids(role) for role in ("front", "broker", "spawner")}
        total, failed = self.sweep(gate, "session", self.fresh, self.nothing_else_removed)
        self.assertGreater(total, 50)
        self.assertEqual({role: gate.pids(role) for role in before}, before)
        self.assertIn("QUIT", self.talk(gate, self.fresh()))
        print(f"# {total} allocations, {failed} failed", flush=True)

    def test_input_78_an_imap_session_that_gets_no_more_memory(self):
        gate = self.scripted()
        before = {role: gate.pids(role) for role in ("front", "broker", "spawner")}
        self.sweep(gate, "session", self.fresh, self.nothing_else_removed, more=1 << 40)
        self.assertEqual({role: gate.pids(role) for role in before}, before)
        self.assertIn("QUIT", self.talk(gate, self.fresh()))

    def served_again(self, gate):
        self.assertTrue(wait_until(lambda: "QUIT" in self.talk(gate, self.fresh()), 5), gate.log())

    def shared(self, role):
        """A process that others share may restart, but never crash, and serves on."""
        gate = self.scripted()
        total, failed = self.sweep(gate, role, self.fresh, self.nothing_else_removed)
        self.served_again(gate)
        self.assertEqual(self.dead(gate), [])
        print(f"# {total} allocations, {failed} failed", flush=True)

    def test_input_78_each_allocation_of_the_broker(self):
        self.shared("broker")

    def test_input_78_each_allocation_of_the_front(self):
        self.shared("front")

    def test_input_78_spawner(self):
        gate = self.scripted()
        self.shim.fail("spawner", 1, more=1 << 40)
        for _ in range(5):
            self.talk(gate, self.fresh())
        self.shim.rest()
        self.served_again(gate)
        self.assertEqual(self.dead(gate), [])


if __name__ == "__main__":
    tap.main()
