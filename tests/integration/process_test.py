"""Processes: deaths, restarts, reload, shutdown, privileges, limits."""

import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import time
import unittest

import dovecot
import tap
from dovecot import PASSWORD, Dovecot, free_port
from gateway import CLEAR, IMPLICIT, NOBODY, PROGRAM, Gateway, example_backend, imap_backend
from pop3client import Client
from proxy import Proxy

AT_ONCE = 2  # seconds; a restart takes one at most, a busy machine its time


def wait_until(ready, seconds=10):
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class _Example(unittest.TestCase):
    """A gateway before plugin example: three messages for each name."""

    def gateway(self, messages=3, fail="none", **options):
        gate = Gateway([example_backend(messages=messages, fail=fail)], **options)
        self.addCleanup(gate.stop)
        return gate.start()

    def client(self, gate, user="ann", port=None, **options):
        client = Client(port or gate.port, **options)
        self.addCleanup(client.close)
        if user is not None:
            self.assertRegex(client.login(user, "password"), rb"^\+OK")
        return client

    def try_login(self, gate, user):
        try:
            with Client(gate.port) as client:
                if client.login(user, "password").startswith(b"+OK"):
                    return client.command("QUIT").startswith(b"+OK")
        except (OSError, EOFError):
            pass
        return False

    def assert_served_again(self, gate, user="new"):
        self.assertTrue(wait_until(lambda: self.try_login(gate, user), AT_ONCE), gate.log())


class Deaths(_Example):
    def test_front_that_dies_is_replaced_and_its_sessions_end(self):
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

    def test_broker_that_dies_is_replaced_and_sessions_go_on(self):
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

    def test_spawner_that_dies_is_replaced_and_sessions_go_on(self):
        gate = self.gateway()
        gate.expect_warning("event=process_died role=spawner")
        gate.allow_warning("event=login_failed .*status=temp")
        client = self.client(gate)
        gate.kill_process("spawner")
        self.assertRegex(client.command("DELE 1"), rb"^\+OK")
        self.assert_served_again(gate)
        self.assertEqual(len(gate.pids("session")), 1)
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

    def test_any_process_may_die_again_and_again(self):
        gate = self.gateway()
        gate.allow_warning("event=login_failed .*status=temp")
        for role in ("front", "broker", "spawner") * 2:
            gate.expect_warning(f"event=process_died role={role}")
            gate.kill_process(role)
            self.assertTrue(wait_until(lambda: self.try_login(gate, "new"), AT_ONCE + 1), role)

    def test_everything_ends_when_the_supervisor_is_killed(self):
        gate = Gateway([example_backend()])
        self.addCleanup(gate.kill)
        gate.start()
        client = self.client(gate)
        gate.signal(signal.SIGKILL)
        self.assertTrue(client.is_closed())
        self.assertTrue(wait_until(lambda: not gate.processes(), 5), gate.processes())


class SessionDeath(_Example):
    def gateway(self, *arguments, **options):
        gate = super().gateway(*arguments, **options)
        gate.expect_warning("event=session_died")
        gate.allow_warning("the session died; its client is told so")
        return gate

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

    def test_crash_of_one_session_leaves_the_others_alone(self):
        gate = self.gateway(fail="crash")
        other = self.client(gate, "bob")
        client = self.client(gate)
        self.assertRegex(client.command("RETR 1"), rb"^-ERR \[SYS/TEMP\]")
        self.assertRegex(other.command("STAT"), rb"^\+OK 3 ")

    def test_reply_that_was_torn_ends_without_final_dot(self):
        gate = self.gateway(messages=300_000)
        client = self.client(gate)
        client.send(b"LIST\r\n")
        self.assertRegex(client.line(), rb"^\+OK")
        client.file.read(1000)
        gate.kill_process("session")
        rest = client.rest()
        self.assertFalse(rest.endswith(b"\r\n.\r\n"))
        self.assertNotIn(b"-ERR", rest)
        self.assertLess(rest.count(b"\n"), 300_000)

    def test_login_whose_session_dies_is_temporary(self):
        with Dovecot() as server, Proxy(server.imap_port, delay=5) as proxy:
            gate = Gateway([imap_backend(server, port=proxy.port)])
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

    def test_client_that_waits_for_a_reply_gets_a_temporary_error(self):
        with Dovecot() as server, Proxy(server.imap_port) as proxy:
            server.append("ann", [b"Subject: 1\r\n\r\n1\r\n"])
            gate = Gateway([imap_backend(server, port=proxy.port)])
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

    def test_session_that_dies_has_not_succeeded_and_nothing_else_is_gone(self):
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

    def test_front_that_dies_does_not_stop_it(self):
        self.gate.expect_warning("event=process_died role=front")
        client = self.begin()
        self.gate.kill_process("front")
        self.assertTrue(client.is_closed())
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.assertEqual(self.left(), [1, 3, 5])

    def test_broker_and_spawner_that_die_do_not_stop_it(self):
        self.gate.expect_warning("event=process_died role=broker")
        self.gate.expect_warning("event=process_died role=spawner")
        client = self.begin()
        self.gate.kill_process("broker")
        self.gate.kill_process("spawner")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertEqual(self.left(), [1, 3, 5])


