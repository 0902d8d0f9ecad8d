"""What each process can no longer do once it is in its sandbox."""

import ctypes
import os
import re
import shutil
import struct
import subprocess
import unittest

import tap
from examplecase import ExampleCase
from gateway import NOBODY, SANITIZED, Gateway, example_backend

REFUSED = re.compile(r"^(front|broker|fetcher|session) [\w-]+: (refused|ended) \(.+\)$")
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LANDLOCK_CREATE_RULESET, ENOSYS = 444, 38  # the same number on every machine


def without_landlock():
    """For a child before it runs a program: a kernel that lacks Landlock."""
    statements = [(0x20, 0, 0, 0), (0x15, 0, 1, LANDLOCK_CREATE_RULESET), (0x06, 0, 0, 0x00050000 | ENOSYS),
                  (0x06, 0, 0, 0x7fff0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in statements))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(statements), ctypes.addressof(code)))
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


class SandboxCase(ExampleCase):
    def configured(self, unprivileged=False, **sections):
        """A gateway that is not started, with its file written."""
        gate = Gateway([example_backend()], unprivileged=unprivileged, **sections)
        self.addCleanup(gate.kill)
        gate.write_config()
        return gate

    def run_verb(self, gate, verb, unprivileged=False, prepare=None):
        prefix = NOBODY if unprivileged and os.geteuid() == 0 else ()
        return subprocess.run((*gate.prefix, *prefix, gate.program, verb, "-c", gate.config_file), stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, preexec_fn=prepare)

    def available(self, gate):
        """What `popgate check` says of the sandbox."""
        return re.search(r"^sandbox: (.*)$", self.run_verb(gate, "check").stdout, re.M).group(1)

    def need(self, gate, *parts):
        there = self.available(gate)
        for part in parts:
            if not re.search(rf"(^|, ){part}", there):
                self.skipTest(f"this machine's sandbox: {there}")


class Attempts(SandboxCase):
    def assert_all_refused(self, gate, unprivileged=False):
        done = self.run_verb(gate, "sandbox-test", unprivileged)
        lines = done.stdout.splitlines()
        self.assertEqual([line for line in lines[:-1] if not REFUSED.match(line)], [])
        self.assertEqual({line.split()[0] for line in lines[:-1]}, {"front", "broker", "fetcher", "session"})
        self.assertGreater(len(lines), 175)
        self.assertEqual(lines[-1], "victim: lives")
        self.assertEqual(done.returncode, 0)
        return done

    @unittest.skipUnless(os.geteuid() == 0, "not root")
    def test_invariant_15_everything_forbidden_fails_where_started_as_root(self):
        gate = self.configured()
        self.need(gate, "seccomp", "Landlock")
        done = self.assert_all_refused(gate)
        # What ended a process is told with its number: listen(2), ptrace(2) and more, in each role.
        for role in ("front", "broker", "fetcher", "session"):
            self.assertGreater(len(re.findall(rf"process={role} .*event=forbidden_call number=\d+", done.stderr)), 10)

    def test_invariant_15_everything_forbidden_fails_unprivileged(self):
        gate = self.configured(unprivileged=True, runtime_directory="/tmp/popgate-sandbox-test-%d" % os.getpid())
        self.addCleanup(subprocess.run, ("rm", "-rf", gate.sections["runtime_directory"]), check=False)
        self.need(gate, "seccomp", "Landlock")
        self.assert_all_refused(gate, unprivileged=True)

    def test_with_syslog_only_its_socket_is_allowed_more(self):
        gate = self.configured(log={"to": "syslog"})
        self.need(gate, "seccomp", r"Landlock ABI ([4-9]|\d\d)")
        self.assert_all_refused(gate)

    def test_the_attempts_do_succeed_without_a_sandbox(self):
        gate = self.configured(sandbox="off")
        self.assertIn("off", self.available(gate))
        done = self.run_verb(gate, "sandbox-test")
        possible = set(re.findall(r"^\S+ (\S+): POSSIBLE$", done.stdout, re.M))  # one may take another's chance
        self.assertLessEqual({"read-etc-passwd", "read-a-program", "read-proc", "read-by-an-open-folder", "write-tmp",
                              "remove-a-lock", "connect", "bind", "listen", "socket", "fork", "kill", "kill-parent",
                              "signal-by-socket", "limit-another", "slow-another", "map-code", "make-code",
                              "hide-traces"}, possible)
        self.assertIn("victim: HAS DIED", done.stdout)
        self.assertEqual(done.returncode, 1)
        try:
            os.unlink("/tmp/popgate-sandbox-test")
        except FileNotFoundError:
            pass


