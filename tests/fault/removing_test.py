"""QUIT at IMAP servers that stall, lie and hang up: nothing is removed by mistake, and what was not
removed is not said to be."""

import time

import tap
from faultcase import FINE, FaultCase
from imapscript import HANG_UP


class Removing(FaultCase):
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

    def test_store_that_is_refused_removes_nothing(self):
        # UID EXPUNGE leaves together with UID STORE; it takes nothing that is not marked.
        self.quit({"UID STORE": lambda talk, tag, rest: talk.line(f"{tag} NO [NOPERM] no")})
        self.nothing_removed()
        self.assertEqual(self.server.commands("EXPUNGE"), [])

    def test_expunge_that_is_refused_is_no_success(self):
        self.quit({"UID EXPUNGE": lambda talk, tag, rest: talk.line(f"{tag} NO no")})
        self.nothing_removed()

    def test_ok_to_an_expunge_that_did_nothing_is_no_success(self):
        self.quit({"UID EXPUNGE": lambda talk, tag, rest: talk.ok(tag)})
        self.nothing_removed()

    def test_input_59_invariant_04_ok_to_an_expunge_that_did_nothing_and_no_look_is_no_success(self):
        """The connection is lost right behind the OK, or in the middle of the look, each time that it is made."""
        def expunge(talk, tag, _rest):
            talk.ok(tag)
            self.server.on["LISTING"] = looks.pop(0) if looks else None
        for look in (lambda talk, tag, rest: HANG_UP, lambda talk, tag, rest: talk.line("* 5 FETCH (UID 105)") or HANG_UP):
            with self.subTest(look=look):
                looks = [look]
                self.quit({"UID EXPUNGE": expunge})
                self.nothing_removed()

    def test_expunge_of_a_part_is_no_success(self):
        def part(talk, tag, _rest):
            talk.expunge([101])
            talk.ok(tag)
        self.quit({"UID EXPUNGE": part})
        self.assertEqual(self.left(), [102, 105])

    def sluggish(self, often):
        """UID EXPUNGE takes nothing so many times, and what the look finds comes before the answer to UID STORE."""
        calls, looked = [], []

        def store(talk, tag, rest):
            if not calls:
                talk.line("* 1 FETCH (UID 101)")
                talk.line("* 2 FETCH (UID 102)")
            talk.usual("UID STORE", tag, rest)

        def listing(talk, tag, rest):
            if len(calls) == 1 and not looked:
                looked.append(rest)
                talk.ok(tag)
            else:
                talk.usual("LISTING", tag, rest)

        def expunge(talk, tag, rest):
            calls.append(rest)
            talk.ok(tag) if len(calls) <= often else talk.usual("UID EXPUNGE", tag, rest)
        return {"UID STORE": store, "UID EXPUNGE": expunge, "LISTING": listing}

    def test_invariant_04_look_that_comes_early_and_finds_them_is_no_confirmation(self):
        self.quit(self.sluggish(9))
        self.nothing_removed()

    def test_expunge_that_does_not_see_the_marks_yet_is_sent_again(self):
        self.quit(self.sluggish(1), pattern=FINE, warn=False)
        self.assertEqual(self.left(), [105])

    def test_input_59_connection_lost_between_store_and_expunge_is_no_success_and_takes_nothing_else(self):
        self.quit({"UID EXPUNGE": lambda talk, tag, rest: HANG_UP})
        self.nothing_removed()
        # Nobody comes back to expunge behind the user's back.
        self.assertEqual(len(self.server.commands("UID EXPUNGE")), 1)

    def test_invariant_04_silence_after_store_is_no_success_within_the_time(self):
        started = time.monotonic()
        self.quit({"UID STORE": lambda talk, tag, rest: talk.wait()})
        self.assertLess(time.monotonic() - started, 8)
        self.nothing_removed()

    def test_connection_lost_before_quit_is_restored(self):
        client = self.serve()
        self.log_in(client)
        client.command("DELE 1")
        self.server.say("", hang_up=True)
        self.assertRegex(client.command("QUIT"), FINE)
        self.assertEqual(self.left(), [102, 105])

    def test_input_31_invariant_01_lost_connection_to_the_client_removes_nothing(self):
        client = self.serve()
        self.log_in(client)
        client.command("DELE 1")
        client.close()
        self.gate.wait_until(lambda: not self.gate.pids("session"), "the session to end")
        self.nothing_removed()
        self.assertEqual(self.server.commands("UID STORE"), [])


if __name__ == "__main__":
    tap.main()
