"""Plugins that go wrong end one session: their client is told, and nobody else notices."""

import os
import shutil
import subprocess
import tempfile
import threading
import unittest

import tap
from examplecase import ExampleCase
from gateway import PLUGINS, SANITIZED, Gateway, example_backend, memory_bound

STEPS = ("open", "list", "fetch", "commit")
SOURCE = os.path.join(os.environ.get("srcdir", "."), "tests/integration/evil_plugin.c")
INCLUDE = os.path.join(os.environ.get("srcdir", "."), "include")


class PluginCase(ExampleCase):
    @classmethod
    def setUpClass(cls):
        cls.plugins = tempfile.mkdtemp(prefix="popgate-plugins-", dir="/tmp")
        os.chmod(cls.plugins, 0o755)
        shutil.copy(os.path.join(PLUGINS, "example.so"), cls.plugins)
        subprocess.run((*os.environ.get("CC", "cc").split(), "-shared", "-fPIC", "-O0", "-I", INCLUDE, "-o",
                        os.path.join(cls.plugins, "evil.so"), SOURCE), check=True)
        for name in os.listdir(cls.plugins):
            os.chmod(os.path.join(cls.plugins, name), 0o644)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.plugins)

    def evil_gateway(self, *ways, steps=STEPS, **options):
        """A user STEP-WAY for each; all others have plugin example."""
        names = [f"{step}-{way}" for way in ways for step in steps]
        backends = [{"name": name, "plugin": "evil", "step": name.partition("-")[0], "way": name.partition("-")[2]}
                    for name in names]
        gate = Gateway([*backends, example_backend()], plugin_directory=self.plugins,
                       routes=[{"users": name, "backend": name} for name in names] +
                       [{"users": "*", "backend": "example"}], **options)
        self.addCleanup(gate.stop)
        gate.allow_warning("event=login_failed .*status=(temp|perm)")
        gate.allow_warning("event=session_died|the session died; its client is told so|event=commit_failed|event=fetch_failed")
        return gate.start()

    def run_step(self, gate, name, timeout=60):
        """What the client is told where it goes wrong; in clear or under TLS, its connection lives on."""
        step = name.partition("-")[0]
        client = self.client(gate, None, timeout=timeout)
        reply = client.login(name, "password")
        if step in ("open", "list"):
            self.assertRegex(client.login("ann" + name, "password"), rb"^\+OK 3 ")
            return reply
        self.assertRegex(reply, rb"^\+OK 3 ")
        if step == "fetch":
            reply = client.command("RETR 1")
            self.assertRegex(client.command("NOOP"), rb"^(\+OK|-ERR \[SYS/TEMP\])")
            client.close()
            return reply
        self.assertRegex(client.command("DELE 2"), rb"^\+OK")
        reply = client.command("QUIT")
        self.assertTrue(client.is_closed())
        return reply

    def check(self, gate, *names, status=rb"^-ERR \[SYS/TEMP\]"):
        """All of them at once; somebody else's session goes on."""
        other = self.client(gate, "bob")
        replies, threads = {}, []
        for name in names:
            threads.append(threading.Thread(target=lambda n=name: replies.update({n: self.run_step(gate, n)})))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(replies), set(names))
        for name in names:
            self.assertRegex(replies[name], status, name)
        self.assertRegex(other.command("RETR 1"), rb"^\+OK")
        other.lines()
        self.assertRegex(other.command("QUIT"), rb"^\+OK")
        for name in names:  # its maildrop is free
            if name.partition("-")[0] in ("fetch", "commit"):
                self.assertRegex(self.client(gate, None).login(name, "password"), rb"^\+OK 3 ")


class Ends(PluginCase):
    def test_input_70_crash_abort_or_exit_ends_that_session_alone(self):
        gate = self.evil_gateway("crash", "abort", "exit")
        self.check(gate, *(f"{step}-{way}" for step in STEPS for way in ("crash", "abort", "exit")))
        self.assertRegex(gate.log(), "event=session_died exit=1" if SANITIZED
                         else 'event=session_died signal="Segmentation fault"')

    def test_input_70_hang_ends_that_session_alone(self):
        gate = self.evil_gateway("sleep", limits={"upstream_timeout": 1, "commit_timeout": 1, "fetch_window": 1,
                                                  "stall_timeout": 1})
        self.check(gate, *(f"{step}-sleep" for step in STEPS))
        self.assertRegex(gate.log(), 'event=session_died signal="Alarm clock"')

    @unittest.skipIf(SANITIZED, "has no sandbox")
    def test_input_70_forbidden_call_ends_that_session_alone(self):
        gate = self.evil_gateway("exec")
        for pattern in ("event=forbidden_call number=", 'event=session_died signal="Bad system call"'):
            gate.expect_warning(pattern)
        if "seccomp" not in subprocess.run(gate.command("check"), stdout=subprocess.PIPE, text=True, check=True).stdout:
            self.skipTest("system calls cannot be filtered here")
        self.check(gate, *(f"{step}-exec" for step in STEPS))


