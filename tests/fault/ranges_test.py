"""Messages larger than fetch_max, which come in ranges: whatever their size and whatever the server makes of ranges,
what arrives is the whole message, or visibly torn."""

import re

import tap
from faultcase import FINE, FaultCase
from imapscript import HANG_UP

STEP = 65536


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


if __name__ == "__main__":
    tap.main()
