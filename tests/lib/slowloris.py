"""Connections that never log in: silent, typing an octet now and then, or in the middle of an AUTH, from many
addresses of the loopback. On a TLS port: silent, in the middle of the ClientHello, or leaving the server's answer to it
without one. Whichever is dropped comes again."""

import multiprocessing
import resource
import selectors
import socket
import ssl
import time

BEGINNINGS = (b"", b"US", b"AUTH PLAIN\r\n", b"CAPA\r\n")
DRIPPING = 1  # which of them goes on, an octet at a time


def client_hello():
    outgoing = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Slowloris:
    def __init__(self, port, connections, addresses, *, drip=5.0, returns=500, tls=False):
        """drip: seconds between two octets of a connection. returns: how many may come again in a second."""
        hello = client_hello() if tls else b""
        self.tls = tls
        self.beginnings = (b"", hello[:40], hello, hello) if tls else BEGINNINGS
        self.more = hello[40:] if tls else b"E" * 1000
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
            for key, events in self.selector.select(0.02):
                if not self._take(key, events):
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
        # under TLS no greeting comes first
        self.selector.register(connection, selectors.EVENT_WRITE if self.tls else selectors.EVENT_READ, [number, 0])

    def _take(self, key, events):
        """False: it was dropped."""
        try:
            if events & selectors.EVENT_WRITE:
                self._begin(key)
                self.selector.modify(key.fileobj, selectors.EVENT_READ, key.data)
                return True
            data = key.fileobj.recv(4096)
            if data and key.data[1] == 0:
                self._begin(key)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(key.fileobj)
            key.fileobj.close()
        return data != b""

    def _begin(self, key):
        key.fileobj.send(self.beginnings[key.data[0] % len(self.beginnings)])
        key.data[1] = 1

    def _drip(self, key):
        number, sent = key.data
        if sent > 0 and number % len(self.beginnings) == DRIPPING:
            key.data[1] += 1
            key.fileobj.send(self.more[sent - 1:sent])

    def _drip_all(self):
        for key in list(self.selector.get_map().values()):
            try:
                self._drip(key)
            except OSError:
                pass
