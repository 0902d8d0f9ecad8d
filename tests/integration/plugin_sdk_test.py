"""`popgate plugins` and `popgate plugin-test`: what is told of modules, sound ones and such as break the contract in
one way each (shaky_plugin.c)."""

import concurrent.futures
import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import termios
import time
import unittest

import dovecot
import localmail
import tap
from examplecase import wait_until
from gateway import PLUGINS, PROGRAM, SANITIZED
from localmail import LocalMail

SOURCE = os.environ.get("srcdir", ".")
SHAKY = os.path.join(SOURCE, "tests/integration/shaky_plugin.c")
WRONG = os.path.join(SOURCE, "tests/unit/wrong_plugin.c")

# A way of shaky_plugin.c: the first check that finds it, what that says (# is any number), and the others that fail with it.
WAYS = {
    "abort-open": ("open",
        "the process ended in open by signal 6 (Aborted)"),
    "add-ignored": ("list: add refuses",
        "expected no add() after the one that was refused, came 4"),
    "add-success": ("list: add refuses",
        "expected -1 with STOPPED, came success"),
    "add-temp": ("list: add refuses",
        "list: expected STOPPED, came TEMP: no"),
    "any-password": ("open: wrong password",
        "expected AUTH, came success"),
    "blank-id": ("list",
        "message 1: expected one that popgate takes, came: the backend listed a message without a valid unique id"),
    "commit-ignores-deadline": ("commit: deadline has passed",
        "expected TEMP, came success"),
    "commit-lies": ("commit: a part",
        "message 1 is told to be gone: expected a listing without it, unless the settings only mark or keep, came one with it"),
    "commit-neighbour": ("commit: a part",
        "message 2 was not to be removed: expected it to be listed again, came a listing without it"),
    "commit-refuses": ("commit: a part",
        "expected commit to succeed, came PERM: read-only",
        "close: after commit"),
    "commit-silent": ("commit: a part",
        "expected gone[] all 1 of a commit that succeeds, came 0 for message 1",
        "close: after commit"),
    "configure-asks-wrongly": ("configure",
        "the process ended in configure by signal 6 (Aborted)"),
    "configure-refuses": ("configure",
        "expected configure to succeed, came PERM: not today"),
    "configure-temp": ("configure",
        "configure: expected PERM, came TEMP: not today"),
    "crash-commit": ("commit: a part",
        "the process ended in commit by signal 11 (Segmentation fault)",
        "commit: deadline has passed",
        "close: after commit"),
    "crash-configure": ("configure",
        "the process ended in configure by signal 11 (Segmentation fault)"),
    "crash-fetch": ("fetch",
        "the process ended in fetch by signal 11 (Segmentation fault)"),
    "crash-list": ("list",
        "the process ended in list by signal 11 (Segmentation fault)"),
    "crash-offers": ("open",
        "the process ended in offers by signal 11 (Segmentation fault)"),
    "crash-open": ("open",
        "the process ended in open by signal 11 (Segmentation fault)"),
    "crash-prefetch": ("prefetch: followed",
        "the process ended in prefetch by signal 11 (Segmentation fault)",
        "prefetch: never followed",
        "prefetch: other messages",
        "prefetch: pauses"),
    "double-id": ("list",
        "expected a listing that popgate takes, came: the backend listed one unique id for two messages"),
    "drop-of-failure": ("open: wrong password",
        "expected no drop of an open that failed, came one",
        "open: nothing left of a refused one"),
    "enough-fails": ("fetch: headers",
        "message 1: expected fetch to succeed, came STOPPED: enough",
        "fetch: the sink has enough"),
    "exit-commit": ("commit: a part",
        "the process ended in commit with exit code 0",
        "commit: deadline has passed",
        "close: after commit"),
    "exit-configure": ("configure",
        "the process ended in configure with exit code 0"),
    "exit-fetch": ("fetch",
        "the process ended in fetch with exit code 0"),
    "exit-open": ("open",
        "the process ended in open with exit code 0"),
    "fewer-octets": ("fetch: the same again",
        "message 1: expected 79 octets again, came 76",
        "fetch: after a refusal",
        "prefetch: other messages"),
    "forward-only": ("fetch: backwards",
        "message 4: expected the same octets again, came others",
        "prefetch: other messages"),
    "gone-ignored": ("fetch: the client goes",
        "expected STOPPED, came success"),
    "gone-late": ("fetch: the client goes",
        "expected an end within 1 s, came one after # ms"),
    "gone-temp": ("fetch: the client goes",
        "expected STOPPED, came TEMP: gone"),
    "half-header": ("fetch: headers",
        "message 1: expected the empty line after the header, came an end before it"),
    "hint-confuses": ("prefetch: other messages",
        "message 4: expected what comes without a hint, came other octets"),
    "huge-size": ("list",
        "message 1: expected one that popgate takes, came: the backend listed an impossible size"),
    "late-auth": ("commit: deadline has passed",
        "commit: expected TEMP, came AUTH: too late"),
    "late-commit-perm": ("commit: deadline has passed",
        "commit: expected TEMP, came PERM: too late"),
    "late-lie": ("commit: deadline has passed",
        "expected no removal to begin, came gone[] 1 for message 1"),
    "late-list": ("list: deadline has passed",
        "expected an end within 1 s, came one after # ms"),
    "late-list-perm": ("list: deadline has passed",
        "list: expected TEMP, came PERM: too late"),
    "late-open": ("open: deadline has passed",
        "expected an end within 1 s, came one after # ms"),
    "late-perm": ("open: deadline has passed",
        "expected TEMP, came PERM: too late"),
    "late-removal": ("commit: deadline has passed",
        "expected no removal to begin, came a listing without message 1"),
    "leak": ("close: after open",
        "expected # open descriptors as before open, came #",
        "open: nothing left of a refused one",
        "close: after list",
        "close: after fetch",
        "close: after a refused fetch",
        "close: after commit"),
    "lock-first": ("open: the lock",
        "expected lock() after credential(), came lock() first",
        "open: wrong password"),
    "lock-never": ("open: the lock",
        "expected one call of lock() in open, came 0"),
    "lock-twice": ("open: the lock",
        "expected one call of lock() in open, came 2"),
    "long-gone": ("commit: a part",
        "expected 2 octets of gone[] to be written, came one more",
        "close: after commit"),
    "long-id": ("list",
        "message 1: expected one that popgate takes, came: the backend listed a message without a valid unique id"),
    "no-deadline": ("fetch: the upstream is silent",
        "expected a wait that ends, came one without a deadline"),
    "no-drop": ("open",
        "expected a drop of a successful open, came none"),
    "no-end": ("open: wrong password",
        "open: expected an error text that ends, came one without NUL",
        "open: nothing left of a refused one"),
    "no-id": ("list",
        "message 1: expected one that popgate takes, came: the backend listed a message without a valid unique id"),
    "no-status": ("open: wrong password",
        "open: expected a status of the header, came 77",
        "open: nothing left of a refused one"),
    "no-text": ("open: wrong password",
        "open: expected an error text that ends, came none",
        "open: nothing left of a refused one"),
    "odd-gone": ("commit: a part",
        "expected 0 or 1 in gone[], came 2",
        "close: after commit"),
    "one-instance": ("configure: two instances",
        "the process ended in destroy by signal 6 (Aborted)",
        "destroy: an instance"),
    "open-ignores-deadline": ("open: deadline has passed",
        "expected TEMP, came success"),
    "open-leaks": ("open: nothing left of a refused one",
        "expected # open descriptors as before open, came #"),
    "other-header": ("fetch: headers",
        "message 1: expected a header that begins the whole message, came another"),
    "other-octets": ("fetch: the same again",
        "message 1: expected the same octets again, came others",
        "fetch: after a refusal",
        "prefetch: other messages"),
    "refusal-ignored": ("fetch: refused at once",
        "expected no write after the one that was refused, came 7",
        "fetch: refused in the middle",
        "fetch: after a refusal"),
    "refusal-spoils": ("fetch: after a refusal",
        "expected the same octets again, came others"),
    "refusal-success": ("fetch: refused at once",
        "expected -1 with STOPPED, came success",
        "fetch: refused in the middle",
        "fetch: after a refusal"),
    "refusal-temp": ("fetch: refused at once",
        "expected STOPPED, came TEMP: refused",
        "fetch: refused in the middle",
        "fetch: after a refusal"),
    "secret-in-log": ("open: wrong password",
        "expected no secret in log(), came the password"),
    "secret-in-text": ("open: wrong password",
        "open: expected no secret in the error text, came the password",
        "open: nothing left of a refused one"),
    "sink-counts": ("fetch: slow reader",
        "expected time in the sink not to count, came TEMP: too slow"),
    "spin-configure": ("configure",
        "no end of configure within 4 s"),
    "spin-fetch": ("fetch",
        "no end of fetch within 4 s"),
    "spin-list": ("list",
        "no end of list within 4 s"),
    "spin-open": ("open",
        "no end of open within 4 s"),
    "temp-for-auth": ("open: wrong password",
        "expected AUTH, came TEMP: refused"),
    "timeout-ignored": ("fetch: the upstream is silent",
        "expected TEMP, came success"),
    "timeout-stopped": ("fetch: the upstream is silent",
        "expected TEMP, came STOPPED: silent"),
    "two-lines": ("open: wrong password",
        "open: expected an error text of one line, came a control character",
        "open: nothing left of a refused one"),
    "unstable-count": ("list: the same again",
        "message 2: expected the id id.2 again, came id.1",
        "fetch: backwards",
        "prefetch: followed",
        "prefetch: other messages",
        "prefetch: pauses",
        "commit: a part"),
    "unstable-id": ("list: the same again",
        "message 1: expected the id id.1.0 again, came id.2.0",
        "commit: a part",
        "commit: deadline has passed"),
    "unstable-size": ("list: the same again",
        "message 1: expected 80 octets again, came 81",
        "fetch: sizes"),
    "wrong-size": ("fetch: sizes",
        "message 1: expected 80 octets as listed, came 79"),
    "wrong-status": ("open: wrong password",
        "open: expected one of AUTH, TEMP, PERM, IN_USE, PROTOCOL, STOPPED, came GONE: refused",
        "open: nothing left of a refused one"),
}
# The ways that end a check in time: nothing else needs much of it.
PATIENCE = 4
CRASH = "with exit code 1" if SANITIZED else "by signal 11 (Segmentation fault)"


