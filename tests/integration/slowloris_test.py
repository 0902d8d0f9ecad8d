"""Thousands of connections that never log in, from many addresses: a new client logs in within a second all the same.

    slowloris_test.py --connections 10000 [--tls]      the long run: tells what it measured"""

import argparse
import socket
import statistics
import sys
import time
import unittest

import tap
from gateway import CLEAR, IMPLICIT, Gateway, example_backend
from pop3client import Client
from slowloris import Slowloris

ADDRESSES = 50
IN_CHECK = 400
PATIENCE = 1  # seconds that a login may take


def memory(gate, role):
    """Proportional set size of all processes of a role, octets."""
    total = 0
    for pid in gate.pids(role):
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
    return total


class Siege:
    """A gateway with a crowd before it."""

    def __init__(self, connections, limits, tls=False):
        self.tls = tls
        self.gate = Gateway([example_backend()], fronts=2, limits=limits, listeners=[IMPLICIT if tls else CLEAR])
        self.gate.allow_warning("had not logged in made way")
        self.gate.start()
        self.before = {role: memory(self.gate, role) for role in ("front", "broker")}
        self.processes = len(self.gate.processes())
        self.connections = connections
        self.crowd = None

    def begin(self):
        self.crowd = Slowloris(self.gate.port, self.connections, ADDRESSES, returns=max(self.connections // 20, 200),
                               tls=self.tls)

    def wait_until_full(self, seconds):
        self.gate.wait_until(lambda: self.crowd.standing.value > self.connections * 0.9, "the crowd", seconds)

    def log_in(self, number):
        """Seconds from the connect to the end of a login, of an address like any other."""
        begun = time.monotonic()
        with Client(self.gate.port, source="127.0.2.1", tls=self.tls) as client:
            reply = client.login(f"user{number}", "password")
            took = time.monotonic() - begun
            if not reply.startswith(b"+OK"):
                raise AssertionError(f"login {number}: {reply!r}")
            if not client.command("QUIT").startswith(b"+OK"):
                raise AssertionError("QUIT failed")
        return took

    def stop(self):
        if self.crowd is not None:
            self.crowd.stop()

    def end(self):
        self.stop()
        self.gate.stop()


class Crowded(unittest.TestCase):
    def besiege(self, connections, *, tls=False, **limits):
        siege = Siege(connections, {"max_connections_per_address": 0, **limits}, tls)
        self.addCleanup(siege.gate.kill)
        self.addCleanup(siege.stop)
        return siege

    def test_input_29_input_30_who_never_logs_in_makes_way_for_who_does(self):
        self.make_way(False)

    def test_input_29_input_30_likewise_in_the_handshake(self):
        self.make_way(True)

    @staticmethod
    def let_in(siege, number):
        """On a machine so busy that the crowd overtakes a newcomer he makes way too, and comes again."""
        for tries in range(5, 0, -1):
            try:
                return siege.log_in(number)
            except (EOFError, OSError):
                if tries == 1:
                    raise

    def make_way(self, tls):
        siege = self.besiege(IN_CHECK, tls=tls, max_connections=100)
        siege.gate.expect_warning("had not logged in made way")
        siege.begin()
        siege.gate.wait_until(lambda: siege.crowd.dropped.value > IN_CHECK - 100, "the fronts to be full")
        for number in range(10):
            self.let_in(siege, number)
            time.sleep(0.1)
        # No process for whoever has not logged in.
        self.assertEqual(len(siege.gate.processes()), siege.processes)
        siege.end()

    def test_input_30_logged_in_clients_never_make_way(self):
        siege = self.besiege(100, max_connections=40)
        inside = []
        for number in range(20):
            inside.append(Client(siege.gate.port, source="127.0.2.1"))
            self.addCleanup(inside[-1].close)
            self.assertRegex(inside[-1].login(f"inside{number}", "password"), rb"^\+OK")
        siege.begin()
        siege.gate.wait_until(lambda: siege.crowd.dropped.value > 200, "the crowd to come again and again")
        for client in inside:
            self.assertRegex(client.command("NOOP"), rb"^\+OK")
        siege.end()

    def test_input_30_where_all_are_logged_in_a_newcomer_waits_until_one_leaves(self):
        with Gateway([example_backend()], fronts=2, limits={"max_connections": 4}) as gate:
            inside = []
            while len(gate.processes("session")) < 4:
                # whichever front takes it; the other has room until both are full
                client = Client(gate.port)
                self.addCleanup(client.close)
                self.assertRegex(client.login(f"user{len(inside)}", "password"), rb"^\+OK")
                inside.append(client)
            waiting = socket.create_connection(("127.0.0.1", gate.port), 20)
            self.addCleanup(waiting.close)
            waiting.settimeout(0.5)
            self.assertRaises(TimeoutError, waiting.recv, 1)
            waiting.settimeout(10)
            inside[0].command("QUIT")
            self.assertRegex(waiting.recv(100), rb"^\+OK")
            for client in inside:
                client.close()


def measure(connections, seconds, tls):
    siege = Siege(connections, {"max_connections": 0, "max_connections_per_address": 1000, "login_penalty": 15}, tls)
    try:
        siege.begin()
        siege.wait_until_full(120)
        print(f"{siege.crowd.standing.value} connections from {ADDRESSES} addresses", flush=True)
        for role, before in siege.before.items():
            print(f"{role}: {before / 1e6:.1f} MB before, {memory(siege.gate, role) / 1e6:.1f} MB now")
        end, found = time.monotonic() + seconds, []
        while time.monotonic() < end:
            found.append(siege.log_in(len(found)))
            time.sleep(0.5)
        print(f"{len(found)} logins in {seconds} s: median {statistics.median(found) * 1000:.0f} ms, "
              f"longest {max(found) * 1000:.0f} ms; {siege.crowd.dropped.value} of the others were dropped and came again")
        for role in siege.before:
            print(f"{role}: {memory(siege.gate, role) / 1e6:.1f} MB at the end")
        siege.end()
        return 0 if max(found) < PATIENCE else 1
    finally:
        siege.stop()
        siege.gate.kill()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int)
    parser.add_argument("--seconds", type=int, default=90)
    parser.add_argument("--tls", action="store_true", help="a TLS port, and a crowd in its handshakes")
    chosen, _ = parser.parse_known_args()
    if chosen.connections is None:
        tap.main()
    return measure(chosen.connections, chosen.seconds, chosen.tls)


if __name__ == "__main__":
    sys.exit(main())
