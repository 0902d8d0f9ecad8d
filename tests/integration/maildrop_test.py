"""What a user relies on: mail kept or removed as asked, one session at a time, numbers that stay."""

import os
import signal
import threading
import time
import unittest

import dovecot
import tap
from dovecot import PASSWORD, Dovecot
from gateway import CLEAR, Gateway, imap_backend
from localmail import LocalMail
from pop3client import Client
from proxy import Proxy


def message(number, size=100):
    return b"Subject: message %d\r\n\r\n" % number + b"x" * 70 + b"\r\n" + (b"y" * 78 + b"\r\n") * (size // 80)


def setUpModule():
    if not dovecot.available():
        raise unittest.SkipTest("there is no Dovecot on this machine")


class _Maildrop(unittest.TestCase):
    """One server and gateway for all tests of a class; a name and five messages for each."""

    settings = {}
    count = 5

    @classmethod
    def setUpClass(cls):
        cls.server = Dovecot()
        cls.addClassCleanup(cls.server.stop)
        cls.server.start()
        cls.proxy = Proxy(cls.server.imap_port)
        cls.addClassCleanup(cls.proxy.close)

    def setUp(self):
        self.user = self.id().rpartition(".")[2]
        self.messages = [message(number) for number in range(1, self.count + 1)]
        self.server.append(self.user, self.messages)
        self.gate = Gateway([imap_backend(self.server, port=self.proxy.port, **self.settings)])
        self.addCleanup(self.gate.stop)
        self.gate.start()

    def client(self, login=True):
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        if login:
            self.assertRegex(client.login(self.user, PASSWORD), rb"^\+OK")
        return client

    def left(self):
        """The numbers of the messages that are still there."""
        return [int(body.split()[2]) for body in self.server.bodies(self.user).values()]

    def sessions_gone(self):
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the sessions to end")


class KeepingAndDeleting(_Maildrop):
    def test_mail_left_on_the_server_has_the_same_uidls_next_time(self):
        seen = []
        for _ in range(2):
            client = self.client()
            seen.append(client.multiline("UIDL"))
            for number in range(1, 6):
                self.assertEqual(client.multiline(f"RETR {number}"), self.messages[number - 1])
            client.command("QUIT")
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(len(set(line.split()[1] for line in seen[0].splitlines())), 5)
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_uidls_stay_when_other_messages_go(self):
        client = self.client()
        before = dict(line.split() for line in client.multiline("UIDL").splitlines())
        client.command("DELE 2")
        client.command("QUIT")
        after = [line.split()[1] for line in self.client().multiline("UIDL").splitlines()]
        self.assertEqual(after, [before[number] for number in (b"1", b"3", b"4", b"5")])

    def test_reading_leaves_messages_unseen(self):
        client = self.client()
        client.multiline("RETR 1")
        client.multiline("TOP 2 1")
        client.command("QUIT")
        imap = self.server.imap(self.user)
        imap.select()
        self.assertEqual(imap.search(None, "UNSEEN"), ("OK", [b"1 2 3 4 5"]))
        imap.logout()

    def test_deleted_mail_is_gone_and_the_rest_untouched(self):
        client = self.client()
        for number in (1, 3, 5):
            self.assertRegex(client.command(f"DELE {number}"), rb"^\+OK")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [2, 4])

    def test_download_and_delete_everything(self):
        client = self.client()
        for number in range(1, 6):
            client.multiline(f"RETR {number}")
            client.command(f"DELE {number}")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [])
        self.assertRegex(self.client(login=False).login(self.user, PASSWORD), rb"^\+OK 0 messages")

    def test_rset_takes_deletions_back(self):
        client = self.client()
        client.command("DELE 1")
        client.command("DELE 2")
        client.command("RSET")
        client.command("DELE 4")
        client.command("QUIT")
        self.assertEqual(self.left(), [1, 2, 3, 5])

    def test_message_that_another_program_marked_deleted_survives(self):
        imap = self.server.imap(self.user)
        imap.select()
        imap.store("2,4", "+FLAGS.SILENT", r"\Deleted")
        client = self.client()
        client.command("DELE 1")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [2, 3, 4, 5])
        self.assertRegex(self.client().command("QUIT"), rb"^\+OK")
        imap.logout()
        self.assertEqual(self.left(), [2, 3, 4, 5])

    def test_invariant_01_connection_dropped_without_quit_removes_nothing(self):
        client = self.client()
        for number in range(1, 6):
            client.command(f"DELE {number}")
        client.close()
        self.sessions_gone()
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_invariant_01_quit_cut_off_in_mid_line_removes_nothing(self):
        client = self.client()
        client.command("DELE 1")
        client.send(b"QUIT")
        client.close()
        self.sessions_gone()
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_input_32_quit_counts_even_when_its_sender_hangs_up_at_once(self):
        client = self.client()
        client.command("DELE 2")
        client.send(b"QUIT\r\n")
        client.close()
        self.sessions_gone()
        self.assertIn(self.left(), ([1, 3, 4, 5], [1, 2, 3, 4, 5]))

    def test_giving_up_in_the_middle_of_a_message_removes_nothing(self):
        self.server.append(self.user, [message(6, 20_000_000)])
        client = self.client()
        client.command("DELE 1")
        self.assertRegex(client.command("RETR 6"), rb"^\+OK")
        client.file.read(100_000)
        client.close()
        self.sessions_gone()
        self.assertEqual(self.left(), [1, 2, 3, 4, 5, 6])
        # And the maildrop is free.
        self.assertEqual(len(self.client().multiline("RETR 6")), len(message(6, 20_000_000)))

    def test_whole_download_in_one_breath(self):
        client = self.client()
        client.send(b"".join(b"RETR %d\r\nDELE %d\r\n" % (i, i) for i in range(1, 6)) + b"QUIT\r\n")
        for expected in self.messages:
            self.assertRegex(client.line(), rb"^\+OK")
            self.assertEqual(client.lines(), expected)
            self.assertRegex(client.line(), rb"^\+OK")
        self.assertRegex(client.line(), rb"^\+OK")
        self.assertTrue(client.is_closed())
        self.assertEqual(self.left(), [])


