"""A TCP proxy with a round-trip time: a process of its own, so that it takes no time from a client's.

Each octet is held for half the time on its way; a connection costs the time of TCP's handshake before it."""

import heapq
import multiprocessing
import selectors
import socket
import time

CHUNK = 262144


class _End:
    """One side of a connection and what is on its way to it."""

    def __init__(self, sock):
        self.socket, self.peer = sock, None
        self.queue = []  # (when, octets); empty octets: the end
        self.closed = False


class _Loop:
    def __init__(self, listener, target, trip):
        self.listener, self.target, self.trip = listener, target, trip
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ, None)
        self.timers, self.count = [], 0

    def at(self, when, action, *arguments):
        self.count += 1
        heapq.heappush(self.timers, (when, self.count, action, arguments))

    def accept(self):
        near, _ = self.listener.accept()
        # SYN, its answer and the ACK behind it: then the server sees a client
        self.at(time.monotonic() + 1.5 * self.trip, self.connect, near)

    def connect(self, near):
        far = socket.create_connection(("127.0.0.1", self.target))
        ends = [_End(near), _End(far)]
        for end, peer in (ends, ends[::-1]):
            end.peer = peer
            end.socket.setblocking(False)
            end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(end.socket, selectors.EVENT_READ, end)

    def read(self, end):
        try:
            data = end.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(end.socket)
            end.closed = True
        end.peer.queue.append(data)
        self.at(time.monotonic() + self.trip / 2, self.write, end.peer)

    def write(self, end):
        data = end.queue.pop(0)
        try:
            if data:
                end.socket.setblocking(True)
                end.socket.sendall(data)
                end.socket.setblocking(False)
            else:
                end.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if end.closed and end.peer.closed and not end.queue and not end.peer.queue:
            end.socket.close()
            end.peer.socket.close()

    def run(self):
        while True:
            left = max(0, self.timers[0][0] - time.monotonic()) if self.timers else None
            for key, _ in self.selector.select(left):
                if key.data is None:
                    self.accept()
                else:
                    self.read(key.data)
            while self.timers and self.timers[0][0] <= time.monotonic():
                _, _, action, arguments = heapq.heappop(self.timers)
                action(*arguments)


class Delay:
    """trip: the round-trip time in seconds; 0: no proxy at all, `port` is the target's."""

    def __init__(self, target, trip):
        self.port, self.process = target, None
        if trip:
            listener = socket.create_server(("127.0.0.1", 0), backlog=512)
            self.port = listener.getsockname()[1]
            loop = _Loop(listener, target, trip)
            self.process = multiprocessing.get_context("fork").Process(target=loop.run, daemon=True)
            self.process.start()
            listener.close()

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.join()
