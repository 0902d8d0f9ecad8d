"""IMAP servers whose answers keep to the form and lie: a message that ends too early or twice, a
folder that becomes another one, data that nobody asked for. And what libetpan alone would crash over."""

import base64
import socket
import struct
import time

import tap
from faultcase import FINE, MESSAGES, TEMPORARY, FaultCase
from imapscript import CAPABILITY

MIB = 1 << 20
HEADER, _, TEXT = MESSAGES[102].partition(b"\r\n\r\n")
HEADER += b"\r\n\r\n"


def flood(talk, data):
    """Until the other side hangs up."""
    while True:
        talk.send(data)


class Parsing(FaultCase):
    """What must not reach libetpan, or not as it is."""

    ODD = ("* OK [ALERT]", "* NO [PARSE] ", "* OK [BADCHARSET (a)] x", "* OK [BADCHARSET (b)] x",
           '* NAMESPACE (("" ""', "* STATUS INBOX ()", "* STATUS INBOX ()MESSAGES 1 UIDNEXT 3)",
           '* NAMESPACE (("" "")) NIL NIL', "* OK [PERMANENTFLAGS (%)] x", '* OK [X-REASON "open] x',
           '* LIST () "/" {5}\r\nINBOX', "* ID (", "* ENABLED", "* FLAGS")

    def test_odd_lines_that_nobody_asked_for_do_no_harm_anywhere(self):
        def before(name):
            def answer(talk, tag, rest):
                for line in self.ODD:
                    talk.line(line)
                return talk.usual(name, tag, rest)
            return answer
        client = self.serve({name: before(name) for name in
                             ("AUTHENTICATE", "ID", "SELECT", "LISTING", "BODY", "UID STORE", "UID EXPUNGE")})
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 2"), MESSAGES[102])
        self.assertRegex(client.command("DELE 1"), FINE)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(sorted(self.server.messages), [102, 105])

    def test_tagged_answer_of_a_code_alone_is_an_answer(self):
        def select(talk, tag, _rest):
            talk.line("* 3 EXISTS")
            talk.line("* OK [UIDVALIDITY 7]")
            talk.line(f"{tag} OK [ALERT]")
        self.log_in(self.serve({"SELECT": select,
                                "AUTHENTICATE": lambda talk, tag, rest: talk.line(f"{tag} OK [PARSE]")}))

    def test_literal_inside_another_item_is_no_body(self):
        def lure(talk, _tag, _rest):
            talk.line("* 1 FETCH (BODY[HEADER.FIELDS ({2000000000}")
            flood(talk, b"x" * 65536)
        client = self.serve({"BODY": lure}, warnings=["event=fetch_failed .*literal over the limit"])
        self.log_in(client)
        self.assertRegex(client.command("RETR 1"), TEMPORARY)


