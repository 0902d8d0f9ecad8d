"""kill -9 of each process at each step of what it does: the mailbox holds what it must, no reply lies, the maildrop
is free, and what died comes back at once."""

import imaplib
import os
import signal
import socket
import struct
import time

import tap
from cutcase import ALL, CUT, TEMP, WHOLE, CutCase
from dovecot import PASSWORD
from examplecase import wait_until
from gateway import CLEAR, IMPLICIT
from proxy import Fault, hold, line_end, stall
from removalcase import VICTIM, RemovalCase

AGAIN = 3  # seconds until what died must be there again: one, and what a busy machine takes
RESTARTED = ("front", "broker", "spawner")


class Killing:
    """What kills."""

    def kill(self, role, client):
        """One process, or all of a role."""
        if role == "client":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        victims = [self.gate.pid] if role == "supervisor" else (
            self.server.processes() if role == "imap" else self.gate.pids(role))
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        if role in RESTARTED:
            self.killed = set(victims)
        time.sleep(0.02)

    def come_back(self, role):
        """What died is there again, and so is the service. Dovecot starts nothing for up to a minute where too much
        has died."""
        if role == "supervisor":
            self.gate.process.wait()
            self.gate.start()
        elif role in RESTARTED:
            self.gate.wait_until(lambda: set(self.gate.pids(role)) - self.killed, f"another {role}", AGAIN)
        if role == "imap":
            self.assertTrue(wait_until(self.is_let_in_upstream, 70), role)
        self.assertTrue(wait_until(self.is_let_in, AGAIN), role)

    def is_let_in_upstream(self):
        try:
            self.server.imap(self.user).logout()
            return True
        except (OSError, imaplib.IMAP4.error):
            return False

    def is_let_in(self):
        try:
            with self.connect() as client:
                reply = client.login(self.user, PASSWORD)
                self.assertNotIn(b"[AUTH]", reply)
                return reply.startswith(b"+OK") and client.command("QUIT").startswith(b"+OK")
        except (OSError, EOFError):
            return False

    def start_for_kills(self, **options):
        self.start(**options)
        for pattern in ("event=process_died", "event=session_died", "its client is told so", "event=login_failed .*temp"):
            self.gate.allow_warning(pattern)


class Update(Killing, RemovalCase):
    """While QUIT removes messages."""

    # What the client may be told where each dies.
    REPLIES = {"session": rb"^-ERR \[SYS/TEMP\]", "front": rb"^(\+OK|$)", "broker": rb"^\+OK", "spawner": rb"^\+OK",
               "supervisor": rb"^(\+OK|-ERR \[SYS/TEMP\]|$)", "imap": rb"^(\+OK|-ERR \[SYS/TEMP\])",
               "client": rb"^\+OK"}

    def attempt(self, role, side, line, short):
        with self.begin() as client:
            self.proxy.fault = Fault(hold(lambda: self.kill(role, client)), line_end(line, short), side)
            client.send(b"QUIT\r\n")
            reply = self.last_words(client) if role != "client" else b"+OK"  # nobody takes QUIT back
            self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.assertTrue(self.proxy.fault.happened.is_set())
        self.proxy.fault = None
        if role == "imap":
            self.meet()
        self.assertRegex(reply, self.REPLIES[role], (role, side, line, short))
        self.check_mailbox(reply)
        self.come_back(role)

    def steps(self):
        """(side, line, octets before its end) of all that is said before the farewell, but for the last line of each
        side: once the session has its last answer it may be quicker than its end."""
        found = []
        for side, farewell in (("client", b"ZZ LOGOUT"), ("server", b"* BYE")):
            reply, fault = self.quit(side=side)
            self.assertRegex(reply, rb"^\+OK")
            told = bytes(fault.octets).partition(farewell)[0]
            found += [(side, line, short) for line in range(told.count(b"\r\n"))
                      for short in ((0, 1) if ALL and line else (0,))]
        return found

    def kill_at_steps(self, *roles, every=1, **settings):
        self.start_for_kills(**settings)
        steps = self.steps()
        for role in roles:
            for side, line, short in steps if ALL else steps[1::every]:
                self.attempt(role, side, line, short)

    def test_input_79_invariant_02_invariant_04_invariant_12_session(self):
        self.kill_at_steps("session", every=2)

    def test_input_79_invariant_12_front(self):
        self.kill_at_steps("front", every=7)

    def test_input_79_invariant_12_broker_and_spawner(self):
        self.kill_at_steps("broker", "spawner", every=8)

    def test_input_79_invariant_09_invariant_12_supervisor(self):
        self.kill_at_steps("supervisor", every=7)

    def test_input_79_invariant_04_invariant_12_imap_server(self):
        self.kill_at_steps("imap", every=3)

    def test_input_32_invariant_09_client(self):
        self.kill_at_steps("client", every=4)


