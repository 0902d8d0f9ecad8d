"""The upstream connection broken at every place of what is said during QUIT: nothing goes but what DELE marked,
+OK comes only if all of that is gone, and the maildrop is free at once."""

import tap
from cutcase import Cutting, line_ends, lines
from imapscript import Server
from proxy import Fault, fin, rst
from removalcase import VICTIM, RemovalCase

ANSWERS = rb"^(\+OK|-ERR \[SYS/TEMP\]) .*\r\n$"


class _Removal(RemovalCase):
    def sweep(self, act, side):
        """Breaks the connection at place after place. The next attempt shows that the maildrop is free."""
        reply, fault = self.quit(side=side)
        self.assertRegex(reply, rb"^\+OK")
        replies = []
        for at in lines(fault.octets):
            reply, _ = self.quit(act, at, side)
            self.assertRegex(reply, ANSWERS, (at, side))
            replies.append(reply[:3])
        self.assertIn(b"-ER", replies)
        return replies

    def sweeps(self, **settings):
        self.start(**settings)
        self.sweep(fin, "server")
        self.sweep(rst, "client")
        self.check_sessions()


class Expunge(_Removal):
    def test_input_59_invariant_01_invariant_02_invariant_03_invariant_04_expunge_cut(self):
        self.sweeps()

    def test_input_59_invariant_03_invariant_04_expunge_cut_under_tls(self):
        self.start(security="tls")
        self.sweep(rst, "server")
        self.check_sessions()


class Flag(_Removal):
    def check_mailbox(self, reply):
        super().check_mailbox(b"")
        left, marked = self.search(), self.search("DELETED")
        self.assertLessEqual(self.uids[VICTIM], marked if reply.startswith(b"+OK") else left)

    def test_invariant_03_invariant_04_flag_cut(self):
        self.sweeps(delete="flag")


class _Move(_Removal):
    def check_nothing_lost(self):
        """Whatever happened, each message is in the one folder or the other."""
        bodies = [body for folder in ("INBOX", "Trash") for body in self.server.bodies(self.user, folder).values()]
        self.assertEqual({int(body.split()[2]) for body in bodies}, set(range(1, self.count + 1)))

    def move(self):
        self.meet()
        self.other.create("Trash")
        self.sweeps(delete="move", trash_folder="Trash")
        self.check_nothing_lost()

class Move(_Move):
    def test_input_59_invariant_03_invariant_04_move_cut(self):
        self.move()


class Copy(_Move):
    """Copies, marks and expunges, where the server has no MOVE."""

    capability = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+ UIDPLUS"

    def test_input_59_invariant_03_invariant_04_copy_and_expunge_cut(self):
        self.move()


class WithoutUidplus(_Removal):
    """EXPUNGE takes all that is marked: it is sent only where nobody else has marked."""

    capability = "IMAP4rev1 SASL-IR AUTH=PLAIN LITERAL+"
    others_mark = False

    def test_input_59_invariant_02_invariant_04_expunge_alone_cut(self):
        self.sweeps()

    def test_invariant_03_nothing_goes_where_others_have_marked(self):
        self.others_mark = True
        self.start()
        reply, _ = self.quit()
        self.assertRegex(reply, rb"^-ERR")
        self.assertLessEqual(self.uids[VICTIM], self.search())


class Many(Cutting):
    """More messages than one command can name."""

    MESSAGES = {4_000_000_000 + 7 * n: b"Subject: %d\r\n\r\n" % n for n in range(1200)}

    def attempt(self, act, at):
        """The reply to QUIT, and the commands that were sent. Message 600 alone was not deleted."""
        self.server.messages, self.server.flags = dict(self.MESSAGES), {}
        client = self.log_in()
        client.send(b"".join(b"DELE %d\r\n" % n for n in range(1, 1201) if n != 600))
        for _ in range(1199):
            client.line()
        self.proxy.fault = fault = Fault(act, at, "client")
        reply = client.command("QUIT")
        self.proxy.fault = None
        client.close()
        left = set(self.server.messages)
        self.assertIn(4_000_000_000 + 7 * 599, left)
        if reply.startswith(b"+OK"):
            self.assertEqual(len(left), 1)
        return reply, fault

    def test_input_59_invariant_02_invariant_04_many_sets_cut(self):
        self.server = Server(self.MESSAGES)
        self.addCleanup(self.server.close)
        self.start(self.server)
        reply, fault = self.attempt(None, None)
        self.assertRegex(reply, rb"^\+OK")
        self.assertGreater(fault.octets.count(b"EXPUNGE"), 1)
        for at in line_ends(fault.octets):
            self.assertRegex(self.attempt(fin, at)[0] + b"\r\n", ANSWERS, at)
        self.check_sessions()


if __name__ == "__main__":
    tap.main()