class Reload(_Example):
    """SIGHUP."""

    def reload(self, gate):
        gate.write_config()
        before = gate.log().count("configuration reloaded")
        gate.signal(signal.SIGHUP)
        gate.wait_until(lambda: gate.log().count("configuration reloaded") > before, "the reload")

    def refused(self, gate, why):
        """The log says why, and that the old state stays."""
        gate.write_config()
        gate.expect_warning("stays? in force")
        gate.allow_warning(why)
        gate.signal(signal.SIGHUP)
        gate.wait_for_log("stays? in force")
        self.assertRegex(gate.log(), why)

    @staticmethod
    def served_certificate(port):
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port)))

    @staticmethod
    def certificate_in(path):
        with open(path, encoding="ascii") as file:
            return ssl.PEM_cert_to_DER_cert(file.read())

    def test_new_settings_are_for_new_sessions_and_old_sessions_live_on(self):
        gate = self.gateway()
        client = self.client(gate)
        gate.sections["backends"] = [example_backend(messages=7)]
        self.reload(gate)
        self.assertRegex(client.command("STAT"), rb"^\+OK 3 ")
        self.assertRegex(self.client(gate, "bob").command("STAT"), rb"^\+OK 7 ")
        self.assertRegex(self.client(gate, None).login("ann", "password"), rb"^-ERR \[IN-USE\]")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        gate.wait_until(lambda: len(gate.pids("front")) == len(gate.pids("broker")) == len(gate.pids("spawner")) == 1,
                        "the old processes to go")

    def test_clients_before_login_live_on(self):
        gate = self.gateway()
        client = self.client(gate, None)
        self.reload(gate)
        self.assertRegex(client.login("ann", "password"), rb"^\+OK")

    def test_listeners_come_and_go(self):
        first, second = free_port(), free_port()
        gate = self.gateway(listeners=[{**CLEAR, "port": first}])
        client = self.client(gate)
        gate.sections["listeners"] = [{**CLEAR, "port": second}]
        self.reload(gate)
        self.assertRegex(self.client(gate, "bob", port=second).command("NOOP"), rb"^\+OK")
        self.assertRegex(client.command("NOOP"), rb"^\+OK")
        client.command("QUIT")

        def refuses():
            try:
                with socket.create_connection(("127.0.0.1", first), 1):
                    return False
            except OSError:
                return True
        self.assertTrue(wait_until(refuses, 5))

    def test_no_client_is_turned_away_while_reloading(self):
        gate = self.gateway()
        for i in range(5):
            gate.signal(signal.SIGHUP)
            for j in range(10):
                self.client(gate, f"user{i}-{j}").command("QUIT")
        gate.wait_until(lambda: len(gate.pids("front")) == 1, "the old processes to go")

    def test_new_certificate_is_served_to_new_connections(self):
        gate = self.gateway(listeners=[{**IMPLICIT, "port": free_port()}])
        client = self.client(gate, tls=True)
        old = self.served_certificate(gate.port)
        gate.use_certificate(*gate.authority.issue("renewed"))
        self.reload(gate)
        new = self.served_certificate(gate.port)
        self.assertNotEqual(new, old)
        self.assertEqual(new, self.certificate_in(gate.sections["tls"]["certificate"]))
        self.assertRegex(client.command("NOOP"), rb"^\+OK")

    def test_broken_file_changes_nothing(self):
        gate = self.gateway()
        client = self.client(gate)
        gate.sections["limits"] = {"max_conections": 10}
        self.refused(gate, r"popgate\.conf:\d+: .*max_conections")
        self.assertRegex(client.command("NOOP"), rb"^\+OK")
        self.assert_served_again(gate)

    def test_unknown_plugin_changes_nothing(self):
        gate = self.gateway()
        gate.sections["backends"] = [{"name": "example", "plugin": "nowhere"}]
        self.refused(gate, r"popgate\.conf:\d+: .*nowhere")
        gate.allow_warning("event=process_died role=spawner")
        self.assert_served_again(gate)

    def test_broken_certificate_changes_nothing(self):
        gate = self.gateway(listeners=[{**IMPLICIT, "port": free_port()}])
        client = self.client(gate, tls=True)
        old = self.served_certificate(gate.port)
        with open(gate.sections["tls"]["certificate"], "w", encoding="ascii") as file:
            file.write("-----BEGIN CERTIFICATE-----\nthis is none\n-----END CERTIFICATE-----\n")
        self.refused(gate, r"server\.pem")
        gate.allow_warning("event=process_died role=front")
        self.assertEqual(self.served_certificate(gate.port), old)
        self.assertRegex(client.command("NOOP"), rb"^\+OK")
        self.assertRegex(self.client(gate, "bob", tls=True).command("NOOP"), rb"^\+OK")

    def test_key_of_another_certificate_changes_nothing(self):
        gate = self.gateway(listeners=[{**IMPLICIT, "port": free_port()}])
        old = self.served_certificate(gate.port)
        shutil.copyfile(gate.authority.issue("another")[1], gate.sections["tls"]["key"])
        self.refused(gate, r"server\.key")
        gate.allow_warning("event=process_died role=front")
        self.assertEqual(self.served_certificate(gate.port), old)

    def test_port_that_is_taken_changes_nothing(self):
        gate = self.gateway()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            gate.sections["listeners"].append({**CLEAR, "port": taken.getsockname()[1]})
            self.refused(gate, "cannot listen")
        self.assert_served_again(gate)

    def test_two_listeners_on_chosen_ports_keep_their_kinds(self):
        gate = self.gateway(listeners=[CLEAR, IMPLICIT])
        clear, implicit = gate.ports
        self.reload(gate)
        self.assertRegex(self.client(gate, "ann", port=clear).command("NOOP"), rb"^\+OK")
        self.assertRegex(self.client(gate, "bob", port=implicit, tls=True).command("NOOP"), rb"^\+OK")


