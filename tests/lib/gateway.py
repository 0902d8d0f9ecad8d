"""Runs `popgate serve` for a test, with a configuration made from Python values.

    with Gateway(backends=[imap_backend(server)]) as gate:
        client = poplib.POP3("127.0.0.1", gate.port)

Leaving the block stops the gateway and demands exit status 0, no process left behind, and no
`level=warn` line in the log but those that the test expects."""

import atexit
import functools
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import certificates
import tap

PLUGINS = os.environ.get("POPGATE_PLUGINS", "plugins/.libs")
PROGRAM = os.environ.get("POPGATE", "./popgate")
NOBODY = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")

CLEAR = {"address": "127.0.0.1", "port": 0, "tls": "none", "cleartext_login": True}
STARTTLS = {"address": "127.0.0.1", "port": 0, "tls": "starttls"}
IMPLICIT = {"address": "127.0.0.1", "port": 0, "tls": "implicit"}

with open(PROGRAM, "rb") as _program:
    SANITIZED = b"__asan_init" in _program.read()


@functools.cache
def for_nobody():
    """(program, folder of plugins) for one who is not root: copies, where only root may enter the tree."""
    if os.geteuid() != 0 or subprocess.run((*NOBODY, "test", "-x", PROGRAM), check=False).returncode == 0:
        return PROGRAM, PLUGINS
    folder = tempfile.mkdtemp(prefix="popgate-test-", dir="/tmp")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    for path in (PROGRAM, *glob.glob(os.path.join(PLUGINS, "*.so"))):
        shutil.copy(path, folder)
    return os.path.join(folder, os.path.basename(PROGRAM)), folder


def memory_bound(octets):
    """How much a process may hold or grow by: a sanitizer keeps what has been freed."""
    return octets + (300 << 20) if SANITIZED else octets


def imap_backend(server=None, *, name="main", port=None, security="none", **settings):
    """A backend section of plugin imap; server: a Dovecot."""
    if port is None:
        port = server.imaps_port if security == "tls" else server.imap_port
    host = "127.0.0.1" if security == "none" else "localhost"
    backend = {"name": name, "plugin": "imap", "host": host, "port": port, "security": security}
    if security != "none" and server is not None and server.authority is not None:
        backend["ca_file"] = server.ca_file
    return {**backend, **settings}


def example_backend(**settings):
    """A backend section of plugin example: no server needed, the password is `password`."""
    return {"name": "example", "plugin": "example", **settings}


