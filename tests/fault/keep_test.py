"""Drops that are kept open between two logins (limits.keep_open): the next login of the same user costs no login
upstream, and whatever is in doubt costs no more than one."""

import os
import signal
import time

import tap
from faultcase import FINE, MESSAGES, FaultCase
from gateway import Gateway, imap_backend
from imapscript import HANG_UP

NEW = b"Subject: new\r\n\r\nit has come meanwhile\r\n"


class _Kept(FaultCase):
    def start(self, on=None, *, keep=30, limits=None, **options):
        client = self.serve(on, limits={"keep_open": keep, **(limits or {})}, **options)
        client.close()

    def visit(self, *commands, password="secret", user="ann", expected=FINE):
        """Logs in, sends the commands, quits. The UIDs that UIDL tells, by number."""
        client = self.connect()
        self.assertRegex(client.login(user, password), expected)
        uids = [int(line.split()[1].partition(b".")[2]) for line in client.multiline("UIDL").splitlines()]
        for command in commands:
            self.assertRegex(client.command(command), FINE)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertTrue(client.is_closed())
        return uids

    def logins(self):
        return len(self.server.commands("AUTHENTICATE"))

    def sessions(self):
        return set(self.gate.pids("session"))

    def descriptors(self):
        """Of the session that keeps its drop, and of the broker."""
        return [len(os.listdir(f"/proc/{pid}/fd")) for role in ("session", "broker") for pid in self.gate.pids(role)]

    def no_session(self):
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the sessions to end")


class Keeping(_Kept):
    def test_without_the_setting_nothing_is_kept(self):
        self.start(keep=0)
        for _ in range(2):
            self.visit()
        self.assertEqual(self.logins(), 2)
        self.no_session()

    def test_the_next_login_takes_the_connection_over(self):
        self.start()
        self.visit()
        before = self.sessions()
        for _ in range(3):
            self.visit()
        self.assertEqual((self.logins(), self.server.connections), (1, 1))
        self.assertEqual(self.sessions(), before)

    def test_it_is_up_to_date(self):
        self.start()
        self.assertEqual(self.visit(), [101, 102, 105])
        del self.server.messages[101]
        self.server.messages[110] = NEW
        self.assertEqual(self.visit(), [102, 105, 110])
        client = self.connect()
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 1"), MESSAGES[102])
        self.assertEqual(client.multiline("RETR 3"), NEW)
        self.assertEqual(self.logins(), 1)

    def test_what_was_removed_is_gone_and_nothing_else(self):
        self.start()
        self.visit("DELE 2")
        self.assertEqual(self.visit("DELE 1"), [101, 105])
        self.assertEqual(self.visit(), [105])
        self.assertEqual(self.logins(), 1)

    def test_marks_of_a_client_that_left_are_forgotten(self):
        self.start()
        self.visit()
        client = self.connect()
        self.log_in(client)
        self.assertRegex(client.command("DELE 1"), FINE)
        client.close()
        self.gate.wait_for_log("reason=disconnected")
        self.assertEqual(self.visit(), [101, 102, 105])
        self.nothing_removed()
        self.assertEqual(self.logins(), 2, "only QUIT keeps a drop")

    def test_nothing_that_was_read_ahead_is_taken_for_a_new_message(self):
        """The second client's messages 2 and 3 are others than the first one's."""
        for pause in (0, 1.2):  # in which what was asked for is read
            with self.subTest(pause=pause):
                self.start(messages={**MESSAGES, 110: NEW})
                client = self.connect()
                self.log_in(client)
                client.multiline("RETR 1")
                client.multiline("RETR 2")  # by now the others have been asked for
                time.sleep(pause)
                client.command("QUIT")
                del self.server.messages[101]
                client = self.connect()
                self.log_in(client)
                self.assertEqual([client.multiline(f"RETR {n}") for n in (1, 2, 3)],
                                 [MESSAGES[102], MESSAGES[105], NEW])
                self.assertEqual(self.logins(), 1)

    def test_it_serves_many_clients_one_after_the_other(self):
        self.start()
        self.visit()
        before = self.descriptors()
        for _ in range(99):
            self.visit()
        self.assertEqual(self.logins(), 1)
        self.gate.wait_until(lambda: self.descriptors() == before, "as many descriptors as after the first")
        self.assertEqual(self.gate.log().count("event=session_end"), 100)

    def test_the_log_names_each_login(self):
        self.start()
        self.visit()
        self.visit()
        self.gate.wait_until(lambda: self.gate.log().count("event=session_end") == 2, "two lines")
        ends = [line for line in self.gate.log().splitlines() if "event=session_end" in line]
        names = {line.partition(" session=")[2].split()[0] for line in ends}
        self.assertEqual(len(names), 2)
        self.assertTrue(all(" messages=3 " in line and " user=ann " in line for line in ends))

    def test_after_the_time_it_is_closed(self):
        self.start(keep=1)
        self.visit()
        self.assertEqual(len(self.sessions()), 1)
        self.no_session()
        self.gate.wait_until(self.server.is_idle, "the connection to end")
        self.visit()
        self.assertEqual(self.logins(), 2)

    def test_there_are_no_more_than_allowed(self):
        self.start(limits={"max_kept_open": 2})
        for user in ("ann", "bob", "cid"):
            self.visit(user=user)
        self.gate.wait_until(lambda: len(self.sessions()) == 2, "one to make way")
        self.visit(user="cid")
        self.visit(user="bob")
        self.assertEqual(self.logins(), 3)
        self.visit(user="ann")
        self.assertEqual(self.logins(), 4, "the oldest had made way")


