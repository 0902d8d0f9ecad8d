"""Common ground of the tests that break the upstream connection octet by octet.

Each question is asked with the connection broken behind every `every`-th octet of the answer, and behind
each octet at which something changes (line ends, parentheses, literals). CUTS=all in the environment: behind
every octet."""

import os
import re
import unittest

import dovecot
from dovecot import PASSWORD, Dovecot
from gateway import SANITIZED, Gateway, imap_backend
from pop3client import Client
from proxy import Fault, Proxy

ALL = os.environ.get("CUTS") == "all"

# One process of each kind serves many connections: what is measured here is popgate.
FAST = "service imap {\n  service_count = 200\n}\n"

PROCESSOR_TIME = 0.5 if SANITIZED else 0.1  # seconds that a session may take on average; one that spins takes more

WHOLE, TEMP, CUT = "whole", "temp", "cut"


def places(octets, every):
    """The places in a stream to break it at."""
    if ALL:
        return range(len(octets) + 1)
    chosen = set(range(0, len(octets) + 1, every))
    for match in re.finditer(rb"\r\n|\)|\{\d+\}|\* \d+ FETCH|\w+ OK|\* BYE", bytes(octets)):
        chosen |= {match.start(), match.end()}
    return sorted(chosen | {1, len(octets) - 1, len(octets)})


def lines(octets, _every=None):
    """As places(), where each line has ended and before its last octet."""
    return range(len(octets) + 1) if ALL else line_ends(octets)


def line_ends(octets):
    ends = {match.end() for match in re.finditer(rb"\r\n", bytes(octets))}
    return sorted({0, len(octets)} | ends | {end - 1 for end in ends})


def records(octets, every):
    """As places(), in a stream of TLS: the heads and ends of records instead."""
    chosen, at = set(range(0, len(octets) + 1, every)), 0
    while at + 5 <= len(octets):
        end = at + 5 + int.from_bytes(octets[at + 3:at + 5], "big")
        chosen |= {at, at + 5, end - 1, end}
        at = end
    return range(len(octets) + 1) if ALL else sorted(one for one in chosen if one <= len(octets))


def is_answered(octets, size):
    """Whether this is all of an answer that had `size` octets before. Its end tells it; that of a stream of TLS is
    hidden, and the times in it are of any length."""
    return re.search(rb"\r\n\w+ OK [^\r\n]*\r\n$", bytes(octets)) is not None or (
        octets[:1] == b"\x17" and len(octets) > size - size // 1000 - 12)


def processor_time_of_children(pid):
    """Seconds, of those that have ended."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


class Cutting(unittest.TestCase):
    """A gateway, and a proxy between it and `self.server`."""

    road = {}  # how clients come

    def start(self, server=None, *, security="none", **options):
        """A gateway whose only warnings are those of a lost connection, and its proxy. Settings of limits and of the
        backend may be given: limits={...}, fetch_max=..."""
        server = server or self.server
        own = {name: options.pop(name) for name in ("limits", "listeners") if name in options}
        port = server.imaps_port if security == "tls" else getattr(server, "imap_port", None) or server.port
        self.proxy = Proxy(port)
        self.addCleanup(self.proxy.close)
        backend = imap_backend(self.server, port=self.proxy.port, security=security, **options)
        self.gate = Gateway([backend], **own)
        self.addCleanup(self.gate.stop)
        self.gate.allow_warning("event=(fetch|commit)_failed")
        self.gate.start()
        self.sessions = 0

    def connect(self):
        client = Client(self.gate.port, **self.road)
        self.addCleanup(client.close)
        return client

    def log_in(self, user="ann"):
        """A new session; the one before it has ended, or this one isn't let in."""
        client = self.connect()
        self.sessions += 1
        self.assertRegex(client.login(user, PASSWORD), rb"^\+OK")
        return client

    @staticmethod
    def last_words(client):
        """A reply; empty where the connection ended without one."""
        try:
            return client.file.readline()
        except ConnectionError:
            return b""

    def end_of(self, client, message):
        """How the reply that brings a message ended; what is none of the three ways fails the test."""
        reply, lines, line = b"", [], b""
        try:
            reply = client.file.readline()
            if reply.startswith(b"-ERR"):
                self.assertRegex(reply, rb"^-ERR \[SYS/TEMP\] .*\r\n$")
                return TEMP
            while reply and (line := client.file.readline()) not in (b"", b".\r\n"):
                lines.append(line[1:] if line.startswith(b".") else line)
        except ConnectionError:
            line = b""
        got = b"".join(lines)
        if line == b".\r\n":
            self.assertTrue(reply.startswith(b"+OK"), reply)
            self.assertTrue(got == message, got[-200:])
            return WHOLE
        self.assertTrue(message.startswith(got), got[-200:])
        return CUT

    def ask(self, commands, messages, act=None, at=None):
        """Sends commands, each of which brings a message, with a fault of the server's side. How each ended, and the
        Fault. A connection that is not cut lives on."""
        client = self.log_in()
        before = self.proxy.connections
        self.proxy.fault = fault = Fault(act, at)
        client.send(b"".join(command + b"\r\n" for command in commands))
        ends = [self.end_of(client, message) for message in messages]
        self.proxy.fault = None
        fault.restored = self.proxy.connections > before
        if CUT not in ends:
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        client.close()
        return ends, fault

    def sweep(self, commands, messages, act, every, find=places, early=False):
        """Breaks the server's side of the answer at place after place, the end among them. Returns what became of the
        messages at each. early: less than the answer may be all that is wanted of it."""
        ends, fault = self.ask(commands, messages)
        self.assertEqual(set(ends), {WHOLE})
        seen, size = [], len(fault.octets)
        for at in find(fault.octets, every):
            ends, fault = self.ask(commands, messages, act, at)
            seen.append(ends)
            # of what was not whole the rest has come over another connection, or is not there
            if set(ends) == {WHOLE} and not early and not fault.restored and not is_answered(fault.octets, size):
                self.fail(f"whole, though the answer ended after {at} of {size} octets: {bytes(fault.octets[-80:])}")
        self.check_sessions()
        return seen

    def check_sessions(self):
        """None is left, and none span."""
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the sessions to end")
        used = processor_time_of_children(self.gate.pids("spawner")[0])
        self.assertLess(used, 1 + self.sessions * PROCESSOR_TIME)


@unittest.skipUnless(dovecot.available(), "there is no Dovecot on this machine")
class CutCase(Cutting):
    """One Dovecot for a class."""

    capability = None  # what the server says it has

    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot(capability=cls.capability, more=FAST)
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
