"""Messages asked for ahead of the client, at IMAP servers that keep to the protocol and at others: what arrives is
the right message or an error, a fault costs one message at most, and nobody holds more than the budget."""

import re
import socket
import struct
import time

import tap
from faultcase import FINE, FaultCase
from flight_test import together
from imapscript import HANG_UP

KILO = 1024
MANY = {uid: b"Subject: %d\r\n\r\n" % uid + b"%d is the line of it\r\n" % uid * 20 for uid in range(101, 141)}
LARGE = {uid: b"Subject: %d\r\n\r\n" % uid + b"%05d: seven octets and fifty more\r\n" % uid * 700
         for uid in range(101, 141)}  # 24 kB each


def batch(rest):
    """Whether a FETCH is for more than one message."""
    return bool(re.search("[:,]", rest.split(" ")[0]))


def for_batches(handler):
    """Single messages are answered as usual."""
    return {"BODY": lambda talk, tag, rest:
            (handler if batch(rest) else lambda *_: talk.usual("BODY", tag, rest))(talk, tag, rest)}


class Ahead(FaultCase):
    def start(self, on=None, messages=None, **options):
        self.mail = dict(MANY if messages is None else messages)
        client = self.serve(on, messages=self.mail, **options)
        self.log_in(client)
        return client

    def reads(self, client, numbers, lost=()):
        """RETR of each; those that are lost are errors, the others are whole."""
        uids = sorted(self.mail)
        for number in numbers:
            with self.subTest(number=number):
                if number in lost:
                    self.assertRegex(client.command(f"RETR {number}"), rb"^-ERR")
                else:
                    self.assertEqual(client.multiline(f"RETR {number}"), self.mail[uids[number - 1]])

    def bodies(self):
        """The sets of the FETCHes for bodies."""
        return [line.split(" ")[2] for line in self.server.commands("UID FETCH") if "BODY" in line]

    def asked_alone(self):
        return [int(uids) for uids in self.bodies() if uids.isdigit()]


class Pattern(Ahead):
    """When something is asked for ahead."""

    def test_one_message_is_asked_for_alone(self):
        client = self.start()
        self.reads(client, [1])
        client.command("NOOP")
        self.assertEqual(self.bodies(), ["101"])

    def test_messages_in_any_order_are_asked_for_alone(self):
        client = self.start()
        self.reads(client, [9, 3, 7, 1, 30, 2])
        self.assertEqual(self.bodies(), ["109", "103", "107", "101", "130", "102"])

    def test_the_second_in_a_row_shows_a_client_that_reads_all(self):
        client = self.start()
        self.reads(client, range(1, 41))
        self.assertEqual(self.bodies(), ["101", "102:140"])

    def test_a_command_that_waits_shows_it_at_once(self):
        client = self.start()
        client.send(b"RETR 1\r\nRETR 2\r\nRETR 3\r\n")
        for uid in (101, 102, 103):
            self.assertRegex(client.line(), FINE)
            self.assertEqual(client.lines(), self.mail[uid])
        self.assertEqual(self.bodies()[0][:4], "101:")

    def test_tops_are_asked_for_without_a_body_octet(self):
        client = self.start()
        for number in range(1, 41):
            self.assertEqual(client.multiline(f"TOP {number} 0"), b"Subject: %d\r\n\r\n" % (100 + number))
        self.assertEqual(len(self.bodies()), 2)
        self.assertTrue(all("BODY.PEEK[HEADER])" in line and "TEXT" not in line and "BODY.PEEK[]" not in line
                            for line in self.server.commands("UID FETCH") if "BODY" in line))

    def test_what_is_marked_is_not_asked_for(self):
        client = self.start()
        for number in (3, 4, 6):
            client.command(f"DELE {number}")
        self.reads(client, [1, 2, 5, 7])
        self.assertEqual(self.bodies(), ["101", "102,105,107:140"])

    def test_zero_turns_it_off(self):
        client = self.start(limits={"read_ahead": 0})
        self.reads(client, range(1, 11))
        self.assertEqual(self.bodies(), [str(uid) for uid in range(101, 111)])

    def test_a_look_at_each_message_before_it_is_fetched_costs_nothing(self):
        client = self.start()
        for number in range(1, 41):
            self.assertEqual(client.multiline(f"TOP {number} 0"), b"Subject: %d\r\n\r\n" % (100 + number))
            self.reads(client, [number])
        self.assertLess(len(self.bodies()), 8)

    def test_tops_of_another_length_are_another_pattern(self):
        client = self.start()
        for lines in (1, 3):
            for number in range(1, 21):
                top = client.multiline(f"TOP {number} {lines}")
                self.assertEqual(top.count(b"\r\n"), 2 + lines)
        self.assertLess(len(self.bodies()), 8)

    def test_tops_of_long_lines_go_on_where_the_batch_ends(self):
        """A line is taken for 100 octets at first."""
        line = b"x" * 998 + b"\r\n"
        mail = {uid: b"Subject: %d\r\n\r\n" % uid + line * 40 for uid in range(101, 161)}
        client = self.start(messages=mail)
        for number in range(1, 61):
            self.assertEqual(client.multiline(f"TOP {number} 20"),
                             b"Subject: %d\r\n\r\n" % (100 + number) + line * 20)

    def test_a_client_that_begins_again_is_read_ahead_again(self):
        client = self.start()
        self.reads(client, range(11, 41))
        self.reads(client, range(1, 11))
        self.assertLess(len(self.bodies()), 6)

    def test_a_client_that_turns_elsewhere_is_served(self):
        client = self.start(messages=LARGE)
        self.reads(client, [1, 2, 3, 40, 39, 3, 4, 5, 6, 1])