class DeletePolicies(_Maildrop):
    def gateway(self, **settings):
        gate = Gateway([imap_backend(self.server, **settings)])
        self.addCleanup(gate.stop)
        return gate.start()

    def delete(self, gate, *numbers):
        with Client(gate.port) as client:
            self.assertRegex(client.login(self.user, PASSWORD), rb"^\+OK")
            for number in numbers:
                self.assertRegex(client.command(f"DELE {number}"), rb"^\+OK")
            return client.command("QUIT")

    def test_move_puts_deleted_mail_into_the_trash(self):
        self.server.append(self.user, [message(99)], folder="Trash")
        self.assertRegex(self.delete(self.gateway(delete="move", trash_folder="Trash"), 2, 3), rb"^\+OK")
        self.assertEqual(self.left(), [1, 4, 5])
        in_trash = [int(body.split()[2]) for body in self.server.bodies(self.user, "Trash").values()]
        self.assertEqual(sorted(in_trash), [2, 3, 99])

    def test_move_into_a_missing_trash_fails_and_removes_nothing(self):
        gate = self.gateway(delete="move", trash_folder="Nowhere")
        gate.expect_warning("event=commit_failed")
        self.assertRegex(self.delete(gate, 2, 3), rb"^-ERR")
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_flag_marks_and_removes_nothing(self):
        self.assertRegex(self.delete(self.gateway(delete="flag"), 2, 3), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])
        imap = self.server.imap(self.user)
        imap.select(readonly=True)
        self.assertEqual(imap.search(None, "DELETED"), ("OK", [b"2 3"]))
        imap.logout()

    def test_keep_changes_nothing_at_all(self):
        self.assertRegex(self.delete(self.gateway(delete="keep"), 2, 3), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])
        imap = self.server.imap(self.user)
        imap.select(readonly=True)
        self.assertEqual(imap.search(None, "DELETED"), ("OK", [b""]))
        imap.logout()


