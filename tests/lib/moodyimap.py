"""An IMAP server in the test's own process that keeps to the protocol in as many different ways as servers do,
and breaks down in some: what it does is drawn from a seed.

    server = MoodyServer()
    server.begin(random.Random(1), messages, {"late_uid", "shuffled"})

Moods:
  late_uid    the UID stands behind the bodies
  early_data  a command's bodies come before the tagged OK of the command before it, where both wait
  shuffled    the messages of a batch come in any order
  chatty      flags, EXISTS and OK nobody asked for between the responses
  crumbs      octets come in pieces of any size
  refusing    a batch ends with NO and lacks some messages, which come when asked for alone
  poison      one message has no body (NIL) in a batch, nor alone
  vanishing   messages are expunged by somebody else while they are fetched
  quiet       ... and the server does not say so before the command's end
  dropping    the connection ends in the middle of an answer"""

import re
import select
import time

from imapscript import CAPABILITY, HANG_UP, Server, Talk

MOODS = ("late_uid", "early_data", "shuffled", "chatty", "crumbs", "refusing", "poison", "vanishing", "quiet",
         "dropping")
QUOTABLE = re.compile(rb'[ !#-\[\]-~]+')


class MoodyTalk(Talk):
    def __init__(self, server, connection, number):
        super().__init__(server, connection, number)
        self.file = connection.makefile("rb", buffering=0)  # so that what waits can be seen on the socket
        self.owed = []  # tagged lines held back

    def has_more(self):
        return bool(select.select([self.socket], [], [], 0)[0])

    def item(self, name, octets):
        if octets is None:
            return f" {name} NIL".encode()
        if QUOTABLE.fullmatch(octets) and self.server.draw(0.5):
            return f' {name} "{octets.decode()}"'.encode()
        return f" {name} {{{len(octets)}}}\r\n".encode() + octets

    def response(self, number, uid, rest):
        server = self.server
        poisoned = uid == server.poisoned
        bodies = b"".join(self.item(name, None if poisoned else octets) for name, octets in self.parts(uid, rest))
        extra = b" FLAGS (\\Seen)" if server.has("chatty") and server.draw(0.2) else b""
        if server.has("late_uid"):
            return b"* %d FETCH (" % number + (bodies + extra).lstrip() + b" UID %d)\r\n" % uid
        return b"* %d FETCH (UID %d" % (number, uid) + extra + bodies + b")\r\n"

    def chatter(self):
        if not self.server.has("chatty") or not self.server.draw(0.3) or not self.server.messages:
            return b""
        number = self.server.rng.randint(1, len(self.server.messages))
        return self.server.rng.choice([b"* OK still here\r\n", b"* %d FETCH (FLAGS (\\Answered))\r\n" % number,
                                       b"* %d EXISTS\r\n" % (len(self.server.messages) + 1), b"* 0 RECENT\r\n"])

    def emit(self, data):
        """False: the connection was dropped in the middle."""
        server = self.server
        drop = server.has("dropping") and server.draw(0.15)
        if drop:
            data = data[:server.rng.randint(0, len(data))]
        if server.has("crumbs") and len(data) < 20000:
            while data:
                size = server.rng.choice([1, 2, 3, 17, 100, 1000, 5000])
                self.send(data[:size])
                data = data[size:]
                if server.draw(0.02):
                    time.sleep(0.002)
        else:
            self.send(data)
        return not drop

    def vanish(self, wanted):
        """Somebody else expunges one of these. Returns what is said about it, and what is left."""
        victim = self.server.rng.choice(wanted)
        del self.server.messages[victim[1]]
        self.server.vanished.add(victim[1])
        said = b"" if self.server.has("quiet") else b"* %d EXPUNGE\r\n" % victim[0]
        return said, [one for one in wanted if one != victim]

    def body(self, tag, rest):
        server = self.server
        wanted, said, end = self.wanted(rest), b"", f"{tag} OK done"
        if server.has("vanishing") and wanted and server.draw(0.2):
            said, wanted = self.vanish(wanted)
            end = f"{tag} OK [EXPUNGEISSUED] some are gone"
        if server.has("refusing") and len(wanted) > 1 and server.draw(0.5):
            kept = server.rng.randint(0, len(wanted) - 1)
            wanted = server.rng.sample(wanted, kept) if server.has("shuffled") else wanted[:kept]
            end = f"{tag} NO not all of it"
        if server.has("shuffled"):
            server.rng.shuffle(wanted)
        data = b"".join(self.response(number, uid, rest) + self.chatter() for number, uid in wanted) + said
        if not self.emit(data):
            return HANG_UP
        self.owed.append(end)
        if not (server.has("early_data") and self.has_more()):
            self.pay()
        return None

    def pay(self):
        for line in self.owed:
            self.line(line)
        self.owed = []

    def act(self, name, tag, rest):
        if name == "BODY":
            return self.body(tag, rest)
        self.pay()
        return super().act(name, tag, rest)


class MoodyServer(Server):
    talk_class = MoodyTalk

    def __init__(self):
        super().__init__(capability=CAPABILITY)
        self.rng, self.moods = None, frozenset()
        self.vanished, self.poisoned = set(), None

    def begin(self, rng, messages, moods):
        """Another mailbox; all connections must have ended."""
        self.rng, self.moods = rng, frozenset(moods)
        self.messages, self.flags, self.received = dict(messages), {}, []
        self.vanished = set()
        self.poisoned = rng.choice(sorted(messages)) if messages and self.has("poison") else None
        self.capability = CAPABILITY + (" LITERAL+" if rng.random() < 0.5 else "")

    def has(self, mood):
        return mood in self.moods

    def draw(self, chance):
        return self.rng.random() < chance
