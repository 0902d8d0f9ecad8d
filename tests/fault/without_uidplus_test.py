"""QUIT at IMAP servers without UIDPLUS, whose EXPUNGE takes whatever is marked, and at servers that mark a part
only: what another client marked stays, whatever the setting, and QUIT says what has become of the rest."""

import subprocess
import unittest

import tap
from faultcase import FINE, FaultCase
from gateway import PROGRAM, Gateway, imap_backend

OLD = "IMAP4rev1 SASL-IR AUTH=PLAIN"
FIVE = {uid: b"Subject: %d\r\n\r\nbody of %d\r\n" % (uid, uid) for uid in (201, 202, 203, 205, 209)}
TO_TRASH = {"without_uidplus": "move", "trash_folder": "Trash"}
DELETED = {"\\Deleted"}


class Quits(FaultCase):
    def quit(self, pattern, on=None, *, numbers=(1, 2), capability=OLD, **options):
        warnings = [] if pattern is FINE else ["event=commit_failed"]
        client = self.serve(on, warnings=warnings, capability=capability, **options)
        self.log_in(client)
        for number in numbers:
            self.assertRegex(client.command(f"DELE {number}"), FINE)
        self.reply = client.command("QUIT")
        self.assertRegex(self.reply, pattern)
        self.assertTrue(client.is_closed())
        self.server.on = {}
        self.assertRegex(self.connect().login("ann", "secret"), FINE)

    def left(self):
        return sorted(self.server.messages)

    def marked(self):
        return {uid for uid in self.server.messages if "\\Deleted" in self.server.flags.get(uid, ())}

    def never_sent(self, *commands):
        for command in commands:
            self.assertEqual(self.server.commands(command), [])


def marking(*uids):
    """SELECT, and by then another client has marked these."""
    def select(talk, tag, rest):
        for uid in uids:
            talk.server.flags[uid] = set(DELETED)
        talk.usual("SELECT", tag, rest)
    return select


def showing(flags):
    """A look at the flags, whatever they are: each message with this behind its UID."""
    def look(talk, tag, rest):
        if "FLAGS" not in rest.upper():
            return talk.usual("LISTING", tag, rest)
        for number, uid in talk.wanted(rest):
            talk.line(f"* {number} FETCH (UID {uid}{flags})")
        return talk.ok(tag)
    return look


