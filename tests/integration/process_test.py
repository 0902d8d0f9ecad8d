"""Processes that die, and the end of them all."""

import os
import signal
import socket
import time
import unittest

import dovecot
import tap
from dovecot import PASSWORD, Dovecot
from examplecase import AT_ONCE, ExampleCase, wait_until
from gateway import IMPLICIT, Gateway, example_backend, imap_backend
from pop3client import Client
from proxy import Proxy


class Deaths(ExampleCase):
    def test_input_79_front_that_dies_is_replaced_and_its_sessions_end(self):
        gate = self.gateway()
        gate.expect_warning("event=process_died role=front")
        client = self.client(gate)
        self.assertRegex(client.command("DELE 1"), rb"^\+OK")
        self.assertEqual(len(gate.pids("session")), 1)
        gate.kill_process("front")
        self.assertTrue(client.is_closed())
        self.assert_served_again(gate)
        # The session ended as if its client had gone: nothing was removed, the maildrop is free.
        self.assertRegex(gate.wait_for_log("event=session_end user=ann .*").group(), r"deleted=0 .*reason=disconnected")
        self.assertRegex(self.client(gate).command("STAT"), rb"^\+OK 3 ")

    def test_only_the_sessions_of_the_front_that_died_end(self):
        gate = self.gateway(fronts=2)
        gate.expect_warning("event=process_died role=front")
        clients = [self.client(gate, f"user{i}") for i in range(8)]
        os.kill(gate.pids("front")[0], signal.SIGKILL)
        self.assertTrue(wait_until(lambda: len(gate.pids("front")) == 2))
        alive = 0
        for client in clients:
            try:
                alive += client.command("NOOP").startswith(b"+OK")
            except (EOFError, OSError):
                pass
        self.assertTrue(wait_until(lambda: len(gate.pids("session")) == alive))
        for i in range(8):
            self.assert_served_again(gate, f"later{i}")

    def test_input_79_broker_that_dies_is_replaced_and_sessions_go_on(self):
        gate = self.gateway()
        gate.expect_warning("event=process_died role=broker")
        client = self.client(gate)
        gate.kill_process("broker")
        self.assertRegex(client.command("DELE 1"), rb"^\+OK")
        self.assert_served_again(gate)
        self.assertEqual(client.multiline("LIST").count(b"\r\n"), 2)
        self.assertRegex(client.command("QUIT"), rb"^\+OK")

    def test_login_while_the_broker_is_dead_is_temporary(self):
        gate = self.gateway()
        gate.expect_warning("event=process_died role=broker")
        client = self.client(gate, None)
        for pid in gate.pids("broker"):
            os.kill(pid, signal.SIGKILL)
        # The same connection: refused for now, or served by the new broker; never [AUTH].
        reply = client.login("ann", "password")
        self.assertRegex(reply, rb"^(\+OK|-ERR \[SYS/TEMP\])")
        self.assertTrue(reply.startswith(b"+OK") or
                        wait_until(lambda: client.login("ann", "password").startswith(b"+OK"), AT_ONCE))

    def test_input_79_spawner_that_dies_is_replaced_and_sessions_go_on(self):
        gate = self.gateway()
        gate.expect_warning("event=process_died role=spawner")
        gate.allow_warning("event=login_failed .*status=temp")
        client = self.client(gate)
        gate.kill_process("spawner")
        self.assertRegex(client.command("DELE 1"), rb"^\+OK")
        self.assert_served_again(gate)
        gate.wait_until(lambda: len(gate.pids("session")) == 1, "the others' sessions to be over")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")

    def test_mailbox_stays_locked_while_its_session_outlives_broker_and_spawner(self):
        gate = self.gateway()
        gate.expect_warning("event=process_died role=spawner")
        gate.expect_warning("event=process_died role=broker")
        gate.allow_warning("event=login_failed .*status=temp")
        client = self.client(gate)
        gate.kill_process("spawner")
        gate.kill_process("broker")
        self.assert_served_again(gate)
        other = self.client(gate, None)
        self.assertRegex(other.login("ann", "password"), rb"^-ERR \[IN-USE\]")
        client.command("QUIT")
        self.assertRegex(other.login("ann", "password"), rb"^\+OK")

    def test_input_79_any_process_may_die_again_and_again(self):
        gate = self.gateway()
        gate.allow_warning("event=login_failed .*status=temp")
        for role in ("front", "broker", "spawner") * 2:
            gate.expect_warning(f"event=process_died role={role}")
            gate.kill_process(role)
            self.assertTrue(wait_until(lambda: self.try_login(gate, "new"), AT_ONCE + 1), role)

    def test_input_79_everything_ends_when_the_supervisor_is_killed(self):
        gate = Gateway([example_backend()])
        self.addCleanup(gate.kill)
        gate.start()
        client = self.client(gate)
        gate.signal(signal.SIGKILL)
        self.assertTrue(client.is_closed())
        self.assertTrue(wait_until(lambda: not gate.processes(), 5), gate.processes())