class Doubt(_Kept):
    """Where the drop is of no use the login is like any other."""

    def test_a_wrong_password_is_proved_upstream(self):
        def check(talk, tag, rest):
            if rest.endswith("AGFubgBzZWNyZXQ="):
                return talk.usual("AUTHENTICATE", tag, rest)
            return talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")
        self.start({"AUTHENTICATE": check})
        self.visit()
        client = self.connect()
        self.assertRegex(client.login("ann", "guess"), rb"^-ERR \[AUTH\]")
        self.assertEqual(self.logins(), 2)
        self.visit()

    def test_each_user_has_his_own(self):
        self.start()
        self.visit()
        self.visit(user="bob")
        self.assertEqual(self.logins(), 2)
        self.visit()
        self.visit(user="bob")
        self.assertEqual(self.logins(), 2)

    def test_a_connection_that_has_ended_is_made_anew(self):
        self.start()
        self.visit()
        self.server.say("* BYE idle for too long", hang_up=True)
        self.assertEqual(self.visit(), [101, 102, 105])
        self.assertEqual(self.logins(), 2)

    def test_a_folder_with_another_uidvalidity_is_opened_anew(self):
        self.start()
        self.visit()
        self.server.uidvalidity = 8
        client = self.connect()
        self.log_in(client)
        self.assertTrue(client.multiline("UIDL").startswith(b"1 8.101\r\n"))
        self.assertEqual(self.logins(), 2)

    def test_a_folder_that_is_no_longer_there_is_told(self):
        self.start(warnings=["event=login_failed"])
        self.visit()
        self.server.on["SELECT"] = lambda talk, tag, rest: talk.line(f"{tag} NO [NONEXISTENT] no such folder")
        client = self.connect()
        self.assertRegex(client.login("ann", "secret"), rb"^-ERR \[SYS/")
        self.assertEqual(self.logins(), 2)

    def test_a_server_that_says_nothing_any_more_costs_seconds(self):
        """Fewer than a client waits; a new connection is answered."""
        self.start({"SELECT": lambda talk, tag, rest:
                    talk.wait() if talk.number == 1 and self.silent else talk.usual("SELECT", tag, rest)},
                   limits={"upstream_timeout": 20})
        self.visit()
        self.silent = True
        started = time.monotonic()
        self.visit()
        self.assertLess(time.monotonic() - started, 15)
        self.assertEqual(self.logins(), 2)

    silent = False

    def test_a_session_that_dies_meanwhile_costs_nothing(self):
        self.start(warnings=["event=session_died"])
        self.visit()
        for pid in self.sessions():
            os.kill(pid, signal.SIGKILL)
        self.visit()
        self.assertEqual(self.logins(), 2)

    def test_its_death_is_told_by_its_pid(self):
        """Its session's name would be that of a login long gone."""
        self.start(warnings=["event=session_died"])
        self.visit()
        self.visit()
        for pid in self.sessions():
            os.kill(pid, signal.SIGKILL)
            self.gate.wait_for_log(f"event=session_died .* died={pid}\\n")
            self.assertEqual(self.gate.log().count(f" process=session pid={pid} "), 2)

    def test_one_that_dies_while_it_is_brought_up_to_date_costs_nothing(self):
        def kill(talk, tag, rest):
            if talk.number == 1 and self.silent:
                for pid in self.sessions():
                    os.kill(pid, signal.SIGKILL)
                return HANG_UP
            return talk.usual("SELECT", tag, rest)
        self.start({"SELECT": kill}, warnings=["event=session_died"])
        self.visit()
        self.silent = True
        self.visit("DELE 1")
        self.assertEqual(self.logins(), 2)
        self.assertEqual(sorted(self.server.messages), [102, 105])

    def test_another_language_of_the_client_is_opened_anew(self):
        self.start()
        self.visit()
        client = self.connect()
        self.assertRegex(client.command("UTF8"), FINE)
        self.log_in(client)
        client.command("QUIT")
        self.assertEqual(self.logins(), 2)

    def test_a_quit_that_failed_keeps_nothing(self):
        self.start({"UID STORE": lambda talk, tag, rest: talk.line(f"{tag} NO not now")},
                   warnings=["event=commit_failed"])
        client = self.connect()
        self.log_in(client)
        client.command("DELE 1")
        self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.no_session()

    def test_a_maildrop_that_is_in_use_is_in_use(self):
        self.start()
        self.visit()
        first = self.connect()
        self.log_in(first)
        second = self.connect()
        self.assertRegex(second.login("ann", "secret"), rb"^-ERR \[IN-USE\]")
        self.assertRegex(first.command("NOOP"), FINE)

    def test_a_maildrop_that_others_have_locked_is_in_use(self):
        """Another gateway with the same runtime directory opens it while nobody here holds the lock."""
        self.start()
        self.visit()
        with Gateway([imap_backend(port=self.server.port)], runtime_directory=self.gate.path("run")) as other:
            own, self.gate = self.gate, other
            client = self.connect()
            self.log_in(client)
            self.gate = own
            self.assertRegex(self.connect().login("ann", "secret"), rb"^-ERR \[IN-USE\]")
            client.command("QUIT")
            self.visit()


