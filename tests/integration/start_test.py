"""Starting: as root or not, with few open files, with one line and no file."""

import os
import pwd
import unittest

import dovecot
import tap
from dovecot import PASSWORD, Dovecot
from examplecase import ExampleCase
from gateway import CLEAR, IMPLICIT, Gateway, example_backend


class Privileges(ExampleCase):
    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_started_as_root_only_the_supervisor_keeps_root(self):
        name = "popgate" if any(entry.pw_name == "popgate" for entry in pwd.getpwall()) else "nobody"
        gate = self.gateway()
        self.client(gate)
        uids = {one.name: one.uid() for one in gate.processes()}
        self.assertEqual(uids.pop("popgate"), 0)
        self.assertEqual(uids, dict.fromkeys(("popgate-front", "popgate-broker", "popgate-spawner", "popgate-session"),
                                             pwd.getpwnam(name).pw_uid))

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_user_in_the_configuration_is_whom_it_runs_as(self):
        gate = self.gateway(user="daemon")
        self.client(gate)
        uid = pwd.getpwnam("daemon").pw_uid
        self.assertEqual({one.uid() for one in gate.processes() if one.name != "popgate"}, {uid})

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_key_that_only_root_can_read_is_served(self):
        gate = self.gateway(listeners=[IMPLICIT])
        self.assertEqual(os.stat(gate.sections["tls"]["key"]).st_mode & 0o777, 0o600)
        self.assertRegex(self.client(gate, tls=True).command("NOOP"), rb"^\+OK")

    def test_started_without_privileges_it_just_runs(self):
        gate = self.gateway(listeners=[CLEAR, IMPLICIT], unprivileged=True)
        self.assertNotIn(0, {one.uid() for one in gate.processes()})
        for port, tls in zip(gate.ports, (False, True)):
            client = self.client(gate, port=port, tls=tls)
            self.assertEqual(client.multiline("LIST").count(b"\n"), 3)
            client.command("QUIT")

    def test_too_few_open_files_are_told_at_the_start(self):
        gate = Gateway([example_backend()], unprivileged=True, prefix=("prlimit", "--nofile=200:200"),
                       limits={"max_connections": 5000})
        self.addCleanup(gate.kill)
        gate.launch()
        self.assertEqual(gate.process.wait(10), 3)
        self.assertRegex(gate.log(), r"popgate\.conf.*max_connections.*(ulimit|LimitNOFILE)")


@unittest.skipUnless(dovecot.available(), "there is no Dovecot on this machine")
class WithoutFile(ExampleCase):
    """popgate serve --imap URL."""

    def one_line_start(self, url, *options, prefix=()):
        with Dovecot() as server:
            server.append("ann", [b"Subject: 1\r\n\r\n1\r\n"])
            gate = Gateway(imap_url=url.format(imap=server.imap_port, imaps=server.imaps_port), unprivileged=True,
                           options=("--listen", "127.0.0.1:0",
                                    *(option.format(ca=server.ca_file) for option in options)), prefix=prefix)
            gate.environment["XDG_RUNTIME_DIR"] = gate.path("run")
            self.addCleanup(gate.stop)
            gate.start()
            client = self.client(gate, None)
            self.assertRegex(client.login("ann", PASSWORD), rb"^\+OK 1 ")
            self.assertEqual(client.multiline("RETR 1"), b"Subject: 1\r\n\r\n1\r\n")
            client.command("QUIT")
            with open(gate.path("output"), encoding="utf-8") as file:
                self.assertRegex(file.read(), rf"port +{gate.port}\b")

    def test_one_line_starts_it_before_a_server_in_clear(self):
        self.one_line_start("imap://127.0.0.1:{imap}?security=none")

    def test_one_line_starts_it_before_a_server_with_starttls(self):
        self.one_line_start("imap://localhost:{imap}", "--ca-file", "{ca}")

    def test_one_line_starts_it_before_a_server_with_tls(self):
        self.one_line_start("imaps://localhost:{imaps}", "--ca-file", "{ca}")

    def test_one_line_start_makes_do_with_few_open_files(self):
        self.one_line_start("imap://127.0.0.1:{imap}?security=none", prefix=("prlimit", "--nofile=1024:1024"))


if __name__ == "__main__":
    tap.main()
