"""IMAP servers that stall, lie and hang up: no half message may look whole, no wrong one be
delivered, nothing be removed by mistake, and nobody be told that the password is wrong."""

import hashlib
import os
import re
import shutil
import tempfile
import time
import unittest

import certificates
import tap
from gateway import Gateway, imap_backend
from imapscript import CAPABILITY, HANG_UP, Server
from pop3client import Client

MESSAGES = {101: b"Subject: first\r\n\r\nbody of the first\r\n",
            102: b"Subject: second\r\n\r\n" + b"line of the second\r\n" * 500,
            105: b"Subject: third\r\n\r\nbody of the third\r\n"}

TEMPORARY = rb"^-ERR \[SYS/TEMP\]"
FINE = rb"^\+OK"


class _Fault(unittest.TestCase):
    def serve(self, on=None, *, warnings=(), messages=None, limits=None, settings=None, **options):
        """A scripted server with a gateway before it."""
        self.server = Server(MESSAGES if messages is None else messages, on=on, **options)
        self.addCleanup(self.server.close)
        settings = {"reconnect_timeout": 2, **(settings or {})}
        limits = {"upstream_timeout": 2, "fetch_window": 1, "commit_timeout": 2, **(limits or {})}
        self.gate = Gateway([imap_backend(port=self.server.port, **settings)], limits=limits)
        self.addCleanup(self.gate.stop)
        for pattern in warnings:
            self.gate.expect_warning(pattern)
        self.gate.start()
        return self.connect()

    def connect(self):
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        return client

    def log_in(self, client):
        self.assertRegex(client.login("ann", "secret"), FINE)

    def login_fails(self, pattern, on=None, status="temp|protocol", seconds=5, **options):
        """With a line in the log; and the gateway serves on."""
        client = self.serve(on, warnings=[f"event=login_failed .*status=({status})"], **options)
        started = time.monotonic()
        self.assertRegex(client.login("ann", "secret"), pattern)
        self.assertLess(time.monotonic() - started, seconds)
        self.assertRegex(client.command("CAPA"), FINE)
        return client

    def nothing_removed(self):
        self.assertEqual(self.server.messages, MESSAGES)


