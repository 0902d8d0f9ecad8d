"""The upstream connection broken at every place of the answer that brings a message: the client gets the whole
of it, a temporary error, or the end of the connection in the middle; never a final dot too early."""

import time

import tap
from cutcase import ALL, CUT, TEMP, WHOLE, CutCase, places, records
from imapscript import HANG_UP, Server
from proxy import drip, fin, garbage, rst

MESSAGES = [b"Subject: one\r\n\r\none\r\n",
            b"Subject: two\r\nX: (\r\n\r\n.\r\n)\r\n..\r\n* 3 FETCH (UID 3 BODY[] {1}\r\n.\r\n5 OK done\r\nend\r\n",
            b"Subject: three\r\n\r\n.\r\n\r\n.\r\n",
            b"Subject: four\r\n\r\nfour\r\n"]
RETR_2, TOP_2 = [b"RETR 2"], [b"TOP 2 2"]
RETR_ALL, TOP_ALL = ([word % n for n in range(1, 5)] for word in (b"RETR %d", b"TOP %d 2"))
TOPS = [b"\r\n\r\n".join((message.split(b"\r\n\r\n")[0], b"".join(message.partition(b"\r\n\r\n")[2].splitlines(True)[:2])))
        for message in MESSAGES]
RESPONSE = b"* 2 FETCH (UID 2 BODY[] {%d}\r\n%s)\r\n" % (len(MESSAGES[1]), MESSAGES[1])
HEAD = RESPONSE.index(b"}\r\n") + 3  # octets before the message's first
EVERY = 61


