"""hoodiecrow-imap, an IMAP server written in JavaScript, kept in memory: a second kind of server for long runs.

`make model` installs it from npm into the build folder; POPGATE_HOODIECROW names that folder. Each server has one
account. It gives a UIDVALIDITY again once a folder has been deleted, an empty line too many or too few with
BODY[HEADER], and nothing where it is asked for more of BODY[TEXT] than there is: tests ask none of that of it."""

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
server.server.on("connection", socket => socket.setNoDelay(true));
server.listen(Number(process.argv[3]), "127.0.0.1");
"""


def module():
    return os.path.join(os.environ.get("POPGATE_HOODIECROW", "/nonexistent"), "node_modules/hoodiecrow-imap")


def available():
    return shutil.which("node") is not None and os.path.isdir(module())


class Hoodiecrow:
    user = "someone"

    def __init__(self, count, *, old=False):
        """So many servers, at `ports`. old: without UIDPLUS and MOVE."""
        self.plugins = "[]" if old else '["UIDPLUS", "MOVE"]'
        self.folder = tempfile.mkdtemp(prefix="popgate-imap-", dir="/tmp")
        self.ports = [free_port() for _ in range(count)]
        self.processes = []

    def start(self):
        script = os.path.join(self.folder, "start.js")
        with open(script, "w", encoding="utf-8") as file:
            file.write(_START)
        for port in self.ports:
            self._start(script, port)
        return self

    def _start(self, script, port):
        with open(os.path.join(self.folder, "output"), "ab") as output:
            self.processes.append(subprocess.Popen(("node", script, module(), str(port), self.plugins),
                                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output))
        deadline = time.monotonic() + 20
        while not greets(port):
            if self.processes[-1].poll() is not None or time.monotonic() > deadline:
                said = self.output()
                self.stop()
                raise RuntimeError(f"hoodiecrow does not start: {said}")
            time.sleep(0.03)

    def output(self):
        with open(os.path.join(self.folder, "output"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def stop(self):
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            process.wait(10)
        self.processes = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()
