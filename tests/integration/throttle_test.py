"""Wrong passwords in a row: answers take longer and longer, by address and by user, and nobody else pays for it."""

import base64
import concurrent.futures
import functools
import re
import signal
import subprocess
import threading
import time
import unittest

import tap
from gateway import Gateway, example_backend, imap_backend
from imapscript import HANG_UP, Server
from pop3client import Client

AUTH = b"-ERR [AUTH] wrong name or password"
SLACK = 1.5  # seconds that a busy machine may take


def together(method):
    """All such tests of a class run at the same time, for most of it is waiting."""
    @functools.wraps(method)
    def test(self):
        self.running[method.__name__].result()
    test.beside = method
    return test


class _Together(unittest.TestCase):
    @classmethod
    def begin(cls):
        """To be called at the end of setUpClass."""
        pool = concurrent.futures.ThreadPoolExecutor(32)
        cls.addClassCleanup(pool.shutdown)
        cls.pool = pool
        cls.running = {name: pool.submit(test.beside, cls(name)) for name, test in vars(cls).items()
                       if hasattr(test, "beside")}

    @classmethod
    def start(cls, backends, penalty=15, **options):
        gate = Gateway(backends, limits={"login_penalty": penalty, "upstream_timeout": 5}, **options)
        cls.addClassCleanup(gate.stop)
        return gate.start()

    def beside(self, function, *arguments, **options):
        return self.pool.submit(function, *arguments, **options)

    def try_login(self, source, user, password="wrong", gate=None):
        """The reply to PASS, and the seconds that it took."""
        with Client((gate or self.gate).port, source=source, timeout=60) as client:
            client.command(f"USER {user}")
            begun = time.monotonic()
            reply = client.command(f"PASS {password}")
            return reply, time.monotonic() - begun

    def assert_took(self, seconds, wanted):
        self.assertGreater(seconds, wanted - 0.05)
        self.assertLess(seconds, wanted + SLACK)

    def wrong(self, wanted, *arguments, **options):
        reply, seconds = self.try_login(*arguments, **options)
        self.assertEqual(reply, AUTH)
        self.assert_took(seconds, wanted)

    def right(self, wanted, source, user, **options):
        reply, seconds = self.try_login(source, user, "password", **options)
        self.assertRegex(reply, rb"^\+OK")
        self.assert_took(seconds, wanted)


