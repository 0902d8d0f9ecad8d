"""Sizes that are wrong, changing, or beyond measure, octets of every kind, and the habits of real servers: the listing
stays as it was, the message is the one that the server has."""

import random
import re

import tap
from faultcase import FINE, MESSAGES, TEMPORARY, FaultCase
from gateway import memory_bound
from imapscript import CAPABILITY

ALONE, AHEAD = {"read_ahead": 0}, {"read_ahead": 1 << 20}
LOGINS = CAPABILITY, CAPABILITY + " LITERAL+"
MAIL = {uid: b"Subject: %d\r\n\r\n" % uid + b"%d is the line of it\r\n" % uid * 20 * (uid - 100)
        for uid in range(101, 109)}


def listing_of(sizes, form="UID {uid} RFC822.SIZE {size}"):
    def listing(talk, tag, rest):
        for number, uid in talk.wanted(rest):
            size = sizes(len(talk.server.messages[uid]))
            talk.line(f"* {number} FETCH ({form.format(uid=uid, size=size)})")
        talk.ok(tag)
    return listing


class Sizes(FaultCase):
    def listing(self, client):
        """STAT, LIST and UIDL; they agree."""
        found = [client.command("STAT"), client.multiline("LIST"), client.multiline("UIDL")]
        sizes = [int(line.split(b" ")[1]) for line in found[1].splitlines()]
        self.assertEqual(found[0], b"+OK %d %d" % (len(sizes), sum(sizes)))
        self.assertEqual([line.split(b" ")[0] for line in found[1].splitlines()],
                         [line.split(b" ")[0] for line in found[2].splitlines()])
        return found

    # ---- wrong sizes -------------------------------------------------------------

    WRONG = {"none": lambda size: 0, "less": lambda size: size - 3, "more": lambda size: size + 3,
             "that of the storage": lambda size: size * 3, "a third": lambda size: size // 3, "one": lambda size: 1,
             "much": lambda size: size + 100_000, "very much": lambda size: 4_000_000_000}

    def test_input_63_invariant_07_a_wrong_size_is_logged_and_the_message_whole_and_the_listing_stays(self):
        for way in (ALONE, AHEAD):
            for name, wrong in self.WRONG.items():
                with self.subTest(way=way, wrong=name):
                    client = self.serve({"LISTING": listing_of(wrong)}, messages=MAIL, limits=way)
                    self.log_in(client)
                    before = self.listing(client)
                    self.assertIn(b"1 %d\r\n" % wrong(len(MAIL[101])), before[1])
                    for command, lines in (("TOP {} 3", 5), ("RETR {}", None), ("TOP {} 0", 2)):
                        for number, octets in enumerate(MAIL.values(), 1):
                            self.assertEqual(client.multiline(command.format(number)),
                                             b"".join(octets.splitlines(True)[:lines]))
                        self.assertEqual(self.listing(client), before)
                    self.gate.wait_for_log(r"RFC822\.SIZE of UID 101 is \d+, the message has \d+ octets")

    def test_an_empty_message_of_a_server_whose_sizes_say_nothing_is_none(self):
        def body(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                if uid == 105:
                    talk.line(f"* {number} FETCH (UID {uid} BODY[] \"\")")
                else:
                    talk.fetch_response(number, uid, rest)
            talk.ok(tag)
        for way in (ALONE, AHEAD):
            client = self.serve({"LISTING": listing_of(lambda size: 0), "BODY": body}, messages=MAIL, limits=way,
                                warnings=["event=fetch_failed .*UID 105"])
            self.log_in(client)
            for number, (uid, octets) in enumerate(MAIL.items(), 1):
                if uid == 105:
                    self.assertRegex(client.command(f"RETR {number}"), TEMPORARY)
                else:
                    self.assertEqual(client.multiline(f"RETR {number}"), octets)

    def test_invariant_07_the_listing_is_one_snapshot_whatever_comes_or_is_said_later(self):
        client = self.serve(messages=MAIL)
        self.log_in(client)
        before = self.listing(client)
        self.server.messages[200] = b"Subject: new\r\n\r\n"
        for news in ("* 9 EXISTS", "* 2 FETCH (UID 102 RFC822.SIZE 77777)", "* 2 FETCH (RFC822.SIZE 1)", "* 1 RECENT",
                     "* 9 EXISTS\r\n* 9 EXPUNGE"):
            self.server.say(news)
            self.assertEqual(client.multiline("RETR 2"), MAIL[102])
            self.assertEqual(self.listing(client), before)
        client.command("DELE 3")
        client.command("DELE 8")
        sizes = [len(octets) for uid, octets in MAIL.items() if uid not in (103, 108)]
        self.assertEqual(self.listing(client)[0], b"+OK 6 %d" % sum(sizes))
        self.assertRegex(client.command("RSET"), FINE)
        self.assertEqual(self.listing(client), before)
        self.assertRegex(client.command("RETR 9"), rb"^-ERR")

    # ---- octets ----------------------------------------------------------------------

    @staticmethod
    def odd(seed):
        rng = random.Random(seed)
        pieces = [b".", b"..", b"\r", b"\n", b"\r\n", b"\r\r\n", b"\0", b"\r\n.\r\n", b"\n.\n", b"x", b" ", b"\xff\xfe",
                  b"a line of it", b"{5}\r\n", b")\r\n", b"* 1 FETCH (UID 7)\r\n", b"+OK\r\n", b"-ERR\r\n", b"\t",
                  b"\x1a"]
        return b"Subject: %d\r\n\r\n" % seed + b"".join(rng.choice(pieces) for _ in range(rng.randint(1, 3000)))

    @staticmethod
    def canonical(octets):
        if octets.endswith(b"\r"):
            octets += b"\n"
        octets = re.sub(rb"(?<!\r)\n", b"\r\n", octets)
        return octets if octets.endswith(b"\n") else octets + b"\r\n"

    def test_input_62_octets_of_every_kind_arrive_canonical(self):
        mail = {uid: self.odd(uid) for uid in range(101, 131)}
        mail.update({131: b"\r\n.\r\n", 132: b"\n\n.\n", 133: b".", 134: b"Subject: x\n\n..\n.\n", 135: b"\0",
                     136: b"\r", 137: b"Subject: no end", 138: b"Subject: x\r\n\r\n" + b"y" * 4095 + b"\r" + b"\n.z"})
        for way in (ALONE, AHEAD):
            client = self.serve(messages=mail, limits=way)
            self.log_in(client)
            for number, (uid, octets) in enumerate(mail.items(), 1):
                with self.subTest(way=way, uid=uid):
                    self.assertEqual(client.multiline(f"RETR {number}"), self.canonical(octets))
            for number, (uid, octets) in enumerate(mail.items(), 1):
                with self.subTest(way=way, top=uid):
                    self.assertEqual(client.multiline(f"TOP {number} 999999"), self.canonical(octets))

    def test_input_62_a_line_of_10_mb_arrives_whole(self):
        line = b"0123456789" * 1_000_000
        mail = {101: MAIL[101], 102: b"Subject: x\r\n\r\n." + line, 103: MAIL[103]}
        for way in (ALONE, {"read_ahead": 64 << 20}):
            client = self.serve(messages=mail, limits={"fetch_window": 20, **way})
            self.log_in(client)
            for number, octets in enumerate(mail.values(), 1):
                octets = client.multiline(f"RETR {number}") == self.canonical(octets)
                self.assertTrue(octets)
            self.assertTrue(client.multiline("TOP 2 1") == self.canonical(mail[102]))

    # ---- beyond measure ------------------------------------------------------------------

    LARGE = 5_000_000_000

    def large(self, listed, way):
        """Message 102 has 5 GB, made while they are sent, and is listed with any size."""
        def listing(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                size = listed if uid == 102 else len(MESSAGES[uid])
                talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE {size})")
            talk.ok(tag)

        def body(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                if uid == 102 and "BODY.PEEK[]" in rest:
                    talk.send(f"* {number} FETCH (UID {uid} BODY[] {{{self.LARGE}}}\r\n")
                    for _ in range(self.LARGE // (1 << 20)):
                        talk.send(b"x" * (1 << 20))
                talk.fetch_response(number, uid, rest)
            talk.ok(tag)
        client = self.serve({"LISTING": listing, "BODY": body}, limits={**way, "fetch_window": 20},
                            warnings=["event=fetch_failed .*UID"])
        self.log_in(client)
        return client

    def test_input_64_a_message_of_5_gb_is_listed_and_refused_clearly(self):
        for way in (ALONE, AHEAD):
            client = self.large(self.LARGE, way)
            self.assertEqual(client.command("LIST 2"), b"+OK 2 %d" % self.LARGE)
            self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])
            self.assertRegex(client.command("RETR 2"), rb"^-ERR \[SYS/PERM\] this message cannot be delivered")
            self.gate.wait_for_log(f"event=fetch_failed .*{self.LARGE} octets are more than guard_message")
            self.assertEqual(client.multiline("RETR 3"), MESSAGES[105])
            self.assertEqual(client.multiline("TOP 2 2"), b"".join(MESSAGES[102].splitlines(True)[:4]))
            self.assertEqual(self.server.connections, 1)

    def test_input_64_a_message_of_5_gb_that_is_listed_smaller_is_refused_and_costs_no_other(self):
        for way in (ALONE, AHEAD):
            for listed in (self.LARGE % 2 ** 32, 1000):
                with self.subTest(way=way, listed=listed):
                    client = self.large(listed, way)
                    self.gate.expect_warning("literal over the limit")
                    self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])
                    self.assertRegex(client.command("RETR 2"), TEMPORARY)
                    self.assertEqual(client.multiline("RETR 3"), MESSAGES[105])
                    self.assertLess(self.peak(), memory_bound(20_000_000))

    def peak(self):
        with open(f"/proc/{self.gate.pids('session')[0]}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) * 1024

    def test_ranges_without_end_end_where_no_message_goes(self):
        """A server that has a full range of everything."""
        def body(talk, tag, rest):
            start, size = map(int, re.search(r"<(\d+)\.(\d+)>", rest).groups())
            talk.send(b"* 1 FETCH (UID 101 BODY[]<%d> {%d}\r\n" % (start, size) + (b"x" * 70 + b"\r\n") * (size // 72) +
                      b"y" * (size % 72) + b")\r\n")
            talk.ok(tag)
        client = self.serve({"LISTING": listing_of(lambda size: 200_000), "BODY": body}, messages={101: b""},
                            settings={"fetch_max": 65536, "guard_message": 1_000_000},
                            warnings=["event=fetch_failed .*more than guard_message"])
        self.log_in(client)
        self.assertRegex(client.command("RETR 1"), FINE)
        octets = client.rest()
        self.assertFalse(octets.endswith(b"\r\n.\r\n"))
        self.assertLess(len(octets), 1_100_000)


    def test_a_message_of_just_guard_message_arrives_whole(self):
        message = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 1820
        message += b"y" * (131072 - len(message) - 2) + b"\r\n"
        client = self.serve(messages={101: message}, settings={"fetch_max": 65536, "guard_message": 131072})
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 1"), message)


class Habits(FaultCase):
    """What real servers do, each in its way."""

    def served(self, on, **options):
        for capability in LOGINS:
            for way in (ALONE, AHEAD):
                with self.subTest(capability=capability, way=way):
                    client = self.serve(on, messages=MAIL, capability=capability, limits=way, **options)
                    self.log_in(client)
                    self.assertEqual(client.command("STAT"), b"+OK 8 %d" % sum(map(len, MAIL.values())))
                    for number, octets in enumerate(MAIL.values(), 1):
                        self.assertEqual(client.multiline(f"RETR {number}"), octets)
                    self.assertRegex(client.command("DELE 2"), FINE)
                    self.assertRegex(client.command("QUIT"), FINE)
                    self.assertEqual(sorted(self.server.messages), [uid for uid in MAIL if uid != 102])

    def test_no_uidnext_no_flags_and_no_recent_at_select(self):
        def select(talk, tag, _rest):
            talk.line("* OK [UIDVALIDITY 7]")
            talk.line(f"* {len(talk.server.messages)} EXISTS")
            talk.ok(tag)
        self.served({"SELECT": select})

    def test_items_in_any_order_and_others_beside_them(self):
        for form in ("FLAGS (\\Seen $odd) RFC822.SIZE {size} UID {uid}", "RFC822.SIZE {size} UID {uid} FLAGS ()",
                     "UID {uid} RFC822.SIZE {size} MODSEQ (18446744073709551) X-GM-MSGID 12345678901234567890",
                     "INTERNALDATE \"17-Jul-1996 02:44:25 -0700\" UID {uid} EMAILID (M1) RFC822.SIZE {size}"):
            self.served({"LISTING": listing_of(lambda size: size, form)})

    def test_a_listing_in_any_order_with_news_in_between(self):
        def listing(talk, tag, rest):
            wanted = talk.wanted(rest)
            random.Random(7).shuffle(wanted)
            for number, uid in wanted:
                talk.line(f"* {number} FETCH (FLAGS (\\Seen))")
                talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE {len(talk.server.messages[uid])})")
                talk.line(f"* {number} FETCH (UID {uid} FLAGS (\\Seen \\Recent))")
                talk.line("* 0 RECENT")
            talk.ok(tag)
        self.served({"LISTING": listing})

    def test_flags_beside_each_body(self):
        def body(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                name, octets = talk.parts(uid, rest)[0]
                size = len(octets)
                talk.send(f"* {number} FETCH (FLAGS (\\Seen $MDNSent NonJunk) UID {uid} RFC822.SIZE {size} {name} "
                          f"{{{size}}}\r\n".encode() + octets + b" MODSEQ (7))\r\n")
            talk.ok(tag)
        self.served({"BODY": body})

    def test_input_53_a_server_that_answers_a_range_with_nothing(self):
        """TOP asks for a range of the text first; a header alone would look like the whole."""
        def body(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                parts = [(name, b"" if name.startswith("BODY[TEXT]<") else octets)
                         for name, octets in talk.parts(uid, rest)]
                talk.send(f"* {number} FETCH (UID {uid}".encode() +
                          b"".join(f" {name} {{{len(octets)}}}\r\n".encode() + octets for name, octets in parts) +
                          b")\r\n")
            talk.ok(tag)
        for way in (ALONE, AHEAD):
            with self.subTest(way=way):
                client = self.serve({"BODY": body}, messages=MAIL, limits=way)
                self.log_in(client)
                for number, octets in enumerate(MAIL.values(), 1):
                    self.assertEqual(client.multiline(f"TOP {number} 1000"), octets)

    def test_a_server_that_wants_to_know_the_program_first(self):
        """NetEase; in one flight as well."""
        def select(talk, tag, rest):
            if not any(line.split(" ")[1] == "ID" for line in talk.server.received):
                return talk.line(f"{tag} NO SELECT Unsafe Login. Please contact the provider")
            return talk.usual("SELECT", tag, rest)
        self.served({"SELECT": select})

    def test_a_message_that_cannot_be_read_now_costs_no_other(self):
        """Yahoo says NO [UNAVAILABLE] to one of them."""
        def body(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                if uid == 104:
                    return talk.line(f"{tag} NO [UNAVAILABLE] UID FETCH Server error")
                talk.fetch_response(number, uid, rest)
            return talk.ok(tag)
        for way in (ALONE, AHEAD):
            client = self.serve({"BODY": body}, messages=MAIL, limits=way, warnings=["event=fetch_failed"])
            self.log_in(client)
            for number, (uid, octets) in enumerate(MAIL.items(), 1):
                if uid == 104:
                    self.assertRegex(client.command(f"RETR {number}"), TEMPORARY)
                else:
                    self.assertEqual(client.multiline(f"RETR {number}"), octets)

    def test_input_51_whatever_is_asked_for_the_answer_is_the_last_message(self):
        """As some servers answer for a UID that is not there; the listing's own question too."""
        def body(talk, tag, rest):
            if wanted := talk.wanted(rest):
                for number, uid in wanted:
                    talk.fetch_response(number, uid, rest)
            else:
                talk.fetch_response(len(talk.server.messages), max(talk.server.messages), rest)
            talk.ok(tag)

        def listing(talk, tag, rest):
            number, uid = (talk.wanted(rest) or [(len(talk.server.messages), max(talk.server.messages))])[0]
            if "1:*" in rest:
                return talk.usual("LISTING", tag, rest)
            talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE 10)")
            return talk.ok(tag)
        for way in (ALONE, AHEAD):
            client = self.serve({"BODY": body, "LISTING": listing}, messages=MAIL, limits=way)
            self.gate.allow_warning("event=fetch_failed")
            self.log_in(client)
            del self.server.messages[104]
            for command, lines in (("RETR {}", None), ("TOP {} 1", 3), ("RETR {}", None)):
                for number, (uid, octets) in enumerate(MAIL.items(), 1):
                    if uid == 104:
                        self.assertRegex(client.command(command.format(number)), rb"^-ERR")
                    else:
                        self.assertEqual(client.multiline(command.format(number)),
                                         b"".join(octets.splitlines(True)[:lines]))


if __name__ == "__main__":
    tap.main()
