"""Messages from IMAP servers that stall, lie and hang up: no half message may look whole, no wrong
one be delivered, and one that cannot be read costs no other."""

import hashlib
import re
import time

import tap
from faultcase import FINE, MESSAGES, TEMPORARY, FaultCase
from gateway import memory_bound
from imapscript import HANG_UP


class Reading(FaultCase):
    """RETR and TOP. Temporary before the reply has begun; after that the connection ends without the final dot."""

    def retrieve(self, on, *, number=1, command="RETR {}", warn=True, **options):
        """The client and its reply's first line: empty where the connection ended instead."""
        client = self.serve({"BODY": on}, warnings=["event=fetch_failed"] if warn else (), **options)
        self.log_in(client)
        client.send(command.format(number).encode() + b"\r\n")
        return client, client.file.readline()

    def refused(self, on, *, command="RETR {}", pattern=TEMPORARY, others=True, **options):
        """-ERR, and the connection lives."""
        client, reply = self.retrieve(on, command=command, **options)
        self.assertRegex(reply, pattern)
        self.assertRegex(client.command("NOOP"), rb"^(\+OK|-ERR)")
        if others:
            del self.server.on["BODY"]
            self.assertEqual(client.multiline("RETR 3"), MESSAGES[105])
        return client

    def refused_or_cut(self, on, **options):
        """-ERR, or the end of the connection in mid-message: never the final dot."""
        client, reply = self.retrieve(on, **options)
        if reply.startswith(b"-ERR"):
            self.assertRegex(reply, TEMPORARY)
        else:
            octets = reply + client.rest()
            self.assertFalse(octets.endswith(b"\r\n.\r\n"), octets[-200:])
        return client

    @staticmethod
    def literal(uid=102, number=2, octets=None, claimed=None):
        octets = MESSAGES[102] if octets is None else octets
        claimed = len(octets) if claimed is None else claimed
        return f"* {number} FETCH (UID {uid} BODY[] {{{claimed}}}\r\n".encode() + octets

    def test_input_47_literal_that_breaks_off_is_not_finished(self):
        def half(talk, _tag, _rest):
            talk.send(self.literal()[:5000])
            return HANG_UP
        self.refused_or_cut(half, number=2)

    def test_input_46_literal_that_stops_is_not_finished(self):
        def stop(talk, _tag, _rest):
            talk.send(self.literal()[:5000])
            talk.wait()
        self.refused_or_cut(stop, number=2)

    def test_input_46_literal_that_drips_is_given_up(self):
        def drip(talk, _tag, _rest):
            for octet in self.literal():
                talk.send(bytes((octet,)))
                time.sleep(0.02)
        started = time.monotonic()
        self.refused_or_cut(drip, number=2)
        self.assertLess(time.monotonic() - started, 10)

    def test_slow_server_that_keeps_the_pace_is_waited_for(self):
        def slow(talk, tag, _rest):
            data = self.literal() + b")\r\n"
            for at in range(0, len(data), 400):
                talk.send(data[at:at + 400])
                time.sleep(0.1)
            talk.ok(tag)
        client = self.serve({"BODY": slow}, limits={"fetch_minimum": 500})
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 2"), MESSAGES[102])

    def test_message_that_comes_slowly_is_shown_as_far_as_it_is(self):
        begun = self.literal()[:9000]

        def slow(talk, _tag, _rest):
            talk.send(begun)
            talk.wait()
        client = self.serve({"BODY": slow}, limits={"fetch_window": 60, "upstream_timeout": 60})
        self.log_in(client)
        client.socket.settimeout(6)
        client.send(b"RETR 2\r\n")
        self.assertRegex(client.line(), FINE)
        self.assertEqual(client.line(), b"Subject: second")

    def test_client_that_pauses_is_not_counted_against_the_server(self):
        big = b"Subject: big\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 300_000
        client = self.serve(messages={101: big})
        self.log_in(client)
        client.send(b"RETR 1\r\n")
        self.assertRegex(client.line(), FINE)
        time.sleep(3.5)
        self.assertEqual(len(client.lines()), len(big))

    def test_client_that_takes_nothing_is_let_go_and_nothing_is_removed(self):
        big = b"Subject: big\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 300_000
        client = self.serve(messages={101: big, 102: MESSAGES[102]}, limits={"stall_timeout": 1})
        self.gate.allow_warning("event=fetch_failed")
        self.log_in(client)
        client.command("DELE 2")
        client.send(b"RETR 1\r\n")
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.assertEqual(sorted(self.server.messages), [101, 102])
        self.assertEqual(self.server.commands("UID STORE"), [])

    def test_input_48_whole_literal_without_tagged_ok_is_not_finished(self):
        def no_ok(talk, _tag, _rest):
            talk.send(self.literal() + b")\r\n")
            talk.wait()
        self.refused_or_cut(no_ok, number=2)

    def test_input_48_whole_literal_and_then_the_end_is_not_finished(self):
        def no_ok(talk, _tag, _rest):
            talk.send(self.literal() + b")\r\n")
            return HANG_UP
        self.refused_or_cut(no_ok, number=2)

    def test_invariant_05_whole_literal_without_parenthesis_is_not_finished(self):
        def no_parenthesis(talk, tag, _rest):
            talk.send(self.literal())
            talk.ok(tag)
            talk.wait()
        self.refused_or_cut(no_parenthesis, number=2)

    def test_tagged_no_instead_of_the_data_is_temporary(self):
        self.refused(lambda talk, tag, rest: talk.line(f"{tag} NO [UNAVAILABLE] try later"))

    def test_poison_message_does_not_cost_its_neighbours(self):
        def poison(talk, tag, rest):
            uids = [uid for _, uid in talk.wanted(rest)]
            if 102 in uids:
                for number, uid in talk.wanted(rest):
                    if uid == 102:
                        break
                    talk.fetch_response(number, uid, rest)
                talk.line(f"{tag} NO [SERVERBUG] cannot read it")
            else:
                talk.usual("BODY", tag, rest)
        client = self.serve({"BODY": poison}, warnings=["event=fetch_failed"])
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])
        self.assertRegex(client.command("RETR 2"), TEMPORARY)
        self.assertEqual(client.multiline("RETR 3"), MESSAGES[105])

    def test_uid_after_the_body_is_served(self):
        def late(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.send(f"* {number} FETCH (")
                for name, octets in talk.parts(uid, rest):
                    talk.send(f"{name} {{{len(octets)}}}\r\n".encode() + octets)
                    talk.send(" ")
                talk.send(f"UID {uid})\r\n")
            talk.ok(tag)
        client = self.serve({"BODY": late})
        self.log_in(client)
        for number, message in enumerate(MESSAGES.values(), 1):
            self.assertEqual(client.multiline(f"RETR {number}"), message)
            self.assertEqual(client.multiline(f"TOP {number} 0"), message.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def test_body_nil_of_a_message_without_a_known_size_is_no_empty_mail(self):
        def listing(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE 0)")
            talk.ok(tag)

        def nil(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.line(f"* {number} FETCH (UID {uid} BODY[] NIL)")
            talk.ok(tag)
        client = self.serve({"LISTING": listing, "BODY": nil}, warnings=["event=fetch_failed"])
        self.log_in(client)
        self.assertRegex(client.command("RETR 1"), rb"^-ERR")

    def test_input_49_endless_literal_never_ends_in_a_dot(self):
        def endless(talk, _tag, rest):
            number, uid = talk.wanted(rest)[0]
            talk.send(b"* %d FETCH (UID %d BODY[] {2000000000}\r\n" % (number, uid))
            for _ in range(300):
                talk.send(b"x" * 78 * 1000)
            return HANG_UP
        self.refused_or_cut(endless)

    def test_top_of_a_server_that_ignores_ranges_is_right(self):
        def whole(talk, tag, rest):
            talk.usual("BODY", tag, re.sub(r"<\d+\.\d+>", "", rest))
        client = self.serve({"BODY": whole})
        self.gate.allow_warning("event=fetch_failed")
        self.log_in(client)
        header, _, text = MESSAGES[102].partition(b"\r\n\r\n")
        reply = client.command("TOP 2 5")
        if reply.startswith(b"+OK"):
            self.assertEqual(client.lines(), header + b"\r\n\r\n" + b"".join(text.splitlines(True)[:5]))

    ODD = (b"Subject: odd\n\n.lf\n..\n.\n\r\n.crlf\r\n\rcr\r.\n\r\r\nnul \0 in it\n\0\n" +
           bytes(range(256)) + b"\n.\r\n") * 30

    def test_octets_in_small_pieces_arrive_whole(self):
        def pieces(talk, tag, rest):
            number, uid = talk.wanted(rest)[0]
            octets = talk.server.messages[uid]
            data = f"* {number} FETCH (UID {uid} BODY[] {{{len(octets)}}}\r\n".encode() + octets + b")\r\n"
            data += f"{tag} OK done\r\n".encode()
            at, size = 0, 1
            while at < len(data):
                talk.send(data[at:at + size])
                at, size = at + size, size % 37 + 1
        client = self.serve({"BODY": pieces}, messages={1: self.ODD})
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 1"), re.sub(rb"(?<!\r)\n", b"\r\n", self.ODD))

    def test_connection_that_drops_before_the_answer_is_restored_once(self):
        dropped = []

        def drop_first(talk, tag, rest):
            if not dropped:
                dropped.append(talk.number)
                return HANG_UP
            return talk.usual("BODY", tag, rest)
        client = self.serve({"BODY": drop_first})
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 2"), MESSAGES[102])
        self.assertEqual(self.server.connections, 2)

    def test_bye_while_the_client_idles_goes_unnoticed(self):
        client = self.serve()
        self.log_in(client)
        for number, message in enumerate(MESSAGES.values(), 1):
            self.server.say("* BYE idle for too long", hang_up=True)
            self.assertEqual(client.multiline(f"RETR {number}"), message)
        client.command("DELE 2")
        self.server.say("* BYE idle for too long", hang_up=True)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(sorted(self.server.messages), [101, 105])

    def test_server_that_answers_no_more_is_temporary_within_the_time(self):
        client = self.serve({"BODY": lambda talk, tag, rest: talk.wait()}, warnings=["event=fetch_failed"])
        self.log_in(client)
        started = time.monotonic()
        self.assertRegex(client.command("RETR 1"), TEMPORARY)
        self.assertLess(time.monotonic() - started, 6)
        del self.server.on["BODY"]
        self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])

    def test_connection_that_always_drops_is_temporary(self):
        client = self.refused(lambda talk, tag, rest: HANG_UP, others=False)
        self.assertLess(self.server.connections, 6)
        self.assertRegex(client.command("QUIT"), rb"^(\+OK|-ERR)")

    def test_stop_in_the_middle_spins_no_processor(self):
        def stop(talk, _tag, _rest):
            talk.send(self.literal()[:5000])
            talk.wait()
        client = self.serve({"BODY": stop}, limits={"fetch_window": 3})
        self.gate.allow_warning("event=fetch_failed")
        self.log_in(client)
        client.send(b"RETR 2\r\n")
        self.gate.wait_until(lambda: self.server.commands("UID FETCH 102"), "the FETCH")
        pid = self.gate.pids("session")[0]

        def used():
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
                return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
        before = used()
        time.sleep(1)
        self.assertLess(used() - before, 20)


class Size(FaultCase):
    """Much mail takes little memory."""

    def used(self):
        """The most that the session has had of its own, in octets."""
        with open(f"/proc/{self.gate.pids('session')[0]}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) * 1024

    def test_input_64_mailbox_of_100000_messages_is_listed_in_bounded_memory(self):
        count = 100_000

        def select(talk, tag, _rest):
            talk.line(f"* {count} EXISTS")
            talk.line("* OK [UIDVALIDITY 7] valid")
            talk.ok(tag, "[READ-WRITE] selected")

        def listing(talk, tag, _rest):
            talk.send("".join(f"* {n} FETCH (UID {n * 3} RFC822.SIZE {n})\r\n" for n in range(1, count + 1)))
            talk.ok(tag)
        client = self.serve({"SELECT": select, "LISTING": listing}, limits={"upstream_timeout": 20})
        self.assertRegex(client.login("ann", "secret"), rb"^\+OK 100000 messages")
        self.assertEqual(client.command("LIST 99999"), b"+OK 99999 99999")
        self.assertEqual(client.command("UIDL 100000"), b"+OK 100000 7.300000")
        self.assertEqual(client.multiline("UIDL").count(b"\n"), count)
        self.assertLess(self.used(), memory_bound(40_000_000))

    def test_input_64_message_of_200_mb_is_streamed_in_bounded_memory(self):
        line = b"0123456789" * 7 + b"\r\n"
        big = b"Subject: big\r\n\r\n" + line * 2_800_000
        client = self.serve(messages={101: MESSAGES[101], 102: big}, limits={"fetch_window": 20})
        self.log_in(client)
        client.multiline("RETR 1")
        before = self.used()
        self.assertRegex(client.command("RETR 2"), FINE)
        left = len(big)
        sums = [hashlib.sha256(), hashlib.sha256()]
        sums[0].update(big)
        while left > 0:
            data = client.file.read(min(left, 1 << 20))
            self.assertTrue(data)
            sums[1].update(data)
            left -= len(data)
        self.assertEqual(client.line(), b".")
        self.assertEqual(sums[0].digest(), sums[1].digest())
        self.assertLess(self.used() - before, memory_bound(8_000_000))


if __name__ == "__main__":
    tap.main()
