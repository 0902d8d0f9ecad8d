"""`popgate plugins` and `popgate plugin-test`: what is told of modules that keep the contract."""

import fcntl
import os
import signal
import subprocess
import termios
import time
import unittest

import dovecot
import localmail
import tap
from examplecase import wait_until
from gateway import PLUGINS, PROGRAM, SANITIZED
from localmail import LocalMail
from plugincase import SHAKY, WRONG, FolderCase, build, popgate, verdicts


def read(path):
    """A file of /proc; nothing once its process has ended."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


EXAMPLE = """example 1, ABI 1.3: a maildrop in memory
  can be kept open between logins, lists exact sizes, ids survive a move to
    another server
  settings:
    password = a string, secret; has a default
        what every user logs in with
    messages = a number from 0 to 1000000; default 3
        how many there are
    fail = "none", "temp", "perm", "protocol", "gone", "torn", "commit" or
        "crash"; default "none"
        how fetching (torn, gone, ...), opening (temp, perm) or removing
        (commit) goes wrong
    removed = a path
        a folder where removals are noted, a file for each user; without it
        what is removed comes back
"""


class Plugins(FolderCase):
    maxDiff = None

    def test_one_is_told_by_its_name(self):
        self.copy("example")
        self.assertEqual(popgate("plugins", "example", "--plugin-dir", self.folder), (EXAMPLE, ""))

    def test_all_are_told_in_order_of_their_names(self):
        self.copy("imap")
        self.copy("example")
        self.write("notes.txt", "no module")
        report, _ = popgate("plugins", "--plugin-dir", self.folder)
        self.assertTrue(report.startswith(EXAMPLE + "\nimap "), report)
        for line in ("  reads ahead, can be kept open between logins,", "    host = a string, required\n",
                     "    reconnect_timeout = a number from 1 to 600 seconds; default 30\n", "    ca_file = a path\n",
                     "    send_id = true or false; default true\n",
                     '    security = "tls", "starttls" or "none"; default "tls"\n'):
            self.assertIn(line, report)
        self.assertLess(max(map(len, report.splitlines())), 80)

    def test_one_that_would_be_refused_is_told_with_the_reason(self):
        path = self.copy("example")
        os.chmod(path, 0o664)
        reason = (f"example: cannot be used\n  plugin example: {path} can be written by its group or by others (mode 0664): "
                  "chmod go-w it\n")
        report, _ = popgate("plugins", "--plugin-dir", self.folder, status=3)
        self.assertEqual(" ".join(report.split()), " ".join(reason.split()))
        self.copy("imap")
        report, _ = popgate("plugins", "--plugin-dir", self.folder, status=3)
        self.assertIn("\nimap ", report)
        os.chmod(path, 0o644)
        popgate("plugins", "--plugin-dir", self.folder)

    def test_one_that_ends_the_process_costs_no_other(self):
        self.copy("example")
        source = self.write("bomb.c", "#include <stdlib.h>\n__attribute__((constructor)) static void b(void) { abort(); }\n")
        build(self.folder, "bomb", source)
        report, _ = popgate("plugins", "--plugin-dir", self.folder, status=3)
        self.assertEqual(report, "bomb: cannot be used\n  the process ended in loading by signal 6 (Aborted)\n\n" + EXAMPLE)

    def test_one_is_not_waited_for_when_it_has_ended(self):
        self.copy("example")
        begun = time.monotonic()
        done = subprocess.run((PROGRAM, "plugins", "--plugin-dir", self.folder), stdout=subprocess.PIPE, text=True,
                              check=False, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual((done.returncode, done.stdout), (0, EXAMPLE))
        self.assertLess(time.monotonic() - begun, 10)

    def test_a_terminal_that_stops_background_output_gets_it(self):
        self.copy("example")
        ours, theirs = os.openpty()
        modes = termios.tcgetattr(theirs)
        modes[3] |= termios.TOSTOP
        termios.tcsetattr(theirs, termios.TCSANOW, modes)
        program = subprocess.Popen((PROGRAM, "plugins", "--plugin-dir", self.folder), stdin=theirs, stdout=theirs,
                                   start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.assertEqual(program.wait(60), 0)
        said = b""
        while said.count(b"\n") < EXAMPLE.count("\n"):
            said += os.read(ours, 4096)
        os.close(ours)
        os.close(theirs)
        self.assertEqual(said.decode().replace("\r\n", "\n"), EXAMPLE)

    def test_one_that_hangs_ends_with_the_program(self):
        source = self.write("sleepy.c", "#include <unistd.h>\n__attribute__((constructor)) static void b(void) { sleep(60); }\n")
        build(self.folder, "sleepy", source)
        program = subprocess.Popen((PROGRAM, "plugins", "--plugin-dir", self.folder), stdout=subprocess.DEVNULL)
        children = f"/proc/{program.pid}/task/{program.pid}/children"
        self.assertTrue(wait_until(lambda: read(children)))
        child = read(children).strip()
        self.assertTrue(wait_until(lambda: "sleepy.so" in read(f"/proc/{child}/maps")))
        program.kill()
        program.wait()
        self.assertTrue(wait_until(lambda: not read(f"/proc/{child}/maps"), 20))

    def test_what_is_not_there(self):
        report, _ = popgate("plugins", "none", "--plugin-dir", self.folder, status=3)
        self.assertIn("no module", report)
        self.assertEqual(popgate("plugins", "--plugin-dir", self.folder)[0], f"no modules in {self.folder}\n")
        _, said = popgate("plugins", "--plugin-dir", self.path("gone"), status=3)
        self.assertEqual(said, f"popgate plugins: {self.path('gone')}: No such file or directory\n")

    def test_usage(self):
        for arguments in (("plugins", "a", "b"), ("plugins", "-c", "x"), ("plugins", "--user", "ann"), ("plugin-test",),
                          ("plugin-test", "x", "--imap", "imaps://x"), ("plugin-test", "x", "--deadline", "0"),
                          ("plugin-test", "x", "--deadline", "soon"), ("serve", "x"), ("check", "--destructive")):
            with self.subTest(arguments=arguments):
                report, said = popgate(*arguments, status=2)
                self.assertEqual(report, "")
                self.assertIn("--help" if "--deadline" not in arguments else "--deadline takes", said)


class Sound(FolderCase):
    def check_report(self, report, *untried):
        """Nothing failed, and nothing was left out but that."""
        told = verdicts(report)
        self.assertGreaterEqual(len(told), 40, report)
        self.assertEqual({name for name, verdict in told.items() if verdict.startswith("not tried")}, set(untried), report)
        self.assertTrue(all(verdict.startswith(("ok", "not tried")) for verdict in told.values()), report)
        self.assertIn(f"\n{len(told) - len(untried)} ok, 0 failed, {len(untried)} not tried\n", report)
        return told

    COMMITS = ("commit: a part", "commit: deadline has passed", "close: after commit", "refresh: after commit")
    PREFETCHES = ("prefetch: followed", "prefetch: never followed", "prefetch: other messages", "prefetch: pauses")
    WAITS = ("fetch: the client goes", "fetch: the upstream is silent")
    NONE = ("takes: no secret", "takes: an empty password")
    TOKENS = ("takes: a token", "takes: a master user")
    TAKES = ("takes: a folder", *TOKENS, *NONE)

    def test_example(self):
        report, _ = popgate("plugin-test", "example", "--plugin-dir", PLUGINS, "--user", "ann", said="password\n")
        told = self.check_report(report, *self.COMMITS, *self.PREFETCHES, *self.WAITS, "takes", *self.TAKES)
        self.assertEqual(told["list"], "ok (3 messages, 197 octets)")
        self.assertEqual(told["fetch: sizes"], "ok (declared exact; 0 of 3 differ)")
        self.assertEqual(told["commit: a part"], "not tried: it removes messages; --destructive allows that")

    def test_example_removes(self):
        settings = self.write("settings", "messages = 8; removed = \"notes\";")
        os.mkdir(self.path("notes"))
        arguments = ("plugin-test", "example", "--plugin-dir", PLUGINS, "--settings", settings, "--user", "ann/b")
        report, _ = popgate(*arguments, "--destructive", said="password\n")
        told = self.check_report(report, *self.PREFETCHES, *self.WAITS, "takes", *self.TAKES)
        self.assertEqual(told["commit: a part"], "ok (2 of 8 messages removed)")
        with open(self.path("notes/616e6e2f62"), "rb") as file:
            self.assertEqual(file.read(), b"\1" * 4)
        self.assertEqual(verdicts(popgate(*arguments, said="password\n")[0])["list"].split()[1], "(4")

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot")
    def test_imap(self):
        mail = [b"Subject: %d\r\n\r\n" % number + b"line %d\r\n.\r\n" % number * 10 ** (number % 6) for number in range(12)]
        with dovecot.Dovecot() as server:
            server.append("ann", mail)
            settings = self.write("settings", f'host = "127.0.0.1"; port = {server.imap_port}; security = "none";\n')
            password = self.write("password", f"{dovecot.PASSWORD}\n")
            arguments = ("plugin-test", os.path.join(PLUGINS, "imap.so"), "--settings", settings, "--user", "ann",
                         "--password-file", password)
            told = self.check_report(popgate(*arguments)[0], *self.COMMITS, *self.NONE)
            self.assertEqual(told["fetch: sizes"], "ok (not declared exact; 0 of 12 differ)")
            self.assertEqual(len(server.bodies("ann")), 12)
            told = self.check_report(popgate(*arguments, "--destructive")[0], *self.NONE)
            self.assertEqual(told["commit: a part"], "ok (2 of 12 messages removed)")
            left = server.bodies("ann")
            self.assertEqual(told["commit: deadline has passed"], "ok")
            self.assertEqual(len(left), 8)
            self.assertEqual(set(left.values()) - set(mail), set())

    def test_maildir(self):
        with LocalMail() as mail:
            mail.add("ann")
            for number in range(12):
                mail.deliver("ann", b"Subject: %d\n\n" % number + b"line\n.\n" * 10 ** (number % 6))
            section = mail.backend()
            settings = self.write("settings", "".join(f'{key} = "{section[key]}"; ' for key in ("path", "password_file")))
            arguments = ("plugin-test", "maildir", "--plugin-dir", PLUGINS, "--settings", settings, "--user", "ann")
            before = mail.files("ann")
            report = popgate(*arguments, said=f"{localmail.PASSWORD}\n")[0]
            told = self.check_report(report, *self.COMMITS, *self.PREFETCHES, *self.WAITS, "takes", *self.TOKENS)
            self.assertEqual(told["fetch: sizes"], "ok (not declared exact; 0 of 12 differ)")
            self.assertEqual(mail.files("ann"), before)
            report = popgate(*arguments, "--destructive", said=f"{localmail.PASSWORD}\n")[0]
            told = self.check_report(report, *self.PREFETCHES, *self.WAITS, "takes", *self.TOKENS)
            self.assertEqual(told["commit: a part"], "ok (2 of 12 messages removed)")
            self.assertEqual(len(mail.files("ann")), 8)

    def test_shaky_without_a_way(self):
        module = build(self.folder, "shaky", SHAKY)
        settings = self.write("settings", f'state = "{self.path("state")}";')
        arguments = ("plugin-test", module, "--settings", settings, "--user", "ann")
        self.check_report(popgate(*arguments, said="open sesame\r\nmore\n")[0], *self.COMMITS)
        self.assertFalse(os.path.exists(self.path("state")))
        self.check_report(popgate(*arguments, "--destructive", said="open sesame")[0])
        with open(self.path("state"), "rb") as file:
            self.assertEqual(file.read(), b"xxxx")

    def test_the_password_is_the_line_without_its_end(self):
        module = build(self.folder, "shaky", SHAKY)
        settings = self.write("settings", f'state = "{self.path("state")}";')
        for said, verdict in (("open sesame\r\n\r\n", "ok"), ("open sesame\r\r\n", "FAILED: expected open to succeed, "
                                                              "came AUTH: refused")):
            report, _ = popgate("plugin-test", module, "--settings", settings, "--user", "ann", said=said,
                                status=0 if verdict == "ok" else 1)
            self.assertEqual(verdicts(report)["open"], verdict)

    @unittest.skipIf(SANITIZED, "AddressSanitizer wants to be loaded first")
    def test_where_the_password_does_not_reach_a_check_none_is_tried(self):
        source = self.write("nopipe.c", "#include <errno.h>\nint pipe2(int *e, int f) { errno = EMFILE; return -1; }\n")
        done = subprocess.run((PROGRAM, "plugin-test", self.copy("example"), "--user", "ann"), input="password\n",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
                              env={**os.environ, "LD_PRELOAD": build(self.folder, "nopipe", source)})
        self.assertEqual((done.returncode, done.stderr),
                         (3, "popgate plugin-test: open: the password cannot be handed over\n"))
        self.assertNotIn("open:", done.stdout)

    def test_without_a_password_no_drop_is_opened(self):
        for arguments in ((), ("--user", "ann")):
            report, _ = popgate("plugin-test", os.path.join(PLUGINS, "example.so"), *arguments, "--destructive")
            told = verdicts(report)
            self.assertEqual(told["open"], "not tried: needs --user and a password")
            self.assertEqual({verdict for name, verdict in told.items() if name.startswith(("list", "fetch", "commit"))},
                             {"not tried: needs --user and a password"})
            self.assertEqual(told["configure"], "ok")

    def test_what_is_given_wrongly_is_no_fault_of_the_plugin(self):
        module = os.path.join(PLUGINS, "example.so")
        settings = self.write("settings", "messages = -1;\nfial = true;\n")
        report, said = popgate("plugin-test", module, "--settings", settings, status=3)
        self.assertNotIn("configure:", report)
        self.assertEqual(sorted(said.splitlines()),
                         [f"{settings}:1: `messages` in backend `plugin-test` is -1: it must be from 0 to 1000000",
                          f"{settings}:2: unknown key `fial` in backend `plugin-test`: did you mean `fail`?"])
        for arguments, word in ((("--settings", self.path("none")), "none"), (("--password-file", self.path("no")), "no")):
            _, said = popgate("plugin-test", module, "--user", "ann", *arguments, status=3)
            self.assertIn(self.path(word), said)
        _, said = popgate("plugin-test", self.path("gone.so"), status=3)
        self.assertEqual(said, f"popgate plugin-test: {self.path('gone.so')}: No such file or directory\n")
        _, said = popgate("plugin-test", "gone", "--plugin-dir", self.folder, status=3)
        self.assertEqual(said, f"popgate plugin-test: {self.path('gone.so')}: No such file or directory\n")


if __name__ == "__main__":
    tap.main()