class Shutdown(_Example):
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
        client = self.client(gate)
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
        client = self.client(gate)
        client.send(b"LIST\r\n")
        client.line()
        gate.signal(signal.SIGTERM)
        gate.wait_for_log("stopping")
        gate.signal(signal.SIGTERM)
        gate.process.wait(5)
        self.assertTrue(wait_until(lambda: not gate.processes(), 1), [one.name for one in gate.processes()])

    def test_removal_under_way_is_finished(self):
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
            self.assertRegex(client.line(), rb"^\+OK")
            gate.check_end(15)
            self.assertEqual([body.split()[1] for body in server.bodies("ann").values()], [b"0", b"2"])


class Log(_Example):
    def test_log_file_is_opened_anew_when_asked(self):
        gate = Gateway([example_backend()])
        gate.log_file = gate.path("popgate.log")
        gate.sections["log"] = {"to": "file", "file": gate.log_file}
        self.addCleanup(gate.stop)
        gate.start()
        port = gate.port
        old = self.client(gate)
        os.rename(gate.log_file, gate.path("old.log"))
        gate.signal(signal.SIGUSR1)
        gate.wait_until(lambda: os.path.exists(gate.log_file), "the new file")
        self.assertTrue(wait_until(lambda: self.client(gate, "bob", port).command("QUIT") and
                                   "session_end user=bob" in gate.log(), 5), gate.log())
        old.command("QUIT")
        self.assertNotIn("event=listening", gate.log())
        with open(gate.path("old.log"), encoding="utf-8") as file:
            self.assertIn("event=listening", file.read())


