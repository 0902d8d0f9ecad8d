"""Messages larger than fetch_max, which come in ranges: whatever their size and whatever the server makes of ranges,
what arrives is the whole message, or visibly torn."""

import re

import tap
from faultcase import FINE, FaultCase
from imapscript import HANG_UP

STEP = 65536
LISTED = 100 * STEP
HEADER = b"Subject: first\r\n\r\n"


def of_size(octets):
    line = b"0123456789" * 7 + b"\r\n"
    start = b"Subject: large\r\n\r\n"
    return (start + line * (octets // len(line) + 1))[:octets - 2] + b"\r\n"


def asked(rest):
    """The range's first octet, or None."""
    found = re.search(r"<(\d+)\.", rest)
    return int(found.group(1)) if found else None


class Ranges(FaultCase):
    def start(self, octets, on=None, **options):
        self.mail = {101: of_size(octets), 102: b"Subject: small\r\n\r\nsmall\r\n"}
        client = self.serve(on, messages=self.mail, settings={"fetch_max": STEP}, **options)
        self.gate.allow_warning("event=fetch_failed")
        self.log_in(client)
        return client

    def ranges(self):
        return [asked(line) for line in self.server.commands("UID FETCH 101") if "BODY" in line]

    def comes_whole(self, client):
        self.assertEqual(client.multiline("RETR 1"), self.mail[101])
        self.assertEqual(client.multiline("RETR 2"), self.mail[102])

    def is_torn(self, client):
        """Either refused, or the connection ends without the final dot."""
        if client.command("RETR 1").startswith(b"+OK"):
            self.assertFalse(client.rest().endswith(b"\r\n.\r\n"))

    def test_sizes_around_the_step_come_whole(self):
        for size, ranges in ((STEP - 1, [None]), (STEP, [None]), (STEP + 1, [0, STEP]), (2 * STEP - 1, [0, STEP]),
                             (2 * STEP, [0, STEP, 2 * STEP]), (5 * STEP + 7, [0, STEP, 2 * STEP, 3 * STEP, 4 * STEP,
                                                                              5 * STEP])):
            with self.subTest(size=size):
                client = self.start(size)
                self.comes_whole(client)
                self.assertEqual(self.ranges(), ranges)

    def test_a_server_that_knows_no_ranges_sends_it_whole(self):
        def whole(talk, tag, rest):
            talk.usual("BODY", tag, re.sub(r"<[\d.]+>", "", rest))
        self.comes_whole(self.start(3 * STEP, {"BODY": whole}))

    def test_a_server_that_answers_short_is_asked_on(self):
        def short(talk, tag, rest):
            talk.usual("BODY", tag, re.sub(r"\.65536>", ".60000>", rest))
        self.comes_whole(self.start(3 * STEP, {"BODY": short}))

    def test_a_size_that_was_listed_too_small_or_too_large_loses_nothing(self):
        for wrong in (-1000, 1000, STEP):
            with self.subTest(wrong=wrong):
                def listing(talk, tag, _rest, wrong=wrong):
                    for number, uid in enumerate(sorted(self.mail), 1):
                        more = wrong if uid == 101 else 0
                        talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE {len(self.mail[uid]) + more})")
                    talk.ok(tag)
                self.comes_whole(self.start(3 * STEP + 500, {"LISTING": listing}))

    def test_a_message_that_goes_between_two_ranges_is_torn(self):
        def vanish(talk, tag, rest):
            if asked(rest) == STEP:
                talk.server.messages.pop(101, None)
            talk.usual("BODY", tag, rest)
        self.is_torn(self.start(3 * STEP, {"BODY": vanish}))

    def test_an_empty_range_in_the_middle_is_torn(self):
        def empty(talk, tag, rest):
            if asked(rest) == STEP:
                talk.send(f"* 1 FETCH (UID 101 BODY[]<{STEP}> {{0}}\r\n)\r\n")
                talk.ok(tag)
            else:
                talk.usual("BODY", tag, rest)
        self.is_torn(self.start(3 * STEP, {"BODY": empty}))

    def test_a_connection_lost_between_two_ranges_is_torn(self):
        def cut(talk, tag, rest):
            return HANG_UP if asked(rest) == STEP else talk.usual("BODY", tag, rest)
        self.is_torn(self.start(3 * STEP, {"BODY": cut}))

    def test_a_range_from_elsewhere_is_torn(self):
        def elsewhere(talk, tag, rest):
            if asked(rest) == STEP:
                talk.send(f"* 1 FETCH (UID 101 BODY[]<0> {{{STEP}}}\r\n".encode() + self.mail[101][:STEP] + b")\r\n")
                talk.ok(tag)
            else:
                talk.usual("BODY", tag, rest)
        self.is_torn(self.start(3 * STEP, {"BODY": elsewhere}))

    def test_large_ones_among_small_ones_come_in_ranges_while_the_others_are_read_ahead(self):
        mail = {uid: of_size(3 * STEP if uid == 110 else 700) for uid in range(101, 121)}
        client = self.serve(messages=mail, settings={"fetch_max": STEP})
        self.log_in(client)
        for number in range(1, 21):
            self.assertEqual(client.multiline(f"RETR {number}"), mail[100 + number])
        self.assertEqual(len([line for line in self.server.commands("UID FETCH") if "BODY" in line and "<" not in line
                              and "," not in line and ":" not in line]), 1)

    def test_quit_after_it_removes_it(self):
        client = self.start(3 * STEP)
        self.comes_whole(client)
        client.command("DELE 1")
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(sorted(self.server.messages), [102])


class Ends(FaultCase):
    """Messages that come in ranges, from servers that end them where they like."""

    def ranged(self, octets, *, listed, empty="{0}\r\n", there=True, code="", origin=True):
        """A server that serves ranges of octets as UID 101. there: whether it answers for the UID after that."""
        def listing(talk, tag, rest):
            if "1:*" in rest:
                talk.line(f"* 1 FETCH (UID 101 RFC822.SIZE {listed})")
            elif there:
                talk.line("* 1 FETCH (UID 101 RFC822.SIZE 5)")
            talk.ok(tag)

        def body(talk, tag, rest):
            header = re.search(r"\[HEADER\]", rest)
            name, start, size = re.search(r"(\[(?:TEXT)?\])<(\d+)\.(\d+)>", rest).groups()
            part = octets.partition(b"\r\n\r\n")[2] if "TEXT" in name else octets
            part = part[int(start):int(start) + int(size)] if origin else part
            talk.send("* 1 FETCH (UID 101")
            if header:
                talk.send(b" BODY[HEADER] {%d}\r\n" % len(HEADER) + HEADER)
            talk.send(f" BODY{name}" + (f"<{start}> " if origin else " "))
            talk.send(f"{{{len(part)}}}\r\n".encode() + part if part else empty)
            talk.line(")")
            talk.ok(tag, code if not part else "done")
        return {"LISTING": listing, "BODY": body}

    def read(self, command, *octets, warn=True, **options):
        client = self.serve(self.ranged(*octets, **options), messages={101: b""},
                            warnings=["event=fetch_failed"] if warn else (), settings={"fetch_max": STEP})
        self.log_in(client)
        self.assertRegex(client.command(command), FINE)
        return client

    def is_cut(self, command, *octets, **options):
        self.assertFalse(self.read(command, *octets, **options).rest().endswith(b"\r\n.\r\n"))

    def is_whole(self, command, octets, **options):
        self.assertEqual(self.read(command, octets, warn=False, **options).lines(), octets)

    FULL = HEADER + (b"0123456789" * 7 + b"\r\n") * ((STEP - len(HEADER)) // 72)
    FULL += b"." * (STEP - len(FULL) - 2) + b"\r\n"
    SHORT = HEADER + b"0123456789abcd\r\n" * 3_000
    # TOP of 1000 lines asks for 100,000 octets of text first.
    TOP = HEADER + (b"a" * 198 + b"\r\n") * 500

    def test_nothing_after_a_full_range_is_no_end(self):
        self.is_cut("RETR 1", self.FULL, listed=LISTED)

    def test_short_range_of_a_message_that_has_vanished_is_no_end(self):
        self.is_cut("RETR 1", self.SHORT, listed=LISTED, there=False)

    def test_short_range_of_a_message_that_is_there_is_the_end(self):
        self.is_whole("RETR 1", self.SHORT, listed=LISTED)

    def test_nil_beyond_the_end_is_the_end_of_a_message_that_is_there(self):
        self.is_whole("RETR 1", self.SHORT, listed=LISTED, empty="NIL")

    def test_nil_beyond_the_end_of_a_message_that_has_vanished_is_no_end(self):
        self.is_cut("RETR 1", self.SHORT, listed=LISTED, empty="NIL", there=False)

    def test_expunge_issued_is_no_end(self):
        self.is_cut("RETR 1", self.SHORT, listed=LISTED, code="[EXPUNGEISSUED] gone")

    def test_whole_message_instead_of_a_range_is_the_whole(self):
        self.is_whole("RETR 1", self.SHORT, listed=LISTED, origin=False)

    def test_range_without_its_origin_of_a_message_that_has_vanished_is_no_end(self):
        self.is_cut("RETR 1", self.SHORT, listed=LISTED, origin=False, there=False)

    def test_second_range_of_top_with_expunge_issued_is_no_end(self):
        self.is_cut("TOP 1 1000", self.TOP, listed=3, code="[EXPUNGEISSUED] gone")

    def test_top_that_asks_for_all_gets_all(self):
        message = self.TOP + b"the end\r\n" * 300
        for size in (len(message), 3, LISTED):
            with self.subTest(size=size):
                self.is_whole("TOP 1 1000", message, listed=size)

    def test_text_as_long_as_the_first_range_of_top_is_whole(self):
        for empty in ("NIL", '""'):
            with self.subTest(empty=empty):
                self.is_whole("TOP 1 1000", self.TOP, listed=664, empty=empty)

    def test_text_that_vanishes_after_the_first_range_of_top_is_no_end(self):
        self.is_cut("TOP 1 1000", self.TOP, listed=664, there=False)
        self.is_cut("TOP 1 1000", self.TOP, listed=LISTED)


if __name__ == "__main__":
    tap.main()
