"""Common ground of the tests in which any mailbox will do."""

import time
import unittest

from gateway import Gateway, example_backend
from pop3client import Client

AT_ONCE = 2  # seconds; a restart takes one at most, a busy machine its time


def wait_until(ready, seconds=10):
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class ExampleCase(unittest.TestCase):
    """A gateway before plugin example: three messages for each name."""

    def gateway(self, messages=3, fail="none", **options):
        gate = Gateway([example_backend(messages=messages, fail=fail)], **options)
        self.addCleanup(gate.stop)
        return gate.start()

    def client(self, gate, user="ann", port=None, **options):
        client = Client(port or gate.port, **options)
        self.addCleanup(client.close)
        if user is not None:
            self.assertRegex(client.login(user, "password"), rb"^\+OK")
        return client

    def try_login(self, gate, user):
        try:
            with Client(gate.port) as client:
                if client.login(user, "password").startswith(b"+OK"):
                    return client.command("QUIT").startswith(b"+OK")
        except (OSError, EOFError):
            pass
        return False

    def assert_served_again(self, gate, user="new"):
        self.assertTrue(wait_until(lambda: self.try_login(gate, user), AT_ONCE), gate.log())