def _value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{ " + " ".join(f"{key} = {_value(item)};" for key, item in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "( " + ", ".join(_value(item) for item in value) + " )"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def config_text(sections):
    """libconfig text of a dictionary."""
    return "".join(f"{key} = {_value(value)};\n" for key, value in sections.items())


class Process:
    """One process as /proc tells it."""

    def __init__(self, pid):
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            left, _, right = file.read().rpartition(")")
        fields = right.split()
        self.pid = pid
        self.name = left.partition("(")[2]
        self.state, self.parent, self.session = fields[0], int(fields[1]), int(fields[3])

    def __repr__(self):
        return f"{self.name} {self.pid} {self.state}"

    def uid(self):
        with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
            return int(re.search(r"^Uid:\s+\d+\s+(\d+)", file.read(), re.M).group(1))


def _all_processes():
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                yield Process(int(entry))
            except OSError:
                pass


class Gateway(tap.Witness):
    def __init__(self, backends=(), *, listeners=(CLEAR,), routes=None, imap_url=None, unprivileged=False,
                 prefix=(), options=(), environment=None, **sections):
        """sections: further parts of the configuration (limits={...}, log={...}, fronts=1, ...).
        imap_url: run with --imap instead of a file. unprivileged: not as root, even if the test is.
        prefix: what to run popgate through. Port 0 in a listener: a free one (see `ports`)."""
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="popgate-test-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.pid = None
        atexit.register(self.kill)
        self.imap_url = imap_url
        self.unprivileged = unprivileged and os.geteuid() == 0
        self.program, self.plugins = for_nobody() if self.unprivileged else (PROGRAM, PLUGINS)
        self.prefix, self.options = tuple(prefix), tuple(options)
        self.environment = environment or {}
        self._expected, self._allowed = [], []
        self._authority = None
        # Few connections, so that any limit of open files is enough; wrong passwords are answered at once.
        self.sections = {"fronts": 1, "plugin_directory": self.plugins, "runtime_directory": self.path("run"),
                         "state_directory": self.path("state"),
                         "listeners": [dict(one) for one in listeners], "backends": list(backends),
                         "limits": {"max_connections": 200, "login_penalty": 0, **sections.pop("limits", {})}}
        if backends:
            self.sections["routes"] = routes or [{"users": "*", "backend": backends[0]["name"]}]
        self.sections.update(sections)
        if "tls" not in self.sections and any(one["tls"] != "none" for one in listeners):
            self.use_certificate(*self.authority.issue("gateway"))
        self.log_file = self.sections.get("log", {}).get("file", self.path("log"))
        self.config_file = self.path("popgate.conf")

    def path(self, name):
        """A path in the gateway's private folder."""
        return os.path.join(self.folder, name)

    # ---- configuration ------------------------------------------------------

    @property
    def authority(self):
        """Issued the gateway's own certificate."""
        if self._authority is None:
            self._authority = certificates.Authority(self.path("tls"), "gateway authority")
        return self._authority

    @property
    def ca_file(self):
        return self.authority.file

    def use_certificate(self, certificate, key):
        """Takes the files' content, which may change later while popgate runs."""
        paths = {"certificate": self.path("server.pem"), "key": self.path("server.key")}
        shutil.copyfile(certificate, paths["certificate"])
        shutil.copyfile(key, paths["key"])
        os.chmod(paths["key"], 0o600)
        if self.unprivileged:
            shutil.chown(paths["key"], "nobody")
        self.sections["tls"] = paths

    def write_config(self):
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(config_text(self.sections))

    # ---- running --------------------------------------------------------------

    def command(self, verb="serve"):
        """The command line."""
        command = list(self.prefix)
        if self.unprivileged:
            command += NOBODY
        command += [self.program, verb]
        if self.imap_url is None:
            command += ["-c", self.config_file]
        else:
            command += ["--imap", self.imap_url, "--plugin-dir", self.plugins]
        return command + list(self.options)

    def launch(self):
        """Starts without waiting."""
        self.write_config()
        if self.unprivileged:
            for name in ("run", "state"):
                os.makedirs(self.path(name), 0o700, exist_ok=True)
                shutil.chown(self.path(name), "nobody")
        with open(self.path("log"), "ab") as log, open(self.path("output"), "ab") as output:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=log,
                                            start_new_session=True, env={**os.environ, **self.environment})
        self.pid = self.process.pid
        return self

    def start(self):
        """Starts and waits until it listens. May be called again once its supervisor has died."""
        count = len(self._listening()) + (1 if self.imap_url is not None else len(self.sections["listeners"]))
        self.launch()
        try:
            self.wait_until(lambda: self.process.poll() is not None or len(self._listening()) >= count,
                            "popgate to listen")
            if self.process.poll() is not None:
                raise AssertionError(f"popgate does not start:\n{self.log()}")
        except BaseException:
            self.kill()
            raise
        return self

    def _listening(self):
        return [int(port) for port in re.findall(r" event=listening .*\bport=(\d+)", self.log())]

    @property
    def ports(self):
        """In the order of the listeners."""
        return self._listening()[-len(self.sections["listeners"]):]

    @property
    def port(self):
        return self.ports[0]

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def warnings(self):
        return [line for line in self.log().splitlines() if " level=warn " in f" {line} "]

    def expect_warning(self, pattern):
        """A line at level warn that must be in the log when the gateway has stopped."""
        self._expected.append(pattern)

    def allow_warning(self, pattern):
        self._allowed.append(pattern)

    def wait_for_log(self, pattern, seconds=10):
        """Waits for a line; returns the match."""
        self.wait_until(lambda: re.search(pattern, self.log()), f"a log line like {pattern}", seconds)
        return re.search(pattern, self.log())

    def wait_until(self, ready, what, seconds=10):
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {seconds} s for {what}; the log:\n{self.log()}")
            time.sleep(0.01)

    def signal(self, number):
        os.kill(self.pid, number)

    # ---- processes --------------------------------------------------------------

    def processes(self, role=None):
        """Living processes of this gateway: all, or those of a role (front, broker, spawner, session)."""
        return [one for one in _all_processes()
                if one.session == self.pid and one.state != "Z" and role in (None, one.name.partition("-")[2])]

    def pids(self, role):
        return [one.pid for one in self.processes(role)]

    def kill_process(self, role):
        """kill -9 to all of a role. Returns their ids, once they are gone."""
        victims = self.pids(role)
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        self.wait_until(lambda: not set(victims) & {one.pid for one in self.processes()}, f"{role} to die")
        return victims

    # ---- the end --------------------------------------------------------------

    def stop(self, seconds=20):
        """Asks it to end, and checks how it did."""
        if self.process is None:
            return
        try:
            if self.process.poll() is None:
                self.signal(signal.SIGTERM)
            self.check_end(seconds)
        finally:
            self.kill()

    def check_end(self, seconds=20):
        """Waits for the end: exit status 0, nothing left, nothing odd in the log."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"popgate did not stop within {seconds} s; its log:\n{self.log()}") from None
        if status != 0:
            raise AssertionError(f"exit status {status}; the log:\n{self.log()}")
        left = self.processes()
        if left:
            raise AssertionError(f"processes left behind: {[(one.pid, one.name) for one in left]}")
        self.check_log()

    def check_log(self):
        missing = [pattern for pattern in self._expected if not any(re.search(pattern, w) for w in self.warnings())]
        odd = [line for line in self.warnings()
               if not any(re.search(pattern, line) for pattern in self._expected + self._allowed)]
        if missing or odd:
            raise AssertionError(f"warnings that lack: {missing}\nunexpected warnings: {odd}")

    def kill(self):
        """Ends what is left, whatever its state, and removes the folder."""
        if self.process is not None:
            for one in self.processes():
                try:
                    os.kill(one.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.process.wait()
            self.process = None
        atexit.unregister(self.kill)
        self.keep_last_words()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()
