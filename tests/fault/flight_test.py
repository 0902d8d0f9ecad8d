"""Commands that leave before the answers to those before them: as many as are safe, and what is refused, lost or
late in the middle is known for what it is."""

import socket
import struct

import tap
from faultcase import FINE, MESSAGES, FaultCase
from imapscript import CAPABILITY, HANG_UP

ROOMY = CAPABILITY + " LITERAL+"  # a server that reads on behind a command's line
LISTING = "UID FETCH 1:* (UID RFC822.SIZE)"


def together(name, more):
    """A handler that answers once so many further commands have come."""
    def handler(talk, tag, rest):
        lines = [talk.file.readline() for _ in range(more)]
        result = talk.usual(name, tag, rest)
        for line in lines:
            if result is not HANG_UP:
                result = talk.take(line)
        return result
    return handler


class Login(FaultCase):
    """LOGIN, ID, SELECT and the listing."""

    def refused(self, pattern, words, **options):
        client = self.serve({"LOGIN": lambda talk, tag, rest: talk.line(f"{tag} NO {words}")}, capability=ROOMY,
                            **options)
        self.assertRegex(client.login("ann", "secret"), pattern)

    def stepwise(self, *, user="ann", password="secret", **options):
        """Nothing may be sent before the login is answered."""
        early = []

        def answer(talk, tag, rest):
            talk.socket.settimeout(0.3)
            try:
                early.append(talk.file.readline())
            except OSError:
                pass
            talk.socket.settimeout(None)
            talk.file = talk.socket.makefile("rb")  # the old one stays unusable after a time-out
            return talk.usual("LOGIN", tag, rest) if not early else HANG_UP
        client = self.serve({"LOGIN": answer, "AUTHENTICATE": answer}, **options)
        self.assertRegex(client.login(user, password), FINE)
        self.assertEqual(early, [])

    def test_all_of_it_leaves_before_the_login_is_answered(self):
        client = self.serve({"LOGIN": together("LOGIN", 3)}, capability=ROOMY)
        self.log_in(client)
        self.assertEqual(client.command("STAT"), b"+OK 3 %d" % sum(map(len, MESSAGES.values())))
        self.assertEqual([line.partition(" ")[2].split(" ")[0] for line in self.server.received][:3],
                         ["LOGIN", "ID", "SELECT"])

    def test_behind_a_stepwise_login_the_rest_leaves_together(self):
        self.log_in(self.serve({"ID": together("ID", 2)}))

    def test_it_does_so_over_a_login_without_id_as_well(self):
        self.log_in(self.serve({"LOGIN": together("LOGIN", 2)}, capability="IMAP4rev1 SASL-IR LITERAL- UIDPLUS"))

    def test_a_server_that_may_not_read_on_is_waited_for(self):
        for capability in (CAPABILITY, CAPABILITY.replace("SASL-IR ", "") + " LITERAL+"):
            with self.subTest(capability=capability):
                self.stepwise(capability=capability)

    def test_a_server_without_login_is_waited_for(self):
        self.stepwise(capability=ROOMY + " LOGINDISABLED")
        self.assertEqual(self.server.commands("LOGIN"), [])

    def test_a_credential_that_login_cannot_carry_is_waited_for(self):
        self.stepwise(capability=ROOMY, password="geheim-\u00fc")
        self.assertEqual(self.server.commands("LOGIN"), [])

    def test_it_can_be_turned_off(self):
        self.stepwise(capability=ROOMY, settings={"pipeline_login": False})

    def test_a_wrong_password_is_auth_though_the_rest_is_refused_as_well(self):
        self.refused(rb"^-ERR \[AUTH\]", "[AUTHENTICATIONFAILED] no")

    def test_a_refusal_lost_to_the_reset_behind_it_is_asked_for_again(self):
        """A server that hangs up with commands unread resets the connection, and its last words may be lost."""
        def refuse(talk, tag, _rest):
            if talk.number == 1:
                talk.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return HANG_UP
            return talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")
        client = self.serve({"LOGIN": refuse, "AUTHENTICATE": refuse}, capability=ROOMY)
        self.assertRegex(client.login("ann", "secret"), rb"^-ERR \[AUTH\]")
        self.assertEqual(len(self.server.commands("LOGIN") + self.server.commands("AUTHENTICATE")), 2)

    def test_a_server_that_takes_no_flight_is_served(self):
        client = self.serve({"LOGIN": lambda talk, tag, rest: HANG_UP}, capability=ROOMY)
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])

    def test_a_server_that_always_hangs_up_is_tried_twice(self):
        client = self.serve({name: lambda talk, tag, rest: HANG_UP for name in ("LOGIN", "AUTHENTICATE")},
                            capability=ROOMY, warnings=["event=login_failed"])
        self.assertRegex(client.login("ann", "secret"), rb"^-ERR \[SYS/TEMP\]")
        self.assertEqual(self.server.connections, 2)

    def test_bye_is_not_asked_again(self):
        def bye(talk, _tag, _rest):
            for _ in range(3):
                talk.file.readline()  # lest the connection be reset
            talk.line("* BYE too busy")
            return HANG_UP
        client = self.serve({"LOGIN": bye}, capability=ROOMY, warnings=["event=login_failed"])
        self.assertRegex(client.login("ann", "secret"), rb"^-ERR \[SYS/TEMP\]")
        self.assertEqual(self.server.connections, 1)

    def test_nothing_that_follows_a_refused_login_counts(self):
        """Even where the server lets everybody select."""
        self.refused(rb"^-ERR \[AUTH\]", "[AUTHENTICATIONFAILED] no")
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")

    def test_select_that_is_refused_after_the_login_is_no_auth(self):
        client = self.serve({"SELECT": lambda talk, tag, rest: talk.line(f"{tag} NO [UNAVAILABLE] later"),
                             "LISTING": lambda talk, tag, rest: talk.line(f"{tag} BAD nothing selected")},
                            capability=ROOMY, warnings=["event=login_failed"])
        self.assertRegex(client.login("ann", "secret"), rb"^-ERR \[SYS/TEMP\]")

    def test_id_that_is_refused_changes_nothing(self):
        self.log_in(self.serve({"ID": lambda talk, tag, rest: talk.line(f"{tag} BAD what?")}, capability=ROOMY))

    def test_what_the_server_can_do_is_asked_before_anything_is_removed(self):
        """It says so at the login, or is asked: its greeting may have told less, or more."""
        def silent(talk, tag, _rest):
            talk.ok(tag, "logged in")

        def less(talk, tag, _rest):
            talk.line("* CAPABILITY IMAP4rev1 UIDPLUS" if talk.server.received else "* CAPABILITY IMAP4rev1")
            talk.ok(tag)
        client = self.serve({"LOGIN": silent, "CAPABILITY": less}, capability=ROOMY.replace("UIDPLUS ", ""))
        self.log_in(client)
        self.assertEqual(self.server.commands("CAPABILITY"), [])
        self.assertRegex(client.command("DELE 1"), FINE)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(len(self.server.commands("CAPABILITY")), 1)
        self.assertEqual(self.server.commands("UID EXPUNGE"), ["UID EXPUNGE 101"])

    def test_utf8_waits_only_where_the_folder_has_two_names(self):
        for folder, selected, more in (("INBOX", 'SELECT "INBOX"', 4), ("Entw\u00fcrfe", 'SELECT "Entw\u00fcrfe"', 0)):
            with self.subTest(folder=folder):
                client = self.serve({"LOGIN": together("LOGIN", more), "AUTHENTICATE": together("AUTHENTICATE", 0),
                                     "ENABLE": lambda talk, tag, rest: talk.ok(tag)},
                                    capability=ROOMY + " ENABLE UTF8=ACCEPT", settings={"folder": folder})
                self.assertRegex(client.command("UTF8"), FINE)
                self.log_in(client)
                self.assertEqual(self.server.commands("SELECT"), [selected])

    def test_a_server_that_refuses_utf8_gets_the_other_name(self):
        self.log_in(self.with_utf8(lambda talk, tag, rest: talk.line(f"{tag} NO not now")))
        self.assertEqual(self.server.commands("SELECT"), ['SELECT "Entw&APw-rfe"'])

    def with_utf8(self, enable):
        client = self.serve({"ENABLE": enable}, capability=ROOMY + " ENABLE UTF8=ACCEPT",
                            settings={"folder": "Entw\u00fcrfe"})
        self.assertRegex(client.command("UTF8"), FINE)
        return client

    def test_the_maildrop_of_a_login_that_waited_for_the_lock_is_as_the_other_left_it(self):
        """The listing on its way was made before the other session removed its messages."""
        def news(talk, tag, _rest):
            talk.line("* 1 EXPUNGE")
            talk.ok(tag)
        first = self.serve({"NOOP": news}, capability=ROOMY)
        self.log_in(first)
        self.assertRegex(first.command("DELE 1"), FINE)
        second = self.connect()
        second.command("USER ann")
        second.send(b"PASS secret\r\n")
        self.gate.wait_until(lambda: len(self.server.commands(LISTING)) == 2, "the second listing")
        self.assertRegex(first.command("QUIT"), FINE)
        self.assertRegex(second.line(), FINE)
        self.assertEqual(second.multiline("UIDL"), b"1 7.102\r\n2 7.105\r\n")
        self.assertEqual(second.multiline("RETR 1"), MESSAGES[102])


    def test_invariant_11_a_folder_that_is_empty_when_the_lock_comes_and_was_refused_is_asked_again(self):
        def select(talk, tag, rest):
            if talk.number == 1:
                return talk.usual("SELECT", tag, rest)
            talk.line("* 0 EXISTS")
            talk.line("* OK [UIDVALIDITY 7]")
            return talk.ok(tag)

        def listing(talk, tag, rest):
            return talk.usual("LISTING", tag, rest) if talk.number == 1 else talk.line(f"{tag} NO [UNAVAILABLE] later")
        first = self.serve({"SELECT": select, "LISTING": listing}, capability=ROOMY, warnings=["event=login_failed"])
        self.log_in(first)
        second = self.connect()
        second.command("USER ann")
        second.send(b"PASS secret\r\n")
        self.gate.wait_until(lambda: len(self.server.commands(LISTING)) == 2, "the second listing")
        self.assertRegex(first.command("QUIT"), FINE)
        self.assertRegex(second.line(), rb"^-ERR \[SYS/TEMP\]")


