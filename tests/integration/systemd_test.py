"""As a service of systemd: sockets that are passed, what NOTIFY_SOCKET is told, and the units."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

import tap
from dovecot import free_port
from examplecase import ExampleCase
from gateway import CLEAR, PROGRAM, Gateway, example_backend

SOURCE = os.environ["srcdir"]
ACTIVATE = (sys.executable, os.path.join(SOURCE, "tests", "lib", "activate.py"))


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


def listener(port, address="127.0.0.1"):
    return {**CLEAR, "address": address, "port": port}


class Sockets(ExampleCase):
    """LISTEN_FDS."""

    def activated(self, sockets, listeners, options=(), **sections):
        gate = Gateway([example_backend()], listeners=listeners, prefix=(*ACTIVATE, *options, *sockets, "--"),
                       **sections)
        self.addCleanup(gate.stop)
        return gate

    def refused(self, sockets, listeners, why, options=()):
        gate = self.activated(sockets, listeners, options).launch()
        try:
            self.assertEqual(gate.process.wait(20), 3, gate.log())
            self.assertRegex(gate.log(), why)
        finally:
            gate.kill()

    def reload(self, gate):
        gate.write_config()
        before = gate.log().count("configuration reloaded")
        gate.signal(signal.SIGHUP)
        gate.wait_until(lambda: gate.log().count("configuration reloaded") > before, "the reload")

    def test_passed_sockets_are_served(self):
        first, second = free_port(), free_port()
        gate = self.activated([f"tcp:127.0.0.1:{first}", f"tcp:127.0.0.2:{second}"],
                              [listener(second, "127.0.0.2"), listener(first)]).start()
        for name, port, address in (("ann", first, "127.0.0.1"), ("bob", second, "127.0.0.2")):
            self.assertRegex(self.client(gate, name, port, address=address).command("STAT"), rb"^\+OK 3 ")

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_passed_sockets_of_every_address_of_both_families(self):
        port = free_port()
        gate = self.activated([f"tcp:0.0.0.0:{port}", f"tcp::::{port}"],
                              [listener(port, "0.0.0.0"), listener(port, "::")]).start()
        for name, address in (("ann", "127.0.0.1"), ("bob", "::1")):
            self.assertRegex(self.client(gate, name, port, address=address).command("STAT"), rb"^\+OK 3 ")

    def test_none_but_supervisor_and_fronts_have_them(self):
        port = free_port()
        gate = self.activated([f"tcp:127.0.0.1:{port}"], [listener(port)]).start()
        self.client(gate)
        try:
            self.assertIn(self.inode(gate.pid, "3"), self.inodes(gate.pids("front")[0]))
        except PermissionError:
            self.skipTest("descriptors of processes that keep private are root's to see")
        for role in ("broker", "spawner", "session"):
            self.assertNotIn(self.inode(gate.pid, "3"), self.inodes(gate.pids(role)[0]), role)

    @staticmethod
    def inode(pid, fd):
        return os.readlink(f"/proc/{pid}/fd/{fd}")

    def inodes(self, pid):
        found = set()
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found.add(self.inode(pid, fd))
        return found

    def test_reload_keeps_them(self):
        port, other = free_port(), free_port()
        gate = self.activated([f"tcp:127.0.0.1:{port}"], [listener(port)]).start()
        client = self.client(gate)
        for listeners in ([listener(port), listener(other)], [listener(port)]):
            gate.sections["listeners"] = listeners
            self.reload(gate)
            self.assertRegex(self.client(gate, "bob", port).command("QUIT"), rb"^\+OK")
        self.assertRegex(client.command("NOOP"), rb"^\+OK")

    def test_reload_without_their_listener_is_refused(self):
        port = free_port()
        gate = self.activated([f"tcp:127.0.0.1:{port}"], [listener(port)]).start()
        gate.sections["listeners"] = [listener(free_port())]
        gate.write_config()
        gate.expect_warning("reload refused")
        gate.signal(signal.SIGHUP)
        gate.wait_for_log("reload refused")
        gate.wait_for_log(f"127.0.0.1 port {port} was passed by LISTEN_FDS, but no listener has")
        self.client(gate, "ann", port)
        gate.sections["listeners"] = [listener(port)]
        self.reload(gate)
        self.client(gate, "bob", port)

    def test_socket_that_no_listener_names(self):
        port = free_port()
        self.refused([f"tcp:127.0.0.1:{port}"], [listener(free_port())],
                     f"a socket on 127.0.0.1 port {port} was passed by LISTEN_FDS, but no listener has")
        self.refused([f"tcp:127.0.0.2:{port}"], [listener(port)], f"a socket on 127.0.0.2 port {port} was passed")

    def test_what_is_no_socket_that_listens(self):
        port = free_port()
        for kind in ("udp", "deaf"):
            self.refused([f"{kind}:127.0.0.1:{port}"], [listener(free_port())], "descriptor 3, passed by LISTEN_FDS, "
                         "is no TCP socket that listens")
        self.refused([f"tcp:127.0.0.1:{port}"], [listener(port)], "descriptor 4, passed by LISTEN_FDS, is no TCP",
                     ["--count=2"])

    @unittest.skipUnless(has_ipv6(), "no IPv6 here")
    def test_socket_for_ipv6_that_takes_ipv4_too(self):
        port = free_port()
        self.refused([f"both::::{port}"], [listener(port, "::")], "takes IPv4 clients too: use BindIPv6Only=ipv6-only")

    def test_listener_without_a_socket_is_bound(self):
        passed, own = free_port(), free_port()
        gate = self.activated([f"tcp:127.0.0.1:{passed}"], [listener(passed), listener(own)]).start()
        for name, port in (("ann", passed), ("bob", own)):
            self.client(gate, name, port)

    def test_listener_without_a_socket_that_cannot_be_bound(self):
        passed = free_port()
        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = other.getsockname()[1]
            self.refused([f"tcp:127.0.0.1:{passed}"], [listener(passed), listener(taken)],
                         f"cannot listen on 127.0.0.1 port {taken}: Address already in use")

    def test_sockets_for_another_process_are_left_alone(self):
        own = free_port()
        gate = self.activated([f"tcp:127.0.0.1:{free_port()}"], [listener(own)], ["--pid=1"]).start()
        self.client(gate, "ann", own)


class Notices(ExampleCase):
    """NOTIFY_SOCKET."""

    def notified(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(address)
        self.socket.settimeout(20)
        gate = self.gateway(environment={"NOTIFY_SOCKET": address.replace("\0", "@")})
        self.heard("READY=1")
        return gate

    def heard(self, *words):
        for word in words:
            self.assertEqual(self.socket.recv(1000).decode(), word)

    def heard_reload(self, begin):
        text = self.socket.recv(1000).decode()
        match = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", text)
        self.assertTrue(match, text)
        self.assertLessEqual(begin, int(match.group(1)))
        self.assertLessEqual(int(match.group(1)), time.monotonic_ns() // 1000)
        self.heard("READY=1")

    def test_a_life(self):
        folder = tempfile.mkdtemp(prefix="popgate-notify-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder)
        gate = self.notified(os.path.join(folder, "socket"))
        begin = time.monotonic_ns() // 1000
        gate.signal(signal.SIGHUP)
        self.heard_reload(begin)
        gate.stop()
        self.heard("STOPPING=1")
        self.socket.settimeout(0)
        self.assertRaises(BlockingIOError, self.socket.recv, 1000)

    def test_refused_reload_and_an_abstract_address(self):
        gate = self.notified(f"\0popgate-test-{os.getpid()}")
        gate.sections["listeners"][0]["tls"] = "sometimes"
        gate.write_config()
        gate.expect_warning("reload refused")
        gate.signal(signal.SIGHUP)
        self.heard_reload(0)
        gate.stop()
        self.heard("STOPPING=1")

    def test_nobody_there_is_no_fault(self):
        gate = self.gateway(environment={"NOTIFY_SOCKET": "/nowhere/socket"})
        self.client(gate)


class RuntimeDirectory(ExampleCase):
    """RUNTIME_DIRECTORY."""

    def test_locks_are_there(self):
        gate = Gateway([example_backend()], unprivileged=True)
        self.addCleanup(gate.stop)
        del gate.sections["runtime_directory"]
        gate.environment["RUNTIME_DIRECTORY"] = gate.path("run")
        if os.geteuid() != 0:
            os.mkdir(gate.path("run"), 0o700)
        self.client(gate.start())
        self.assertNotEqual(os.listdir(gate.path("run")), [])


class Units(unittest.TestCase):
    """etc/popgate.service and etc/popgate.socket, as they are installed but for the program's place."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="popgate-units-", dir="/tmp")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(os.path.join(SOURCE, "etc", "popgate.service.in"), encoding="utf-8") as file:
            self.service = file.read()
        with open(self.path("popgate.service"), "w", encoding="utf-8") as file:
            file.write(self.service.replace("@sbindir@/popgate", PROGRAM))
        shutil.copy(os.path.join(SOURCE, "etc", "popgate.socket"), self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def analyze(self, *arguments):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("no systemd-analyze")
        return subprocess.run(("systemd-analyze", "--no-pager", *arguments), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace",
                              check=False)

    def test_exposure_is_two_at_most(self):
        done = self.analyze("security", "--offline=true", "--threshold=20", self.path("popgate.service"))
        if "unrecognized option" in done.stdout:
            self.skipTest("an old systemd-analyze")
        self.assertIn("Overall exposure level for popgate.service", done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_no_fault_in_them(self):
        done = self.analyze("verify", "--man=no", self.path("popgate.service"), self.path("popgate.socket"))
        said = [line for line in done.stdout.splitlines() if "popgate" in line]
        self.assertEqual((said, done.returncode), ([], 0), done.stdout)

    def test_user_is_described(self):
        with open(os.path.join(SOURCE, "etc", "popgate.sysusers"), encoding="utf-8") as file:
            self.assertRegex(file.read(), r"(?m)^u popgate ")
        self.assertIn("\nUser=popgate\n", self.service)

    def test_sockets_are_the_listeners_of_the_configuration(self):
        with open(self.path("popgate.socket"), encoding="utf-8") as file:
            streams = re.findall(r"(?m)^ListenStream=\[?(.*?)\]?:(\d+)$", file.read())
        with open(os.path.join(SOURCE, "etc", "popgate.conf"), encoding="utf-8") as file:
            text = re.sub(r"#.*", "", file.read())
        self.assertEqual(len(streams), 4)
        self.assertEqual(streams, re.findall(r'address = "(.*?)";\s*port = (\d+);', text))


if __name__ == "__main__":
    tap.main()