class Throttle(_Together):
    """Those that share a gateway take addresses and names of their own."""

    @classmethod
    def setUpClass(cls):
        cls.gate = cls.start([example_backend()], routes=[{"users": "*@example.org", "backend": "example"}])
        cls.begin()

    @together
    def test_input_21_answers_wait_longer_and_longer_by_address_and_by_user(self):
        def by_address():
            for number, seconds in enumerate((2, 4)):
                self.wrong(seconds, "127.0.0.10", f"one{number}@example.org")

        def by_user():
            for number, seconds in enumerate((2, 4)):
                self.wrong(seconds, f"127.0.0.2{number}", ("guessed@example.org", "Guessed@Example.org")[number % 2])
        for done in (self.beside(by_address), self.beside(by_user)):
            done.result()
        self.assertRegex(self.gate.log(), r"event=login_failed .*user=one0@example.org .*status=auth delay=2 ")
        self.assertRegex(self.gate.log(), r"event=login_failed .*user=one1@example.org .*status=auth delay=4 ")

    @together
    def test_input_21_a_login_in_between_waits_unless_its_pair_succeeded_lately(self):
        self.right(0, "127.0.0.30", "colleague@example.org")
        self.right(0, "127.0.0.31", "victim@example.org")
        attacks = [self.beside(self.wrong, 2, "127.0.0.30", "stranger@example.org"),
                   self.beside(self.wrong, 2, "127.0.0.32", "victim@example.org")]
        time.sleep(0.5)
        logins = [self.beside(self.right, 0, "127.0.0.30", "colleague@example.org"),
                  self.beside(self.right, 0, "127.0.0.31", "victim@example.org"),
                  self.beside(self.right, 1, "127.0.0.30", "newcomer@example.org"),
                  self.beside(self.right, 0, "127.0.0.33", "elsewhere@example.org")]
        for done in attacks + logins:
            done.result()
        self.assertRegex(self.gate.log(), r"level=info .*event=login .*user=newcomer@example.org .*delay=[12]\b")
        # Its own wrong passwords count.
        self.wrong(2, "127.0.0.30", "colleague@example.org")
        self.wrong(4, "127.0.0.30", "colleague@example.org")

    @together
    def test_input_22_an_unknown_user_gets_the_same_text_at_the_same_time(self):
        known = self.beside(self.try_login, "127.0.0.40", "somebody@example.org")
        unknown = self.beside(self.try_login, "127.0.0.41", "somebody@example.net")
        (reply, seconds), (other_reply, other_seconds) = known.result(), unknown.result()
        self.assertEqual((reply, other_reply), (AUTH, AUTH))
        self.assert_took(seconds, 2)
        self.assertAlmostEqual(seconds, other_seconds, delta=0.5)

    # ---- each with a gateway of its own ----

    def serve(self, handler):
        server = Server({}, on={"AUTHENTICATE": handler, "LOGIN": handler})
        self.addClassCleanup(server.close)
        return server, self.start([imap_backend(port=server.port, pipeline_login=False)])

    @together
    def test_input_21_tries_upstream_are_capped_and_wait_for_the_verdict_of_the_last(self):
        running, most, lock = [0], [0], threading.Lock()

        def no(talk, tag, _rest):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            time.sleep(0.5)
            with lock:
                running[0] -= 1
            talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")
        server, gate = self.serve(no)
        gate.allow_warning("too many logins of this user wait at this address")
        clients = [Client(gate.port, source=f"127.0.0.{60 + number % 3}") for number in range(30)]
        for client in clients:
            client.send(b"USER ann\r\nPASS wrong\r\n")
        time.sleep(3)
        self.assertEqual(most[0], 4)
        # Four refusals: the others wait for 15 seconds.
        self.assertEqual(len(gate.processes("session")), 0)
        self.assertEqual(server.connections, 4)
        for client in clients:
            client.close()

    @together
    def test_input_21_few_of_one_user_wait_at_one_address_also_for_somebody_elses_identity(self):
        """Else a hundred that wait would be tried in a row, or push back everybody's turn."""
        gate = self.start([example_backend()])
        gate.allow_warning("too many logins of this user wait at this address")
        credentials = (b"USER ann\r\nPASS wrong\r\n",
                       b"AUTH PLAIN " + base64.b64encode(b"other\0ann\0password") + b"\r\n")
        for source, credential in zip(("127.0.0.3", "127.0.0.4"), credentials):
            clients = [Client(gate.port, source=source) for _ in range(9)]
            self.wrong(2, source, f"first{source}", gate=gate)  # from now on it has to wait
            for client in clients:
                client.send(credential)
            gate.wait_until(lambda: len(re.findall(rf"peer={source} .*status=temp", gate.log())) >= 3, "refusals")
            # two wait, some may have been tried
            self.assertLessEqual(len(re.findall(rf"peer={source} .*status=temp", gate.log())), 7)
            for client in clients:
                client.close()

    @together
    def test_input_21_what_is_no_wrong_password_does_not_count(self):
        def unavailable(talk, tag, _rest):
            talk.line(f"{tag} NO [UNAVAILABLE] later")
        _, gate = self.serve(unavailable)
        gate.allow_warning("status=temp")
        begun = time.monotonic()
        for _ in range(10):
            reply, _ = self.try_login("127.0.0.70", "ann", gate=gate)
            self.assertRegex(reply, rb"^-ERR \[SYS/TEMP\]")
        self.assertLess(time.monotonic() - begun, 2 + SLACK)

    @together
    def test_input_21_a_client_that_leaves_while_the_upstream_thinks_gets_no_further_tries_for_it(self):
        def slow(talk, _tag, _rest):
            talk.wait(20)
            return HANG_UP
        server, gate = self.serve(slow)
        gate.allow_warning("status=(temp|stopped)")
        begun = time.monotonic()
        while time.monotonic() - begun < 3:
            with Client(gate.port, source="127.0.0.80") as client:
                client.send(b"USER ann\r\nPASS wrong\r\n")
                time.sleep(0.1)
        # 2 s between two, as after a refusal; without it there would be 25.
        self.assertLessEqual(server.connections, 4)

    @together
    def test_input_21_who_leaves_is_counted_all_the_same_and_waiting_costs_no_process(self):
        gate = self.start([example_backend()])
        with Client(gate.port, source="127.0.0.2") as client:
            client.send(b"USER gone\r\nPASS wrong\r\n")
            gate.wait_until(lambda: "user=gone" in gate.log(), "the refusal")
            gate.wait_until(lambda: not gate.processes("session"), "the session to go", 1)
        self.wrong(4, "127.0.0.2", "other", gate=gate)

    @together
    def test_input_21_a_reload_forgets_nothing(self):
        gate = self.start([example_backend()])
        self.wrong(2, "127.0.0.2", "ann", gate=gate)
        gate.signal(signal.SIGHUP)
        gate.wait_for_log("configuration reloaded")
        self.wrong(4, "127.0.0.2", "bob", gate=gate)

    @together
    def test_input_21_the_death_of_the_broker_forgets_nothing(self):
        gate = self.start([example_backend()])
        gate.expect_warning("process_died role=broker")
        self.wrong(2, "127.0.0.2", "ann", gate=gate)
        before = gate.pids("broker")
        gate.kill_process("broker")
        gate.wait_until(lambda: gate.pids("broker") not in ([], before), "another broker")
        time.sleep(0.3)
        self.wrong(4, "127.0.0.2", "bob", gate=gate)

    @together
    def test_input_21_a_session_on_standard_input_is_slowed_down_too(self):
        gate = self.start([example_backend()])
        begun = time.monotonic()
        done = subprocess.run(gate.command("session"), input=b"USER ann\r\nPASS wrong\r\nUSER ann\r\nPASS password\r\n",
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
        self.assert_took(time.monotonic() - begun, 2)
        self.assertRegex(done.stdout, rb"(?s)-ERR \[AUTH\].*\+OK 3 messages")

    @together
    def test_nothing_is_held_back_where_it_is_turned_off(self):
        gate = self.start([example_backend()], penalty=0)
        for _ in range(5):
            self.wrong(0, "127.0.0.2", "ann", gate=gate)


if __name__ == "__main__":
    tap.main()