class UpdateUnderTls(Killing, RemovalCase):
    """The front speaks for the session: when it has gone nobody can answer."""

    road = {"tls": True}
    REPLIES = {**Update.REPLIES, "front": rb"^$"}
    attempt, steps, kill_at_steps = Update.attempt, Update.steps, Update.kill_at_steps

    def test_input_79_invariant_04_invariant_12_session_and_front_under_tls(self):
        self.kill_at_steps("session", "front", every=5, listeners=[IMPLICIT])


class Reading(Killing, CutCase):
    """While a message is on its way, and while somebody logs in."""

    SMALL = b"Subject: small\r\n\r\n" + b"small\r\n" * 20
    LARGE = b"Subject: large\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 10_000
    user = "ann"

    # How RETR of a small and of a large message may end.
    ANY = {WHOLE, TEMP, CUT}
    ENDS = {"session": ({TEMP}, {TEMP, CUT}), "front": (ANY, {WHOLE, CUT}), "broker": ({WHOLE}, {WHOLE}),
            "spawner": ({WHOLE}, {WHOLE}), "imap": ({WHOLE, TEMP}, {WHOLE, CUT}), "supervisor": (ANY, {WHOLE, CUT})}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.append(cls.user, [cls.SMALL, cls.LARGE])

    def attempt(self, role, number, message, at):
        with self.log_in() as client:
            self.assertRegex(client.command(f"DELE {3 - number}"), rb"^\+OK")
            self.proxy.fault = fault = Fault(hold(lambda: self.kill(role, client)), at)
            client.send(b"RETR %d\r\n" % number)
            end = self.end_of(client, message)
        self.assertTrue(fault.happened.is_set())
        self.proxy.fault = None
        self.come_back(role)
        return end

    def check(self, *roles):
        self.start_for_kills()
        for role in roles:
            self.assertIn(self.attempt(role, 1, self.SMALL, 60), self.ENDS[role][0], role)
            self.assertIn(self.attempt(role, 2, self.LARGE, 300_000), self.ENDS[role][1], role)
        self.assertEqual(len(self.server.bodies(self.user)), 2)

    def test_input_79_invariant_01_invariant_05_retr(self):
        self.check("session", "imap", "front", "broker", "spawner", "supervisor")

    def test_input_79_invariant_09_invariant_11_login(self):
        self.start_for_kills()
        for role in ("session", "front", "broker", "spawner", "supervisor"):
            with self.connect() as client:
                kill = hold(lambda role=role, client=client: self.kill(role, client))
                self.proxy.fault = fault = Fault(kill, 20, coming=True)
                client.send(f"USER {self.user}\r\nPASS {PASSWORD}\r\n".encode())
                client.line()
                self.assertRegex(self.last_words(client), rb"^(\+OK|-ERR \[SYS/TEMP\]|$)", role)
                self.assertTrue(fault.happened.wait(5))
            self.proxy.fault = None
            self.come_back(role)


class Stop(RemovalCase):
    """SIGTERM while QUIT removes messages, and the IMAP server falls silent."""

    listeners = [CLEAR]

    def stop_in_update(self, **limits):
        """The reply to QUIT."""
        self.start(limits=limits, listeners=self.listeners)
        self.gate.allow_warning("did not end in time")
        self.gate.allow_warning("event=session_died")
        with self.begin() as client:
            self.proxy.fault = fault = Fault(stall, 18)
            client.send(b"QUIT\r\n")
            self.assertTrue(fault.happened.wait(10))
            self.gate.signal(signal.SIGTERM)
            reply = self.last_words(client)
            self.gate.check_end(15)
        self.assertRegex(reply, rb"^-ERR \[SYS/TEMP\] .*\r\n$")
        self.check_mailbox(reply)

    def test_input_82_update_ends_within_its_bound(self):
        self.stop_in_update(commit_timeout=1, shutdown_timeout=10)

    def test_input_82_invariant_04_update_that_takes_longer_than_the_stop_is_refused(self):
        self.stop_in_update(commit_timeout=30, shutdown_timeout=1)


class StopUnderTls(Stop):
    road, listeners = {"tls": True}, [IMPLICIT]


if __name__ == "__main__":
    tap.main()