class Login(_Fault):
    def test_server_that_says_nothing_is_temporary_within_the_time(self):
        self.login_fails(TEMPORARY, {"GREETING": lambda talk, tag, rest: talk.wait()})

    def test_server_that_closes_at_once_is_temporary(self):
        self.login_fails(TEMPORARY, {"GREETING": lambda talk, tag, rest: HANG_UP})

    def test_bye_instead_of_a_greeting_is_temporary(self):
        def bye(talk, _tag, _rest):
            talk.line("* BYE too busy")
            return HANG_UP
        self.login_fails(TEMPORARY, {"GREETING": bye})

    def test_server_of_another_protocol_is_temporary(self):
        self.login_fails(TEMPORARY, {"GREETING": lambda talk, tag, rest: talk.line("220 mail ESMTP")})

    def test_refused_credential_is_auth(self):
        client = self.serve({"AUTHENTICATE": lambda talk, tag, rest:
                             talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")})
        self.assertRegex(client.login("ann", "secret"), rb"^-ERR \[AUTH\]")

    def test_refused_credential_without_a_code_is_auth(self):
        client = self.serve({"AUTHENTICATE": lambda talk, tag, rest: talk.line(f"{tag} NO no")})
        self.assertRegex(client.login("ann", "secret"), rb"^-ERR \[AUTH\]")

    def test_unavailable_at_login_is_temporary(self):
        self.login_fails(TEMPORARY, {"AUTHENTICATE": lambda talk, tag, rest:
                                     talk.line(f"{tag} NO [UNAVAILABLE] the user database is down")})

    def test_bye_at_login_is_temporary(self):
        def bye(talk, _tag, _rest):
            talk.line("* BYE shutting down")
            return HANG_UP
        self.login_fails(TEMPORARY, {"AUTHENTICATE": bye})

    def test_bye_and_limit_at_login_is_temporary(self):
        def limit(talk, tag, _rest):
            talk.line("* BYE later")
            talk.line(f"{tag} NO [LIMIT] rate limit")
            return HANG_UP
        self.login_fails(TEMPORARY, {"AUTHENTICATE": limit})

    def test_bad_at_login_is_temporary(self):
        self.login_fails(TEMPORARY, {"AUTHENTICATE": lambda talk, tag, rest: talk.line(f"{tag} BAD what?")})

    def test_silence_at_login_is_temporary_within_the_time(self):
        self.login_fails(TEMPORARY, {"AUTHENTICATE": lambda talk, tag, rest: talk.wait()})

    def test_logindisabled_sends_no_password(self):
        self.login_fails(rb"^-ERR \[SYS/(PERM|TEMP)\]", status="perm|temp",
                         capability="IMAP4rev1 LOGINDISABLED UIDPLUS")
        self.assertEqual(self.server.commands("LOGIN") + self.server.commands("AUTHENTICATE"), [])

    def test_server_without_sasl_is_served_by_login(self):
        client = self.serve(capability="IMAP4rev1 UIDPLUS")
        self.assertRegex(client.login("ann", 'pass "word\\ x'), FINE)
        self.assertEqual(self.server.commands("LOGIN"), ['LOGIN "ann" "pass \\"word\\\\ x"'])

    def test_server_without_initial_response_is_served(self):
        self.log_in(self.serve(capability="IMAP4rev1 AUTH=PLAIN UIDPLUS"))

    def test_referral_is_not_followed(self):
        with Server(MESSAGES) as elsewhere:
            self.login_fails(rb"^-ERR \[SYS/(PERM|TEMP)\]", {
                "AUTHENTICATE": lambda talk, tag, rest:
                talk.line(f"{tag} NO [REFERRAL imap://ann@127.0.0.1:{elsewhere.port}/] go there")},
                status="perm|temp")
            self.assertEqual(elsewhere.connections, 0)

    def test_alert_with_control_characters_never_reaches_the_client(self):
        def alert(talk, tag, _rest):
            talk.send(b"* OK [ALERT] \x1b[31mred\x07\r\n" + f"{tag} NO [ALERT] \x1b]0;title\x07\r\n".encode())
        client = self.serve({"AUTHENTICATE": alert})
        self.gate.allow_warning("event=login_failed")
        self.assertNotIn(b"\x1b", client.login("ann", "secret"))
        self.gate.wait_for_log("event=login_failed")
        self.assertNotIn("\x1b", self.gate.log())


class Starttls(_Fault):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="popgate-certificates-", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = certificates.Authority(os.path.join(cls.folder, "tls"))
        cls.certificate = cls.authority.issue("server")

    def secure(self, on=None):
        return {"on": on, "certificate": self.certificate, "capability": CAPABILITY + " STARTTLS",
                "settings": {"security": "starttls", "ca_file": self.authority.file, "host": "localhost"}}

    def refused_without_password(self, on):
        self.login_fails(TEMPORARY, **self.secure(on))
        self.assertEqual(self.server.commands("LOGIN") + self.server.commands("AUTHENTICATE"), [])

    def test_starttls_that_keeps_the_rules_serves(self):
        client = self.serve(**self.secure())
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])

    def test_preauth_before_tls_is_refused(self):
        self.refused_without_password({"GREETING": lambda talk, tag, rest: talk.line("* PREAUTH welcome")})

    def test_octets_after_the_ok_to_starttls_are_refused(self):
        def inject(talk, tag, _rest):
            talk.send(f"{tag} OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nx OK injected\r\n")
            talk.start_tls()
        self.refused_without_password({"STARTTLS": inject})

    def test_no_bad_and_continuation_to_starttls_are_refused(self):
        for reply in ("{tag} NO later", "{tag} BAD what", "+ go on"):
            with self.subTest(reply=reply):
                self.refused_without_password({"STARTTLS": lambda talk, tag, rest, reply=reply:
                                               talk.line(reply.format(tag=tag))})

    def test_capabilities_from_before_tls_are_forgotten(self):
        def liar(talk, _tag, _rest):
            talk.line("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready")
        self.log_in(self.serve(**self.secure({"GREETING": liar})))

    def test_handshake_that_never_comes_is_temporary_within_the_time(self):
        def stall(talk, tag, _rest):
            talk.ok(tag, "begin")
            time.sleep(4)
            return HANG_UP
        self.refused_without_password({"STARTTLS": stall})


