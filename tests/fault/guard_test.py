"""What an IMAP server could fill memory with, or make libetpan misread, at each point of a session: the guard ends it,
in bounded memory, and the client is told that the trouble is temporary."""

import contextlib
import re
import threading

import tap
from faultcase import FINE, MESSAGES, TEMPORARY, FaultCase
from gateway import memory_bound
from imapscript import CAPABILITY

ROOMY = CAPABILITY + " LITERAL+"
MOST = 48_000_000  # octets of a session, all told: 32,000,000 of 1 MiB in very short words, four commands under way
BLOCK = 65536
# What comes first, and then without end.
ENDLESS = {
    "parentheses": (b"* 1 FETCH (BODYSTRUCTURE ", b"(" * BLOCK),
    "parentheses that libetpan would follow": (b"", b"* 1 FETCH (BODYSTRUCTURE " + b"(" * 30000 + b"\r\n"),
    "parentheses in a line that is hidden": (b"* LIST ", b"(" * BLOCK),
    "a line": (b"* OK ", b"x" * BLOCK),
    "a line of data": (b"* 1 FETCH (FLAGS (", b"a " * BLOCK),
    "a quoted string": (b'* 1 FETCH (X "', b"x" * BLOCK),
    "a response code": (b"* OK [X", b" x" * BLOCK),
    "untagged status": (b"", b"* OK still here\r\n" * 4000),
    "untagged data": (b"", b"* 1 FETCH (FLAGS (\\Seen))\r\n" * 3000),
    "unknown responses": (b"", b"* X 1 2 3\r\n" * 6000),
    "literals": (b"", b"* LIST () \"/\" {60000}\r\n" + b"x" * 60000 + b"\r\n"),
    "expunges": (b"", b"* 1 EXPUNGE\r\n" * 5000),
    "counts": (b"", b"* 3 EXISTS\r\n" * 5000),
    "capabilities": (b"", b"* CAPABILITY IMAP4rev1" + b" X-Y" * 10000 + b"\r\n"),
    "flags": (b"", b"* 1 FETCH (FLAGS (" + b"a " * 10000 + b"b))\r\n"),
    "search": (b"", b"* SEARCH" + b" 1" * 10000 + b"\r\n"),
    "empty lines": (b"", b"\r\n" * 30000),
    "go on": (b"", b"+ go on\r\n" * 6000),
}
SOME = ("parentheses that libetpan would follow", "a line", "untagged status", "capabilities", "flags")
# All of it where most commands are under way, and where most is allowed.
AT_LOGIN = {"GREETING": SOME, "AUTHENTICATE": SOME, "LOGIN": ENDLESS, "ID": SOME, "SELECT": SOME, "LISTING": ENDLESS}


