"""What the tests of upstream credentials share: a gateway with local accounts, whose mailboxes something else opens."""

import os
import unittest

from gateway import Gateway, config_text, example_backend
from pop3client import Client

LOCAL = "local"


class UpstreamCase(unittest.TestCase):
    """Before the plugin example, whose password is `password`, unless another backend is given."""

    def prepare(self, backends=None, **sections):
        """A gateway that is not started yet."""
        self.gate = Gateway(backends or [example_backend()], **sections)
        self.addCleanup(self.gate.kill)
        self.accounts = []
        return self.gate

    def add(self, user, **account):
        """An account with the local password `local`; the names of keys are the file's."""
        self.accounts.append({"user": user, "secret": LOCAL, "backend": self.gate.sections["backends"][0]["name"],
                              **account})

    def write(self):
        path = self.gate.path("accounts")
        with open(path, "w", encoding="utf-8") as file:
            file.write(config_text({"accounts": self.accounts}))
        os.chmod(path, 0o600)
        self.gate.sections["accounts"] = path

    def start(self):
        self.write()
        self.gate.start()
        return self.gate

    def script(self, name, text):
        """A program for `secret_command`; the path."""
        path = self.gate.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)
        return path

    def client(self):
        client = Client(self.gate.port, timeout=60)
        self.addCleanup(client.close)
        return client

    def login(self, user, password=LOCAL):
        """The reply to PASS; the connection is closed."""
        with Client(self.gate.port, timeout=60) as client:
            reply = client.login(user, password)
            if reply.startswith(b"+OK"):
                client.command("QUIT")
            return reply