class Opening(_Fault):
    """SELECT and the listing."""

    def listing(self, *lines):
        def answer(talk, tag, _rest):
            for line in lines:
                talk.line(line)
            talk.ok(tag)
        return {"LISTING": answer}

    def test_whole_listing_opens_the_mailbox(self):
        client = self.serve()
        self.log_in(client)
        self.assertEqual(client.multiline("LIST"),
                         b"".join(b"%d %d\r\n" % (n, len(m)) for n, m in enumerate(MESSAGES.values(), 1)))
        self.assertEqual(client.multiline("UIDL"), b"1 7.101\r\n2 7.102\r\n3 7.105\r\n")

    def test_empty_mailbox_opens(self):
        client = self.serve(messages={})
        self.assertRegex(client.login("ann", "secret"), rb"^\+OK 0 messages")
        self.assertEqual(client.multiline("UIDL"), b"")

    def test_uid_that_comes_twice_is_refused(self):
        self.login_fails(TEMPORARY, self.listing("* 1 FETCH (UID 101 RFC822.SIZE 10)",
                                                 "* 2 FETCH (UID 101 RFC822.SIZE 10)",
                                                 "* 3 FETCH (UID 105 RFC822.SIZE 10)"))

    def test_uid_0_is_refused(self):
        self.login_fails(TEMPORARY, self.listing("* 1 FETCH (UID 0 RFC822.SIZE 10)",
                                                 "* 2 FETCH (UID 102 RFC822.SIZE 10)",
                                                 "* 3 FETCH (UID 105 RFC822.SIZE 10)"))

    def test_uid_beyond_32_bits_is_refused(self):
        for uid in (2 ** 32, 2 ** 32 + 101, 2 ** 64, 10 ** 30):
            with self.subTest(uid=uid):
                self.login_fails(TEMPORARY, self.listing(f"* 1 FETCH (UID {uid} RFC822.SIZE 10)",
                                                         "* 2 FETCH (UID 102 RFC822.SIZE 10)",
                                                         "* 3 FETCH (UID 105 RFC822.SIZE 10)"))

    def test_impossible_size_is_refused(self):
        for size in (2 ** 63, 2 ** 64, 10 ** 40, -5):
            with self.subTest(size=size):
                self.login_fails(TEMPORARY, self.listing(f"* 1 FETCH (UID 101 RFC822.SIZE {size})",
                                                         "* 2 FETCH (UID 102 RFC822.SIZE 10)",
                                                         "* 3 FETCH (UID 105 RFC822.SIZE 10)"))

    def test_sizes_that_together_are_beyond_64_bits_are_refused_or_added_right(self):
        client = self.serve(self.listing(*(f"* {i} FETCH (UID {100 + i} RFC822.SIZE {2 ** 63 - 1})"
                                           for i in range(1, 4))))
        self.gate.allow_warning("event=login_failed")
        reply = client.login("ann", "secret")
        if reply.startswith(b"+OK"):
            self.assertIn(b"%d" % (3 * (2 ** 63 - 1)), reply)
        else:
            self.assertRegex(reply, TEMPORARY)

    def test_listing_that_lacks_messages_is_refused(self):
        self.login_fails(TEMPORARY, self.listing("* 1 FETCH (UID 101 RFC822.SIZE 10)"))

    def test_listing_that_is_empty_is_never_an_empty_mailbox(self):
        self.login_fails(TEMPORARY, self.listing())

    def test_listing_that_ends_with_no_is_temporary(self):
        self.login_fails(TEMPORARY, {"LISTING": lambda talk, tag, rest: talk.line(f"{tag} NO not now")})

    def test_listing_that_breaks_off_is_temporary(self):
        def broken(talk, _tag, _rest):
            talk.line("* 1 FETCH (UID 101 RFC822.SIZE 10)")
            return HANG_UP
        self.login_fails(TEMPORARY, {"LISTING": broken})

    def test_select_without_uidvalidity_is_temporary(self):
        def select(talk, tag, _rest):
            talk.line("* 3 EXISTS")
            talk.ok(tag, "[READ-WRITE] selected")
        self.login_fails(TEMPORARY, {"SELECT": select})

    def test_odd_permanentflags_do_no_harm(self):
        def select(talk, tag, rest):
            talk.line("* OK [PERMANENTFLAGS (%)] odd")
            talk.usual("SELECT", tag, rest)
        client = self.serve({"SELECT": select})
        self.gate.allow_warning("event=login_failed")
        self.assertRegex(client.login("ann", "secret"), rb"^(\+OK 3 messages|-ERR \[SYS/TEMP\])")

    def test_endless_parentheses_are_temporary(self):
        def deep(talk, tag, _rest):
            talk.send(b"* 1 FETCH (UID 101 BODYSTRUCTURE " + b"(" * 1_000_000)
            talk.line("")
            talk.ok(tag)
        self.login_fails(TEMPORARY, {"LISTING": deep})

    def test_endless_line_is_temporary(self):
        def endless(talk, _tag, _rest):
            for _ in range(3000):
                talk.send(b"x" * 65536)
        self.login_fails(TEMPORARY, {"GREETING": endless})

    def test_endless_line_in_the_listing_is_temporary(self):
        def endless(talk, _tag, _rest):
            talk.send(b"* 1 FETCH (UID 101 FLAGS (")
            for _ in range(3000):
                talk.send(b"a" * 65536)
        self.login_fails(TEMPORARY, {"LISTING": endless})

    def test_endless_untagged_responses_are_temporary(self):
        def endless(talk, _tag, _rest):
            while True:
                talk.send(b"* OK still here\r\n" * 1000)
        for point in ("AUTHENTICATE", "SELECT", "LISTING"):
            with self.subTest(point=point):
                self.login_fails(TEMPORARY, {point: endless})

    def test_huge_exists_takes_no_memory(self):
        def huge(talk, tag, _rest):
            talk.line("* 4294967295 EXISTS")
            talk.line("* OK [UIDVALIDITY 7] valid")
            talk.ok(tag, "[READ-WRITE] selected")
        self.login_fails(rb"^-ERR \[SYS/(TEMP|PERM)\]", {"SELECT": huge}, status="temp|protocol|perm")

    def test_literal_of_impossible_size_is_temporary(self):
        for size in ("4294967295", "99999999999", "-5", "1x", ""):
            with self.subTest(size=size):
                self.login_fails(TEMPORARY, {"LISTING": lambda talk, tag, rest, size=size:
                                             talk.line("* 1 FETCH (UID 101 BODY[] {" + size + "}")})