class OneSessionAtATime(_Maildrop):
    def test_input_33_second_session_is_told_that_the_mailbox_is_in_use(self):
        first = self.client()
        self.assertRegex(self.client(login=False).login(self.user, PASSWORD), rb"^-ERR \[IN-USE\]")
        self.assertRegex(first.command("NOOP"), rb"^\+OK")

    def test_wrong_password_does_not_learn_that_the_mailbox_is_in_use(self):
        self.client()
        self.assertRegex(self.client(login=False).login(self.user, "wrong"), rb"^-ERR \[AUTH\]")

    def test_other_case_of_the_name_is_the_same_mailbox(self):
        self.client()
        second = self.client(login=False)
        self.assertRegex(second.login(self.user.upper(), PASSWORD), rb"^-ERR \[IN-USE\]")

    def test_other_users_are_not_kept_out(self):
        self.client()
        self.assertRegex(self.client(login=False).login(self.user + "-2", PASSWORD), rb"^\+OK")

    def test_invariant_04_mailbox_is_free_before_quit_is_answered(self):
        for _ in range(50):
            client = self.client()
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
            client.close()

    def test_invariant_04_mailbox_is_free_before_quit_is_answered_after_deleting(self):
        for number in range(5):
            client = self.client()
            self.assertRegex(client.command("DELE 1"), rb"^\+OK")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
            started = time.monotonic()
            other = self.client()
            self.assertLess(time.monotonic() - started, 1.5)
            self.assertRegex(other.command("STAT"), rb"^\+OK %d " % (4 - number))
            other.command("QUIT")

    def test_invariant_09_mailbox_is_free_after_its_session_was_killed(self):
        self.client()
        self.gate.expect_warning("event=session_died")
        self.gate.allow_warning("the session died; its client is told so")
        self.gate.kill_process("session")
        self.client()

    def test_mailbox_is_free_soon_after_its_client_hung_up(self):
        self.client().close()
        self.client()


class ConcurrentChanges(_Maildrop):
    def test_message_expunged_by_another_program_is_missing_and_the_others_are_right(self):
        self.gate.allow_warning("event=fetch_failed")
        client = self.client()
        imap = self.server.imap(self.user)
        imap.select()
        imap.store("2,4", "+FLAGS.SILENT", r"\Deleted")
        imap.expunge()
        imap.logout()
        for number in (1, 2, 3, 4, 5):
            with self.subTest(number=number):
                if number in (2, 4):
                    self.assertRegex(client.command(f"RETR {number}"), rb"^-ERR")
                else:
                    self.assertEqual(client.multiline(f"RETR {number}"), self.messages[number - 1])
        self.assertEqual(len(client.multiline("LIST").splitlines()), 5)

    def test_message_expunged_between_two_reads_is_missing_and_the_others_are_right(self):
        self.gate.allow_warning("event=fetch_failed")
        client = self.client()
        self.assertEqual(client.multiline("RETR 1"), self.messages[0])
        imap = self.server.imap(self.user)
        imap.select()
        imap.store("1,3", "+FLAGS.SILENT", r"\Deleted")
        imap.expunge()
        imap.logout()
        self.assertEqual(client.multiline("RETR 2"), self.messages[1])
        # Number 3 may have been read ahead; it is itself or missing, never another.
        reply = client.command("RETR 3")
        if reply.startswith(b"+OK"):
            self.assertEqual(client.lines(), self.messages[2])
        self.assertEqual(client.multiline("RETR 4"), self.messages[3])
        self.assertEqual(client.multiline("RETR 5"), self.messages[4])

    def test_deleting_what_another_program_has_removed_is_no_failure(self):
        client = self.client()
        imap = self.server.imap(self.user)
        imap.select()
        imap.store("2", "+FLAGS.SILENT", r"\Deleted")
        imap.expunge()
        imap.logout()
        client.command("DELE 2")
        client.command("DELE 3")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 4, 5])

    def test_new_mail_waits_for_the_next_session(self):
        client = self.client()
        before = client.multiline("UIDL")
        self.server.append(self.user, [message(6)])
        self.assertEqual(client.multiline("RETR 5"), self.messages[4])
        self.assertEqual(client.multiline("UIDL"), before)
        client.command("DELE 5")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 3, 4, 6])


