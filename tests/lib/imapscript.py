"""A small IMAP server in the test's own process that keeps to the protocol until a test tells
it not to: for servers that stall, lie and hang up.

    def no_ok(talk, tag, rest):
        talk.fetch_response(1, 101)          # the data, and no tagged OK

    with Server({101: b"Subject: 1\\r\\n\\r\\n1\\r\\n"}, on={"BODY": no_ok}) as server:
        ...

A handler replaces what the server does at one point: `GREETING`, a command's name (`LOGIN`,
`SELECT`, `UID STORE`, ...), `LISTING` (a FETCH without bodies) or `BODY` (one with). It gets the
conversation, the tag and the command's arguments; `talk.usual(...)` does what would have been
done. A handler that returns HANG_UP ends the connection. With `certificate` a server takes STARTTLS,
with `implicit` too it speaks TLS from the first octet."""

import re
import socket
import ssl
import threading

from listener import Listener

HANG_UP = object()

CAPABILITY = "IMAP4rev1 SASL-IR AUTH=PLAIN UIDPLUS MOVE ID"


class Talk:
    """One connection."""

    def __init__(self, server, connection, number):
        self.server, self.socket, self.number = server, connection, number
        self.file = connection.makefile("rb")
        self.tls = self.over = False

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def line(self, text):
        self.send(text + "\r\n")

    def ok(self, tag, text="done"):
        self.line(f"{tag} OK {text}")

    def wait(self, seconds=60):
        """Says nothing until the other side hangs up, the server ends, or the time is over."""
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1)
        except OSError:
            pass

    def start_tls(self):
        self.socket = self.server.context.wrap_socket(self.socket, server_side=True)
        self.file = self.socket.makefile("rb")
        self.tls = True

    # ---- the course of things -------------------------------------------

    def run(self):
        try:
            if self.server.implicit:
                self.start_tls()
            if self.act("GREETING", "*", "") is HANG_UP:
                return
            while line := self.file.readline():
                if self.take(line) is HANG_UP:
                    return
        except (OSError, ValueError):
            pass
        finally:
            for end in (self.file, self.socket):
                try:
                    end.close()
                except OSError:
                    pass
            self.over = True

    def take(self, line):
        while literal := re.search(rb"\{(\d+)(\+?)\}\r\n$", line):
            if not literal.group(2):
                self.send("+ go on\r\n")
            line += self.file.read(int(literal.group(1))) + self.file.readline()
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        self.server.received.append(text)
        tag, _, rest = text.partition(" ")
        name, _, rest = rest.partition(" ")
        name = name.upper()
        if name == "UID":
            verb, _, rest = rest.partition(" ")
            name = f"UID {verb.upper()}"
        if name == "UID FETCH":
            name = "BODY" if "BODY" in rest.upper() else "LISTING"
        return self.act(name, tag, rest)

    def act(self, name, tag, rest):
        handler = self.server.on.get(name)
        return handler(self, tag, rest) if handler is not None else self.usual(name, tag, rest)

    def usual(self, name, tag, rest):
        method = getattr(self, "_" + name.lower().replace(" ", "_"), None)
        if method is None:
            self.line(f"{tag} BAD what is {name}?")
            return None
        return method(tag, rest)

    # ---- what a server does ------------------------------------------------

    def _greeting(self, _tag, _rest):
        self.line(f"* OK [CAPABILITY {self.server.capability}] ready")

    def _capability(self, tag, _rest):
        self.line(f"* CAPABILITY {self.server.capability}")
        self.ok(tag)

    def _starttls(self, tag, _rest):
        self.ok(tag, "begin")
        self.start_tls()

    def _authenticate(self, tag, rest):
        if " " not in rest:
            self.send("+ \r\n")
            self.server.received.append(self.file.readline().decode().strip())
        self.ok(tag, f"[CAPABILITY {self.server.capability}] logged in")

    _login = _authenticate

    def _id(self, tag, _rest):
        self.line("* ID NIL")
        self.ok(tag)

    def _noop(self, tag, _rest):
        self.ok(tag)

    def _logout(self, tag, _rest):
        self.line("* BYE")
        self.ok(tag)
        return HANG_UP

    def _select(self, tag, _rest):
        self.line("* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)")
        self.line("* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] flags")
        self.line(f"* {len(self.server.messages)} EXISTS")
        self.line("* 0 RECENT")
        self.line(f"* OK [UIDVALIDITY {self.server.uidvalidity}] valid")
        self.line("* OK [UIDNEXT 4000000] next")
        self.ok(tag, "[READ-WRITE] selected")

    _examine = _select

    def wanted(self, rest):
        """(sequence number, uid) of a UID set's messages."""
        chosen = []
        for part in rest.split(" ")[0].split(","):
            first, _, last = part.partition(":")
            low = int(first)
            high = 2 ** 32 if last == "*" else int(last or first)
            chosen += [(n, uid) for n, uid in enumerate(sorted(self.server.messages), 1) if low <= uid <= high]
        return chosen

    def _listing(self, tag, rest):
        for number, uid in self.wanted(rest):
            flags = " ".join(sorted(self.server.flags.get(uid, ())))
            self.line(f"* {number} FETCH (UID {uid} RFC822.SIZE {len(self.server.messages[uid])} FLAGS ({flags}))")
        self.ok(tag)

    def parts(self, uid, rest):
        """The sections that a FETCH asks for: [(name as answered, octets)]."""
        message = self.server.messages[uid]
        header, empty, text = message.partition(b"\r\n\r\n")
        whole = {"": message, "HEADER": header + empty, "TEXT": text}
        found = []
        for section, start, size in re.findall(r"BODY(?:\.PEEK)?\[(\w*)\](?:<(\d+)\.(\d+)>)?", rest.upper()):
            octets = whole[section]
            name = f"BODY[{section}]"
            if start:
                octets = octets[int(start):int(start) + int(size)]
                name += f"<{start}>"
            found.append((name, octets))
        return found

    def fetch_response(self, number, uid, rest="BODY[]"):
        """One whole FETCH response with bodies."""
        self.send(f"* {number} FETCH (UID {uid}")
        for name, octets in self.parts(uid, rest):
            self.send(f" {name} {{{len(octets)}}}\r\n".encode() + octets)
        self.send(")\r\n")

    def _body(self, tag, rest):
        for number, uid in self.wanted(rest):
            self.fetch_response(number, uid, rest)
        self.ok(tag)

    def _uid_store(self, tag, rest):
        for _, uid in self.wanted(rest):
            flags = set(re.search(r"\((.*)\)", rest).group(1).split())
            self.store(uid, flags, " -FLAGS" in rest.upper())
        self.ok(tag)

    def store(self, uid, flags, take_away=False):
        had = self.server.flags.setdefault(uid, set())
        self.server.flags[uid] = had - flags if take_away else had | flags
        if "\\Deleted" in flags:
            (self.server.stored.discard if take_away else self.server.stored.add)(uid)

    def _uid_search(self, tag, _rest):
        found = [uid for uid in sorted(self.server.messages) if "\\Deleted" in self.server.flags.get(uid, ())]
        self.line("* SEARCH" + "".join(f" {uid}" for uid in found))
        self.ok(tag)

    def expunge(self, uids):
        for number, uid in sorted(self.wanted(",".join(map(str, uids))) if uids else (), reverse=True):
            if "\\Deleted" in self.server.flags.get(uid, ()):
                del self.server.messages[uid]
                self.line(f"* {number} EXPUNGE")

    def _uid_expunge(self, tag, rest):
        self.expunge([uid for _, uid in self.wanted(rest)])
        self.ok(tag)

    def _expunge(self, tag, _rest):
        marked = {uid for uid, flags in self.server.flags.items() if "\\Deleted" in flags}
        self.server.robbed |= marked & set(self.server.messages) - self.server.stored
        self.expunge(list(self.server.messages))
        self.ok(tag)

    _close = _expunge

    def _uid_copy(self, tag, _rest):
        self.ok(tag)

    def _uid_move(self, tag, rest):
        for number, uid in sorted(self.wanted(rest), reverse=True):
            self.server.trash[uid] = self.server.messages.pop(uid)
            self.line(f"* {number} EXPUNGE")
        self.ok(tag)