class SessionDeath(ExampleCase):
    """In clear the session has the client's socket from the first command after the login on."""

    road = {}

    def gateway(self, *arguments, **options):
        gate = super().gateway(*arguments, **self.road, **options)
        gate.expect_warning("event=session_died")
        gate.allow_warning("the session died; its client is told so")
        return gate

    def client(self, *arguments, **options):
        return super().client(*arguments, tls=bool(self.road), **options)

    def test_idle_client_learns_it_from_its_next_commands(self):
        gate = self.gateway()
        client = self.client(gate)
        client.command("DELE 1")
        gate.kill_process("session")
        for command in ("NOOP", "STAT", "RETR 1", "LIST"):
            self.assertRegex(client.command(command), rb"^-ERR \[SYS/TEMP\]")
        self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.assertTrue(client.is_closed())

    def test_crash_in_the_plugin_is_temporary_and_the_connection_lives(self):
        gate = self.gateway(fail="crash")
        client = self.client(gate)
        client.send(b"NOOP\r\nRETR 1\r\nSTAT\r\nQUIT\r\n")
        # The reply to NOOP may have died with the session; each command has one reply all the same.
        self.assertRegex(client.line(), rb"^(\+OK|-ERR \[SYS/TEMP\])")
        for _ in range(3):
            self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")
        self.assertTrue(client.is_closed())

    def test_commands_are_told_apart_wherever_the_crash_cuts_them(self):
        gate = self.gateway(fail="crash")
        client = self.client(gate)
        self.assertRegex(client.command("STAT"), rb"^\+OK 3 ")
        client.send(b"NOOP\r\nLI")
        self.assertRegex(client.line(), rb"^\+OK")
        time.sleep(0.1)
        client.send(b"ST 1\r\nRETR 1\r\nSTA")
        self.assertRegex(client.line(), rb"^(\+OK|-ERR \[SYS/TEMP\])")
        self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")
        client.send(b"T\r\nQUIT\r\nNOOP\r\n")
        self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")
        self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")
        self.assertTrue(client.is_closed())

    def test_crash_of_one_session_leaves_the_others_alone(self):
        gate = self.gateway(fail="crash")
        other = self.client(gate, "bob")
        client = self.client(gate)
        self.assertRegex(client.command("RETR 1"), rb"^-ERR \[SYS/TEMP\]")
        self.assertRegex(other.command("STAT"), rb"^\+OK 3 ")

    def test_reply_that_was_torn_ends_without_final_dot(self):
        gate = self.gateway(messages=300_000)
        client = self.client(gate)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else buffers might hold it all
        client.send(b"LIST\r\n")
        self.assertRegex(client.line(), rb"^\+OK")
        client.file.read(1000)
        gate.kill_process("session")
        rest = client.rest()
        self.assertFalse(rest.endswith(b"\r\n.\r\n"))
        self.assertNotIn(b"-ERR", rest)
        self.assertLess(rest.count(b"\n"), 300_000)

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot on this machine")
    def test_login_whose_session_dies_is_temporary(self):
        with Dovecot() as server, Proxy(server.imap_port, delay=5) as proxy:
            gate = Gateway([imap_backend(server, port=proxy.port)], **self.road)
            self.addCleanup(gate.stop)
            gate.start()
            gate.expect_warning("event=session_died")
            gate.expect_warning("event=login_failed .*status=temp")
            client = self.client(gate, None)
            client.command("USER ann")
            client.send(b"PASS secret\r\n")
            gate.wait_until(lambda: gate.pids("session"), "a session")
            gate.kill_process("session")
            self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")
            proxy.delay = 0
            self.assertRegex(client.login("ann", PASSWORD), rb"^\+OK")

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot on this machine")
    def test_client_that_waits_for_a_reply_gets_a_temporary_error(self):
        with Dovecot() as server, Proxy(server.imap_port) as proxy:
            server.append("ann", [b"Subject: 1\r\n\r\n1\r\n"])
            gate = Gateway([imap_backend(server, port=proxy.port)], **self.road)
            self.addCleanup(gate.stop)
            gate.start()
            gate.expect_warning("event=session_died")
            gate.allow_warning("the session died; its client is told so")
            client = self.client(gate, None)
            self.assertRegex(client.login("ann", PASSWORD), rb"^\+OK")
            proxy.delay = 5
            client.send(b"RETR 1\r\n")
            time.sleep(0.2)
            gate.kill_process("session")
            self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")
            proxy.delay = 0
            again = self.client(gate, None)
            self.assertRegex(again.login("ann", PASSWORD), rb"^\+OK 1 ")


