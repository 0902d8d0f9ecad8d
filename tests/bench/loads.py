"""The clients of the benchmark, as plain as they can be: what they do between two octets is not measured time of
the server's. What came is compared with what was stored after the clock has stopped."""

import re
import selectors
import socket
import ssl
import time

END = b"\r\n.\r\n"
CHUNK = 1 << 20


class Wrong(Exception):
    """A server did not do what it should."""


def _connect(port, context=None, timeout=300):
    connection = socket.create_connection(("127.0.0.1", port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(connection) if context else connection


class Pop3:
    def __init__(self, port, context=None):
        self.socket = _connect(port, context)
        self.rest = b""
        self.line()

    def line(self):
        while b"\n" not in self.rest:
            data = self.socket.recv(CHUNK)
            if not data:
                raise Wrong("the connection ended")
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line.rstrip(b"\r")

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
        self.socket.sendall(command + b"\r\n")
        pieces, tail = [], b""
        while not tail.endswith(END):
            data = self.socket.recv(CHUNK)
            if not data:
                raise Wrong("the connection ended")
            pieces.append(data)
            tail = (tail + data)[-5:]
            if len(pieces) == 1 and not data.startswith(b"+OK"):
                raise Wrong(f"{command.decode()}: {data[:80]!r}")
        return b"".join(pieces)

    def pipeline(self, commands):
        """All replies in one piece; RETRs only."""
        self.socket.sendall(b"".join(command + b"\r\n" for command in commands))
        pieces, left, tail = [], len(commands), b""
        while left > 0:
            data = self.socket.recv(CHUNK)
            if not data:
                raise Wrong("the connection ended")
            left -= (tail + data).count(END)
            tail = (tail + data)[-4:]
            pieces.append(data)
        return b"".join(pieces)

    def close(self):
        self.socket.close()


def same(reply, message):
    """Whether a raw RETR reply carries the message (CRLF line ends)."""
    body = reply.partition(b"\r\n")[2][:-3]
    return re.sub(rb"(?m)^\.", b"", body) == message


def check(replies, messages):
    for number, (reply, message) in enumerate(zip(replies, messages, strict=True), 1):
        if not same(reply, message):
            raise Wrong(f"message {number} is not what was stored")


def split(stream, count):
    """The replies to pipelined RETRs."""
    replies = stream.split(END)
    if len(replies) != count + 1 or replies[-1]:
        raise Wrong(f"{len(replies) - 1} replies instead of {count}")
    return [reply + END for reply in replies[:-1]]


def download(port, user, messages, *, context=None, remove=False):
    """Message after message; then, if wanted, DELE of all, and QUIT. Seconds."""
    begun = time.monotonic()
    client = Pop3(port, context)
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
    begun = time.monotonic()
    client = Pop3(port)
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
    client = Pop3(port)
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
    begun = time.monotonic()
    client = Pop3(port)
    client.login(user)
    client.ask(b"STAT")
    reply = client.multiline(b"UIDL")
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
    client = Pop3(port)
    client.login(user)
    client.ask(b"STAT")
    begun = time.monotonic()
    client.socket.sendall(b"RETR 1\r\n")
    pieces, size, first, pause, tail = [], 0, None, 0.0, b""
    while not tail.endswith(END):
        data = client.socket.recv(CHUNK)
        if not data:
            raise Wrong("the connection ended")
        first = first or time.monotonic() - begun
        before, size = size, size + len(data)
        pieces.append(data)
        tail = (tail + data)[-5:]
        if before < len(message) // 2 <= size:
            stopped = time.monotonic()
            meanwhile()
            pause = time.monotonic() - stopped
    seconds = time.monotonic() - begun - pause
    client.ask(b"QUIT")
    client.close()
    check([b"".join(pieces)], [message])
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
    def __init__(self, port, user):
        self.socket = _connect(port)
        self.tail = b""
        self.number = 0
        self.read_to(b"* OK")
        self.ask(f"LOGIN {user} secret")

    def read_to(self, mark):
        """Up to a line that begins so."""
        pieces, tail, mark = [], b"\r\n", b"\r\n" + mark
        while mark not in tail:
            data = self.socket.recv(CHUNK)
            if not data:
                raise Wrong("the connection ended")
            pieces.append(data)
            tail = tail[-len(mark):] + data
        return b"".join(pieces)

    def ask(self, command):
        self.number += 1
        self.socket.sendall(f"t{self.number} {command}\r\n".encode())
        return self.read_to(b"t%d OK" % self.number)

    def close(self):
        self.socket.close()


def floor(port, user, command, remove=False):
    """Login, SELECT, one command; the answer and the seconds."""
    begun = time.monotonic()
    client = Imap(port, user)
    client.ask("SELECT INBOX")
    answer = client.ask(command)
    if remove:
        client.ask("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        client.ask("EXPUNGE")
    seconds = time.monotonic() - begun
    client.close()
    return seconds, answer


def trusting():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
