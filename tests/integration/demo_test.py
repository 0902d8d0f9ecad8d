"""The demo, as a newcomer meets it: it shows mail, what it says can be done can be done, and
whichever way it is ended, nothing of it is left."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import unittest

import dovecot
import tap

DEMO = os.path.join(os.environ["srcdir"], "tests", "demo", "demo.py")


def parents():
    """{pid: (ppid, start time)} of every process."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            found[int(entry)] = (int(fields[1]), fields[19])
    return found


def left_of(family):
    """Those of a family that do not end; the last ones of Dovecot may take a moment longer than it."""
    deadline = time.monotonic() + 5
    while True:
        left = {(pid, begun) for pid, (_, begun) in parents().items()} & family
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


class Demo:
    """The demo as a child; `lines` is what it has printed."""

    def __init__(self, environment=None):
        self.lines = []
        self.process = subprocess.Popen((sys.executable, DEMO), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, encoding="utf-8",
                                        env={**os.environ, "PYTHONUTF8": "1", **(environment or {})})
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, text):
        deadline = time.monotonic() + 60
        while not any(text in line for line in self.lines):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the demo never said `{text}`: {self.text()}")
            time.sleep(0.05)

    def text(self):
        return "\n".join(self.lines)

    def command(self, word):
        """The command line that the demo printed with this word in it."""
        return next(line.strip()[2:] for line in self.lines if line.strip().startswith("$ ") and word in line)

    def family(self):
        """{(pid, start time)} of the demo's processes."""
        every = parents()
        wanted = {self.process.pid}
        grown = 0
        while grown != len(wanted):
            grown = len(wanted)
            wanted |= {pid for pid, (ppid, _) in every.items() if ppid in wanted}
        return {(pid, every[pid][1]) for pid in wanted if pid in every}

    def folders(self):
        return set(re.findall(r"/tmp/popgate-[a-z]+-\w+", self.text()))

    def end(self, how):
        self.process.send_signal(how)
        status = self.process.wait(60)
        self.reader.join()
        return status

    def discard(self):
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        self.reader.join()
        self.process.stdout.close()


def run(line, text=""):
    done = subprocess.run(shlex.split(line), input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False)
    return done.stdout.decode("utf-8", "replace")


@unittest.skipUnless(dovecot.available(), "there is no Dovecot")
class DemoTest(unittest.TestCase):
    def start(self, **environment):
        demo = Demo(environment)
        self.addCleanup(demo.discard)
        return demo

    def started(self):
        demo = self.start()
        demo.wait_for("Everything is up")
        return demo

    def check_ends(self, how):
        demo = self.started()
        family, folders = demo.family(), demo.folders()
        self.assertGreater(len(family), 5)
        self.assertEqual(len(folders), 2)
        self.assertEqual(demo.end(how), 0, demo.text())
        self.assertEqual(left_of(family), set())
        self.assertEqual([folder for folder in folders if os.path.exists(folder)], [])

    def test_shows_the_mail(self):
        demo = self.started()
        self.assertRegex(demo.text(), r"\n +12 +\d+ +\d+\.12 +\[#4711\] Printer says „Papierstau“ — again\n")
        self.assertIn("filename=\"Rechnung 2026-0317.pdf\"", demo.text())

    def test_what_it_says_can_be_done(self):
        demo = self.started()
        listing = re.search(r"(?m)^  \$ (curl .*:secret pop3://[0-9.:]+/)$", demo.text())[1]
        self.assertEqual(len(run(listing).splitlines()), 12)
        self.assertRegex(run(demo.command("-X UIDL")), r"(?m)^12 \d+\.12\s*$")
        self.assertIn("The 19th, if the lorry is repaired.", run(listing + "3"))
        run(demo.command("DELE 2"))
        self.assertEqual(len(run(listing).splitlines()), 11)
        self.assertIn("event=session_end", run(demo.command("cat /tmp")))

    def test_a_raw_session(self):
        demo = self.started()
        lines = [*re.findall(r"(?m)^    ((?:USER|PASS) .*)$", demo.text()), "STAT", "QUIT", ""]
        output = run(demo.command("/dev/tcp/"), "\n".join(lines))
        self.assertRegex(output, r"^\+OK popgate ready\r?\n\+OK .*\n\+OK 12 messages .*\n\+OK 12 \d+")

    def test_ends_on_ctrl_c(self):
        self.check_ends(signal.SIGINT)

    def test_ends_on_sigterm(self):
        self.check_ends(signal.SIGTERM)

    def test_ends_when_its_terminal_goes(self):
        self.check_ends(signal.SIGHUP)

    def test_ends_while_it_starts(self):
        demo = self.start()
        demo.wait_for("An IMAP server")
        family = demo.family()
        self.assertEqual(demo.end(signal.SIGTERM), 0, demo.text())
        self.assertEqual(left_of(family), set())
        self.assertEqual([folder for folder in demo.folders() if os.path.exists(folder)], [])

    def test_fails_when_popgate_does_not_start(self):
        demo = self.start(POPGATE="/bin/false")
        self.assertNotEqual(demo.process.wait(60), 0)
        demo.reader.join()
        self.assertIn("popgate did not start", demo.text())
        self.assertEqual(len(demo.folders()), 1, demo.text())
        self.assertEqual([folder for folder in demo.folders() if os.path.exists(folder)], [])


if __name__ == "__main__":
    tap.main()