class SessionDeathUnderTls(SessionDeath):
    """Octets pass through the front as long as the session lives."""

    road = {"listeners": [IMPLICIT]}


class Handover(ExampleCase):
    def stop_front(self, gate):
        for pid in gate.pids("front"):
            os.kill(pid, signal.SIGSTOP)
            self.addCleanup(os.kill, pid, signal.SIGCONT)

    def test_session_in_clear_goes_on_without_the_front(self):
        gate = self.gateway()
        client = self.client(gate)
        client.command("NOOP")
        self.stop_front(gate)
        self.assertRegex(client.command("STAT"), rb"^\+OK 3 ")
        self.assertEqual(client.multiline("LIST").count(b"\r\n"), 3)

    def test_command_that_the_session_never_took_is_refused(self):
        gate = self.gateway()
        gate.expect_warning("event=session_died")
        gate.allow_warning("the session died; its client is told so")
        client = self.client(gate)
        session = gate.pids("session")[0]
        os.kill(session, signal.SIGSTOP)
        client.send(b"NOOP\r\nQUIT\r\n")
        time.sleep(0.2)
        gate.kill_process("session")
        self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")
        self.assertRegex(client.line(), rb"^-ERR \[SYS/TEMP\]")
        self.assertTrue(client.is_closed())

    def test_commands_before_the_end_of_input_are_answered(self):
        gate = self.gateway()
        client = self.client(gate)
        client.command("DELE 1")
        client.send(b"STAT\r\nDELE 2\r\nQUIT\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        self.assertRegex(client.line(), rb"^\+OK 2 ")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^\+OK .*2 messages removed")
        self.assertTrue(client.is_closed())

    def test_stop_waits_for_a_command_on_its_way(self):
        for first in (b"", b"STAT\r\n"):  # before and after the socket is the session's
            gate = self.gateway()
            client = self.client(gate)
            if first:
                client.send(first)
                client.line()
            session = gate.pids("session")[0]
            os.kill(session, signal.SIGSTOP)
            client.send(b"LIST\r\n")
            time.sleep(0.2)
            gate.signal(signal.SIGTERM)
            gate.wait_for_log("stopping")
            time.sleep(0.3)
            os.kill(session, signal.SIGCONT)
            self.assertRegex(client.line(), rb"^\+OK")
            self.assertEqual(client.lines().count(b"\n"), 3)
            gate.check_end(10)

    def test_front_that_has_gone_is_the_end_whatever_the_client_sends(self):
        gate = self.gateway()
        gate.expect_warning("event=process_died role=front")
        client = self.client(gate)
        client.command("NOOP")
        session = gate.pids("session")[0]
        os.kill(session, signal.SIGSTOP)
        time.sleep(0.2)
        client.send(b"NOOP\r\n" * 3)
        gate.kill_process("front")
        os.kill(session, signal.SIGCONT)
        try:
            self.assertEqual(client.rest(), b"")
        except ConnectionResetError:
            pass

    def test_connection_ends_though_its_session_hangs(self):
        gate = self.gateway()
        client = self.client(gate)
        client.command("NOOP")
        time.sleep(0.3)  # the reply comes a little before the session waits again
        session = gate.pids("session")[0]
        os.kill(session, signal.SIGSTOP)
        try:
            gate.signal(signal.SIGTERM)
            self.assertTrue(client.is_closed())
        finally:
            os.kill(session, signal.SIGCONT)

    def test_client_that_leaves_is_noticed_by_its_session(self):
        gate = self.gateway()
        client = self.client(gate)
        client.command("DELE 1")
        self.stop_front(gate)
        client.close()
        self.assertTrue(wait_until(lambda: "event=session_end" in gate.log()))
        self.assertRegex(gate.log(), "event=session_end .*deleted=0 .*reason=disconnected")

    def test_what_came_with_the_login_is_answered_before_what_comes_after(self):
        gate = self.gateway()
        client = self.client(gate, None)
        client.send(b"USER ann\r\nPASS password\r\nLIST 1\r\nLIST 2\r\n")
        replies = [client.line() for _ in range(4)]
        client.send(b"LIST 3\r\nSTAT\r\n")
        replies += [client.line(), client.line()]
        self.assertEqual([reply.split()[1] for reply in replies[2:]], [b"1", b"2", b"3", b"3"])

    def test_connection_ends_with_the_front_while_its_reply_is_not_taken(self):
        gate = self.gateway(messages=1_000_000)
        gate.expect_warning("event=process_died role=front")
        client = self.client(gate, timeout=90)  # the listing takes its time
        client.command("NOOP")
        client.send(b"LIST\r\n")
        client.line()
        gate.kill_process("front")
        self.assertTrue(wait_until(lambda: not gate.pids("session"), 5))
        self.assertFalse(client.rest().endswith(b"\r\n.\r\n"))