class Limits(PluginCase):
    @unittest.skipIf(SANITIZED, "AddressSanitizer's memory is without limit")
    def test_input_84_session_at_its_limit_of_memory_ends_alone(self):
        gate = self.evil_gateway("memory", limits={"session_memory": 48 << 20})
        self.check(gate, *(f"{step}-memory" for step in STEPS))
        for pid in gate.pids("front") + gate.pids("spawner"):
            with open(f"/proc/{pid}/statm", encoding="ascii") as file:
                self.assertLess(int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE"), memory_bound(64 << 20))

    def test_input_84_session_at_its_limit_of_processor_time_ends_alone(self):
        gate = self.evil_gateway("spin", limits={"session_cpu": 1})
        self.check(gate, *(f"{step}-spin" for step in STEPS))
        self.assertRegex(gate.log(), 'event=session_died signal=("CPU time limit exceeded"|Killed)')


class Lies(PluginCase):
    def test_input_71_impossible_listing_is_refused(self):
        ways = ("huge", "sum", "double", "long", "none")
        gate = self.evil_gateway(*ways, steps=("list",))
        self.check(gate, *(f"list-{way}" for way in ways))

    def test_input_71_more_messages_than_there_may_be_are_refused(self):
        gate = self.evil_gateway("endless", steps=("list",), limits={"max_messages": 1000})
        self.check(gate, "list-endless", status=rb"^-ERR \[SYS/PERM\]")

    def fetch_all(self, gate, name):
        """The replies to RETR 1 to 3, None where the connection ended instead."""
        replies = []
        for number in (1, 2, 3):
            client = self.client(gate, None)
            self.assertRegex(client.login(name, "password"), rb"^\+OK 3 ")
            try:
                replies.append(client.command(f"RETR {number}"))
                if replies[-1].startswith(b"+OK"):
                    replies[-1] = len(client.lines())
                else:  # the drop is dead
                    self.assertRegex(client.command("RETR 1"), rb"^-ERR \[SYS/TEMP\]")
            except EOFError:
                replies[-1] = None
            client.close()
        return replies

    def test_input_71_whole_message_of_another_size_is_not_delivered_where_sizes_are_exact(self):
        gate = self.evil_gateway("octets", "large", steps=("exact", "loose"))
        self.assertEqual(self.fetch_all(gate, "loose-octets"), [30, 30, 30])
        self.assertEqual(self.fetch_all(gate, "loose-large"), [30, 1000000, 999999])
        replies = self.fetch_all(gate, "exact-octets")
        self.assertEqual((replies[0], replies[2]), (30, 30))
        self.assertRegex(replies[1], rb"^-ERR \[SYS/TEMP\]")
        self.assertEqual(self.fetch_all(gate, "exact-large"), [30, 1000000, None])
        self.assertRegex(gate.log(), r'event=fetch_failed message=2 uidl=1 msg="the message has 30 octets, and was listed '
                                     r'with 31"')

    def test_hint_comes_only_where_it_is_offered_for_the_drop(self):
        gate = self.evil_gateway("none", steps=("hint", "loose"))
        for name, end in (("loose-none", rb"^\+OK"), ("hint-none", rb"^-ERR \[SYS/TEMP\]")):  # its prefetch aborts
            client = self.client(gate, None)
            self.assertRegex(client.login(name, "password"), rb"^\+OK 3 ")
            for number in (1, 2, 3):
                reply = client.command(f"RETR {number}")
                if reply.startswith(b"+OK"):
                    client.lines()
            self.assertRegex(reply, end)

    def test_top_is_held_to_no_size(self):
        gate = self.evil_gateway("octets", steps=("exact",))
        client = self.client(gate, None)
        self.assertRegex(client.login("exact-octets", "password"), rb"^\+OK 3 ")
        self.assertRegex(client.command("TOP 2 100"), rb"^\+OK")
        client.lines()

    def test_input_71_success_without_any_confirmed_is_none(self):
        gate = self.evil_gateway("lie", steps=("commit",))
        self.check(gate, "commit-lie", status=rb"^-ERR")


class Paths(ExampleCase):
    def test_session_writes_where_its_plugin_has_said_so(self):
        folder = tempfile.mkdtemp(prefix="popgate-notes-", dir="/tmp")
        self.addCleanup(shutil.rmtree, folder)
        os.chmod(folder, 0o777)
        gate = Gateway([example_backend(removed=folder)])
        self.addCleanup(gate.stop)
        gate.start()
        client = self.client(gate)
        self.assertRegex(client.command("DELE 2"), rb"^\+OK")
        self.assertRegex(client.command("QUIT"), rb"^\+OK")
        self.assertEqual(os.listdir(folder), ["616e6e"])
        self.assertEqual(self.client(gate).multiline("UIDL"), b"1 example.1\r\n2 example.3\r\n")
        self.assertEqual(len(self.client(gate, "bob").multiline("UIDL").splitlines()), 3)


if __name__ == "__main__":
    tap.main()
