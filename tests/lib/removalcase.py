"""Common ground of the tests that break something while QUIT removes messages.

Each attempt has a mailbox with two victims, one message to keep, and one that another IMAP client has
marked \\Deleted. Afterwards that client looks at what is left."""

import imaplib
import re
import time

from cutcase import CutCase
from proxy import Fault

KEEP, MARKED, VICTIM = "keep", "marked", "victim"


def numbered(client):
    """{uid: message number} of a POP3 session."""
    lines = (line.split() for line in client.multiline("UIDL").splitlines())
    return {int(uidl.rpartition(b".")[2]): int(number) for number, uidl in lines}


class RemovalCase(CutCase):
    others_mark = True  # whether the other client has marked a message

    def setUp(self):
        self.user = self.id().rpartition(".")[2][:60]
        self.other = None
        self.uids = {}
        self.count = 0  # of messages ever made

        self.addCleanup(self.part)

    # ---- the other client ------------------------------------------------

    def part(self):
        """The other client's connection ends."""
        try:
            if self.other is not None:
                self.other.shutdown()
        except OSError:
            pass
        self.other = None

    def meet(self):
        """A new connection of the other client; the server may just have lost one of its processes."""
        for patience in (0.1, 0.5, 2, 0):
            self.part()
            try:
                self.other = self.server.imap(self.user)
                self.other.select()
                return
            except (imaplib.IMAP4.abort, OSError):
                if not patience:
                    raise
                time.sleep(patience)

    def search(self, what="ALL", folder="INBOX"):
        """The UIDs of messages, as they are now."""
        self.other.select(folder)
        _, data = self.other.uid("SEARCH", what)
        return {int(uid) for uid in (data[0] or b"").split()}

    def add(self, kind):
        self.count += 1
        text = f"Subject: {kind} {self.count}\r\n\r\n{kind}\r\n".encode()
        _, data = self.other.append("INBOX", r"(\Deleted)" if kind == MARKED else "()", None, text)
        return int(re.search(rb"APPENDUID \d+ (\d+)", data[0]).group(1))

    def prepare(self):
        """The mailbox of the next attempt: what the last one has left, and what it lacks."""
        if self.other is None:
            self.meet()
        if not self.uids:
            self.uids = {KEEP: {self.add(KEEP)}, MARKED: {self.add(MARKED)} if self.others_mark else set()}
        victims = self.search() - self.uids[KEEP] - self.uids[MARKED]
        if victims:
            self.other.uid("STORE", ",".join(map(str, victims)), "-FLAGS.SILENT", r"(\Deleted)")
        while len(victims) < 2:
            victims.add(self.add(VICTIM))
        self.uids[VICTIM] = victims

    def check_mailbox(self, reply):
        """What is left is right for a QUIT that was answered so."""
        left, marked = self.search(), self.search("DELETED")
        self.assertLessEqual(self.uids[KEEP] | self.uids[MARKED], left, reply)
        self.assertEqual(marked & self.uids[MARKED], self.uids[MARKED], reply)
        self.assertLessEqual(marked, self.uids[MARKED] | self.uids[VICTIM], reply)
        known = len(self.uids[VICTIM]) if reply.startswith(b"+OK") else int((re.findall(rb" (\d+) of ", reply) or [0])[0])
        self.assertLessEqual(known, len(self.uids[VICTIM] - left), reply)
        return left

    # ---- an attempt ------------------------------------------------------

    def begin(self):
        """A session that has marked the victims. The server may still be at what the last one asked for."""
        for _ in range(5):
            self.prepare()
            client = self.log_in(self.user)
            numbers = numbered(client)
            if self.uids[VICTIM] <= set(numbers):
                break
            client.close()
        for uid in sorted(self.uids[VICTIM]):
            self.assertRegex(client.command(f"DELE {numbers[uid]}"), rb"^\+OK")
        return client

    def quit(self, act=None, at=None, side="server"):
        """The reply to QUIT, the upstream connection broken meanwhile, and the Fault."""
        with self.begin() as client:
            self.proxy.fault = fault = Fault(act, at, side)
            client.send(b"QUIT\r\n")
            reply = self.last_words(client)
            self.proxy.fault = None
        self.check_mailbox(reply)
        return reply, fault