def build(folder, name, source, *flags):
    path = os.path.join(folder, f"{name}.so")
    subprocess.run((*os.environ.get("CC", "cc").split(), "-shared", "-fPIC", "-O0", "-w", "-I",
                    os.path.join(SOURCE, "include"), *flags, "-o", path, source), check=True)
    os.chmod(path, 0o644)
    return path


def popgate(*arguments, said="", status=0):
    """What the program prints on its standard output and error; its status must be that one."""
    done = subprocess.run((PROGRAM, *arguments), input=said, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != status:
        raise AssertionError(f"popgate {' '.join(arguments)}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def verdicts(report):
    """{check: what is said of it}, of a report."""
    return dict(line.split(": ", 1) if line.count(": ") == 1 else
                re.match(r"(.*?): ((?:ok|FAILED|not tried).*)", line).groups()
                for line in report.partition("\n\n")[0].splitlines())


def read(path):
    """A file of /proc; nothing once its process has ended."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class FolderCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="popgate-sdk-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def copy(self, name):
        shutil.copy(os.path.join(PLUGINS, f"{name}.so"), self.folder)
        os.chmod(self.path(f"{name}.so"), 0o644)
        return self.path(f"{name}.so")


EXAMPLE = """example 1, ABI 1.2: a maildrop in memory
  lists exact sizes, ids survive a move to another server
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
        for line in ("  reads ahead\n", "    host = a string, required\n",
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

    COMMITS = ("commit: a part", "commit: deadline has passed", "close: after commit")
    PREFETCHES = ("prefetch: followed", "prefetch: never followed", "prefetch: other messages", "prefetch: pauses")
    WAITS = ("fetch: the client goes", "fetch: the upstream is silent")

    def test_example(self):
        report, _ = popgate("plugin-test", "example", "--plugin-dir", PLUGINS, "--user", "ann", said="password\n")
        told = self.check_report(report, *self.COMMITS, *self.PREFETCHES, *self.WAITS)
        self.assertEqual(told["list"], "ok (3 messages, 197 octets)")
        self.assertEqual(told["fetch: sizes"], "ok (declared exact; 0 of 3 differ)")
        self.assertEqual(told["commit: a part"], "not tried: it removes messages; --destructive allows that")

    def test_example_removes(self):
        settings = self.write("settings", "messages = 8; removed = \"notes\";")
        os.mkdir(self.path("notes"))
        arguments = ("plugin-test", "example", "--plugin-dir", PLUGINS, "--settings", settings, "--user", "ann/b")
        report, _ = popgate(*arguments, "--destructive", said="password\n")
        told = self.check_report(report, *self.PREFETCHES, *self.WAITS)
        self.assertEqual(told["commit: a part"], "ok (2 of 8 messages removed)")
        with open(self.path("notes/616e6e2f62"), "rb") as file:
            self.assertEqual(file.read(), b"\1\1\1")
        self.assertEqual(verdicts(popgate(*arguments, said="password\n")[0])["list"].split()[1], "(5")

    @unittest.skipUnless(dovecot.available(), "there is no Dovecot")
    def test_imap(self):
        mail = [b"Subject: %d\r\n\r\n" % number + b"line %d\r\n.\r\n" % number * 10 ** (number % 6) for number in range(12)]
        with dovecot.Dovecot() as server:
            server.append("ann", mail)
            settings = self.write("settings", f'host = "127.0.0.1"; port = {server.imap_port}; security = "none";\n')
            password = self.write("password", f"{dovecot.PASSWORD}\n")
            arguments = ("plugin-test", os.path.join(PLUGINS, "imap.so"), "--settings", settings, "--user", "ann",
                         "--password-file", password)
            told = self.check_report(popgate(*arguments)[0], *self.COMMITS)
            self.assertEqual(told["fetch: sizes"], "ok (not declared exact; 0 of 12 differ)")
            self.assertEqual(len(server.bodies("ann")), 12)
            told = self.check_report(popgate(*arguments, "--destructive")[0])
            self.assertEqual(told["commit: a part"], "ok (2 of 12 messages removed)")
            left = server.bodies("ann")
            self.assertEqual(told["commit: deadline has passed"], "ok")
            self.assertEqual(len(left), 9)
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
            told = self.check_report(report, *self.COMMITS, *self.PREFETCHES, *self.WAITS)
            self.assertEqual(told["fetch: sizes"], "ok (not declared exact; 0 of 12 differ)")
            self.assertEqual(mail.files("ann"), before)
            report = popgate(*arguments, "--destructive", said=f"{localmail.PASSWORD}\n")[0]
            told = self.check_report(report, *self.PREFETCHES, *self.WAITS)
            self.assertEqual(told["commit: a part"], "ok (2 of 12 messages removed)")
            self.assertEqual(len(mail.files("ann")), 9)

    def test_shaky_without_a_way(self):
        module = build(self.folder, "shaky", SHAKY)
        settings = self.write("settings", f'state = "{self.path("state")}";')
        arguments = ("plugin-test", module, "--settings", settings, "--user", "ann")
        self.check_report(popgate(*arguments, said="open sesame\r\nmore\n")[0], *self.COMMITS)
        self.assertFalse(os.path.exists(self.path("state")))
        self.check_report(popgate(*arguments, "--destructive", said="open sesame")[0])
        with open(self.path("state"), "rb") as file:
            self.assertEqual(file.read(), b"xxx")

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


class Wrong(FolderCase):
    """Each fault is found, by the checks that look for it, in these words."""

    def run_way(self, way):
        settings = self.write(f"{way}.conf", f'state = "{self.path(way)}"; way = "{way}";')
        patience = PATIENCE if way.startswith("spin-") else 60
        done = subprocess.run((PROGRAM, "plugin-test", self.module, "--settings", settings, "--user", "ann", "--destructive",
                               "--deadline", str(patience)), input="open sesame\n", stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False)
        return done.returncode, verdicts(done.stdout)

    def test_every_way(self):
        self.module = build(self.folder, "shaky", SHAKY)
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            found = dict(zip(WAYS, pool.map(self.run_way, WAYS)))
        for way, (check, text, *others) in WAYS.items():
            with self.subTest(way=way):
                status, told = found[way]
                failed = {name: verdict for name, verdict in told.items() if verdict.startswith("FAILED")}
                self.assertEqual(status, 1, told)
                self.assertEqual(list(failed), [check, *others])
                pattern = re.escape(text.replace("by signal 11 (Segmentation fault)", CRASH)).replace(r"\#", r"\d+")
                self.assertRegex(failed[check], f"^FAILED: {pattern}$")

    def test_what_a_sound_one_may_do(self):
        self.module = build(self.folder, "shaky", SHAKY)
        nothing = "not tried: nothing was refused: the message came in "
        ways = {"needs-descriptors": ("close: after commit", "ok"), "large": ("fetch: headers", "ok"),
                "writes-less": ("fetch: refused in the middle", f"{nothing}1 write"),
                "no-octets": ("fetch: refused at once", f"{nothing}0 writes"),
                "slow-upstream": ("fetch: slow reader", "ok")}
        with concurrent.futures.ThreadPoolExecutor(len(ways)) as pool:
            found = dict(zip(ways, pool.map(self.run_way, ways)))
        for way, (check, verdict) in ways.items():
            with self.subTest(way=way):
                status, told = found[way]
                self.assertEqual((status, told[check]), (0, verdict), told)

    def test_what_is_no_fault(self):
        self.module = build(self.folder, "shaky", SHAKY)
        status, told = self.run_way("empty")
        self.assertEqual((status, told["list"], told["fetch"], told["fetch: headers"]),
                         (0, "ok (0 messages, 0 octets)", "not tried: the maildrop has 0 messages, 1 are needed",
                          "not tried: `fetch` was not tried"))
        status, told = self.run_way("offers-nothing")
        self.assertEqual((status, told["prefetch: followed"], told["fetch: sizes"]),
                         (0, "not tried: not offered for this drop", "ok (not declared exact; 0 of 5 differ)"))

    def test_what_hangs_on_a_check_that_failed_is_not_tried(self):
        self.module = build(self.folder, "shaky", SHAKY)
        _, told = self.run_way("crash-list")
        self.assertEqual({verdict for name, verdict in told.items() if name.startswith(("fetch", "list: "))},
                         {"not tried: `list` failed"})
        self.assertEqual(told["close: after open"], "ok")

    def test_data(self):
        keys = ".keys = (const struct popgate_key[]){{%s}, {.name = NULL}}"
        key = '.name = "state", .help = "x"'
        for exported, check, text in (
                ('.version = NULL', "names", "expected a version of one line, came `NULL`"),
                ('.version = ""', "names", "expected a version of one line, came ``"),
                ('.summary = "one\\ntwo"', "names", "expected a summary of one line, came `one?two`"),
                ('.capabilities = 0x81', "capabilities", "expected bits that ABI 1.2 knows, came 0x80 too"),
                ('.abi_minor = 1, .capabilities = 9', "capabilities", "expected bits that ABI 1.1 knows, came 0x8 too"),
                (keys % '.name = "State", .help = "x"', "settings", "expected keys of a-z 0-9 _, came `State`"),
                (keys % '.name = "plugin", .help = "x"', "settings",
                 "expected keys that popgate does not read itself, came `plugin`"),
                (keys % '.name = "state"', "settings", "`state`: expected a help of one line, came `NULL`"),
                (keys % '.name = "state", .help = "Which ones."', "settings",
                 "`state`: expected a help without a final dot, came `Which ones.`"),
                (keys % f"{key}, .type = 77", "settings", "`state`: expected a type of the header, came 77"),
                (keys % f"{key}, .flags = 8", "settings", "`state`: expected flags of the header, came 0x8"),
                (keys % f"{key}, .type = POPGATE_KEY_INT, .min = 3, .max = 2", "settings",
                 "`state`: expected a range, came from 3 to 2"),
                (keys % f"{key}, .type = POPGATE_KEY_CHOICE", "settings", "`state`: expected choices, came none"),
                (keys % f"{key}, .type = POPGATE_KEY_CHOICE, .choices = (const char *const[]){{\"a\", \"a\", NULL}}",
                 "settings", '`state`: expected each choice once, came "a" twice'),
                (keys % f"{key}, .flags = POPGATE_KEY_REQUIRED, .fallback = \"y\"", "settings",
                 "`state`: expected no default of a required key, came `y`"),
                (keys % f"{key}, .flags = POPGATE_KEY_REQUIRED | POPGATE_KEY_SECRET, .fallback = \"y\"", "settings",
                 "`state`: expected no default of a required key, came one"),
                (keys % f"{key}, .type = POPGATE_KEY_CHOICE, .choices = (const char *const[]){{\"a\", NULL}}, "
                 '.flags = POPGATE_KEY_SECRET, .fallback = "y"', "settings",
                 "`state`: expected a default that fits its key, came another"),
                (keys % f"{key}, .type = POPGATE_KEY_INT, .fallback = \"5\", .min = 1, .max = 4", "settings",
                 "expected a default that fits its key, came: the key table: `state` is 5: it must be from 1 to 4"),
                (keys % f"{key}, .type = POPGATE_KEY_BOOL, .fallback = \"yes\"", "settings",
                 "expected a default that fits its key, came: the key table: `state` has a default that is neither true nor "
                 "false"),
                (keys % f"{key}}}, {{{key}", "settings", "expected each key once, came `state` twice")):
            with self.subTest(exported=exported):
                module = build(self.folder, "shaky", SHAKY, f"-DEXPORTED={exported}")
                settings = self.write("settings", f'state = "{self.path("state")}";')
                done = subprocess.run((PROGRAM, "plugin-test", module, "--settings", settings), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
                self.assertIn(f"\n{check}: FAILED: {text}\n", done.stdout)

    def test_what_the_loader_refuses(self):
        for name, flags, text in (
                ("major", ("-DMAJOR=POPGATE_ABI_MAJOR+1",), "was built for plugin ABI 2.2, this popgate has 1.2: upgrade "
                 "popgate, or rebuild the plugin with its header"),
                ("minor", ("-DMINOR=POPGATE_ABI_MINOR+1",), "was built for plugin ABI 1.3, this popgate has 1.2: upgrade "
                 "popgate, or rebuild the plugin with its header"),
                ("magic", ("-DMAGIC=1",), "exports something else as `popgate_plugin`: rebuild it with popgate's header"),
                ("open", ("-DOPEN=NULL",), "lacks the function open"),
                ("symbol", ("-DSYMBOL=popgate_other",), "exports no `popgate_plugin`: it is not a popgate plugin")):
            with self.subTest(name=name):
                module = build(self.folder, name, WRONG, "-DNEVER", f'-DNAME="{name}"', *flags)
                report, _ = popgate("plugin-test", module, status=1)
                told = verdicts(report)
                self.assertEqual(told["module"], f"FAILED: plugin {name}: {module} {text}")
                self.assertEqual({verdict for check, verdict in told.items() if check != "module"},
                                 {"not tried: `module` failed"})


if __name__ == "__main__":
    tap.main()