class Endless(FaultCase):
    """Data without end, at full speed: nothing of it counts as progress, and the client's departure is seen."""

    def test_input_61_bodies_that_nobody_asked_for_are_given_up(self):
        def alien(talk, _tag, _rest):
            while True:
                talk.line("* 1 FETCH (UID 99 BODY[] {1000000}")
                talk.send(b"x" * 1_000_000 + b")\r\n")
        client = self.serve({"BODY": alien}, warnings=["event=fetch_failed .*more message bodies"])
        self.log_in(client)
        self.assertRegex(client.command("RETR 1"), TEMPORARY)

    def test_octets_of_another_message_are_no_progress(self):
        def drip(talk, _tag, _rest):
            talk.line("* 1 FETCH (UID 99 BODY[] {1000000000}")
            while True:
                talk.send(b"x" * 65536)
                time.sleep(0.01)
        client = self.serve({"BODY": drip}, warnings=["event=fetch_failed .*too slow"])
        self.log_in(client)
        started = time.monotonic()
        self.assertRegex(client.command("RETR 1"), TEMPORARY)
        self.assertLess(time.monotonic() - started, 10)

    def test_client_that_leaves_meanwhile_is_noticed(self):
        def alien(talk, _tag, _rest):
            talk.line("* 1 FETCH (UID 99 BODY[] {4000000000}")
            flood(talk, b"x" * MIB)
        client = self.serve({"BODY": alien}, limits={"fetch_window": 60})
        # A reset, since a client that has only finished sending is still owed its reply.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.gate.allow_warning("event=fetch_failed")
        self.log_in(client)
        client.send(b"RETR 1\r\n")
        self.gate.wait_until(lambda: self.server.commands("UID FETCH 101"), "the FETCH")
        client.close()
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end", seconds=1.5)

    def selected(self, exists):
        def select(talk, tag, _rest):
            talk.line(f"* {exists} EXISTS")
            talk.line("* OK [UIDVALIDITY 7] valid")
            talk.ok(tag, "[READ-WRITE] selected")
        return select

    def test_mailbox_beyond_all_measure_is_not_listed(self):
        # the listing is asked for together with SELECT; of its answer nothing is waited for
        client = self.serve({"SELECT": self.selected(16_000_000), "LISTING": lambda *_: None},
                            warnings=["event=login_failed .*the server counts 16000000 messages"])
        self.assertRegex(client.login("ann", "secret"), TEMPORARY)

    def test_input_61_lines_beside_the_listing_are_bounded_by_what_the_mailbox_holds(self):
        def listing(talk, _tag, _rest):
            flood(talk, b"* OK " + b"x" * 8000 + b"\r\n")
        client = self.serve({"SELECT": self.selected(40_000), "LISTING": listing}, limits={"upstream_timeout": 20},
                            warnings=["event=login_failed .*more octets than the command may bring"])
        self.assertRegex(client.login("ann", "secret"), TEMPORARY)

    def test_deadline_holds_where_there_is_always_something_to_read(self):
        def listing(talk, _tag, _rest):
            while True:
                talk.send(b"* OK\r\n" * 200)
                time.sleep(0.005)
        self.login_fails(TEMPORARY, {"SELECT": self.selected(1_000_000), "LISTING": listing},
                         limits={"upstream_timeout": 1})


class Naming(FaultCase):
    """Answers that do not say clearly which message they are of."""

    def refused(self, *lines, command="RETR 2", pattern=TEMPORARY, sizes=None):
        def body(talk, tag, _rest):
            for line in lines:
                talk.line(line)
            talk.ok(tag)

        def listing(talk, tag, rest):
            if sizes is None or "1:*" not in rest:
                return talk.usual("LISTING", tag, rest)
            for number, uid in talk.wanted(rest):
                talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE {sizes})")
            return talk.ok(tag)
        client = self.serve({"BODY": body, "LISTING": listing}, warnings=["event=fetch_failed"])
        self.log_in(client)
        client.send(command.encode() + b"\r\n")
        reply = client.file.readline()
        if reply.startswith(b"-ERR"):
            self.assertRegex(reply, pattern)
        else:
            self.assertFalse((reply + client.rest()).endswith(b".\r\n"))

    def test_input_53_nothing_of_a_message_without_a_uid_is_not_gone(self):
        for empty in ("NIL", '""', "{0}\r\n"):
            with self.subTest(empty=empty):
                self.refused(f"* 2 FETCH (BODY[] {empty})")

    def test_input_53_empty_header_is_no_message(self):
        for command in ("TOP 2 0", "TOP 2 10"):
            with self.subTest(command=command):
                self.refused("* 2 FETCH (UID 102 BODY[HEADER] {0}\r\n BODY[TEXT]<0> {0}\r\n)", command=command)

    def test_message_that_is_listed_as_empty_is_empty(self):
        client = self.serve(messages={101: b""})
        self.log_in(client)
        for command in ("TOP 1 0", "TOP 1 10", "RETR 1"):
            self.assertEqual(client.multiline(command), b"")

    def test_input_51_two_uids_make_no_empty_message(self):
        header = f"* 2 FETCH (UID 103 BODY[HEADER] {{{len(HEADER)}}}\r\n{HEADER.decode()} UID 102)"
        self.refused(header, command="TOP 2 0")
        whole = f"* 2 FETCH (UID 103 BODY[] {{{len(HEADER)}}}\r\n{HEADER.decode()} UID 102)"
        self.refused(whole, sizes=0)

    def test_input_55_announced_uidvalidity_ends_all_reading_and_removing(self):
        def changed(talk, tag, rest):
            talk.line("* OK [UIDVALIDITY 8] changed")
            return talk.usual("BODY", tag, rest)
        client = self.serve({"BODY": changed}, warnings=["event=fetch_failed .*UIDVALIDITY"])
        self.gate.allow_warning("event=(fetch|commit)_failed")
        self.log_in(client)
        client.command("DELE 3")
        self.assertRegex(client.command("RETR 1"), TEMPORARY)
        del self.server.on["BODY"]
        self.assertRegex(client.command("RETR 2"), rb"^-ERR")
        self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.nothing_removed()

    def test_input_55_uidvalidity_announced_while_idle_ends_all_reading_and_removing(self):
        for command in ("RETR 1", "NOOP"):
            with self.subTest(command=command):
                client = self.serve()
                self.gate.allow_warning("event=(fetch|commit)_failed .*(UIDVALIDITY|lost earlier)")
                self.log_in(client)
                client.command("DELE 3")
                self.server.say("* OK [UIDVALIDITY 8] changed")
                client.send(command.encode() + b"\r\nQUIT\r\n")
                self.assertRegex(client.rest(), rb"-ERR [^\n]*\n\Z|\A\+OK [^.]*\Z")
                self.nothing_removed()
                self.assertEqual(self.server.commands("UID EXPUNGE"), [])

    def test_input_54_invariant_06_sequence_number_that_an_expunge_shifts_is_not_trusted(self):
        # A server that names the UID last is asked for the number first; the answer brings an EXPUNGE with it.
        numbers = {102: 2, 105: 2}
        before = {102: b"", 105: b"* 2 FETCH (BODY[] {5}\r\nhello UID 110)\r\n"}

        def listing(talk, tag, rest):
            if "1:*" in rest:
                return talk.usual("LISTING", tag, rest)
            talk.line(f"* {numbers[105]} FETCH (UID 105 RFC822.SIZE 10)")
            if numbers[105] == 2:
                talk.line("* 1 EXPUNGE")
                talk.line("* 2 EXISTS")
            numbers[105] = 1
            return talk.ok(tag)

        def late(talk, tag, rest):
            uid = talk.wanted(rest)[0][1]
            octets = talk.server.messages[uid]
            talk.send(before[uid] + f"* {numbers[uid]} FETCH (BODY[] {{{len(octets)}}}\r\n".encode() + octets)
            talk.line(f" UID {uid})")
            before[uid] = b""
            if uid == 102:
                talk.line("* 1 EXPUNGE")
            talk.ok(tag)
        client = self.serve({"BODY": late, "LISTING": listing})
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 2"), MESSAGES[102])
        self.assertEqual(client.multiline("RETR 3"), MESSAGES[105])