class Server:
    """messages: {uid: octets}; changes as clients expunge. received: every line that came.
    robbed: what an EXPUNGE or CLOSE took, though no STORE of a client here had marked it.
    trash: {uid: octets} of what was moved away."""

    talk_class = Talk

    def __init__(self, messages=None, *, on=None, capability=CAPABILITY, uidvalidity=7, certificate=None,
                 implicit=False):
        self.messages = dict(messages or {})
        self.flags, self.stored, self.robbed, self.trash = {}, set(), set(), {}
        self.on = dict(on or {})
        self.capability, self.uidvalidity = capability, uidvalidity
        self.received = []
        self.connections = 0
        self.implicit = implicit
        self.context = None
        if certificate is not None:
            self.use_certificate(certificate)
        self._talks = []
        self._listener = Listener(self._take)
        self.port = self._listener.port

    def _take(self, connection):
        self.connections += 1
        talk = self.talk_class(self, connection, self.connections)
        self._talks.append(talk)
        threading.Thread(target=talk.run, daemon=True).start()

    def use_certificate(self, certificate):
        """For connections to come; (certificate, key)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.context = context

    def commands(self, name):
        """The received lines of a command, tag left off."""
        lines = (line.partition(" ")[2] for line in self.received)
        return [line for line in lines if line.upper() == name or line.upper().startswith(name + " ")]

    def say(self, text, hang_up=False):
        """To all that are connected: a line that nobody asked for, or the end of the connection, or both."""
        for talk in self._talks:
            try:
                if text:
                    talk.line(text)
                if hang_up:
                    talk.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def is_idle(self):
        """Whether every connection has ended, and what came over it has been done."""
        return all(talk.over for talk in self._talks)

    def refuse(self):
        """Takes no more connections."""
        self._listener.close()

    def close(self):
        self._listener.close()
        self.say("", hang_up=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