class LostUpstream(_Maildrop):
    """The connection to the IMAP server breaks while the client is idle."""

    def test_session_goes_on_when_the_server_closes_idle_connections(self):
        client = self.client()
        for _ in range(3):
            self.proxy.cut()
            self.assertEqual(client.multiline("RETR 3"), self.messages[2])
        client.command("DELE 3")
        self.proxy.cut()
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 4, 5])

    def test_session_goes_on_after_the_servers_process_was_killed(self):
        client = self.client()
        for pid in self.server.processes("imap"):
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(client.multiline("RETR 2"), self.messages[1])

    def test_input_47_message_in_the_middle_of_which_the_connection_broke_is_not_finished(self):
        self.gate.expect_warning("event=fetch_failed")
        self.server.append(self.user, [message(6, 64_000_000)])
        client = self.client()
        self.assertRegex(client.command("RETR 6"), rb"^\+OK")
        client.file.read(10_000)
        self.proxy.cut()
        rest = client.rest()
        self.assertFalse(rest.endswith(b"\r\n.\r\n"))
        self.assertLess(len(rest), 64_000_000)

    def test_server_that_does_not_come_back_is_temporary(self):
        self.gate.expect_warning("event=fetch_failed")
        self.gate.allow_warning("event=commit_failed")
        client = self.client()
        client.command("DELE 1")
        self.proxy.accepting = False
        try:
            self.proxy.cut()
            self.assertRegex(client.command("RETR 2"), rb"^-ERR \[SYS/TEMP\]")
            self.assertRegex(client.command("QUIT"), rb"^-ERR \[SYS/TEMP\]")
        finally:
            self.proxy.accepting = True
        self.assertEqual(self.left(), [1, 2, 3, 4, 5])

    def test_mailbox_that_was_made_anew_is_never_taken_for_the_old_one(self):
        # Its UIDVALIDITY differs.
        self.server.append(self.user, self.messages, folder="Box")
        gate = Gateway([imap_backend(self.server, port=self.proxy.port, folder="Box")])
        self.addCleanup(gate.stop)
        gate.start()
        gate.expect_warning("event=fetch_failed .*UIDVALIDITY")
        gate.allow_warning("event=(fetch_failed|commit_failed)")
        client = Client(gate.port)
        self.addCleanup(client.close)
        self.assertRegex(client.login(self.user, PASSWORD), rb"^\+OK 5 ")
        client.command("DELE 2")
        imap = self.server.imap(self.user)
        self.proxy.cut()
        imap.delete("Box")
        time.sleep(1.1)  # UIDVALIDITY is made of the seconds of the time
        imap.logout()
        self.server.append(self.user, [message(number) for number in range(11, 16)], folder="Box")
        self.assertRegex(client.command("RETR 1"), rb"^-ERR")
        self.assertRegex(client.command("RETR 1"), rb"^-ERR")
        self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.assertEqual(len(self.server.bodies(self.user, "Box")), 5)


    def test_session_goes_on_after_the_server_was_restarted(self):
        client = self.client()
        self.server.halt()
        self.server.start()
        self.assertEqual(client.multiline("RETR 4"), self.messages[3])
        client.command("DELE 4")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(self.left(), [1, 2, 3, 5])


class WithoutUidplus(unittest.TestCase):
    """A server of the old kind, where EXPUNGE takes all that is marked."""

    def test_nothing_that_another_program_marked_is_taken(self):
        with Dovecot(capability="IMAP4rev1 SASL-IR AUTH=PLAIN") as server, \
                Gateway([imap_backend(server)]) as gate:
            gate.expect_warning("event=commit_failed")
            server.append("ann", [message(number) for number in range(1, 6)])
            for expected, left in ((rb"^\+OK", [2, 3, 4, 5]), (rb"^-ERR", [2, 3, 4, 5])):
                with Client(gate.port) as client:
                    self.assertRegex(client.login("ann", PASSWORD), rb"^\+OK")
                    client.command("DELE 1")
                    self.assertRegex(client.command("QUIT"), expected)
                self.assertEqual([int(body.split()[2]) for body in server.bodies("ann").values()], left)
                imap = server.imap("ann")
                imap.select()
                imap.store("3", "+FLAGS.SILENT", r"\Deleted")
                imap.logout()