class SmallMessages(CutCase):
    """They fit into the buffer of replies: what is not whole is a temporary error."""

    def setUp(self):
        if not self.server.bodies("ann"):
            self.server.append("ann", MESSAGES)

    def check_alone(self, seen, refused=True):
        """Restored before the first octet, refused after it. Of a message in one TLS record no octet comes alone."""
        self.assertEqual(seen[0], [WHOLE])
        self.assertEqual({end for ends in seen for end in ends}, {WHOLE, TEMP} if refused else {WHOLE})

    def check_batch(self, seen):
        """A message that is not whole in a batch is asked for anew."""
        self.assertEqual({end for ends in seen for end in ends}, {WHOLE})

    def test_input_47_input_48_invariant_05_retr(self):
        self.start()
        for act in (fin, rst):
            self.check_alone(self.sweep(RETR_2, MESSAGES[1:2], act, EVERY))

    def test_input_47_input_48_invariant_05_retr_read_ahead(self):
        self.start()
        self.check_batch(self.sweep(RETR_ALL, MESSAGES, fin, EVERY))

    def test_input_47_input_48_invariant_05_top(self):
        self.start()
        self.check_alone(self.sweep(TOP_2, TOPS[1:2], fin, EVERY))
        self.check_batch(self.sweep(TOP_ALL, TOPS, rst, EVERY))

    def test_input_47_input_48_invariant_05_tls_without_close_notify(self):
        self.start(security="tls")
        self.check_alone(self.sweep(RETR_2, MESSAGES[1:2], fin, EVERY, records), refused=False)
        self.check_batch(self.sweep(RETR_ALL, MESSAGES, rst, EVERY, records))
        self.check_alone(self.sweep(TOP_2, TOPS[1:2], rst, EVERY, records), refused=False)

    def test_invariant_05_garbage_in_tls(self):
        self.start(security="tls")
        seen = self.sweep(RETR_2, MESSAGES[1:2], garbage(), EVERY, records)
        self.assertLessEqual({end for ends in seen for end in ends}, {WHOLE, TEMP})

    def test_input_47_input_48_invariant_05_tls_that_ends_between_records(self):
        # Each octet is a record of its own; the end is announced by close_notify, or not.
        def crumbs(talk, tag, rest):
            nonlocal place
            if place is None:
                return talk.usual("BODY", tag, rest)
            for octet in RESPONSE[:place]:
                talk.send(bytes((octet,)))
            place = None
            return self.end_tls(talk, polite)
        certificate = self.server.authority.issue("scripted")
        with Server(dict(enumerate(MESSAGES, 1)), on={"BODY": crumbs}, certificate=certificate,
                    capability="IMAP4rev1 SASL-IR AUTH=PLAIN STARTTLS UIDPLUS") as server:
            self.start(server, security="starttls")
            for polite in (True, False):
                for place in places(RESPONSE, EVERY):
                    expected = WHOLE if place <= HEAD else TEMP
                    self.assertEqual(self.ask(RETR_2, MESSAGES[1:2])[0], [expected], (place, polite))
            self.check_sessions()

    @staticmethod
    def end_tls(talk, polite):
        if polite:
            talk.socket.settimeout(1)
            try:
                talk.socket.unwrap()
            except OSError:
                pass
        return HANG_UP

    def test_input_47_invariant_05_server_that_names_the_uid_last(self):
        def late(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                octets = b"".join(f"{name} {{{len(octets)}}}\r\n".encode() + octets + b" "
                                  for name, octets in talk.parts(uid, rest))
                talk.send(b"* %d FETCH (" % number + octets + b"UID %d)\r\n" % uid)
            talk.ok(tag)
        with Server(dict(enumerate(MESSAGES, 1)), on={"BODY": late}) as server:
            self.start(server)
            seen = self.sweep(RETR_2, MESSAGES[1:2], fin, EVERY)
            self.check_alone(seen)
            self.assertEqual(seen[-1], [WHOLE])  # here the answer has the same length each time
            self.check_batch(self.sweep(RETR_ALL, MESSAGES, fin, EVERY))


def big(size):
    line = b".%06d 89012345678901234567890123456789012345678901234567890123456789012345\r\n"
    return b"Subject: big\r\n\r\n" + b"".join(line % n for n in range(size // len(line % 0)))


class LargeMessages(CutCase):
    """They are on their way to the client before they are whole."""

    MESSAGE = big(1_000_000)
    EVERY = 1000 if ALL else 270_000

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.append("ann", [cls.MESSAGE, b"Subject: small\r\n\r\nsmall\r\n"])

    def check(self, commands, messages, act, **options):
        def find(octets, every):
            return sorted({*range(0, len(octets), every), *range(len(octets) - 60, len(octets), 15), len(octets)})
        seen = self.sweep(commands, messages, act, self.EVERY, find, **options)
        self.assertEqual(set(seen[0]), {WHOLE})
        self.assertIn(CUT, {end for ends in seen for end in ends})
        return seen

    def test_input_47_invariant_05_large(self):
        self.start()
        self.check([b"RETR 1"], [self.MESSAGE], fin)

    def test_input_47_invariant_05_large_under_tls(self):
        self.start(security="tls")
        self.check([b"RETR 1"], [self.MESSAGE], rst)

    def test_input_47_invariant_05_large_read_ahead(self):
        self.start()
        self.check([b"RETR 1", b"RETR 2"], [self.MESSAGE, b"Subject: small\r\n\r\nsmall\r\n"], fin)

    def test_input_47_invariant_05_larger_than_the_budget(self):
        self.start(security="tls", limits={"read_ahead": 300_000})
        self.check([b"RETR 1", b"RETR 2"], [self.MESSAGE, b"Subject: small\r\n\r\nsmall\r\n"], fin)

    def test_input_47_invariant_05_in_ranges(self):
        self.start(fetch_max=300_000)
        self.check([b"RETR 1"], [self.MESSAGE], fin)

    def test_input_47_top_of_a_large_message(self):
        self.start()
        # of a large message that has many more lines the rest is not waited for
        self.check([b"TOP 1 9000"], [b"".join(self.MESSAGE.splitlines(True)[:9002])], fin, early=True)


class Drip(CutCase):
    """Octet by octet, slower than the minimum progress: given up within the window, in whatever the octets stand."""

    SMALL, LARGE = big(3000), big(100_000)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.append("ann", [cls.SMALL, cls.LARGE])

    def drips(self, expected, commands, messages, *places, **options):
        self.start(limits={"fetch_window": 1, "fetch_minimum": 1000}, **options)
        for place in places:
            started = time.monotonic()
            ends, fault = self.ask(commands, messages, drip(0.02), place)
            self.assertTrue(fault.happened.is_set())
            self.assertEqual(ends, expected, place)
            self.assertLess(time.monotonic() - started, 10)
        self.check_sessions()

    def test_input_46_before_the_reply(self):
        self.drips([TEMP], [b"RETR 1"], [self.SMALL], 5, 200)

    def test_input_46_before_the_reply_under_tls(self):
        self.drips([TEMP], [b"TOP 1 3"], [b"".join(self.SMALL.splitlines(True)[:5])], 100, security="tls")

    def test_input_46_read_ahead(self):
        self.drips([TEMP, WHOLE], [b"RETR 1", b"RETR 2"], [self.SMALL, self.LARGE], 500)

    def test_input_46_in_the_middle_of_the_reply(self):
        self.drips([CUT], [b"RETR 2"], [self.LARGE], 50_000)

    def test_input_46_in_the_middle_of_the_reply_under_tls(self):
        self.drips([CUT], [b"RETR 2"], [self.LARGE], 50_000, security="tls")


if __name__ == "__main__":
    tap.main()