@unittest.skipUnless(dovecot.available(), "there is no Dovecot on this machine")
class Removal(unittest.TestCase):
    """Deaths while QUIT removes messages."""

    def setUp(self):
        self.server = Dovecot()
        self.addCleanup(self.server.stop)
        self.server.start()
        self.proxy = Proxy(self.server.imap_port)
        self.addCleanup(self.proxy.close)
        self.server.append("ann", [b"Subject: %d\r\n\r\n1\r\n" % i for i in range(1, 6)])
        self.gate = Gateway([imap_backend(self.server, port=self.proxy.port)])
        self.addCleanup(self.gate.stop)
        self.gate.start()

    def left(self):
        return [int(body.split()[1]) for body in self.server.bodies("ann").values()]

    def begin(self):
        """Returns a client that has sent QUIT; the server's answers take their time."""
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login("ann", PASSWORD), rb"^\+OK")
        client.command("DELE 2")
        client.command("DELE 4")
        self.proxy.delay = 0.4
        client.send(b"QUIT\r\n")
        self.gate.wait_until(lambda: b"STORE" in bytes(self.proxy.sent).upper(), "UPDATE to begin")
        return client

    def test_input_79_session_that_dies_has_not_succeeded_and_nothing_else_is_gone(self):
        self.gate.expect_warning("event=session_died")
        self.gate.allow_warning("the session died; its client is told so")
        client = self.begin()
        self.gate.kill_process("session")
        self.assertRegex(client.line(), rb"^-ERR")
        self.assertTrue(client.is_closed())
        self.proxy.delay = 0
        self.assertLessEqual({1, 3, 5}, set(self.left()))
        with Client(self.gate.port) as again:
            self.assertRegex(again.login("ann", PASSWORD), rb"^\+OK")

    def test_input_79_front_that_dies_does_not_stop_it(self):
        self.gate.expect_warning("event=process_died role=front")
        client = self.begin()
        self.gate.kill_process("front")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertTrue(client.is_closed())
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.assertEqual(self.left(), [1, 3, 5])

    def test_input_79_broker_and_spawner_that_die_do_not_stop_it(self):
        self.gate.expect_warning("event=process_died role=broker")
        self.gate.expect_warning("event=process_died role=spawner")
        client = self.begin()
        self.gate.kill_process("broker")
        self.gate.kill_process("spawner")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertEqual(self.left(), [1, 3, 5])


