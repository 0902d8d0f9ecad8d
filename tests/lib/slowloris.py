"""Connections that never log in: silent, typing an octet now and then, or in the middle of an AUTH, from many
addresses of the loopback. Whichever is dropped comes again."""

import multiprocessing
import resource
import selectors
import socket
import time

BEGINNINGS = (b"", b"US", b"AUTH PLAIN\r\n", b"CAPA\r\n")


class Slowloris:
    def __init__(self, port, connections, addresses, *, drip=5.0, returns=500):
        """drip: seconds between two octets of a connection. returns: how many may come again in a second."""
        self.port, self.connections, self.addresses = port, connections, addresses
        self.drip, self.returns = drip, returns
        context = multiprocessing.get_context("fork")
        self.standing, self.dropped = context.Value("I", 0), context.Value("I", 0)
        self.process = context.Process(target=self._run, daemon=True)
        self.process.start()

    def stop(self):
        self.process.kill()
        self.process.join()

    # ---- in the process ----

    def _run(self):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.selector = selectors.DefaultSelector()
        absent, allowance, last = list(range(self.connections)), 0.0, time.monotonic()
        octets = last + self.drip
        while True:
            now = time.monotonic()
            # those that come for the first time are not slowed down
            first = self.dropped.value == 0
            allowance, last = min(allowance + (now - last) * self.returns, self.returns / 10), now
            while absent and (first or allowance >= 1):
                self._connect(absent.pop())
                allowance -= 1
                if len(self.selector.get_map()) % 64 == 0:
                    break  # a look at the others
            for key, _ in self.selector.select(0.02):
                if not self._take(key):
                    absent.append(key.data[0])
                    self.dropped.value += 1
            self.standing.value = len(self.selector.get_map())
            if now > octets:
                octets = now + self.drip
                self._drip_all()

    def _connect(self, number):
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        connection.bind((f"127.0.1.{number % self.addresses + 1}", 0))
        connection.connect_ex(("127.0.0.1", self.port))
        self.selector.register(connection, selectors.EVENT_READ, [number, False])

    def _take(self, key):
        """False: it was dropped."""
        try:
            data = key.fileobj.recv(4096)
            if data and not key.data[1]:
                key.data[1] = True
                key.fileobj.send(BEGINNINGS[key.data[0] % len(BEGINNINGS)])
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(key.fileobj)
            key.fileobj.close()
        return data != b""

    def _drip_all(self):
        for key in list(self.selector.get_map().values()):
            if key.data[1] and key.data[0] % len(BEGINNINGS) == 1:
                try:
                    key.fileobj.send(b"E")
                except OSError:
                    pass