class Reading(_Fault):
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

    def test_literal_that_breaks_off_is_not_finished(self):
        def half(talk, _tag, _rest):
            talk.send(self.literal()[:5000])
            return HANG_UP
        self.refused_or_cut(half, number=2)

    def test_literal_that_stops_is_not_finished(self):
        def stop(talk, _tag, _rest):
            talk.send(self.literal()[:5000])
            talk.wait()
        self.refused_or_cut(stop, number=2)

    def test_literal_that_drips_is_given_up(self):
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

    def test_whole_literal_without_tagged_ok_is_not_finished(self):
        def no_ok(talk, _tag, _rest):
            talk.send(self.literal() + b")\r\n")
            talk.wait()
        self.refused_or_cut(no_ok, number=2)

    def test_whole_literal_and_then_the_end_is_not_finished(self):
        def no_ok(talk, _tag, _rest):
            talk.send(self.literal() + b")\r\n")
            return HANG_UP
        self.refused_or_cut(no_ok, number=2)

    def test_whole_literal_without_parenthesis_is_not_finished(self):
        def no_parenthesis(talk, tag, _rest):
            talk.send(self.literal())
            talk.ok(tag)
            talk.wait()
        self.refused_or_cut(no_parenthesis, number=2)

    def test_tagged_no_after_the_data_is_not_finished(self):
        def no(talk, tag, _rest):
            talk.send(self.literal() + b")\r\n")
            talk.line(f"{tag} NO [SERVERBUG] some messages could not be read")
        self.refused_or_cut(no, number=2)

    def test_tagged_bad_after_the_data_is_not_finished(self):
        def bad(talk, tag, _rest):
            talk.send(self.literal() + b")\r\n")
            talk.line(f"{tag} BAD oops")
        self.refused_or_cut(bad, number=2)

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

    def test_another_messages_uid_is_never_delivered(self):
        def other(talk, tag, _rest):
            talk.send(self.literal(uid=105, number=3, octets=MESSAGES[105]) + b")\r\n")
            talk.ok(tag)
        client, reply = self.retrieve(other)
        self.assertRegex(reply, rb"^-ERR")
        self.assertRegex(client.command("NOOP"), rb"^(\+OK|-ERR)")

    def test_last_message_instead_of_a_missing_one_is_never_delivered(self):
        def last(talk, tag, rest):
            if any(uid == 102 for _, uid in talk.wanted(rest)):
                talk.fetch_response(3, 105, rest)
                talk.ok(tag)
            else:
                talk.usual("BODY", tag, rest)
        client = self.serve({"BODY": last}, warnings=["event=fetch_failed"])
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 1"), MESSAGES[101])
        self.assertRegex(client.command("RETR 2"), rb"^-ERR")
        self.assertEqual(client.multiline("RETR 3"), MESSAGES[105])

    def test_body_without_uid_is_never_delivered(self):
        def no_uid(talk, tag, rest):
            number = talk.wanted(rest)[0][0]
            talk.send(b"* %d FETCH (BODY[] {5}\r\nhello)\r\n" % number)
            talk.ok(tag)
        self.refused_or_cut(no_uid)

    def test_two_uids_in_one_response_are_never_delivered(self):
        def two(talk, tag, _rest):
            talk.send(self.literal() + b" UID 105)\r\n")
            talk.ok(tag)
        self.refused_or_cut(two, number=2)

    def test_wrong_uid_after_the_body_is_not_finished(self):
        def late(talk, tag, rest):
            if "BODY" not in rest.upper():
                return talk.usual("LISTING", tag, rest)
            number = talk.wanted(rest)[0][0]
            talk.send(b"* %d FETCH (BODY[] {5}\r\nhello UID 999)\r\n" % number)
            return talk.ok(tag)
        self.refused_or_cut(late)

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

    def test_flags_and_size_before_the_uid_are_served(self):
        def chatty(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                octets = talk.server.messages[uid]
                talk.line(f"* {number} FETCH (FLAGS (\\Seen $odd))")
                talk.send(f"* {number} FETCH (FLAGS (\\Seen) RFC822.SIZE 1 UID {uid} BODY[] {{{len(octets)}}}\r\n"
                          .encode() + octets + b")\r\n")
            talk.line("* 4 EXISTS")
            talk.ok(tag)
        client = self.serve({"BODY": chatty})
        self.log_in(client)
        for number, message in enumerate(MESSAGES.values(), 1):
            self.assertEqual(client.multiline(f"RETR {number}"), message)
        self.assertRegex(client.command("STAT"), rb"^\+OK 3 ")

    def test_body_nil_is_no_empty_mail(self):
        def nil(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.line(f"* {number} FETCH (UID {uid} BODY[] NIL)")
            talk.ok(tag)
        self.refused(nil, pattern=rb"^-ERR")

    def test_empty_body_of_a_message_with_a_size_is_no_empty_mail(self):
        for empty in ('""', "{0}\r\n"):
            with self.subTest(empty=empty):
                def answer(talk, tag, rest, empty=empty):
                    for number, uid in talk.wanted(rest):
                        talk.line(f"* {number} FETCH (UID {uid} BODY[] {empty})")
                    talk.ok(tag)
                self.refused(answer)

    def test_ok_without_data_is_an_error_for_that_message_only(self):
        self.refused(lambda talk, tag, rest: talk.ok(tag), pattern=rb"^-ERR")

    def test_expunge_in_mid_session_does_not_shift_the_numbers(self):
        def expunging(talk, tag, rest):
            if 101 in talk.server.messages:
                del talk.server.messages[101]
                talk.line("* 1 EXPUNGE")
            talk.usual("BODY", tag, rest)
        client = self.serve({"BODY": expunging})
        self.gate.allow_warning("event=fetch_failed")
        self.log_in(client)
        self.assertEqual(client.multiline("RETR 2"), MESSAGES[102])
        self.assertRegex(client.command("RETR 1"), rb"^-ERR")
        self.assertEqual(client.multiline("RETR 3"), MESSAGES[105])

    def test_same_message_twice_in_one_answer_is_not_delivered_twice(self):
        def twice(talk, tag, _rest):
            for _ in range(2):
                talk.send(self.literal() + b")\r\n")
            talk.ok(tag)
        client, reply = self.retrieve(twice, number=2, warn=False)
        self.gate.allow_warning("event=fetch_failed")
        if reply.startswith(b"+OK"):
            client.send(b"NOOP\r\nQUIT\r\n")
            self.assertEqual(client.rest().count(b"Subject: second"), 1)

    def test_size_that_was_listed_wrong_does_not_cut_the_message(self):
        def listing(talk, tag, rest):
            for number, uid in talk.wanted(rest):
                talk.line(f"* {number} FETCH (UID {uid} RFC822.SIZE {3 if number == 1 else 99999})")
            talk.ok(tag)
        client = self.serve({"LISTING": listing})
        self.log_in(client)
        before = client.multiline("LIST")
        for number, message in enumerate(MESSAGES.values(), 1):
            self.assertEqual(client.multiline(f"RETR {number}"), message)
        self.assertEqual(client.multiline("LIST"), before)

    def test_literal_of_impossible_size_is_temporary(self):
        for size in (b"4294967295", b"-5", b"99999999999", b"18446744073709551617"):
            with self.subTest(size=size):
                def answer(talk, _tag, rest, size=size):
                    number, uid = talk.wanted(rest)[0]
                    talk.send(b"* %d FETCH (UID %d BODY[] {%s}\r\nabc" % (number, uid, size))
                    talk.wait()
                self.refused_or_cut(answer)

    def test_endless_literal_never_ends_in_a_dot(self):
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

    ODD = (b"Subject: odd\n\n.lf\n..\n.\n\r\n.crlf\r\n\rcr\r.\n\r\r\nnul \0 in it\n\0\n" + bytes(range(256)) + b"\n.\r\n") * 30

    def test_line_ends_of_every_kind_arrive_as_crlf(self):
        client = self.serve(messages={1: self.ODD, 2: self.ODD + b"open", 3: self.ODD + b"\r"})
        self.log_in(client)
        canonical = re.sub(rb"(?<!\r)\n", b"\r\n", self.ODD)
        for number, end in ((1, b""), (2, b"open\r\n"), (3, b"\r\n")):
            self.assertRegex(client.command(f"RETR {number}"), FINE)
            self.assertEqual(client.lines(), canonical + end)

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

    def test_connection_that_always_drops_is_temporary(self):
        client = self.refused(lambda talk, tag, rest: HANG_UP, others=False)
        self.assertLess(self.server.connections, 6)
        self.assertRegex(client.command("QUIT"), rb"^(\+OK|-ERR)")

    def test_other_uidvalidity_after_a_reconnect_ends_all_reading_and_removing(self):
        dropped = []

        def drop_first(talk, tag, rest):
            if not dropped:
                dropped.append(1)
                talk.server.uidvalidity += 1
                return HANG_UP
            return talk.usual("BODY", tag, rest)
        client = self.serve({"BODY": drop_first}, warnings=["event=fetch_failed .*UIDVALIDITY"])
        self.gate.allow_warning("event=(fetch|commit)_failed")
        self.log_in(client)
        client.command("DELE 3")
        for number in (1, 2, 1):
            self.assertRegex(client.command(f"RETR {number}"), rb"^-ERR")
        self.assertRegex(client.command("QUIT"), rb"^-ERR")
        self.assertEqual(self.server.commands("UID STORE") + self.server.commands("UID EXPUNGE"), [])
        self.nothing_removed()

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


class Size(_Fault):
    """Much mail takes little memory."""

    def used(self):
        """The most that the session has had of its own, in octets."""
        with open(f"/proc/{self.gate.pids('session')[0]}/status", encoding="ascii") as file:
            return int(re.search(r"VmHWM:\s+(\d+)", file.read()).group(1)) * 1024

    def test_mailbox_of_100000_messages(self):
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
        self.assertLess(self.used(), 40_000_000)

    def test_message_of_200_mb(self):
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
        self.assertLess(self.used() - before, 8_000_000)


class Removing(_Fault):
    """QUIT after DELE."""

    def quit(self, on=None, *, pattern=rb"^-ERR", numbers=(1, 2), warn=True, **options):
        client = self.serve(on, warnings=["event=commit_failed"] if warn else (), **options)
        self.log_in(client)
        for number in numbers:
            self.assertRegex(client.command(f"DELE {number}"), FINE)
        self.assertRegex(client.command("QUIT"), pattern)
        self.assertTrue(client.is_closed())
        again = self.connect()
        self.server.on = {}
        self.assertRegex(again.login("ann", "secret"), FINE)

    def left(self):
        return sorted(self.server.messages)

    def test_confirmed_removal_is_ok(self):
        self.quit(pattern=FINE, warn=False)
        self.assertEqual(self.left(), [105])

    def test_plain_expunge_and_close_are_never_sent_where_uidplus_is(self):
        self.quit(pattern=FINE, warn=False)
        self.assertEqual(self.server.commands("EXPUNGE") + self.server.commands("CLOSE"), [])

    def test_read_only_mailbox_removes_nothing(self):
        def read_only(talk, tag, _rest):
            talk.line("* 3 EXISTS")
            talk.line("* OK [UIDVALIDITY 7] valid")
            talk.ok(tag, "[READ-ONLY] selected")
        self.quit({"SELECT": read_only})
        self.nothing_removed()

    def test_store_that_is_refused_removes_nothing(self):
        self.quit({"UID STORE": lambda talk, tag, rest: talk.line(f"{tag} NO [NOPERM] no")})
        self.nothing_removed()
        self.assertEqual(self.server.commands("UID EXPUNGE"), [])

    def test_expunge_that_is_refused_is_no_success(self):
        self.quit({"UID EXPUNGE": lambda talk, tag, rest: talk.line(f"{tag} NO no")})
        self.nothing_removed()

    def test_ok_to_an_expunge_that_did_nothing_is_no_success(self):
        self.quit({"UID EXPUNGE": lambda talk, tag, rest: talk.ok(tag)})
        self.nothing_removed()

    def test_expunge_of_a_part_is_no_success(self):
        def part(talk, tag, _rest):
            talk.expunge([101])
            talk.ok(tag)
        self.quit({"UID EXPUNGE": part})
        self.assertEqual(self.left(), [102, 105])

    def test_connection_lost_between_store_and_expunge_is_no_success_and_takes_nothing_else(self):
        self.quit({"UID EXPUNGE": lambda talk, tag, rest: HANG_UP})
        self.nothing_removed()
        # Nobody comes back to expunge behind the user's back.
        self.assertEqual(len(self.server.commands("UID EXPUNGE")), 1)

    def test_silence_after_store_is_no_success_within_the_time(self):
        started = time.monotonic()
        self.quit({"UID STORE": lambda talk, tag, rest: talk.wait()})
        self.assertLess(time.monotonic() - started, 8)
        self.nothing_removed()

    def test_connection_lost_before_quit_is_restored(self):
        client = self.serve()
        self.log_in(client)
        client.command("DELE 1")
        for talk in self.server._talks:
            talk.socket.shutdown(2)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(self.left(), [102, 105])

    def test_without_uidplus_alone_removes_when_nobody_else_has_marked(self):
        self.quit(pattern=FINE, warn=False, capability="IMAP4rev1 AUTH=PLAIN SASL-IR")
        self.assertEqual(self.left(), [105])

    def test_without_uidplus_alone_removes_nothing_when_another_client_has_marked(self):
        def select(talk, tag, rest):
            talk.server.flags[105] = {"\\Deleted"}
            talk.usual("SELECT", tag, rest)
        self.quit({"SELECT": select}, capability="IMAP4rev1 AUTH=PLAIN SASL-IR")
        self.nothing_removed()
        self.assertEqual(self.server.commands("EXPUNGE"), [])
        # What we marked ourselves is taken back: the next EXPUNGE of anybody must not take it.
        self.assertEqual({uid for uid, flags in self.server.flags.items() if flags}, {105})

    def test_without_uidplus_alone_removes_nothing_when_another_client_marks_meanwhile(self):
        def store(talk, tag, rest):
            talk.usual("UID STORE", tag, rest)
            if " +FLAGS" in rest.upper():
                talk.server.flags.setdefault(105, set()).add("\\Deleted")
        self.quit({"UID STORE": store}, capability="IMAP4rev1 AUTH=PLAIN SASL-IR")
        self.nothing_removed()
        self.assertEqual({uid for uid, flags in self.server.flags.items() if flags}, {105})

    def test_without_uidplus_refuse_removes_nothing(self):
        self.quit(capability="IMAP4rev1 AUTH=PLAIN SASL-IR", settings={"without_uidplus": "refuse"})
        self.nothing_removed()
        self.assertEqual(self.server.commands("UID STORE"), [])

    def test_lost_connection_to_the_client_removes_nothing(self):
        client = self.serve()
        self.log_in(client)
        client.command("DELE 1")
        client.close()
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.nothing_removed()
        self.assertEqual(self.server.commands("UID STORE"), [])


if __name__ == "__main__":
    tap.main()
