"""A TCP proxy between the gateway and its upstream that counts, records, alters, delays and cuts."""

import socket
import threading
import time


class _Link:
    """One proxied connection."""

    def __init__(self, near, far):
        self.near, self.far = near, far

    def cut(self):
        for end in (self.near, self.far):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Proxy:
    """Listens on a free port of 127.0.0.1 (`port`). May be changed while it runs:
    from_client, from_server: functions from octets to octets, applied to each chunk;
    delay: seconds that each chunk from the server is held;
    accepting: False closes new connections at once."""

    def __init__(self, target, *, from_client=None, from_server=None, delay=0.0):
        self.target = target
        self.from_client, self.from_server, self.delay = from_client, from_server, delay
        self.accepting = True
        self.sent = bytearray()  # by clients
        self.received = 0  # octets from the server
        self.connections = 0
        self._links = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                far = socket.create_connection(("127.0.0.1", self.target)) if self.accepting else None
            except OSError:
                far = None
            if far is None:
                near.close()
                continue
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(near, far)
            self._links.append(link)
            threading.Thread(target=self._up, args=(link,), daemon=True).start()
            threading.Thread(target=self._down, args=(link,), daemon=True).start()

    @staticmethod
    def _read(end):
        try:
            return end.recv(65536)
        except OSError:
            return b""

    def _up(self, link):
        while data := self._read(link.near):
            self.sent += data
            if self.from_client is not None:
                data = self.from_client(data)
            self._write(link.far, data)
        self._finish(link.far)

    def _down(self, link):
        while data := self._read(link.far):
            self.received += len(data)
            if self.delay:
                time.sleep(self.delay)
            if self.from_server is not None:
                data = self.from_server(data)
            self._write(link.near, data)
        self._finish(link.near)

    @staticmethod
    def _write(end, data):
        try:
            end.sendall(data)
        except OSError:
            pass

    @staticmethod
    def _finish(end):
        try:
            end.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        """Ends every connection that is open now."""
        links, self._links = self._links, []
        for link in links:
            link.cut()

    def commands(self):
        """The client's lines so far, in capitals."""
        return bytes(self.sent).upper().split(b"\r\n")

    def close(self):
        self._listener.close()
        self.cut()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
