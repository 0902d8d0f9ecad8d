"""Faults of the machine: a clock that jumps, a log that takes nothing, a full disk, state that is not what it was."""

import glob
import os
import re
import signal
import socket
import subprocess
import time
import unittest

import tap
from examplecase import ExampleCase
from gateway import CLEAR, STARTTLS, Gateway, example_backend
from pop3client import Client, trusting
from shim import Shim

YEARS = 10 * 365 * 86400
DAY = 86400
TEMPORARY = rb"^-ERR \[SYS/TEMP\]"
ROOT = os.geteuid() == 0


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def can_mount():
    """Whether a process may have mounts of its own."""
    done = subprocess.run(("unshare", "-m", "true"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return ROOT and done.returncode == 0


class Clock(ExampleCase):
    def serve(self, **options):
        self.shim = Shim()
        return self.gateway(environment=self.shim.environment, **options)

    def whole_session(self, client):
        self.assertEqual(client.command("STAT").split()[1], b"3")
        self.assertTrue(client.multiline("RETR 2"))
        self.assertRegex(client.command("DELE 1"), rb"^\+OK")

    def jump(self, seconds):
        gate = self.serve(limits={"login_timeout": 2})
        open_one, unproven = self.client(gate), self.client(gate, None)
        begun = time.monotonic()
        self.shim.set_clock(seconds)
        # nothing that runs ends before its time
        self.whole_session(open_one)
        self.whole_session(self.client(gate, "bob"))
        self.assertRegex(unproven.command("USER joe"), rb"^\+OK")
        self.assertRegex(open_one.command("QUIT"), rb"^\+OK")
        # nor after it
        self.assertTrue(unproven.is_closed())
        self.assertGreater(time.monotonic() - begun, 1.5)
        self.assertLess(time.monotonic() - begun, 10)
        self.client(gate, "late")
        return gate

    def test_input_80_ten_years_ahead(self):
        gate = self.jump(YEARS)
        self.assertIn(f"time={time.gmtime(time.time() + YEARS).tm_year}-", gate.log())

    def test_input_80_a_day_back(self):
        self.jump(-DAY)

    def test_input_80_tls_and_its_tickets(self):
        """A client that comes with a ticket of before the jump is served, by a resumed or by a whole handshake."""
        gate = self.serve(listeners=[STARTTLS])
        session = None
        for seconds in (0, YEARS, -DAY, 0):
            self.shim.set_clock(seconds)
            client = Client(gate.port)
            self.addCleanup(client.close)
            self.assertRegex(client.command("STLS"), rb"^\+OK")
            context = session[0] if session else trusting()
            client.file.close()
            client.socket = context.wrap_socket(client.socket, session=session[1] if session else None)
            client.file = client.socket.makefile("rb")
            self.assertRegex(client.login(f"ann{abs(seconds)}", "password"), rb"^\+OK")
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
            session = session or (context, client.socket.session)

    def test_input_80_restart_and_reload(self):
        gate = self.serve()
        gate.expect_warning("event=process_died .*broker")
        self.shim.set_clock(-DAY)
        gate.kill_process("broker")
        self.assert_served_again(gate)
        self.shim.set_clock(YEARS)
        gate.signal(signal.SIGHUP)
        gate.wait_for_log("configuration reloaded")
        self.assert_served_again(gate, "bob")


class Log(ExampleCase):
    """Nobody waits for where the log goes."""

    def busy(self, gate, sessions=40):
        """Many lines, and many commands; each is answered at once."""
        slowest = 0
        for i in range(sessions):
            begun = time.monotonic()
            with Client(gate.port if gate.ports else self.port, timeout=10) as client:
                self.assertRegex(client.login(f"user{i}", "password"), rb"^\+OK")
                self.assertTrue(client.multiline("RETR 1"))
                self.assertRegex(client.command("QUIT"), rb"^\+OK")
            slowest = max(slowest, time.monotonic() - begun)
        self.assertLess(slowest, 3)

    def launch(self, **options):
        """On a port that is known without the log."""
        self.port = free_port()
        gate = Gateway([example_backend(messages=3)], listeners=[{**CLEAR, "port": self.port}], **options)
        self.addCleanup(gate.stop)
        return gate

    def wait_served(self, gate):
        gate.wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0, "popgate to listen")

    @staticmethod
    def stuff(fd):
        """Fills a pipe to the last octet."""
        for size in (4096, 1):
            try:
                while True:
                    os.write(fd, b"x" * size)
            except BlockingIOError:
                pass

    def pipe(self, gate):
        path = gate.path("pipe")
        os.mkfifo(path)
        os.chmod(path, 0o666)
        end = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, end)
        return path, end

    def test_input_83_standard_error_is_a_full_pipe(self):
        gate = self.launch()
        path, end = self.pipe(gate)
        self.stuff(end)
        gate.prefix = ("sh", "-c", f'exec "$@" 2>{path}', "sh")
        gate.launch()
        self.wait_served(gate)
        self.busy(gate)

    def test_input_83_reload_with_faults_while_standard_error_is_full(self):
        gate = self.launch()
        path, end = self.pipe(gate)
        gate.prefix = ("sh", "-c", f'exec "$@" 2>{path}', "sh")
        gate.launch()
        self.wait_served(gate)
        self.stuff(end)
        with open(gate.config_file, "a", encoding="utf-8") as file:
            file.write("".join(f'unknown_{i} = "{"x" * 200}";\n' for i in range(100)))
        gate.signal(signal.SIGHUP)
        self.busy(gate)
        # the supervisor is not stuck in what it has to say
        gate.kill_process("broker")
        gate.wait_until(lambda: gate.pids("broker"), "another broker", 5)
        gate.wait_until(lambda: self.try_on(self.port), "to be served", 5)

    @staticmethod
    def try_on(port):
        with Client(port) as client:
            return client.login("ann", "password").startswith(b"+OK")

    def test_input_83_log_file_is_a_full_pipe(self):
        gate = self.launch()
        gate.sections["log"] = {"to": "file", "file": gate.path("pipe"), "level": "debug"}
        _, end = self.pipe(gate)
        self.stuff(end)
        gate.launch()
        self.wait_served(gate)
        self.busy(gate)

    def test_input_83_log_file_is_a_pipe_without_a_reader(self):
        """The start is refused rather than to wait for one."""
        gate = self.launch()
        path = gate.path("pipe")
        os.mkfifo(path)
        gate.sections["log"] = {"to": "file", "file": path}
        gate.write_config()
        done = subprocess.run(gate.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=20, check=False)
        self.assertEqual(done.returncode, 3, done.stdout)
        self.assertIn(path.encode(), done.stdout)

    def test_input_83_system_log_that_reads_nothing(self):
        shim = Shim()
        gate = self.launch(environment=shim.environment)
        sink = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(sink.close)
        path = os.path.join(shim.folder, "log")
        sink.bind(path)
        os.chmod(path, 0o666)
        shim.set_syslog(path)
        gate.sections["log"] = {"to": "syslog", "level": "debug"}
        gate.launch()
        self.wait_served(gate)
        self.busy(gate, 60)
        # a daemon that has been restarted is found again, and told how much it has missed
        sink.close()
        os.unlink(path)
        again = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(again.close)
        again.bind(path)
        os.chmod(path, 0o666)
        again.settimeout(10)
        self.busy(gate, 1)
        line = again.recv(4096).decode()
        self.assertRegex(line, r"^<\d+>\w{3} [ \d]\d [\d:]{8} popgate\[\d+\]: level=\w+ process=")

    def test_input_83_standard_error_is_a_socket_that_takes_nothing(self):
        gate = self.launch()
        near, far = socket.socketpair()
        self.addCleanup(far.close)
        gate.write_config()
        near.setblocking(False)
        self.stuff_socket(near)
        near.setblocking(True)
        process = subprocess.Popen(gate.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=near.fileno(), start_new_session=True)
        near.close()
        gate.process, gate.pid = process, process.pid
        self.wait_served(gate)
        self.busy(gate)

    @staticmethod
    def stuff_socket(end):
        try:
            while True:
                end.send(b"x" * 512)
        except BlockingIOError:
            pass

    def test_input_77_log_file_may_not_grow(self):
        """As on a full disk, a part of a line is taken, then nothing: RLIMIT_FSIZE."""
        gate = self.launch()
        gate.sections["log"] = {"to": "file", "file": gate.path("popgate.log"), "level": "debug"}
        gate.log_file = gate.path("popgate.log")
        gate.prefix = ("sh", "-c", 'ulimit -f 64; exec "$@"', "sh")
        with open(gate.log_file, "wb") as file:
            file.write(b"x" * (64 * 512 - 301) + b"\n")
        os.chmod(gate.log_file, 0o666)
        gate.launch()
        self.wait_served(gate)
        self.busy(gate)
        self.assertEqual(os.path.getsize(gate.log_file), 64 * 512)