class Processes(SandboxCase):
    """Those that really run."""

    def check_all(self, **options):
        gate = self.gateway(**options)
        self.need(gate, "seccomp", "Landlock")
        self.client(gate)
        for role in ("front", "broker", "spawner", "session"):
            for pid in gate.pids(role):
                status = status_of(pid)
                self.assertEqual((role, status["Seccomp"].strip(), status["NoNewPrivs"].strip()), (role, "2", "1"))
                self.assertEqual(int(status["CapEff"], 16), 0, role)
        self.assertEqual(status_of(gate.pid)["NoNewPrivs"].strip(), "1")
        return gate

    def test_all_are_in_their_sandbox(self):
        gate = self.check_all()
        with open(f"/proc/{gate.pids('session')[0]}/limits", encoding="utf-8") as file:
            limits = file.read()
        self.assertRegex(limits, r"Max processes +0 +0 ")
        self.assertRegex(limits, r"Max core file size +0 +0 ")

    def test_all_are_in_their_sandbox_unprivileged(self):
        self.check_all(unprivileged=True)

    @unittest.skipUnless(os.geteuid() == 0, "not root")
    def test_front_and_broker_have_no_root_directory(self):
        gate = self.gateway()
        self.need(gate, "chroot")
        for role in ("front", "broker"):
            root = f"/proc/{gate.pids(role)[0]}/root"
            self.assertIn("(deleted)", os.readlink(root))
            self.assertEqual(os.listdir(root), [])
        self.assertEqual(os.readlink(f"/proc/{gate.pids('spawner')[0]}/root"), "/")

    def test_no_sandbox_where_it_is_off(self):
        gate = self.gateway(sandbox="off")
        self.client(gate)
        self.assertEqual(status_of(gate.pids("session")[0])["Seccomp"].strip(), "0")

    def test_sessions_beyond_the_time_of_stopping_are_ended(self):
        gate = self.gateway(limits={"shutdown_timeout": 0})
        gate.allow_warning("1 connections did not end in time")
        client = self.client(gate)
        client.command("NOOP")
        session = gate.pids("session")[0]
        os.kill(session, 19)  # SIGSTOP: hangs
        try:
            gate.signal(15)
            gate.check_end(30)
        finally:
            try:
                os.kill(session, 18)
            except ProcessLookupError:
                pass


class Configuration(SandboxCase):
    def test_required_is_as_good_as_auto_where_all_is_there(self):
        gate = self.configured(sandbox="required")
        done = self.run_verb(gate, "check")
        if "seccomp, Landlock" not in self.run_verb(self.configured(), "check").stdout:
            self.assertEqual(done.returncode, 3)
            self.assertRegex(done.stderr, 'sandbox = "required", but ')
            return
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        gate.start()
        self.client(gate)
        gate.stop()

    @unittest.skipIf(SANITIZED, "has no sandbox")
    def test_without_landlock_auto_does_with_the_rest_and_required_refuses(self):
        gate = self.configured()
        self.need(gate, "seccomp", "Landlock")
        done = self.run_verb(gate, "check", prepare=without_landlock)
        self.assertRegex(done.stdout, "sandbox: seccomp, no Landlock")
        self.assertEqual(done.returncode, 0)
        gate = self.configured(sandbox="required")
        for verb in ("check", "serve"):
            done = self.run_verb(gate, verb, prepare=without_landlock)
            self.assertRegex(done.stderr, 'sandbox = "required", but this kernel has no Landlock: it needs Linux 5.13')
            self.assertEqual(done.returncode, 3)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "not root, or no setpriv")
    def test_without_an_empty_root_auto_does_with_the_rest_and_required_refuses(self):
        self.need(self.configured(), "seccomp", "Landlock", "chroot")
        no_chroot = ("setpriv", "--bounding-set", "-sys_chroot")
        gate = self.gateway(prefix=no_chroot)
        gate.expect_warning("sandbox: empty root directory: Operation not permitted")
        self.client(gate)
        self.assertRegex(self.available(gate), ", no chroot$")
        gate = self.configured(prefix=no_chroot, sandbox="required")
        for verb in ("check", "serve"):
            done = self.run_verb(gate, verb)
            self.assertRegex(done.stderr, 'sandbox = "required", but root may not change its root directory here: grant')
            self.assertEqual(done.returncode, 3)


if __name__ == "__main__":
    tap.main()