class Ends(_Kept):
    def test_the_gateway_stops_at_once(self):
        self.start()
        self.visit()
        started = time.monotonic()
        self.gate.stop()
        self.assertLess(time.monotonic() - started, 5)

    def test_a_reload_uses_none_of_before(self):
        self.start()
        self.visit()
        self.gate.signal(signal.SIGHUP)
        self.gate.wait_for_log("configuration reloaded")
        self.visit()
        self.assertEqual(self.logins(), 2)
        self.gate.wait_until(lambda: len(self.sessions()) == 1, "the old one to end")

    def test_the_death_of_the_broker_ends_what_is_kept(self):
        self.start(warnings=["event=process_died"])
        self.visit()
        before = self.sessions()
        self.gate.kill_process("broker")
        self.gate.wait_until(lambda: not before & self.sessions(), "the session to end")
        self.gate.wait_until(lambda: self.gate.pids("broker"), "another broker")
        self.gate.wait_until(lambda: self.connect().login("ann", "secret").startswith(b"+OK"), "a login")

    def test_the_death_of_front_and_spawner_does_not(self):
        self.start(warnings=["event=process_died"])
        self.visit()
        before = self.sessions()
        for role in ("front", "spawner"):
            self.gate.kill_process(role)
        self.gate.wait_until(lambda: self.gate.pids("front") and self.gate.pids("spawner"), "both to be back")
        time.sleep(0.3)
        self.visit()
        self.assertEqual(self.logins(), 1)
        self.assertEqual(self.sessions(), before)


if __name__ == "__main__":
    tap.main()