class Removal(FaultCase):
    """UID STORE, UID EXPUNGE and the look."""

    def remove(self, on, pattern=FINE, numbers=(1, 2), **options):
        client = self.serve(on, warnings=[] if pattern == FINE else ["event=commit_failed"], **options)
        self.log_in(client)
        for number in numbers:
            self.assertRegex(client.command(f"DELE {number}"), FINE)
        self.assertRegex(client.command("QUIT"), pattern)

    def test_all_of_it_leaves_together(self):
        self.remove({"UID STORE": together("UID STORE", 2)})
        self.assertEqual(sorted(self.server.messages), [105])
        self.assertEqual(self.server.commands("UID EXPUNGE"), ["UID EXPUNGE 101:102"])

    def test_a_server_that_removes_late_is_asked_again(self):
        """What a look in the same flight still sees may be gone a moment later."""
        late = []

        def expunge(talk, tag, rest):
            late.extend(uid for _, uid in talk.wanted(rest))
            talk.ok(tag)

        def look(talk, tag, rest):
            talk.usual("LISTING", tag, rest)
            while late:
                del talk.server.messages[late.pop()]
        client = self.serve({"UID EXPUNGE": expunge})
        self.log_in(client)
        self.server.on["LISTING"] = look
        for number in (1, 2):
            self.assertRegex(client.command(f"DELE {number}"), FINE)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(len(self.server.commands("UID FETCH 101:102")), 2)

    def test_a_message_that_stays_is_no_success_however_often_it_is_looked_for(self):
        def all_but_one(talk, tag, _rest):
            talk.expunge([101])
            talk.ok(tag)
        self.remove({"UID EXPUNGE": all_but_one}, rb"^-ERR")
        self.assertEqual(sorted(self.server.messages), [102, 105])

    def test_a_refused_mark_is_no_success_though_expunge_says_ok(self):
        self.remove({"UID STORE": lambda talk, tag, rest: talk.line(f"{tag} NO [NOPERM] no")}, rb"^-ERR")
        self.nothing_removed()
        self.gate.wait_for_log("event=commit_failed .*UID STORE")

    def test_a_refused_expunge_is_no_success_though_nothing_is_seen_any_more(self):
        """A server leaves out of a FETCH what it cannot read just now."""
        client = self.serve({"UID EXPUNGE": lambda talk, tag, rest: talk.line(f"{tag} NO later")},
                            warnings=["event=commit_failed .*UID EXPUNGE"])
        self.log_in(client)
        self.server.on["LISTING"] = lambda talk, tag, rest: talk.ok(tag)
        client.command("DELE 1")
        self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.nothing_removed()

    def test_a_connection_lost_before_the_look_is_no_success(self):
        client = self.serve(warnings=["event=commit_failed"])
        self.log_in(client)
        self.server.on["LISTING"] = lambda talk, tag, rest: HANG_UP
        client.command("DELE 1")
        self.assertRegex(client.command("QUIT"), rb"^-ERR")

    def test_many_messages_in_several_commands_are_all_removed(self):
        """Odd UIDs far apart, so that their list is longer than a command may be."""
        messages = {uid: b"Subject: x\r\n\r\n%d\r\n" % uid for uid in range(1000001, 1003001, 2)}
        client = self.serve(messages=messages)
        self.log_in(client)
        client.send(b"".join(b"DELE %d\r\n" % n for n in range(1, 1500)))
        for _ in range(1, 1500):
            self.assertRegex(client.line(), FINE)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(list(self.server.messages), [1002999])
        self.assertGreater(len(self.server.commands("UID EXPUNGE")), 1)
        self.assertTrue(all(len(line) < 8200 for line in self.server.received))


if __name__ == "__main__":
    tap.main()