class Privileges(_Example):
    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_started_as_root_only_the_supervisor_keeps_root(self):
        name = "popgate" if any(entry.pw_name == "popgate" for entry in pwd.getpwall()) else "nobody"
        gate = self.gateway()
        self.client(gate)
        uids = {one.name: one.uid() for one in gate.processes()}
        self.assertEqual(uids.pop("popgate"), 0)
        self.assertEqual(uids, dict.fromkeys(("popgate-front", "popgate-broker", "popgate-spawner", "popgate-session"),
                                             pwd.getpwnam(name).pw_uid))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_user_in_the_configuration_is_whom_it_runs_as(self):
        gate = self.gateway(user="daemon")
        self.client(gate)
        uid = pwd.getpwnam("daemon").pw_uid
        self.assertEqual({one.uid() for one in gate.processes() if one.name != "popgate"}, {uid})

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_key_that_only_root_can_read_is_served(self):
        gate = self.gateway(listeners=[IMPLICIT])
        self.assertEqual(os.stat(gate.sections["tls"]["key"]).st_mode & 0o777, 0o600)
        self.assertRegex(self.client(gate, tls=True).command("NOOP"), rb"^\+OK")

    def test_started_without_privileges_it_just_runs(self):
        if os.geteuid() == 0 and subprocess.run((*NOBODY, "test", "-x", PROGRAM), check=False).returncode != 0:
            self.skipTest(f"nobody cannot reach {PROGRAM}")
        gate = self.gateway(listeners=[CLEAR, IMPLICIT], unprivileged=True)
        self.assertNotIn(0, {one.uid() for one in gate.processes()})
        for port, tls in zip(gate.ports, (False, True)):
            client = self.client(gate, port=port, tls=tls)
            self.assertEqual(client.multiline("LIST").count(b"\n"), 3)
            client.command("QUIT")

    def test_too_few_open_files_are_told_at_the_start(self):
        if os.geteuid() == 0 and subprocess.run((*NOBODY, "test", "-x", PROGRAM), check=False).returncode != 0:
            self.skipTest(f"nobody cannot reach {PROGRAM}")
        gate = Gateway([example_backend()], unprivileged=True, prefix=("prlimit", "--nofile=200:200"),
                       limits={"max_connections": 5000})
        self.addCleanup(gate.kill)
        gate.launch()
        self.assertEqual(gate.process.wait(10), 3)
        self.assertRegex(gate.log(), r"popgate\.conf.*max_connections.*(ulimit|LimitNOFILE)")


@unittest.skipUnless(dovecot.available(), "there is no Dovecot on this machine")
class WithoutFile(_Example):
    """popgate serve --imap URL."""

    def one_line_start(self, url, *options, prefix=()):
        if os.geteuid() == 0 and subprocess.run((*NOBODY, "test", "-x", PROGRAM), check=False).returncode != 0:
            self.skipTest(f"nobody cannot reach {PROGRAM}")
        with Dovecot() as server:
            server.append("ann", [b"Subject: 1\r\n\r\n1\r\n"])
            gate = Gateway(imap_url=url.format(imap=server.imap_port, imaps=server.imaps_port), unprivileged=True,
                           options=("--listen", "127.0.0.1:0",
                                    *(option.format(ca=server.ca_file) for option in options)), prefix=prefix)
            gate.environment["XDG_RUNTIME_DIR"] = gate.path("run")
            self.addCleanup(gate.stop)
            gate.start()
            client = self.client(gate, None)
            self.assertRegex(client.login("ann", PASSWORD), rb"^\+OK 1 ")
            self.assertEqual(client.multiline("RETR 1"), b"Subject: 1\r\n\r\n1\r\n")
            client.command("QUIT")
            with open(gate.path("output"), encoding="utf-8") as file:
                self.assertRegex(file.read(), rf"port +{gate.port}\b")

    def test_one_line_starts_it_before_a_server_in_clear(self):
        self.one_line_start("imap://127.0.0.1:{imap}?security=none")

    def test_one_line_starts_it_before_a_server_with_starttls(self):
        self.one_line_start("imap://localhost:{imap}", "--ca-file", "{ca}")

    def test_one_line_starts_it_before_a_server_with_tls(self):
        self.one_line_start("imaps://localhost:{imaps}", "--ca-file", "{ca}")

    def test_one_line_start_makes_do_with_few_open_files(self):
        self.one_line_start("imap://127.0.0.1:{imap}?security=none", prefix=("prlimit", "--nofile=1024:1024"))


if __name__ == "__main__":
    tap.main()
