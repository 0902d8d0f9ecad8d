"""A client that vanishes without a word, in a network of its own whose cable is pulled."""

import os
import shutil
import subprocess
import time
import unittest

import tap
from gateway import Gateway, example_backend
from pop3client import Client

HERE, THERE = "198.18.77.1", "198.18.77.2"
CLIENT = """
import socket, time
file = socket.create_connection(("%s", %d)).makefile("rwb")
file.readline()
file.write(b"USER joe\\r\\nPASS password\\r\\n")
file.flush()
file.readline()
print(file.readline().decode().strip(), flush=True)
time.sleep(120)
"""


def run(line):
    subprocess.run(line.split(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Network:
    """A network namespace with one cable to this one."""

    def __init__(self):
        self.name = f"popgate{os.getpid()}"
        self.cable = f"pg{os.getpid() % 100000}"

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()  # a cable that stays takes the next one's addresses
            raise
        return self

    def make(self):
        run(f"ip netns add {self.name}")
        run(f"ip link add {self.cable}a type veth peer name {self.cable}b netns {self.name}")
        run(f"ip addr add {HERE}/24 dev {self.cable}a")
        run(f"ip link set {self.cable}a up")
        run(f"ip -n {self.name} addr add {THERE}/24 dev {self.cable}b")
        run(f"ip -n {self.name} link set {self.cable}b up")

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "del", f"{self.cable}a"], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", self.name], check=False, stderr=subprocess.DEVNULL)

    def pull_the_cable(self):
        run(f"ip link set {self.cable}a down")


def networks_can_be_made():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with Network():
            return True
    except (subprocess.CalledProcessError, OSError):
        return False


class Vanished(unittest.TestCase):
    @unittest.skipUnless(networks_can_be_made(), "needs root and network namespaces")
    def test_input_31_client_that_vanished_lets_go_of_its_mailbox_within_seconds(self):
        """The mailbox of a client whose network went away is free again within 20 s."""
        listener = {"address": "0.0.0.0", "port": 0, "tls": "none", "cleartext_login": True}
        with Network() as network, Gateway(backends=[example_backend()], listeners=[listener]) as gate:
            client = subprocess.Popen(["ip", "netns", "exec", network.name, "python3", "-c", CLIENT % (HERE, gate.port)],
                                      stdout=subprocess.PIPE)
            try:
                self.assertTrue(client.stdout.readline().startswith(b"+OK"))
                network.pull_the_cable()
                start, reply = time.monotonic(), b""
                while not reply.startswith(b"+OK") and time.monotonic() - start < 20:
                    with Client(gate.port) as other:
                        other.command("USER joe")
                        reply = other.command("PASS password")
                self.assertTrue(reply.startswith(b"+OK"), f"after {time.monotonic() - start:.1f} s: {reply}")
            finally:
                client.kill()
                client.wait()
                client.stdout.close()


if __name__ == "__main__":
    tap.main()
