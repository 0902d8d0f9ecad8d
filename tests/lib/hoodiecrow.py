"""hoodiecrow-imap, an IMAP server written in JavaScript, kept in memory: a second kind of server for long runs.

`make model` installs it from npm into the build folder; POPGATE_HOODIECROW names that folder. One account,
whose mailbox is made anew for each seed."""

import os
import shutil
import signal
import subprocess
import tempfile
import time

from dovecot import free_port, greets

_START = """
const server = require(process.argv[2])({
  plugins: ["ID", "SASL-IR", "AUTH-PLAIN", "LITERALPLUS", "ENABLE"].concat(JSON.parse(process.argv[4])),
  users: {someone: {password: "secret"}}
});
server.listen(Number(process.argv[3]), "127.0.0.1");
"""


def module():
    return os.path.join(os.environ.get("POPGATE_HOODIECROW", "/nonexistent"), "node_modules/hoodiecrow-imap")


def available():
    return shutil.which("node") is not None and os.path.isdir(module())


class Hoodiecrow:
    user = "someone"

    def __init__(self, *, old=False):
        """old: without UIDPLUS and MOVE."""
        self.plugins = "[]" if old else '["UIDPLUS", "MOVE"]'
        self.folder = tempfile.mkdtemp(prefix="popgate-imap-", dir="/tmp")
        self.imap_port = free_port()
        self.process = None

    def start(self):
        script = os.path.join(self.folder, "start.js")
        with open(script, "w", encoding="utf-8") as file:
            file.write(_START)
        with open(os.path.join(self.folder, "output"), "ab") as output:
            self.process = subprocess.Popen(("node", script, module(), str(self.imap_port), self.plugins),
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        deadline = time.monotonic() + 20
        while not greets(self.imap_port):
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.output()
                self.stop()
                raise RuntimeError(f"hoodiecrow does not start: {said}")
            time.sleep(0.03)
        return self

    def output(self):
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(10)
            self.process = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
