"""A POP3 client that shows every octet, for tests that poplib would hide things from."""

import socket
import ssl


def trusting(ca_file=None):
    """A TLS context that trusts one authority, or anybody."""
    context = ssl.create_default_context(cafile=ca_file)
    if ca_file is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    """Replies are octets without CRLF. Reading beyond the connection's end raises EOFError."""

    def __init__(self, port, *, address="127.0.0.1", source=None, tls=False, timeout=20):
        """source: the address that it comes from, another of the loopback."""
        self.socket = socket.create_connection((address, port), timeout, (source, 0) if source else None)
        if tls:
            self.socket = trusting().wrap_socket(self.socket)
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Drops the connection, without QUIT."""
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(line)
        return line[:-2]

    def lines(self):
        """The lines up to the final dot, unstuffed, each with its CRLF."""
        found = []
        while True:
            line = self.line()
            if line == b".":
                return b"".join(found)
            found.append((line[1:] if line.startswith(b".") else line) + b"\r\n")

    def command(self, text):
        self.send(text.encode() + b"\r\n")
        return self.line()

    def multiline(self, text):
        """The body of a reply that must be +OK."""
        reply = self.command(text)
        if not reply.startswith(b"+OK"):
            raise AssertionError(f"{text}: {reply!r}")
        return self.lines()

    def login(self, user, password):
        """The reply to PASS."""
        self.command(f"USER {user}")
        return self.command(f"PASS {password}")

    def stls(self):
        reply = self.command("STLS")
        if reply.startswith(b"+OK"):
            self.file.close()
            self.socket = trusting().wrap_socket(self.socket)
            self.file = self.socket.makefile("rb")
        return reply

    def rest(self):
        """Everything until the connection's end."""
        return self.file.read()

    def is_closed(self):
        """Waits for the connection's end; False when octets come instead."""
        return self.file.read(1) == b""
