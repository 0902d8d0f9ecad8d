"""Common ground of the tests with an IMAP server that misbehaves."""

import time
import unittest

from gateway import Gateway, imap_backend
from imapscript import Server
from pop3client import Client

MESSAGES = {101: b"Subject: first\r\n\r\nbody of the first\r\n",
            102: b"Subject: second\r\n\r\n" + b"line of the second\r\n" * 500,
            105: b"Subject: third\r\n\r\nbody of the third\r\n"}

TEMPORARY = rb"^-ERR \[SYS/TEMP\]"
FINE = rb"^\+OK"


class FaultCase(unittest.TestCase):
    def serve(self, on=None, *, warnings=(), messages=None, limits=None, settings=None, **options):
        """A scripted server with a gateway before it."""
        self.server = Server(MESSAGES if messages is None else messages, on=on, **options)
        self.addCleanup(self.server.close)
        self.addCleanup(self.nobody_robbed)
        settings = {"reconnect_timeout": 2, **(settings or {})}
        limits = {"upstream_timeout": 2, "fetch_window": 1, "commit_timeout": 2, **(limits or {})}
        self.gate = Gateway([imap_backend(port=self.server.port, **settings)], limits=limits)
        self.addCleanup(self.gate.stop)
        for pattern in warnings:
            self.gate.expect_warning(pattern)
        self.gate.start()
        return self.connect()

    def connect(self):
        client = Client(self.gate.port)
        self.addCleanup(client.close)
        return client

    def log_in(self, client):
        self.assertRegex(client.login("ann", "secret"), FINE)

    def login_fails(self, pattern, on=None, status="temp|protocol", seconds=5, **options):
        """With a line in the log; and the gateway serves on."""
        client = self.serve(on, warnings=[f"event=login_failed .*status=({status})"], **options)
        started = time.monotonic()
        self.assertRegex(client.login("ann", "secret"), pattern)
        self.assertLess(time.monotonic() - started, seconds)
        self.assertRegex(client.command("CAPA"), FINE)
        return client

    def nobody_robbed(self):
        self.assertEqual(self.server.robbed, set())
        self.assertEqual(self.server.commands("CLOSE"), [])

    def nothing_removed(self):
        self.assertEqual(self.server.messages, MESSAGES)