@unittest.skipUnless(can_mount(), "needs root, and mounts of its own")
class Disk(ExampleCase):
    """A file system in memory, filled up."""

    def serve(self, options, **sections):
        gate = Gateway([example_backend(messages=3)], **sections)
        self.addCleanup(gate.stop)
        os.makedirs(gate.path("disk"), exist_ok=True)
        gate.prefix = ("unshare", "-m", "--propagation", "private", "sh", "-c",
                       f'mount -t tmpfs -o mode=755,{options} none {gate.path("disk")} && exec "$@"', "sh")
        return gate

    def inside(self, gate, path):
        """As popgate sees it."""
        return f"/proc/{gate.pid}/root{gate.path('disk')}/{path}"

    def test_input_77_log_on_a_full_disk(self):
        gate = self.serve("size=64k")
        path = gate.path("disk/popgate.log")
        gate.sections["log"] = {"to": "file", "file": path, "level": "debug"}
        gate.launch()
        gate.wait_until(lambda: os.path.exists(self.inside(gate, "popgate.log")), "the log")
        gate.log_file = self.inside(gate, "popgate.log")
        gate.wait_until(lambda: gate.ports, "popgate to listen")
        filler = self.inside(gate, "filler")
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 512)
            except OSError:
                pass
        for i in range(60):
            client = self.client(gate, f"user{i}")
            self.assertTrue(client.multiline("RETR 1"))
            self.assertRegex(client.command("QUIT"), rb"^\+OK")
        os.unlink(filler)
        self.assertRegex(self.client(gate, "after").command("QUIT"), rb"^\+OK")
        gate.wait_for_log("dropped_lines=")
        # what was taken of the last line is a line, and no other is torn
        self.assertEqual([line for line in gate.log().splitlines()
                          if not line.startswith("time=") and not "time=".startswith(line)], [])
        self.assertEqual([line for line in gate.log().splitlines() if line.count(" level=") > 1], [])

    def test_input_77_runtime_directory_on_a_full_disk(self):
        """No lock can be made: TEMP. Those that are there serve on, and once there is room all others do."""
        gate = self.serve("nr_inodes=4")
        gate.sections["runtime_directory"] = gate.path("disk/run")
        gate.start()
        gate.allow_warning("event=login_failed .*No space left on device")
        refused = 0
        served = None
        for i in range(12):
            client = Client(gate.port)
            self.addCleanup(client.close)
            reply = client.login(f"user{i}", "password")
            if reply.startswith(b"+OK"):
                served = f"user{i}"
                self.assertRegex(client.command("QUIT"), rb"^\+OK")
            else:
                self.assertRegex(reply, TEMPORARY)
                refused += 1
        self.assertGreater(refused, 0)
        self.client(gate, served)
        subprocess.run(("nsenter", "-t", str(gate.pid), "-m", "mount", "-o", "remount,nr_inodes=0",
                        gate.path("disk")), check=True)
        for i in range(12):
            self.assertTrue(self.try_login(gate, f"user{i}") or f"user{i}" == served)