class Guard(FaultCase):
    def guarded(self, **options):
        client = self.serve(limits={"upstream_timeout": 20, "commit_timeout": 20, "fetch_window": 20}, **options)
        self.gate.allow_warning("event=(login|fetch|commit)_failed")
        return client

    @contextlib.contextmanager
    def bounded(self, most=MOST):
        """No session has more memory than that, meanwhile."""
        peak, over = [0], threading.Event()

        def watch():
            while not over.is_set():
                for pid in self.gate.pids("session"):
                    with contextlib.suppress(OSError, AttributeError):
                        with open(f"/proc/{pid}/status", encoding="ascii") as file:
                            peak[0] = max(peak[0], int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) * 1024)
                over.wait(0.002)
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        self.assertLess(peak[0], memory_bound(most))

    def failures(self):
        return re.findall(r'event=(?:login|fetch|commit)_failed .*msg="(.*)"', self.gate.log())

    def ended(self, seen):
        """There is one more failure than there was, and not by the clock."""
        self.gate.wait_until(lambda: len(self.failures()) > seen, "a line in the log")
        self.assertNotRegex(self.failures()[-1], "timed out|too slow")

    @staticmethod
    def endless(first, then):
        def handler(talk, _tag, _rest):
            talk.send(first)
            for _ in range((1 << 30) // len(then)):
                talk.send(then)
            return talk.wait()
        return handler


class Endless(Guard):
    """Up to a gigabyte is there for whoever reads it."""

    def test_input_61_endless_answers_at_login_are_temporary_in_bounded_memory(self):
        self.guarded()
        for point, names in AT_LOGIN.items():
            for name in names:
                with self.subTest(point=point, name=name), self.bounded():
                    self.server.capability = ROOMY if point == "LOGIN" else CAPABILITY
                    self.server.on = {point: self.endless(*ENDLESS[name])}
                    seen = len(self.failures())
                    self.assertRegex(self.connect().login("ann", "secret"), TEMPORARY)
                    self.ended(seen)

    def reading(self, command, names):
        self.guarded()
        for name in names:
            with self.subTest(name=name, command=command), self.bounded():
                self.server.on = {"BODY": self.endless(*ENDLESS[name])}
                client = self.connect()
                self.assertRegex(client.login(f"user{len(self.server.received)}", "secret"), FINE)
                seen = len(self.failures())
                self.assertRegex(client.command(command), TEMPORARY)
                self.ended(seen)
                self.server.on = {}
                self.assertEqual(client.multiline("RETR 3"), MESSAGES[105])
                client.close()

    def test_input_61_endless_answers_to_a_fetch_are_temporary_in_bounded_memory(self):
        self.reading("RETR 2", ENDLESS)

    def test_input_61_endless_answers_to_a_look_are_temporary_in_bounded_memory(self):
        self.reading("TOP 2 3", SOME)

    def test_input_61_endless_answers_to_a_removal_are_no_success_in_bounded_memory(self):
        self.guarded()
        for point in ("UID STORE", "UID EXPUNGE", "LISTING"):
            for name in SOME:
                with self.subTest(point=point, name=name), self.bounded():
                    self.server.on, self.server.messages = {}, dict(MESSAGES)
                    client = self.connect()
                    self.assertRegex(client.login("ann", "secret"), FINE)
                    self.server.on = {point: self.endless(*ENDLESS[name])}
                    seen = len(self.failures())
                    client.command("DELE 1")
                    self.assertRegex(client.command("QUIT"), rb"^-ERR \[SYS/TEMP\]")
                    self.ended(seen)

    def test_input_61_endless_answers_to_a_batch_cost_one_message_at_most_in_bounded_memory(self):
        mail = {uid: b"Subject: %d\r\n\r\nbody\r\n" % uid for uid in range(101, 106)}
        self.guarded(messages=mail)
        for name, (first, then) in ENDLESS.items():
            with self.subTest(name=name), self.bounded():
                endless = self.endless(first, then)
                self.server.on = {"BODY": lambda talk, tag, rest, endless=endless:
                                  endless(talk, tag, rest) if ":" in rest else talk.usual("BODY", tag, rest)}
                client = self.connect()
                self.assertRegex(client.login(f"user{len(self.server.received)}", "secret"), FINE)
                client.send(b"RETR 1\r\nRETR 2\r\nRETR 3\r\n")
                for uid in (101, 102, 103):
                    self.assertRegex(client.line(), FINE)
                    self.assertEqual(client.lines(), mail[uid])
                client.close()


class Misread(Guard):
    """What libetpan alone would take for something else."""

    LISTED = "* 2 FETCH (UID 102 RFC822.SIZE 10)", "* 3 FETCH (UID 105 RFC822.SIZE 10)"
    LOGINS = (CAPABILITY, ROOMY)

    def login_refused(self, **points):
        """points: lines of LISTING or SELECT. At a login of several steps, and at one in one flight."""
        def said(lines):
            def answer(talk, tag, _rest):
                for line in lines:
                    talk.line(line)
                return talk.ok(tag)
            return answer
        self.server.on = {name: said(lines) for name, lines in points.items()}
        for capability in self.LOGINS:
            self.server.capability = capability
            seen = len(self.failures())
            self.assertRegex(self.connect().login("ann", "secret"), TEMPORARY)
            self.ended(seen)

    def test_input_56_uids_that_no_message_has_are_refused(self):
        self.guarded()
        for first, second in ((101, 101), (102, 105), (101, 0), (0, 102), (101, 2 ** 32), (2 ** 32 + 101, 102),
                              (101, 2 ** 64 + 102), (10 ** 40, 102), (-101, 102)):
            with self.subTest(first=first, second=second):
                self.login_refused(LISTING=(f"* 1 FETCH (UID {first} RFC822.SIZE 10)",
                                            f"* 2 FETCH (UID {second} RFC822.SIZE 10)", self.LISTED[1]))

    def test_numbers_that_libetpan_wraps_are_refused(self):
        self.guarded()
        select = "* 3 EXISTS", "* OK [UIDVALIDITY 7] valid"
        for number in (2 ** 32 + 3, 2 ** 64 + 3):
            with self.subTest(number=number):
                self.login_refused(SELECT=(f"* {number} EXISTS", select[1]))
                self.login_refused(SELECT=(select[0], f"* OK [UIDVALIDITY {number}] valid"))
                self.login_refused(LISTING=(f"* {number} FETCH (UID 101 RFC822.SIZE 10)", *self.LISTED))
                self.login_refused(LISTING=(f"* {number} EXPUNGE", *self.LISTED))

    def test_input_49_literals_of_impossible_size_in_the_listing_are_refused(self):
        self.guarded()
        for size in ("4294967295", "-5", "99999999999", "4294967299", "18446744073709551619", "3+", "", " 3"):
            for line in ("* 1 FETCH (UID 101 BODY[] {%s}", "* 1 FETCH (UID 101 ENVELOPE ({%s}", "* LIST () \"/\" {%s}"):
                with self.subTest(size=size, line=line), self.bounded():
                    self.login_refused(LISTING=(line % size, "abc"))

    def test_input_64_sizes_above_32_bits_are_listed_as_they_are(self):
        sizes = 5_000_000_000, 2 ** 32, 2 ** 40 + 1

        def listing(talk, tag, _rest):
            for number, (uid, size) in enumerate(zip(MESSAGES, sizes), 1):
                talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE {size})")
            talk.ok(tag)
        client = self.guarded(on={"LISTING": listing})
        self.log_in(client)
        self.assertEqual(client.multiline("LIST"), b"".join(b"%d %d\r\n" % pair for pair in enumerate(sizes, 1)))
        self.assertEqual(client.command("STAT"), b"+OK 3 %d" % sum(sizes))

    def test_a_status_without_text_is_an_answer(self):
        """libetpan takes it for none; servers send it."""
        def bare(name):
            def answer(talk, tag, rest):
                line = talk.line
                talk.line = lambda text: line(text if "[" in text else re.sub(f"^({tag}|\\*) OK .*", r"\1 OK", text))
                result = talk.usual(name, tag, rest)
                talk.line = line
                return result
            return answer
        for capability in self.LOGINS:
            client = self.guarded(capability=capability, on={name: bare(name) for name in (
                "LOGIN", "ID", "SELECT", "LISTING", "BODY", "UID STORE", "UID EXPUNGE")})
            self.log_in(client)
            self.assertEqual(client.multiline("RETR 2"), MESSAGES[102])
            client.command("DELE 1")
            self.assertRegex(client.command("QUIT"), FINE)
            self.assertEqual(sorted(self.server.messages), [102, 105])


