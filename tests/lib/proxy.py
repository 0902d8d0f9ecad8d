"""A TCP proxy between the gateway and its upstream that counts, records, alters, delays and cuts.

    with Proxy(server.imap_port) as proxy:
        proxy.fault = Fault(rst, 200)       # RST once 200 further octets of the server have passed"""

import re
import socket
import struct
import threading
import time

from listener import Listener


class _Link:
    """One proxied connection: `near` is who connected, `far` the server."""

    def __init__(self, number, near, far):
        self.number = number
        self.near, self.far = near, far
        self.pumps = []
        self.pace = None  # seconds between two octets from here on

    def cut(self):
        """FIN, and nothing is read any more."""
        for end in (self.near, self.far):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def reset(self):
        """RST to both. What one of them has not read yet may be lost with it."""
        for end in (self.near, self.far):
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RD)  # wakes the thread that reads, and tells nobody
            except OSError:
                pass
        for pump in self.pumps:
            if pump is not threading.current_thread():
                pump.join(5)
        self.near.close()
        self.far.close()

    def write(self, end, data):
        try:
            if self.pace is None:
                end.sendall(data)
                return
            for octet in data:
                end.sendall(bytes((octet,)))
                time.sleep(self.pace)
        except OSError:
            pass


# ---- what may happen to a stream ------------------------------------------------
# Each gets the connection and the octets behind the place, and returns what of them goes on.

def fin(link, _rest):
    """The connection ends; under TLS without close_notify."""
    link.cut()
    return b""


def rst(link, _rest):
    link.reset()
    return b""


def stall(link, _rest):
    """Nothing more comes from the server until the other side gives up."""
    while _read(link.far):
        pass
    return b""


def drip(pause):
    """From here on octet by octet."""
    def act(link, rest):
        link.pace = pause
        return rest
    return act


def garbage(octets=b"\xff\x00)\r\n* 7 ", size=4096):
    """These octets instead, again and again, and then the end."""
    def act(link, _rest):
        link.write(link.near, (octets * (size // len(octets) + 1))[:size])
        link.cut()
        return b""
    return act


def hold(action):
    """The octets wait while something else happens."""
    def act(_link, rest):
        action()
        return rest
    return act


def line_end(number, short=0):
    """The place where line `number` ends (the first is 1; 0 is the start), or `short` octets before, of a stream whose
    lines are not always as long: servers tell in them how long they took."""
    def find(octets):
        ends = [match.end() for match in re.finditer(rb"\r\n", octets)]
        return 0 if not number else ends[number - 1] - short if len(ends) >= number else None
    return find


class Fault:
    """Once `at` octets of one side ("server" or "client") have passed since this was set, `act` happens to what comes
    behind them: once, on the connection on which it was reached. Connections that were not the last one when it was
    set don't count: they may still be at their farewell. `at` may be a function that finds the place in what
    has come so far, None where it isn't there yet. `happened` is an Event; `octets` what passed before."""

    def __init__(self, act=None, at=None, side="server", coming=False):
        """coming: only connections made from now on count."""
        self.act, self.at, self.side, self.coming = act, at, side, coming
        self.octets = bytearray()
        self.since = 0  # the number of the first connection that counts
        self.happened = threading.Event()
        self._lock = threading.Lock()

    def take(self, link, end, data):
        """What is to go on of `data`."""
        with self._lock:
            place = self.at(bytes(self.octets + data)) if callable(self.at) else self.at
            left = None if self.happened.is_set() or place is None else max(place - len(self.octets), 0)
            if left is None or left > len(data):
                if not self.happened.is_set():
                    self.octets += data
                return data
            self.octets += data[:left]
            self.happened.set()
        link.write(end, data[:left])
        return self.act(link, data[left:])


def _read(end):
    try:
        return end.recv(65536)
    except OSError:
        return b""


class Proxy:
    """Listens on a free port of 127.0.0.1 (`port`). May be changed while it runs:
    from_client, from_server: functions from octets to octets, applied to each chunk;
    delay: seconds that each chunk from the server is held;
    fault: a Fault;
    accepting: False closes new connections at once."""

    def __init__(self, target, *, from_client=None, from_server=None, delay=0.0):
        self.target = target
        self.from_client, self.from_server, self.delay = from_client, from_server, delay
        self._fault = None
        self.accepting = True
        self.sent = bytearray()  # by clients
        self.received = 0  # octets from the server
        self.connections = 0  # made so far
        self._links = []
        self._listener = Listener(self._take)
        self.port = self._listener.port

    @property
    def fault(self):
        return self._fault

    @fault.setter
    def fault(self, fault):
        if fault is not None:
            fault.since = self.connections + fault.coming
        self._fault = fault

    def _take(self, near):
        self.connections += 1
        try:
            far = socket.create_connection(("127.0.0.1", self.target)) if self.accepting else None
        except OSError:
            far = None
        if far is None:
            near.close()
            return
        far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = _Link(self.connections, near, far)
        link.pumps = [threading.Thread(target=self._up, args=(link,), daemon=True),
                      threading.Thread(target=self._down, args=(link,), daemon=True)]
        self._links = [one for one in self._links if any(pump.is_alive() for pump in one.pumps)] + [link]
        for pump in link.pumps:
            pump.start()

    def _up(self, link):
        while data := _read(link.near):
            self.sent += data
            if self.from_client is not None:
                data = self.from_client(data)
            link.write(link.far, self._fail("client", link, link.far, data))
        self._finish(link.far)

    def _down(self, link):
        while data := _read(link.far):
            self.received += len(data)
            if self.delay:
                time.sleep(self.delay)
            if self.from_server is not None:
                data = self.from_server(data)
            link.write(link.near, self._fail("server", link, link.near, data))
        self._finish(link.near)

    def _fail(self, side, link, end, data):
        fault = self._fault
        if fault is None or fault.side != side or link.number < fault.since:
            return data
        return fault.take(link, end, data)

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