class Shutdown(ExampleCase):
    """SIGTERM."""

    def test_idle_clients_are_let_go_and_nothing_is_removed(self):
        gate = self.gateway()
        client, stranger = self.client(gate), self.client(gate, None)
        client.command("DELE 1")
        started = time.monotonic()
        gate.signal(signal.SIGTERM)
        self.assertTrue(client.is_closed())
        self.assertTrue(stranger.is_closed())
        gate.check_end(5)
        self.assertLess(time.monotonic() - started, 3)
        self.assertRegex(gate.log(), "event=session_end user=ann .*deleted=0 ")

    def test_new_clients_are_not_taken(self):
        gate = self.gateway(messages=300_000)
        busy = self.client(gate)
        busy.send(b"LIST\r\n")
        busy.line()
        gate.signal(signal.SIGTERM)
        gate.wait_for_log("stopping")

        def refused():
            try:
                with socket.create_connection(("127.0.0.1", gate.port), 1) as connection:
                    connection.settimeout(0.2)
                    return connection.recv(1) == b""
            except OSError:
                return True
        self.assertTrue(wait_until(refused, 3))
        busy.lines()

    def test_reply_under_way_is_finished(self):
        gate = self.gateway(messages=300_000)
        client = self.client(gate)
        client.send(b"LIST\r\n")
        client.line()
        gate.signal(signal.SIGTERM)
        gate.wait_for_log("stopping")
        time.sleep(0.3)
        self.assertEqual(client.lines().count(b"\n"), 300_000)
        gate.check_end(10)

    def test_client_that_takes_no_more_is_cut_at_the_end_of_the_time(self):
        gate = self.gateway(messages=1_000_000, limits={"shutdown_timeout": 1})
        gate.expect_warning("did not end in time")
        client = self.client(gate, timeout=90)  # the listing takes its time
        client.send(b"LIST\r\n")
        client.line()
        gate.signal(signal.SIGTERM)
        gate.check_end(1 + 5)
        try:
            self.assertFalse(client.rest().endswith(b"\r\n.\r\n"))
        except ConnectionResetError:
            pass

    def test_second_signal_ends_it_at_once(self):
        gate = Gateway([example_backend(messages=1_000_000)], limits={"shutdown_timeout": 30})
        self.addCleanup(gate.kill)
        gate.start()
        client = self.client(gate, timeout=90)  # the listing takes its time
        client.send(b"LIST\r\n")
        client.line()
        gate.signal(signal.SIGTERM)
        gate.wait_for_log("stopping")
        gate.signal(signal.SIGTERM)
        gate.process.wait(5)
        self.assertTrue(wait_until(lambda: not gate.processes(), 1), [one.name for one in gate.processes()])

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot on this machine")
    def test_input_82_removal_under_way_is_finished(self):
        self.stop_in_update()

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot on this machine")
    def test_input_79_input_82_removal_under_way_outlives_its_spawner(self):
        self.stop_in_update(lambda gate: gate.kill_process("spawner"))

    def stop_in_update(self, meanwhile=lambda gate: None):
        with Dovecot() as server, Proxy(server.imap_port) as proxy:
            server.append("ann", [b"Subject: %d\r\n\r\n1\r\n" % i for i in range(3)])
            gate = Gateway([imap_backend(server, port=proxy.port)])
            self.addCleanup(gate.stop)
            gate.start()
            client = self.client(gate, None)
            self.assertRegex(client.login("ann", PASSWORD), rb"^\+OK")
            client.command("DELE 2")
            proxy.delay = 0.4
            client.send(b"QUIT\r\n")
            gate.wait_until(lambda: b"STORE" in bytes(proxy.sent).upper(), "UPDATE to begin")
            gate.signal(signal.SIGTERM)
            gate.wait_for_log("stopping")
            meanwhile(gate)
            self.assertRegex(client.line(), rb"^\+OK")
            gate.check_end(15)
            self.assertEqual([body.split()[1] for body in server.bodies("ann").values()], [b"0", b"2"])


if __name__ == "__main__":
    tap.main()