class Listing(FaultCase):
    def test_input_54_expunge_during_the_listing_has_it_made_anew(self):
        asked = []

        def listing(talk, tag, rest):
            asked.append(rest)
            if len(asked) == 1:
                # New mail comes and goes, and an old message is left out.
                talk.line("* 4 EXISTS")
                talk.line("* 4 EXPUNGE")
                talk.line("* 1 FETCH (UID 101 RFC822.SIZE 3)")
                talk.line("* 3 FETCH (UID 105 RFC822.SIZE 3)")
                return talk.ok(tag)
            return talk.usual("LISTING", tag, rest)
        client = self.serve({"LISTING": listing})
        self.log_in(client)
        self.assertEqual(client.multiline("UIDL"), b"1 7.101\r\n2 7.102\r\n3 7.105\r\n")

    def test_input_54_more_expunges_than_messages_are_refused(self):
        def listing(talk, tag, _rest):
            for _ in range(5):
                talk.line("* 1 EXPUNGE")
            talk.ok(tag)
        self.login_fails(TEMPORARY, {"LISTING": listing})

    def test_folder_that_shrinks_all_the_time_is_temporary(self):
        def listing(talk, tag, _rest):
            talk.line("* 4 EXISTS")
            talk.line("* 4 EXPUNGE")
            talk.ok(tag)
        self.login_fails(TEMPORARY, {"LISTING": listing})