class Alone(Quits):
    """without_uidplus = "alone", the default."""

    def test_input_57_alone_removes_when_nobody_else_has_marked(self):
        self.quit(FINE)
        self.assertEqual(self.left(), [105])

    def test_input_57_invariant_03_alone_removes_nothing_when_another_client_has_marked(self):
        self.quit(rb"^-ERR", {"SELECT": marking(105)})
        self.nothing_removed()
        self.never_sent("EXPUNGE", "UID STORE")

    def test_input_57_invariant_03_alone_removes_nothing_when_another_client_marks_meanwhile(self):
        def store(talk, tag, rest):
            talk.usual("UID STORE", tag, rest)
            if " +FLAGS" in rest.upper():
                talk.server.flags.setdefault(105, set()).add("\\Deleted")
        self.quit(rb"^-ERR", {"UID STORE": store})
        self.nothing_removed()
        # What we marked ourselves is taken back: the next EXPUNGE of anybody must not take it.
        self.assertEqual(self.marked(), {105})
        self.never_sent("EXPUNGE")

    def test_input_57_alone_leaves_the_mark_that_another_client_had_put_on_a_deleted_message(self):
        def store(talk, tag, rest):
            talk.usual("UID STORE", tag, rest)
            talk.server.flags.setdefault(105, set()).add("\\Deleted")
        self.quit(rb"^-ERR", {"SELECT": marking(101), "UID STORE": store})
        self.nothing_removed()
        self.assertEqual(self.marked(), {101, 105})

    def test_input_57_alone_removes_what_another_client_had_marked_if_it_is_deleted_too(self):
        self.quit(FINE, {"SELECT": marking(101, 102)})
        self.assertEqual(self.left(), [105])

    def test_input_57_alone_takes_its_marks_back_when_the_expunge_is_refused(self):
        self.quit(rb"^-ERR", {"EXPUNGE": lambda talk, tag, rest: talk.line(f"{tag} NO not now")})
        self.nothing_removed()
        self.assertEqual(self.marked(), set())

    def test_input_57_alone_takes_its_marks_back_when_the_marking_is_refused(self):
        def half(talk, tag, rest):
            if " +FLAGS" not in rest.upper():
                return talk.usual("UID STORE", tag, rest)
            talk.store(101, DELETED)
            return talk.line(f"{tag} NO some of it")
        self.quit(rb"^-ERR", {"UID STORE": half})
        self.nothing_removed()
        self.assertEqual(self.marked(), set())
        self.never_sent("EXPUNGE")

    def test_input_57_alone_is_content_when_another_client_has_removed_the_message(self):
        def store(talk, tag, rest):
            talk.server.messages.pop(101, None)
            talk.usual("UID STORE", tag, rest)
        self.quit(FINE, {"UID STORE": store})
        self.assertEqual(self.left(), [105])

    def test_input_57_alone_sends_no_expunge_when_all_have_gone_already(self):
        def store(talk, tag, rest):
            for uid in (101, 102):
                talk.server.messages.pop(uid, None)
            talk.usual("UID STORE", tag, rest)
        self.quit(FINE, {"UID STORE": store})
        self.assertEqual(self.left(), [105])
        self.never_sent("EXPUNGE")

    def test_input_57_invariant_03_alone_believes_no_search_that_lags_behind(self):
        found = iter(("", " 101", " 101"))

        def search(talk, tag, _rest):
            talk.line(f"* SEARCH{next(found)}")
            talk.ok(tag)
        # 105 is marked by somebody else, as 101 and 102 are by us; the index shows 101 alone.
        self.quit(rb"^-ERR", {"SELECT": marking(105), "UID SEARCH": search})
        self.nothing_removed()
        self.never_sent("EXPUNGE")

    def test_input_57_invariant_03_alone_asks_for_news_before_each_search(self):
        told = set()  # what the server's view of the connection shows as marked

        def news(talk, tag, rest):
            told.update(uid for uid in talk.server.messages if "\\Deleted" in talk.server.flags.get(uid, ()))
            talk.usual("NOOP", tag, rest)

        def search(talk, tag, _rest):
            talk.line("* SEARCH" + "".join(f" {uid}" for uid in sorted(told)))
            talk.ok(tag)
        for early in (True, False):
            def store(talk, tag, rest):
                talk.usual("UID STORE", tag, rest)
                told.update((101, 102))
                talk.server.flags[105] = set(DELETED)
            with self.subTest(marked_before=early):
                told.clear()
                self.quit(rb"^-ERR", {"NOOP": news, "UID SEARCH": search,
                                      **({"SELECT": marking(105)} if early else {"UID STORE": store})})
                self.nothing_removed()
                self.never_sent("EXPUNGE")

    def test_input_57_invariant_03_alone_takes_no_search_result_for_no_proof(self):
        self.quit(rb"^-ERR", {"SELECT": marking(105), "UID SEARCH": lambda talk, tag, rest: talk.ok(tag)})
        self.nothing_removed()
        self.never_sent("EXPUNGE")

    def test_input_57_alone_removes_nothing_when_the_search_is_refused(self):
        self.quit(rb"^-ERR", {"UID SEARCH": lambda talk, tag, rest: talk.line(f"{tag} NO no")})
        self.nothing_removed()
        self.never_sent("EXPUNGE", "UID STORE")

    def test_input_57_invariant_03_alone_takes_its_marks_back_when_the_expunge_takes_nothing(self):
        self.quit(rb"^-ERR", {"SELECT": marking(101), "EXPUNGE": lambda talk, tag, rest: talk.ok(tag)})
        self.nothing_removed()
        self.assertEqual(self.marked(), {101})

    def test_input_57_invariant_03_alone_takes_its_marks_back_where_none_is_shown(self):
        def search(talk, tag, _rest):
            talk.line("* SEARCH")
            talk.ok(tag)

        self.quit(rb"^-ERR", {"UID SEARCH": search, "LISTING": showing(" FLAGS ()")})
        self.nothing_removed()
        self.assertEqual(self.marked(), set())
        self.never_sent("EXPUNGE")

    def test_input_57_invariant_03_alone_takes_a_look_without_flags_for_no_proof(self):
        found = iter(("", " 101", " 101"))

        def search(talk, tag, _rest):
            talk.line(f"* SEARCH{next(found)}")
            talk.ok(tag)

        self.quit(rb"^-ERR", {"UID SEARCH": search, "LISTING": showing("")})
        self.nothing_removed()
        self.never_sent("EXPUNGE")


class Refuse(Quits):
    def test_input_57_refuse_removes_nothing(self):
        self.quit(rb"^-ERR", settings={"without_uidplus": "refuse"})
        self.nothing_removed()
        self.never_sent("EXPUNGE", "UID STORE")

    def test_input_57_refuse_removes_nothing_with_move_either(self):
        self.quit(rb"^-ERR", capability=OLD + " MOVE", settings={"without_uidplus": "refuse"})
        self.nothing_removed()
        self.never_sent("EXPUNGE", "UID STORE", "UID MOVE")

    def test_input_57_refuse_copies_nothing_that_it_cannot_remove(self):
        self.quit(rb"^-ERR", settings={"without_uidplus": "refuse", "delete": "move", "trash_folder": "Trash"})
        self.nothing_removed()
        self.never_sent("EXPUNGE", "UID STORE", "UID COPY")

    def test_input_57_refuse_means_nothing_where_uidplus_is(self):
        self.quit(FINE, capability=OLD + " UIDPLUS", settings={"without_uidplus": "refuse"})
        self.assertEqual(self.left(), [105])


