"""One message of several that comes wrong, told in each way: asked for alone, and in a batch asked for ahead. It is
never delivered, and costs no other."""

import re

import tap
from faultcase import FINE, TEMPORARY, FaultCase
from imapscript import HANG_UP

MAIL = {uid: b"Subject: %d\r\n\r\n" % uid + b"%d is the line of it\r\n" % uid * 20 for uid in range(101, 110)}
BAD = 105
GONE = rb"^-ERR the message is no longer there"
ALONE, AHEAD = {"read_ahead": 0}, {"read_ahead": 1 << 20}


def whole(uid, command):
    lines = MAIL[uid].splitlines(True)
    return b"".join(lines if command.startswith("RETR") else lines[:2 + int(command.split(" ")[2])])


class Answers(FaultCase):
    def listening(self, limits, **options):
        client = self.serve(messages=MAIL, limits=limits, **options)
        self.gate.allow_warning("event=fetch_failed")
        return client

    def answer(self, wrong):
        """A server whose answer for one message is wrong(talk, number, uid, rest). What that returns: the tagged line's
        words, which then end the answer, or HANG_UP."""
        def body(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                if uid != BAD:
                    talk.fetch_response(number, uid, rest)
                    continue
                end = wrong(talk, number, uid, rest)
                if isinstance(end, str):
                    return talk.line(f"{tag} {end}")
                if end is not None:
                    return end
            return talk.ok(tag)
        return body

    def read_all(self, client, command, pattern, lost=(BAD,)):
        """Every message in its turn. Returns the client, another one where the connection was ended."""
        for number, uid in enumerate(MAIL, 1):
            client.send(command.format(number).encode() + b"\r\n")
            reply = client.file.readline()
            if uid not in lost:
                self.assertRegex(reply, FINE)
                self.assertEqual(client.lines(), whole(uid, command))
            elif reply.startswith(b"+OK"):
                with self.assertRaises(EOFError):
                    client.lines()
                client = self.again()
            else:
                self.assertRegex(reply, pattern)
        return client

    def again(self):
        """Another user each time, lest a session that is about to end be in the way."""
        client = self.connect()
        self.assertRegex(client.login(f"user{len(self.server.received)}", "secret"), FINE)
        return client

    def never(self, *wrongs, commands=("RETR {}", "TOP {} 3"), pattern=TEMPORARY, limits=None):
        """Each of the wrong answers, in each way of asking."""
        for way in (ALONE, AHEAD):
            self.listening({**way, **(limits or {})})
            for command in commands:
                for n, wrong in enumerate(wrongs):
                    with self.subTest(way=way, command=command, wrong=n):
                        self.server.on["BODY"] = self.answer(wrong)
                        self.read_all(self.again(), command, pattern).close()

    @staticmethod
    def sections(talk, uid, rest, octets=None):
        """What is asked for, with other octets or none: [' BODY[...] {n}CRLF...']."""
        found = []
        for name, part in talk.parts(uid, rest):
            part = part if octets is None else octets
            found.append(f" {name} {{{len(part)}}}\r\n".encode() + part)
        return b"".join(found)

    # ---- literals --------------------------------------------------------------

    def literal_of(self, size):
        def wrong(talk, number, uid, rest):
            name = talk.parts(uid, rest)[0][0]
            talk.send(f"* {number} FETCH (UID {uid} {name} {{{size}}}\r\nabc")
            return HANG_UP
        return wrong

    def test_input_49_a_literal_of_impossible_size_in_a_body_is_no_message(self):
        self.never(*(self.literal_of(size) for size in
                     ("4294967295", "-5", "99999999999", "4294967296", "18446744073709551619", "", "3+", "1x", " 3")))

    def test_input_49_a_literal_over_the_limit_costs_one_message(self):
        octets = b"Subject: large\r\n\r\n" + b"x" * 70_000

        def large(talk, number, uid, rest):
            talk.send(b"* %d FETCH (UID %d" % (number, uid) + self.sections(talk, uid, rest, octets) + b")\r\n")
        for way in (ALONE, AHEAD):
            client = self.listening(way, on={"BODY": self.answer(large)}, settings={"guard_message": 65536})
            self.log_in(client)
            self.read_all(client, "RETR {}", TEMPORARY)
            self.gate.wait_for_log("event=fetch_failed .*literal over the limit")
            self.assertLess(self.server.connections, 5)

    # ---- the end of an answer ------------------------------------------------------

    def test_input_50_data_and_then_a_refusal_is_no_message(self):
        def refused(end):
            def wrong(talk, number, uid, rest):
                talk.fetch_response(number, uid, rest)
                return end
            return wrong
        self.never(refused("NO [SERVERBUG] some messages could not be read"), refused("BAD oops"), refused("NO no"),
                   refused("NO [UNAVAILABLE] later"))

    def test_invariant_05_an_answer_that_ends_anywhere_is_no_message(self):
        """Cut behind each octet but the last; and without the tagged OK, or the parenthesis."""
        text = b"Subject: 105\r\n\r\nline\r\n"
        for way in (ALONE, AHEAD):
            self.listening(way)
            for late in (False, True):
                item, name = b"BODY[] {%d}\r\n" % len(text) + text, b"UID %d" % BAD
                whole_one = b" ".join((item, name) if late else (name, item))
                answer = b"* 5 FETCH (" + whole_one + b")\r\n"
                for end in range(len(answer) + 3):
                    with self.subTest(way=way, late=late, end=end):
                        self.cut_at(answer, end)

    def cut_at(self, answer, end):
        def body(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                if uid == BAD:
                    talk.send((answer + tag.encode() + b" OK")[:end])
                    return HANG_UP
                talk.fetch_response(number, uid, rest)
            return talk.ok(tag)
        self.server.on["BODY"] = body
        client = self.again()
        client.send(b"RETR 4\r\nRETR 5\r\n")
        self.assertRegex(client.line(), FINE)
        self.assertEqual(client.lines(), MAIL[104])
        if client.file.readline().startswith(b"+OK"):
            with self.assertRaises(EOFError):
                client.lines()
        client.close()

    def test_invariant_05_an_answer_without_its_parenthesis_is_no_message(self):
        def wrong(talk, number, uid, rest):
            talk.send(b"* %d FETCH (UID %d" % (number, uid) + self.sections(talk, uid, rest) + b"\r\n")
        self.never(wrong)

    # ---- names -----------------------------------------------------------------------

    def named(self, form, octets=None):
        """A response whose UID stands as `form` says: B for the bodies."""
        def wrong(talk, number, uid, rest):
            body = self.sections(talk, uid, rest, octets)
            talk.send(f"* {number} FETCH (".encode() + form.encode().replace(b" B", body).replace(b"B", body[1:]) +
                      b")\r\n")
        return wrong

    def test_input_51_a_message_under_another_uid_is_never_delivered(self):
        self.never(self.named("UID 999 B"), self.named("B UID 999"), self.named("UID 104 B"), self.named("B UID 104"))

    def test_input_51_a_message_without_a_uid_is_never_delivered(self):
        self.never(self.named("B"), self.named("FLAGS (UID 105) B"), self.named('X "UID 105" B'))

    def test_input_51_a_message_of_two_uids_is_never_delivered(self):
        self.never(self.named("UID 105 B UID 106"), self.named("UID 106 B UID 105"), self.named("UID 105 UID 106 B"),
                   self.named("UID 106 UID 105 B"), self.named("B UID 106 UID 105"), self.named("B UID 105 UID 999"))

    def test_input_51_a_message_that_comes_twice_is_delivered_once_at_most(self):
        def twice(second):
            def wrong(talk, number, uid, rest):
                talk.fetch_response(number, uid, rest)
                talk.send(b"* %d FETCH (UID %d" % (number, uid) + self.sections(talk, uid, rest, second) + b")\r\n")
            return wrong
        for way in (ALONE, AHEAD):
            self.listening(way)
            for second in (None, b"Subject: other\r\n\r\nother\r\n"):
                with self.subTest(way=way, second=second):
                    self.server.on["BODY"] = self.answer(twice(second))
                    self.read_all(self.again(), "RETR {}", TEMPORARY)

    def test_input_51_the_last_message_or_the_next_one_is_not_what_was_asked_for(self):
        def instead(other):
            def wrong(talk, _number, _uid, rest):
                talk.fetch_response(other - 100, other, rest)
            return wrong
        self.never(instead(109), instead(106), instead(101))

    def test_input_51_a_message_that_a_server_counts_as_another_is_known_by_its_uid(self):
        """Sequence numbers say nothing."""
        def body(talk, tag, rest):
            for _, uid in talk.wanted(rest):
                talk.fetch_response(7, uid, rest)
            talk.ok(tag)
        for way in (ALONE, AHEAD):
            client = self.listening(way, on={"BODY": body})
            self.log_in(client)
            self.read_all(client, "RETR {}", TEMPORARY, lost=())

    # ---- nothing -----------------------------------------------------------------------

    def test_input_52_ok_without_data_of_a_message_that_has_gone_is_an_error_for_that_one(self):
        for way in (ALONE, AHEAD):
            for said in ("", "* 5 EXPUNGE\r\n"):
                with self.subTest(way=way, said=said):
                    def vanished(talk, _number, uid, _rest, said=said):
                        talk.server.messages.pop(uid)
                        talk.send(said)
                    client = self.listening(way, on={"BODY": self.answer(vanished)})
                    self.log_in(client)
                    client = self.read_all(client, "RETR {}", GONE)
                    self.assertRegex(client.command("RETR 5"), GONE)
                    self.assertEqual(client.command("STAT"), b"+OK 9 %d" % sum(map(len, MAIL.values())))
                    self.assertRegex(client.command("QUIT"), FINE)

    def test_input_52_ok_without_data_of_a_message_that_is_there_is_temporary(self):
        """It has not vanished: the server cannot read it just now."""
        self.never(lambda talk, number, uid, rest: None,
                   lambda talk, number, uid, rest: talk.line(f"* {number} FETCH (FLAGS (\\Seen))"))

    def test_input_53_nothing_where_a_size_was_listed_is_no_message(self):
        def empty(form):
            def wrong(talk, number, uid, rest):
                names = " ".join(f"{name} {form}" for name, _ in talk.parts(uid, rest))
                talk.send(f"* {number} FETCH (UID {uid} {names})\r\n")
            return wrong
        self.never(empty("NIL"), empty('""'), empty("{0}\r\n"), self.named("UID 105"))

    def test_input_53_a_header_without_the_text_asked_for_is_no_message(self):
        def headless(form):
            def wrong(talk, number, uid, rest):
                header = MAIL[uid].partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                talk.send(b"* %d FETCH (UID %d BODY[HEADER] {%d}\r\n" % (number, uid, len(header)) + header + form +
                          b")\r\n")
            return wrong
        self.never(headless(b""), headless(b" BODY[TEXT]<0> NIL"), commands=("TOP {} 3",))

    # ---- news ------------------------------------------------------------------------------

    def test_input_54_invariant_06_news_of_the_folder_shift_no_number(self):
        def expunging(talk, tag, rest):
            talk.line("* 10 EXISTS")
            for _, uid in talk.wanted(rest):
                if 101 in talk.server.messages and uid > 102:
                    del talk.server.messages[101]
                    talk.line("* 1 EXPUNGE")
                talk.fetch_response(sorted(talk.server.messages).index(uid) + 1, uid, rest)
                talk.line("* 9 EXISTS")
            talk.ok(tag)
        for way in (ALONE, AHEAD):
            with self.subTest(way=way):
                client = self.listening(way, on={"BODY": expunging})
                self.log_in(client)
                before = [client.multiline("LIST"), client.multiline("UIDL")]
                for _ in range(2):
                    client.command("NOOP")
                    self.server.say("* 11 EXISTS")
                    self.read_all(client, "RETR {}", GONE, lost=() if 101 in self.server.messages else (101,))
                    self.assertEqual([client.multiline("LIST"), client.multiline("UIDL")], before)
                self.assertEqual(client.command("STAT"), b"+OK 9 %d" % sum(map(len, MAIL.values())))

    def test_invariant_06_a_message_keeps_its_number_over_a_new_connection(self):
        """Though the folder has been counted anew, and has got another message in front."""
        for way in (ALONE, AHEAD):
            with self.subTest(way=way):
                client = self.listening(way)
                self.log_in(client)
                self.assertEqual(client.multiline("RETR 3"), MAIL[103])
                for uid in (101, 102, 104):
                    del self.server.messages[uid]
                self.server.messages[50] = b"Subject: strange\r\n\r\n"
                self.server.say("* BYE idle", hang_up=True)
                self.read_all(client, "RETR {}", GONE, lost=(101, 102, 104))
                self.assertGreater(self.server.connections, 1)

    def test_invariant_10_nothing_that_is_read_is_marked(self):
        for way in (ALONE, AHEAD):
            client = self.listening(way)
            self.log_in(client)
            for command in ("RETR {}", "TOP {} 0", "TOP {} 3"):
                self.read_all(client, command, TEMPORARY, lost=())
            client.command("QUIT")
            fetched = [line for line in self.server.commands("UID FETCH") if "BODY" in line]
            self.assertTrue(fetched)
            self.assertEqual([line for line in fetched if re.search(r"BODY\[|RFC822(?!\.SIZE)", line)], [])
            self.assertEqual(self.server.commands("UID STORE") + self.server.commands("CLOSE"), [])


if __name__ == "__main__":
    tap.main()
