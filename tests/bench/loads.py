"""The clients of the benchmark, as plain as they can be: what they do between two octets is not measured time of
the server's. What came is compared with what was stored after the clock has stopped."""

import re
import selectors
import socket
import ssl
import time

END = b"\r\n.\r\n"
SMALL = 1 << 16  # octets of replies that any client has room for


class Wrong(Exception):
    """A server did not do what it should."""


def _connect(port, context=None, timeout=300):
    connection = socket.create_connection(("127.0.0.1", port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(connection) if context else connection


class _Store:
    """What a server sends, in memory that is there before the clock starts: pages that the client's kernel has yet to
    find would be measured too. Clients with much room share it, one after the other."""

    shared = bytearray()

    def __init__(self, connection, room):
        self.socket = connection
        if room > SMALL and len(_Store.shared) < room:
            _Store.shared = bytearray(b"x") * room
        self.octets = _Store.shared if room > SMALL else bytearray(SMALL)
        self.view = memoryview(self.octets)
        self.begin = self.end = 0  # what was received and not taken

    def receive(self):
        if self.end == len(self.octets):
            raise Wrong("more octets came than there is room for")
        got = self.socket.recv_into(self.view[self.end:])
        if not got:
            raise Wrong("the connection ended")
        self.end += got

    def take(self, end):
        begin, self.begin = self.begin, end
        return self.view[begin:end]

    def take_to(self, mark):
        """Up to the end of the first mark."""
        if self.begin == self.end and len(self.octets) == SMALL:
            self.begin = self.end = 0
        seen = self.begin
        while (at := self.octets.find(mark, seen, self.end)) < 0:
            seen = max(self.begin, self.end - len(mark) + 1)
            self.receive()
        return self.take(at + len(mark))


class Pop3:
    """room: octets of replies to downloads; what was returned of them is valid until the next such client."""

    def __init__(self, port, context=None, room=0):
        self.socket = _connect(port, context)
        self.store = _Store(self.socket, room)
        self.line()

    def line(self):
        return bytes(self.store.take_to(b"\n")).rstrip(b"\r\n")

    def ask(self, command):
        self.socket.sendall(command + b"\r\n")
        reply = self.line()
        if not reply.startswith(b"+OK"):
            raise Wrong(f"{command.decode()}: {reply.decode()}")
        return reply

    def login(self, user):
        self.ask(b"USER " + user.encode())
        self.ask(b"PASS secret")

    def multiline(self, command):
        """The raw reply, status line included. Nothing else may be on its way."""
        store = self.store
        self.socket.sendall(command + b"\r\n")
        store.receive()
        if not store.octets.startswith(b"+OK", store.begin):
            raise Wrong(f"{command.decode()}: {bytes(store.view[store.begin:store.begin + 80])!r}")
        while not store.octets.endswith(END, store.begin, store.end):
            store.receive()
        return store.take(store.end)

    def pipeline(self, commands):
        """All replies in one piece; RETRs only."""
        store, left = self.store, len(commands)
        self.socket.sendall(b"".join(command + b"\r\n" for command in commands))
        while left > 0:
            seen = max(store.begin, store.end - len(END) + 1)
            store.receive()
            left -= store.octets.count(END, seen, store.end)
        return store.take(store.end)

    def close(self):
        self.socket.close()


def room_for(messages):
    """Octets of the replies to RETRs: dots stuffed, status lines, and some."""
    return sum(len(message) for message in messages) * 11 // 10 + 100 * len(messages) + SMALL


def same(reply, message):
    """Whether a raw RETR reply carries the message (CRLF line ends)."""
    body = bytes(reply).partition(b"\r\n")[2][:-3]
    return re.sub(rb"(?m)^\.", b"", body) == message


def check(replies, messages):
    for number, (reply, message) in enumerate(zip(replies, messages, strict=True), 1):
        if not same(reply, message):
            raise Wrong(f"message {number} is not what was stored")


def split(stream, count):
    """The replies to pipelined RETRs."""
    replies = bytes(stream).split(END)
    if len(replies) != count + 1 or replies[-1]:
        raise Wrong(f"{len(replies) - 1} replies instead of {count}")
    return [reply + END for reply in replies[:-1]]


def _begin(port, context, room):
    """A client whose memory is there, and the time at which it connected."""
    _Store(None, room)
    return time.monotonic(), Pop3(port, context, room)


def download(port, user, messages, *, context=None, remove=False):
    """Message after message; then, if wanted, DELE of all, and QUIT. Seconds."""
    begun, client = _begin(port, context, room_for(messages))
    client.login(user)
    client.ask(b"STAT")
    replies = [client.multiline(b"RETR %d" % number) for number in range(1, len(messages) + 1)]
    if remove:
        for number in range(1, len(messages) + 1):
            client.ask(b"DELE %d" % number)
    client.ask(b"QUIT")
    seconds = time.monotonic() - begun
    client.close()
    check(replies, messages)
    return seconds


def download_pipelined(port, user, messages, window=64):
    begun, client = _begin(port, None, room_for(messages))
    client.login(user)
    client.ask(b"STAT")
    streams = []
    for first in range(1, len(messages) + 1, window):
        last = min(first + window, len(messages) + 1)
        streams.append((client.pipeline([b"RETR %d" % n for n in range(first, last)]), last - first))
    client.ask(b"QUIT")
    seconds = time.monotonic() - begun
    client.close()
    check([reply for stream, count in streams for reply in split(stream, count)], messages)
    return seconds


def tops(port, user, count):
    client = Pop3(port, room=count * 4096 + SMALL)
    client.login(user)
    begun = time.monotonic()
    for number in range(1, count + 1):
        client.multiline(b"TOP %d 0" % number)
    seconds = time.monotonic() - begun
    client.ask(b"QUIT")
    client.close()
    return seconds


def listing(port, user, count):
    """Login, STAT, UIDL."""
    begun, client = _begin(port, None, count * 80 + SMALL)
    client.login(user)
    client.ask(b"STAT")
    reply = bytes(client.multiline(b"UIDL"))
    seconds = time.monotonic() - begun
    client.ask(b"QUIT")
    client.close()
    lines = reply.count(b"\r\n") - 2
    if lines != count:
        raise Wrong(f"{lines} lines instead of {count}")
    return seconds


def login(port, user):
    begun = time.monotonic()
    client = Pop3(port)
    client.login(user)
    client.ask(b"STAT")
    seconds = time.monotonic() - begun
    client.ask(b"QUIT")
    client.close()
    return seconds


def large(port, user, message, meanwhile=lambda: None):
    """One RETR: seconds, seconds to the first octet. meanwhile: called once the half is here, off the clock."""
    client = Pop3(port, room=room_for([message]))
    store = client.store
    client.login(user)
    client.ask(b"STAT")
    begun, start = time.monotonic(), store.end
    client.socket.sendall(b"RETR 1\r\n")
    first, pause = None, 0.0
    while not store.octets.endswith(END, start, store.end):
        before = store.end - start
        store.receive()
        first = first or time.monotonic() - begun
        if before < len(message) // 2 <= store.end - start:
            stopped = time.monotonic()
            meanwhile()
            pause = time.monotonic() - stopped
    seconds = time.monotonic() - begun - pause
    reply = store.take(store.end)
    client.ask(b"QUIT")
    client.close()
    check([reply], [message])
    return seconds, first


class _Login:
    """One login among many at once, driven by a selector."""

    def __init__(self, port, user):
        self.script = [b"USER " + user.encode() + b"\r\n", b"PASS secret\r\n", b"STAT\r\n", b"QUIT\r\n"]
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.connect_ex(("127.0.0.1", port))
        self.begun = time.monotonic()

    def step(self):
        """False: done."""
        data = self.socket.recv(4096)
        if not data.startswith(b"+OK"):
            raise Wrong(f"storm: {data!r}")
        if not self.script:
            self.socket.close()
            return False
        self.socket.send(self.script.pop(0))
        return True


def storm(port, users, total, concurrency):
    """Logins a second."""
    selector, started, done = selectors.DefaultSelector(), 0, 0
    begun = time.monotonic()
    while done < total:
        while started < total and started - done < concurrency:
            one = _Login(port, users[started % len(users)])
            selector.register(one.socket, selectors.EVENT_READ, one)
            started += 1
        for key, _ in selector.select(60):
            kept = key.fileobj
            if not key.data.step():
                selector.unregister(kept)
                done += 1
    return total / (time.monotonic() - begun)


# ---- the floor: IMAP itself -----------------------------------------------------


class Imap:
    def __init__(self, port, user, room=0, context=None):
        self.socket = _connect(port, context)
        self.store = _Store(self.socket, room)
        self.number = 0
        self.store.take_to(b"* OK")
        self.ask(f"LOGIN {user} secret")

    def ask(self, command):
        """The answer up to its tagged OK, which stands at a line's beginning."""
        self.number += 1
        self.socket.sendall(f"t{self.number} {command}\r\n".encode())
        return self.store.take_to(b"\r\nt%d OK" % self.number)

    def close(self):
        self.socket.close()


def floor(port, user, command, room, *, remove=False, context=None):
    """Login, SELECT, one command; the answer, of `room` octets at most, and the seconds."""
    _Store(None, room)
    begun = time.monotonic()
    client = Imap(port, user, room, context)
    client.ask("SELECT INBOX")
    answer = client.ask(command)
    if remove:
        client.ask("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        client.ask("EXPUNGE")
    seconds = time.monotonic() - begun
    client.close()
    return seconds, answer


def floor_first(port, user, command):
    """Seconds from the command to the first octet of its answer."""
    client = Imap(port, user)
    client.ask("SELECT INBOX")
    client.store.take(client.store.end)
    begun = time.monotonic()
    client.socket.sendall(f"x {command}\r\n".encode())
    client.socket.recv(1)
    seconds = time.monotonic() - begun
    client.close()
    return seconds


def trusting():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