class ManyAtOnce(unittest.TestCase):
    def test_everybody_gets_their_own_mail(self):
        with Dovecot() as server, Gateway([imap_backend(server)], fronts=2) as gate:
            users = [f"user{i}" for i in range(25)]
            for user in users:
                server.append(user, [b"Subject: %d of %s\r\n\r\n" % (i, user.encode()) + b"z" * 60 + b"\r\n"
                                     for i in range(8)])
            wrong = []

            def read(user):
                try:
                    with Client(gate.port) as client:
                        # Everything in one segment, before the greeting was read.
                        client.send(f"USER {user}\r\nPASS {PASSWORD}\r\n".encode() +
                                    b"".join(b"RETR %d\r\n" % i for i in range(1, 9)) + b"QUIT\r\n")
                        client.line()
                        if not client.line().startswith(b"+OK 8 messages"):
                            wrong.append((user, "login"))
                        for i in range(8):
                            client.line()
                            if not client.lines().startswith(b"Subject: %d of %s\r\n" % (i, user.encode())):
                                wrong.append((user, i))
                except Exception as error:
                    wrong.append((user, error))
            threads = [threading.Thread(target=read, args=(user,)) for user in users]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(wrong, [])


class Listeners(unittest.TestCase):
    def test_clients_come_by_ipv4_and_ipv6(self):
        with Dovecot() as server:
            server.append("six", [message(1)])
            listeners = (CLEAR, {**CLEAR, "address": "::1"})
            with Gateway([imap_backend(server)], listeners=listeners) as gate:
                for address, port in zip(("127.0.0.1", "::1"), gate.ports):
                    with self.subTest(address=address), Client(port, address=address) as client:
                        self.assertRegex(client.login("six", PASSWORD), rb"^\+OK 1 ")
                        client.command("QUIT")

    def test_each_route_leads_to_its_own_server(self):
        with Dovecot() as first, Dovecot() as second:
            first.append("ann@one.example", [message(1)])
            second.append("ann", [message(2)])
            backends = [imap_backend(first, name="first", security="tls"),
                        imap_backend(second, name="second", security="starttls")]
            routes = [{"users": "*@one.example", "backend": "first"},
                      {"users": "*@two.example", "backend": "second", "upstream_user": "%n"}]
            with Gateway(backends, routes=routes) as gate:
                for user, number in (("ann@one.example", 1), ("ann@two.example", 2), ("ann@TWO.example", 2)):
                    with self.subTest(user=user), Client(gate.port) as client:
                        self.assertRegex(client.login(user, PASSWORD), rb"^\+OK 1 ")
                        self.assertEqual(client.multiline("RETR 1"), message(number))
                        client.command("QUIT")
                with Client(gate.port) as client:
                    self.assertRegex(client.login("ann@three.example", PASSWORD), rb"^-ERR \[AUTH\]")

    def test_one_listener_has_its_own_routes(self):
        with Dovecot() as first, LocalMail() as mail:
            first.append("ann", [message(1)])
            first.append("bob", [message(2)])
            mail.add("ann")
            mail.deliver("ann", b"Subject: here\n\nhere\n")
            routes = [{"users": "ann", "listener": "lan", "backend": "local"}, {"users": "*", "backend": "first"}]
            user = {"user": "nobody"} if os.geteuid() == 0 else {}
            with Gateway([imap_backend(first, name="first"), mail.backend()], routes=routes,
                         listeners=[CLEAR, {**CLEAR, "name": "lan"}], **user) as gate:
                near = b"Subject: here\r\n\r\nhere\r\n"
                for port, user, octets in ((0, "ann", message(1)), (1, "ann", near), (0, "bob", message(2)),
                                           (1, "bob", message(2))):
                    with self.subTest(port=port, user=user), Client(gate.ports[port]) as client:
                        self.assertRegex(client.login(user, PASSWORD), rb"^\+OK 1 ")
                        self.assertEqual(client.multiline("RETR 1"), octets)
                        client.command("QUIT")

    def test_same_name_on_two_servers_is_two_mailboxes(self):
        with Dovecot() as first, Dovecot() as second:
            backends = [imap_backend(first, name="first"), imap_backend(second, name="second")]
            routes = [{"users": "*@one", "backend": "first", "upstream_user": "%n"},
                      {"users": "*@two", "backend": "second", "upstream_user": "%n"}]
            with Gateway(backends, routes=routes) as gate, Client(gate.port) as one, Client(gate.port) as two:
                self.assertRegex(one.login("ann@one", PASSWORD), rb"^\+OK")
                self.assertRegex(two.login("ann@two", PASSWORD), rb"^\+OK")


if __name__ == "__main__":
    tap.main()
