"""Login and listing at IMAP servers that stall, lie and hang up: no smaller mailbox than there is, and nobody be told
that the password is wrong."""

import tap
from faultcase import FINE, MESSAGES, TEMPORARY, FaultCase
from imapscript import HANG_UP


class Login(FaultCase):
    def test_server_that_closes_at_once_is_temporary(self):
        self.login_fails(TEMPORARY, {"GREETING": lambda talk, tag, rest: HANG_UP})

    def test_bye_instead_of_a_greeting_is_temporary(self):
        def bye(talk, _tag, _rest):
            talk.line("* BYE too busy")
            return HANG_UP
        self.login_fails(TEMPORARY, {"GREETING": bye})

    def test_server_of_another_protocol_is_temporary(self):
        self.login_fails(TEMPORARY, {"GREETING": lambda talk, tag, rest: talk.line("220 mail ESMTP")})

    def test_no_that_says_nothing_of_the_credential_is_temporary(self):
        for words in ("no", "[SYS/TEMP] Login failed", "Backend shutting down", "[ALERT] account maintenance",
                      "Too many login attempts"):
            with self.subTest(words=words):
                self.login_fails(TEMPORARY, {"AUTHENTICATE": lambda talk, tag, rest, words=words:
                                             talk.line(f"{tag} NO {words}")})

    def test_server_without_sasl_is_served_by_login(self):
        client = self.serve(capability="IMAP4rev1 UIDPLUS")
        self.assertRegex(client.login("ann", 'pass "word\\ x'), FINE)
        self.assertEqual(self.server.commands("LOGIN"), ['LOGIN "ann" "pass \\"word\\\\ x"'])

    def test_server_without_initial_response_is_served(self):
        self.log_in(self.serve(capability="IMAP4rev1 AUTH=PLAIN UIDPLUS"))


class Opening(FaultCase):
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

    def test_huge_exists_takes_no_memory(self):
        def huge(talk, tag, _rest):
            talk.line("* 4294967295 EXISTS")
            talk.line("* OK [UIDVALIDITY 7] valid")
            talk.ok(tag, "[READ-WRITE] selected")
        self.login_fails(rb"^-ERR \[SYS/(TEMP|PERM)\]", {"SELECT": huge}, status="temp|protocol|perm")


if __name__ == "__main__":
    tap.main()