class State(ExampleCase):
    """What stands on disk is the locks' files, with nothing in them, and popgate.pid, which nobody believes."""

    def locks(self, gate):
        return glob.glob(os.path.join(gate.path("run"), "*.lock"))

    def test_input_81_nothing_else_is_kept(self):
        gate = self.gateway()
        client = self.client(gate)
        self.assertRegex(client.command("DELE 1"), rb"^\+OK")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        names = os.listdir(gate.path("run"))
        self.assertEqual([name for name in names if not re.fullmatch(r"\d\d\.lock|popgate\.pid", name)], [])
        self.assertEqual([os.path.getsize(path) for path in self.locks(gate)], [0] * (len(names) - 1))

    def test_input_81_lock_file_with_anything_in_it(self):
        gate = self.gateway()
        held = self.client(gate)
        for path in self.locks(gate):
            with open(path, "wb") as file:
                file.write(os.urandom(1000))
        with Client(gate.port) as other:
            self.assertRegex(other.login("ann", "password"), rb"^-ERR \[IN-USE\]")
        self.assertRegex(held.command("QUIT"), rb"^\+OK")
        self.client(gate)
        gate.allow_warning("in_use")

    def test_input_81_lock_file_that_was_removed(self):
        """It is made anew; who held the old one keeps its session."""
        gate = self.gateway()
        held = self.client(gate)
        for path in self.locks(gate):
            os.unlink(path)
        self.client(gate, "bob")
        self.assertTrue(held.multiline("RETR 1"))
        self.assertTrue(self.locks(gate))

    def test_input_81_lock_file_that_is_something_else(self):
        """A folder or a link in its place is refused."""
        gate = self.gateway()
        gate.allow_warning("event=login_failed .*the lock file")
        self.client(gate).command("QUIT")
        (path,) = self.locks(gate)
        for make in (os.mkdir, lambda name: os.symlink("/tmp/popgate-nowhere", name)):
            with self.subTest(make=make):
                os.unlink(path) if not os.path.isdir(path) else os.rmdir(path)
                make(path)
                with Client(gate.port) as client:
                    self.assertRegex(client.login("ann", "password"), TEMPORARY)
        os.unlink(path)
        self.assertFalse(os.path.exists("/tmp/popgate-nowhere"))
        self.assert_served_again(gate, "ann")


if __name__ == "__main__":
    tap.main()