class Move(Quits):
    """without_uidplus = "move"."""

    def test_input_57_invariant_03_move_takes_exactly_ours_to_the_trash(self):
        self.quit(FINE, {"SELECT": marking(105)}, capability=OLD + " MOVE", settings=TO_TRASH)
        self.assertEqual((self.left(), sorted(self.server.trash)), ([105], [101, 102]))
        self.assertEqual(self.server.commands("UID MOVE"), ['UID MOVE 101:102 "Trash"'])
        self.never_sent("EXPUNGE", "UID STORE", "UID COPY")

    def test_input_57_move_that_is_refused_is_no_success(self):
        self.quit(rb"^-ERR", {"UID MOVE": lambda talk, tag, rest: talk.line(f"{tag} NO [TRYCREATE] no such folder")},
                  capability=OLD + " MOVE", settings=TO_TRASH)
        self.nothing_removed()

    def test_input_57_move_of_a_part_is_no_success(self):
        def part(talk, tag, _rest):
            talk.usual("UID MOVE", tag, '101 "Trash"')
        self.quit(rb"^-ERR", {"UID MOVE": part}, capability=OLD + " MOVE", settings=TO_TRASH)
        self.assertEqual(self.left(), [102, 105])

    def test_input_57_move_refuses_where_neither_extension_is(self):
        for more in ({}, {"delete": "move"}):
            with self.subTest(**more):
                self.quit(rb"^-ERR", settings={**TO_TRASH, **more})
                self.nothing_removed()
                self.never_sent("EXPUNGE", "UID STORE", "UID COPY", "UID MOVE")

    def test_move_expunges_where_uidplus_is(self):
        self.quit(FINE, capability=OLD + " UIDPLUS MOVE", settings=TO_TRASH)
        self.assertEqual((self.left(), self.server.trash), ([105], {}))

    def test_delete_by_move_copies_and_expunges_alone_without_both(self):
        self.quit(FINE, settings={"delete": "move", "trash_folder": "Trash"})
        self.assertEqual(self.left(), [105])
        self.assertEqual(self.server.commands("UID COPY"), ['UID COPY 101:102 "Trash"'])


class Part(Quits):
    """STORE marks three of five."""

    def store_three(self, answer, **options):
        def store(talk, tag, rest):
            if " -FLAGS" in rest.upper():
                return talk.usual("UID STORE", tag, rest)
            for uid in (201, 203, 209):
                talk.store(uid, DELETED)
            return talk.line(f"{tag} {answer}")
        self.quit(rb"^-ERR", {"UID STORE": store}, numbers=range(1, 6), messages=FIVE, **options)

    def test_input_58_only_what_is_marked_goes(self):
        for answer in ("OK done", "NO three of five"):
            with self.subTest(answer=answer):
                self.store_three(answer, capability=OLD + " UIDPLUS")
                self.assertEqual(self.left(), [202, 205])
                self.never_sent("EXPUNGE")

    def test_input_58_without_uidplus_only_what_is_marked_goes(self):
        self.store_three("OK done")
        self.assertEqual(self.left(), [202, 205])

    def test_input_58_without_uidplus_nothing_goes_where_the_marking_is_refused(self):
        self.store_three("NO three of five")
        self.assertEqual((self.left(), self.marked()), (sorted(FIVE), set()))
        self.never_sent("EXPUNGE")

    def test_input_58_flagging_of_a_part_is_no_success(self):
        self.store_three("OK done", settings={"delete": "flag"})
        self.assertEqual((self.left(), self.marked()), (sorted(FIVE), {201, 203, 209}))


class Faults(unittest.TestCase):
    """Settings that contradict each other."""

    def check(self, pattern, **settings):
        gate = Gateway([imap_backend(port=143, **settings)])
        self.addCleanup(gate.kill)
        gate.write_config()
        done = subprocess.run((PROGRAM, "check", "-c", gate.config_file), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode == 0, pattern is None, done.stdout)
        if pattern is not None:
            self.assertRegex(done.stdout, pattern)

    def test_move_needs_a_trash_folder(self):
        self.check('trash_folder.* is required with without_uidplus = "move"', without_uidplus="move")
        self.check("trash_folder.* must not be the maildrop's own", without_uidplus="move", trash_folder="inbox")
        self.check(None, **TO_TRASH)
        self.check(None, delete="move", **TO_TRASH)

    def test_move_needs_something_to_remove(self):
        self.check("without_uidplus.* has a meaning only with delete", delete="keep", **TO_TRASH)
        self.check("without_uidplus.* has a meaning only with delete", delete="flag", **TO_TRASH)

    def test_a_trash_folder_needs_something_that_uses_it(self):
        self.check("trash_folder.* has a meaning only with", trash_folder="Trash", without_uidplus="refuse")


if __name__ == "__main__":
    tap.main()