class Reconnected(Guard):
    """What a server says of itself when it is asked anew."""

    def test_a_count_that_no_folder_has_is_refused_whenever_it_comes(self):
        def select(talk, tag, _rest):
            talk.line("* 4000000000 EXISTS")
            talk.line("* OK [UIDVALIDITY 7]")
            talk.ok(tag)
        client = self.guarded()
        self.gate.expect_warning("event=fetch_failed .*the server counts 4000000000 messages")
        self.log_in(client)
        self.server.on["SELECT"] = select
        self.server.say("", hang_up=True)
        self.assertRegex(client.command("RETR 1"), TEMPORARY)

    def test_a_connection_that_cannot_be_made_anew_is_not_put_down_to_the_old_one_s_bye(self):
        client = self.guarded()
        self.gate.expect_warning("event=fetch_failed .*connect: ")
        self.log_in(client)
        self.server.refuse()
        self.server.say("* BYE going down", hang_up=True)
        self.assertRegex(client.command("RETR 1"), TEMPORARY)
        self.gate.wait_for_log("event=fetch_failed")
        self.assertNotRegex(self.gate.log(), "event=fetch_failed .*going down")


class Settings(Guard):
    """Each limit holds where it is set."""

    def listing_with(self, data):
        def listing(talk, tag, rest):
            talk.send(data)
            return talk.usual("LISTING", tag, rest)
        return {"LISTING": listing}

    def test_limits_are_where_the_settings_put_them(self):
        for key, least, data in (
                ("guard_line", 8192, b"* OK " + b"x" * 9000 + b"\r\n"),
                ("guard_depth", 8, b"* X " + b"(" * 9 + b")" * 9 + b"\r\n"),
                ("guard_literal", 1024, b"* LIST () \"/\" {1025}\r\n" + b"x" * 1025 + b"\r\n"),
                ("guard_reply", 65536, (b"* OK " + b"x" * 1000 + b"\r\n") * 90),
                ("guard_responses", 1000, b"* OK x\r\n" * 3000)):
            with self.subTest(key=key):
                self.log_in(self.guarded(on=self.listing_with(data)))
                client = self.guarded(on=self.listing_with(data), settings={key: least})
                self.assertRegex(client.login("ann", "secret"), TEMPORARY)

    def test_a_message_over_guard_message_is_refused_before_it_is_asked_for(self):
        client = self.guarded(messages={101: MESSAGES[101], 102: b"Subject: x\r\n\r\n" + b"x" * 70 * 1024 + b"\r\n",
                                        105: MESSAGES[105]}, settings={"guard_message": 65536})
        self.log_in(client)
        for number in (1, 2, 3):
            reply = client.command(f"RETR {number}")
            if number == 2:
                self.assertRegex(reply, rb"^-ERR \[SYS/PERM\] this message cannot be delivered")
            else:
                self.assertRegex(reply, FINE)
                client.lines()
        self.assertEqual(client.multiline("TOP 2 0"), b"Subject: x\r\n\r\n")
        self.assertEqual(self.server.connections, 1)

    def test_top_of_a_message_over_guard_message_asks_for_no_more_than_that(self):
        text = b"Subject: x\r\n\r\n" + (b"x" * 48 + b"\r\n") * 1400
        client = self.guarded(messages={101: MESSAGES[101], 102: text, 105: MESSAGES[105]},
                              settings={"guard_message": 65536})
        self.log_in(client)
        self.assertEqual(client.multiline("TOP 2 1000"), b"".join(text.splitlines(True)[:1002]))
        self.assertEqual(self.server.connections, 1)


if __name__ == "__main__":
    tap.main()