class Credential(FaultCase):
    PASSWORD = 'Sek"ret99'

    def echo(self, pattern, answer, **options):
        """Nothing that the server repeats comes into the log, in any form."""
        client = self.serve({"AUTHENTICATE": answer, "LOGIN": answer}, **options)
        self.gate.allow_warning("event=login_failed")
        self.assertRegex(client.login("ann", self.PASSWORD), pattern)
        self.gate.wait_for_log("event=login_failed")
        initial = base64.b64encode(b"\0ann\0" + self.PASSWORD.encode()).decode()
        for form in (self.PASSWORD, self.PASSWORD.replace('"', '\\"'), initial):
            for part in (form, form[:-2]):
                self.assertNotIn(part.lower(), self.gate.log().lower())

    def test_repeated_command_is_not_logged(self):
        for kind in ("BAD", "NO"):
            for capability in (CAPABILITY, "IMAP4rev1"):
                for form in (str, str.lower):
                    with self.subTest(kind=kind, capability=capability, form=form):
                        self.echo(rb"^-ERR", lambda talk, tag, rest, kind=kind, form=form:
                                  talk.line(f"{tag} {kind} Unknown command: {form(rest)}"), capability=capability)

    def test_repeated_command_that_is_cut_is_not_logged(self):
        self.echo(TEMPORARY, lambda talk, tag, rest: talk.line(f"{tag} BAD Unknown command: {rest[:-3]}"))
        self.echo(TEMPORARY, lambda talk, tag, rest: talk.line(f"{tag} BAD {'x' * 120} {rest}"))
        self.echo(rb"^-ERR", lambda talk, tag, rest: talk.line(f"{tag} NO {'x' * 120} {rest}"))

    def test_other_words_are_logged(self):
        client = self.serve({"AUTHENTICATE": lambda talk, tag, rest: talk.line(f"{tag} NO [UNAVAILABLE] too bad")},
                            warnings=["event=login_failed .*too bad"])
        self.assertRegex(client.login("ann", self.PASSWORD), TEMPORARY)

    def test_server_that_asks_for_the_response_it_has_got_is_served(self):
        def ask(talk, tag, _rest):
            talk.line("* OK one moment")
            talk.send("+ \r\n")
            self.assertEqual(base64.b64decode(talk.file.readline()), b"\0ann\0secret")
            talk.ok(tag)
        client = self.serve({"AUTHENTICATE": ask})
        started = time.monotonic()
        self.log_in(client)
        self.assertLess(time.monotonic() - started, 1.5)

    def test_ok_to_half_a_login_is_no_login(self):
        self.login_fails(TEMPORARY, {"AUTHENTICATE": lambda talk, tag, rest: talk.ok(tag)},
                         capability="IMAP4rev1 AUTH=PLAIN")


class Removing(FaultCase):
    def quit(self, on, pattern, **options):
        client = self.serve(on, **options)
        self.gate.allow_warning("event=commit_failed")
        self.log_in(client)
        client.command("DELE 1")
        reply = client.command("QUIT")
        self.assertRegex(reply, pattern)

    def test_refused_expunge_confirms_nothing(self):
        # The look leaves with the removal; what it brings is no answer to a refusal.
        for answer in ("BAD x", "NO x"):
            with self.subTest(answer=answer):
                self.quit({"UID EXPUNGE": lambda talk, tag, rest, answer=answer: talk.line(f"{tag} {answer}"),
                           "LISTING": lambda talk, tag, rest:
                           talk.usual("LISTING", tag, rest) if "1:*" in rest else talk.ok(tag)}, rb"^-ERR")
                self.gate.wait_for_log("event=commit_failed .*UID EXPUNGE")

    def test_flags_are_not_taken_back_by_news_without_flags(self):
        def listing(talk, tag, rest):
            if "1:*" in rest:
                return talk.usual("LISTING", tag, rest)
            talk.line("* 1 FETCH (UID 101 FLAGS (\\Deleted))")
            talk.line("* 1 FETCH (UID 101 MODSEQ (5))")
            return talk.ok(tag)
        self.quit({"LISTING": listing}, FINE, settings={"delete": "flag"})

    def test_bye_right_behind_the_last_answer_is_seen(self):
        def bye(talk, tag, rest):
            number, uid = talk.wanted(rest)[0]
            octets = talk.server.messages[uid]
            if talk.number > 1:
                return talk.usual("BODY", tag, rest)
            return talk.send(f"* {number} FETCH (UID {uid} BODY[] {{{len(octets)}}}\r\n".encode() + octets +
                             f")\r\n{tag} OK done\r\n* BYE autologout\r\n".encode())
        client = self.serve({"BODY": bye, "UID STORE": lambda talk, tag, rest: talk.wait() if talk.number == 1
                             else talk.usual("UID STORE", tag, rest)})
        self.log_in(client)
        client.multiline("RETR 2")
        client.command("DELE 1")
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(sorted(self.server.messages), [102, 105])


if __name__ == "__main__":
    tap.main()