class Batches(Ahead):
    """What a batch may come to."""

    def test_batches_follow_each_other_without_waiting(self):
        asked = []

        def first(talk, tag, rest):
            del talk.server.on["BODY"]
            asked.append(rest)
            return together("BODY", 2)(talk, tag, rest)
        client = self.start(messages=LARGE)
        self.reads(client, [1])
        self.server.on["BODY"] = first
        self.reads(client, range(2, 41))
        self.assertEqual(asked, ["102:103 (UID BODY.PEEK[])"])

    def test_what_is_asked_for_stays_within_the_budget(self):
        """A client that stops reading commands leaves that much, and no more, in the session."""
        client = self.start(messages=LARGE, limits={"read_ahead": 256 * KILO})
        self.reads(client, [1, 2, 3])
        time.sleep(0.3)
        asked = sum(int(last or first) - int(first) + 1
                    for first, last in (re.fullmatch(r"(\d+)(?::(\d+))?", uids).groups() for uids in self.bodies()))
        size = len(LARGE[101])
        self.assertGreater((asked - 3) * size, 128 * KILO)
        self.assertLessEqual((asked - 3) * size, 256 * KILO)

    def test_a_message_larger_than_the_budget_comes_alone_and_the_others_ahead(self):
        messages = {**MANY, 110: LARGE[110] * 20}
        client = self.start(messages=messages, limits={"read_ahead": 64 * KILO})
        self.reads(client, range(1, 41))
        self.assertEqual(self.asked_alone(), [101, 110])

    def test_a_refused_batch_costs_no_message(self):
        client = self.start(for_batches(lambda talk, tag, rest: talk.line(f"{tag} NO [SERVERBUG] no")))
        self.reads(client, range(1, 41))

    def test_a_batch_refused_at_its_end_costs_no_message(self):
        def torn(talk, tag, rest):
            for number, uid in talk.wanted(rest)[:5]:
                talk.fetch_response(number, uid, rest)
            talk.line(f"{tag} NO [SERVERBUG] the rest cannot be read")
        self.reads(self.start(for_batches(torn)), range(1, 41))

    def test_input_50_invariant_05_a_message_that_only_a_refusal_follows_may_be_torn(self):
        """A server that cannot read on has announced what it has, and says NO."""
        def torn(talk, tag, rest):
            (_, first), (number, uid) = talk.wanted(rest)[:2]
            talk.fetch_response(first - 100, first, rest)
            talk.send(f"* {number} FETCH (UID {uid} BODY[] {{7}}\r\nSubject)\r\n")
            talk.line(f"{tag} NO [SERVERBUG] the rest cannot be read")
        self.reads(self.start(for_batches(torn)), range(1, 41))

    def test_input_50_invariant_05_only_its_own_commands_answer_confirms_a_message(self):
        # The torn message comes ahead of the OK to the batch before its own, which is refused.
        commands = []

        def torn(talk, tag, rest):
            commands.append((tag, talk.wanted(rest)))
            if len(commands) < 2:
                return
            del talk.server.on["BODY"]
            (first, wanted), (second, ((number, uid), *_)) = commands
            for one in wanted:
                talk.fetch_response(*one)
            talk.send(f"* {number} FETCH (UID {uid} BODY[] {{7}}\r\nSubject)\r\n")
            talk.ok(first)
            talk.line(f"{second} NO [SERVERBUG] the rest cannot be read")
        client = self.start(messages=LARGE)
        self.reads(client, [1])
        self.server.on["BODY"] = torn
        self.reads(client, range(2, 41))

    def test_a_message_left_out_is_asked_for_alone(self):
        def without(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                if uid != 110:
                    talk.fetch_response(number, uid, rest)
            talk.ok(tag)
        client = self.start(for_batches(without))
        self.reads(client, range(1, 41))
        self.assertEqual(self.asked_alone(), [101, 110])

    def test_input_52_a_message_that_has_gone_is_an_error_and_its_neighbours_are_served(self):
        client = self.start()
        self.server.messages.pop(110)
        self.reads(client, range(1, 41), lost=[10])
        self.gate.allow_warning("event=fetch_failed")

    def test_input_54_one_expunged_in_mid_batch_is_an_error_and_its_neighbours_are_served(self):
        def expunging(talk, tag, rest):
            wanted = talk.wanted(rest)
            for number, uid in wanted:
                if uid == 110:
                    talk.server.messages.pop(110, None)
                    continue
                talk.fetch_response(number, uid, rest)
            talk.line("* 10 EXPUNGE")
            talk.ok(tag, "[EXPUNGEISSUED] some are gone")
        client = self.start(for_batches(expunging))
        self.reads(client, range(1, 41), lost=[10])
        self.gate.allow_warning("event=fetch_failed")

    def test_input_53_a_message_without_a_body_is_an_error_and_its_neighbours_are_served(self):
        def body(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                if uid == 110:
                    talk.line(f"* {number} FETCH (UID {uid} BODY[] NIL)")
                else:
                    talk.fetch_response(number, uid, rest)
            talk.ok(tag)
        client = self.start({"BODY": body})
        self.reads(client, range(1, 41), lost=[10])
        self.gate.allow_warning("event=fetch_failed")

    def test_the_uid_may_stand_behind_the_octets(self):
        def late(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                octets = self.mail[uid]
                talk.send(b"* %d FETCH (BODY[] {%d}\r\n" % (number, len(octets)) + octets + b" UID %d)\r\n" % uid)
            talk.ok(tag)
        client = self.start(for_batches(late))
        self.reads(client, range(1, 41))
        self.assertEqual(self.bodies(), ["101", "102:140"])

    def test_messages_may_come_in_any_order(self):
        def backwards(talk, tag, rest):
            for number, uid in reversed(talk.wanted(rest)):
                talk.fetch_response(number, uid, rest)
            talk.ok(tag)
        client = self.start(for_batches(backwards))
        self.reads(client, range(1, 41))
        self.assertEqual(self.bodies(), ["101", "102:140"])

    def test_messages_nobody_asked_for_go_to_nobody(self):
        def more(talk, tag, rest):
            talk.fetch_response(1, 101, rest)
            talk.send("* 99 FETCH (UID 999 BODY[] {7}\r\nstrange)\r\n")
            talk.usual("BODY", tag, rest)
        self.reads(self.start(for_batches(more)), range(1, 41))
        self.assertEqual(self.bodies(), ["101", "102:140"])

    def test_news_between_the_messages_changes_nothing(self):
        def news(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.line(f"* {number} FETCH (FLAGS (\\Seen))")
                talk.fetch_response(number, uid, rest)
                talk.line(f"* {number} FETCH (UID {uid} FLAGS (\\Seen))")
                talk.line("* OK still here")
                talk.line("* 41 EXISTS")
            talk.ok(tag)
        self.reads(self.start(for_batches(news)), range(1, 41))
        self.assertEqual(self.bodies(), ["101", "102:140"])


class Liars(Ahead):
    """Batches that no server may send."""

    def nothing_wrong_arrives(self, handler):
        """Each message is the right one, or an error; most come."""
        client = self.start(for_batches(handler))
        self.gate.allow_warning("event=fetch_failed")
        served = 0
        for number in range(1, 41):
            if client.command(f"RETR {number}").startswith(b"+OK"):
                self.assertEqual(client.lines(), self.mail[100 + number])
                served += 1
        self.assertGreater(served, 30)

    def test_input_51_a_message_twice(self):
        def twice(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.fetch_response(number, uid, rest)
                if uid == 110:
                    talk.send(f"* {number} FETCH (UID 110 BODY[] {{5}}\r\nwrong)\r\n")
            talk.ok(tag)
        self.nothing_wrong_arrives(twice)

    def test_input_51_two_uids_in_a_response(self):
        for owner in (102, 103):
            with self.subTest(owner=owner):
                def two(talk, tag, rest, owner=owner):
                    octets = self.mail[owner]
                    talk.send(b"* 2 FETCH (UID 102 BODY[] {%d}\r\n" % len(octets) + octets + b" UID 103)\r\n")
                    talk.ok(tag)
                self.nothing_wrong_arrives(two)

    def test_a_top_without_its_text(self):
        def lacking(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.fetch_response(number, uid, re.sub(r" BODY.PEEK.TEXT.*", ")", rest) if uid == 110 else rest)
            talk.ok(tag)
        client = self.start(for_batches(lacking))
        for number in range(1, 41):
            self.assertEqual(client.multiline(f"TOP {number} 1"),
                             b"Subject: %d\r\n\r\n%d is the line of it\r\n" % (100 + number, 100 + number))

    def test_a_piece_instead_of_the_whole(self):
        def piece(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.send(f"* {number} FETCH (UID {uid} BODY[]<0> {{5}}\r\nSubje)\r\n")
            talk.ok(tag)
        self.nothing_wrong_arrives(piece)

    def test_input_53_an_empty_body_of_a_message_that_is_listed_with_octets(self):
        def empty(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.send(f"* {number} FETCH (UID {uid} BODY[] {{0}}\r\n)\r\n")
            talk.ok(tag)
        self.nothing_wrong_arrives(empty)

    def test_input_63_more_octets_than_the_budget(self):
        """A server whose sizes were wrong."""
        sent = []

        def flood(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                octets = b"x" * (300 * KILO)
                talk.send(b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (number, uid, len(octets)) + octets + b")\r\n")
                sent.append(len(octets))
            talk.ok(tag)
        client = self.start(for_batches(flood), limits={"read_ahead": 128 * KILO, "session_memory": 16 << 20})
        self.reads(client, range(1, 41))
        self.assertGreater(sum(sent), 1 << 20)


    def test_more_text_than_was_asked_for_and_than_there_is_room_for(self):
        """A server that knows no ranges, asked for the beginning of large texts."""
        def whole(talk, tag, rest):
            talk.usual("BODY", tag, re.sub(r"<[\d.]+>", "", rest))
        mail = {uid: b"Subject: %d\r\n\r\n" % uid + b"line\r\n" * 30000 for uid in range(101, 111)}
        client = self.start({"BODY": whole}, messages=mail, limits={"read_ahead": 64 * KILO})
        for number in range(1, 11):
            self.assertEqual(client.multiline(f"TOP {number} 2"),
                             b"Subject: %d\r\n\r\nline\r\nline\r\n" % (100 + number))


class Losses(Ahead):
    """Connections and clients that go away."""

    def test_a_connection_lost_in_mid_batch_costs_no_message(self):
        def cut(talk, tag, rest):
            del talk.server.on["BODY"]
            for number, uid in talk.wanted(rest)[:5]:
                talk.fetch_response(number, uid, rest)
            talk.send("* 7 FETCH (UID 107 BODY[] {400}\r\nhalf")
            return HANG_UP
        client = self.start()
        self.reads(client, [1])
        self.server.on["BODY"] = cut
        self.reads(client, range(2, 41))
        self.assertEqual(self.server.connections, 2)

    def test_a_server_that_hangs_up_on_every_batch_gets_no_more(self):
        client = self.start(for_batches(lambda talk, tag, rest: HANG_UP), messages=LARGE,
                            limits={"read_ahead": 256 * KILO})
        self.reads(client, range(1, 41))
        self.assertEqual(self.server.connections, 3)

    def test_silence_in_mid_batch_is_no_message_and_ends_in_time(self):
        def halt(talk, tag, rest):
            number, uid = talk.wanted(rest)[0]
            talk.fetch_response(number, uid, rest)
            talk.send("* 7 FETCH (UID 107 BODY[] {400}\r\nhalf")
            talk.wait()
            return HANG_UP
        client = self.start(for_batches(halt))
        self.gate.allow_warning("event=fetch_failed")
        self.reads(client, [1])
        started = time.monotonic()
        reply = client.command("RETR 2")
        self.assertLess(time.monotonic() - started, 8)
        if reply.startswith(b"+OK"):
            self.assertEqual(client.lines(), self.mail[102])

    def test_a_connection_lost_between_batches_costs_no_message(self):
        client = self.start(messages=LARGE, limits={"read_ahead": 128 * KILO})
        self.reads(client, range(1, 11))
        self.server.say("", hang_up=True)
        self.reads(client, range(11, 41))

    def test_the_client_goes_and_upstream_work_ends_at_once(self):
        ended = []

        def slow(talk, tag, rest):
            number, uid = talk.wanted(rest)[0]
            talk.send(b"* %d FETCH (UID %d BODY[] {%d}\r\n" % (number, uid, len(self.mail[uid])))
            talk.wait(10)
            ended.append(time.monotonic())
            return HANG_UP
        client = self.start(for_batches(slow), limits={"fetch_window": 30, "upstream_timeout": 30})
        # A reset, since a client that has only finished sending is still owed its reply.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.reads(client, [1])
        client.send(b"RETR 2\r\n")
        self.gate.wait_until(lambda: len(self.bodies()) == 2, "the batch")
        gone = time.monotonic()
        client.close()
        self.gate.wait_until(lambda: ended, "the end upstream", 5)
        self.assertLess(ended[0] - gone, 1)
        self.gate.allow_warning("event=fetch_failed")
        self.gate.wait_for_log("event=session_end .*reason=disconnected")

    def test_quit_with_batches_under_way_removes_what_was_marked(self):
        client = self.start(messages=LARGE)
        self.reads(client, [1, 2])
        client.command("DELE 1")
        client.command("DELE 2")
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(sorted(self.server.messages), list(range(103, 141)))

    def test_a_message_marked_while_it_is_under_way_is_refused_and_comes_back_with_rset(self):
        client = self.start(messages=LARGE)
        self.reads(client, [1, 2])
        client.command("DELE 5")
        self.reads(client, [3, 4, 5, 6], lost=[5])
        client.command("RSET")
        self.reads(client, [5, 6, 7])

    def test_whoever_stays_silent_between_commands_keeps_its_messages(self):
        client = self.start()
        self.reads(client, [1, 2, 3])
        time.sleep(1.5)
        self.reads(client, range(4, 41))


if __name__ == "__main__":
    tap.main()
