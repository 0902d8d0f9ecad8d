"""Dialogues: each *.pop3 file beside this one is spoken with `popgate session` on pipes, before
plugin example. The file's first line is a comment, and says what it proves.

    # comment
    % messages=3 fail=commit    settings of the plugin; `login` logs ann in before the script
                                begins, `max_messages=N` and `login_penalty=N` (0) are the limits of those names
    C: STAT                     a line to the server; lines in a row leave in one write
    C< QUIT\\x20\\r\\n            octets to the server; \\{x*250} is 250 times x
    S: +OK 3 197                a line from the server; a final * stands for any rest
    = closed                    the server ends the session and says nothing more
    = torn                      the server ends it in the middle of a reply, without a final dot
    = drop                      the client goes without a word
    = again                     the same once more from the beginning: a new session
    L: deleted=0                when all has ended, a line of the log holds this; * stands for anything
    N: secret                   no line of the log does

Whatever the script, a session ends with exit status 0 and says nothing that the script lacks;
a first line of a reply has 512 octets at most (RFC 1939 section 3), and a response code is one
that is registered (RFC 2449 section 8, RFC 3206)."""

import glob
import os
import re
import select
import shlex
import subprocess
import tempfile
import time
import unittest

import tap
from gateway import PLUGINS, PROGRAM, config_text, example_backend

PATIENCE = int(os.environ.get("DIALOGUE_PATIENCE", 10))  # seconds that an answer may take
CODES = re.compile(rb"^(\+OK|-ERR) (?!\[(AUTH|IN-USE|SYS/TEMP|SYS/PERM)\] )\[")
_ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|\{(.)\*([0-9]+)\}|(.))", re.S)
_PLAIN = {b"r": b"\r", b"n": b"\n", b"\\": b"\\"}


def octets_of(text):
    """The octets that a `C<` line stands for."""
    def one(match):
        code, repeated, times, letter = match.groups()
        if code is not None:
            return bytes((int(code, 16),))
        return repeated * int(times) if repeated is not None else _PLAIN[letter]
    return _ESCAPE.sub(one, text)


def read_script(path):
    """The script's name, its settings, and its steps as pairs of kind and octets."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    if not lines[0].startswith(b"# "):
        raise ValueError(f"{path}: the first line is no comment")
    words, steps = [], []
    for number, line in enumerate(lines, 1):
        kind, text = line[:2], line[3:]
        if kind == b"% ":
            words += shlex.split(line[2:].decode())
        elif kind in (b"C:", b"C<", b"S:", b"L:", b"N:"):
            steps.append((kind.decode(), text))
        elif kind == b"= ":
            steps.append((line[2:].decode(), b""))
        elif line and not line.startswith(b"#"):
            raise ValueError(f"{path}:{number}: {line!r}")
    settings = dict((word.partition("=")[0], word.partition("=")[2]) for word in words)
    return lines[0][2:].decode(), settings, steps


class Talk:
    """One run of `popgate session`."""

    def __init__(self, config_file, log):
        self.process = subprocess.Popen((PROGRAM, "session", "-c", config_file), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, bufsize=0)
        self.received = b""

    def send(self, octets):
        try:
            self.process.stdin.write(octets)
        except BrokenPipeError:
            pass  # what the server said before it went is looked at yet

    def _more(self):
        """Reads what there is; False at the end."""
        if not select.select((self.process.stdout,), (), (), PATIENCE)[0]:
            raise AssertionError(f"no answer within {PATIENCE} s; so far: {self.received!r}")
        octets = self.process.stdout.read(65536)
        self.received += octets
        return octets != b""

    def line(self):
        while b"\n" not in self.received:
            if not self._more():
                raise AssertionError(f"the session ended; the rest: {self.received!r}")
        line, _, self.received = self.received.partition(b"\n")
        if not line.endswith(b"\r"):
            raise AssertionError(f"a line without CR: {line!r}")
        return line[:-1]

    def expect_end(self):
        while self._more():
            pass
        if self.received:
            raise AssertionError(f"octets that nobody expected: {self.received!r}")
        if self.process.wait(PATIENCE) != 0:
            raise AssertionError(f"exit status {self.process.returncode}")

    def expect_torn_end(self):
        while self._more():
            pass
        if (b"\r\n" + self.received).endswith(b"\r\n.\r\n") or b"-ERR" in self.received:
            raise AssertionError(f"the reply does not look torn: {self.received!r}")

    def hang_up(self):
        self.process.stdin.close()

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Dialogue:
    """One script and where it stands."""

    def __init__(self, path, folder):
        _, settings, self.steps = read_script(path)
        self.path = path
        self.log_file = os.path.join(folder, "log")
        self.config_file = os.path.join(folder, "popgate.conf")
        self.log_in = settings.pop("login", None) is not None
        limits = {"login_penalty": int(settings.pop("login_penalty", 0))}
        if "max_messages" in settings:
            limits["max_messages"] = int(settings.pop("max_messages"))
        if "messages" in settings:
            settings["messages"] = int(settings["messages"])
        with open(self.config_file, "w", encoding="utf-8") as file:
            file.write(config_text({
                "plugin_directory": PLUGINS, "runtime_directory": os.path.join(folder, "run"),
                "listeners": [{"address": "127.0.0.1", "port": 0, "tls": "none",
                               "cleartext_login": True}], "limits": limits,
                "backends": [example_backend(**settings)], "routes": [{"users": "*", "backend": "example"}]}))
        self.talk = None
        self.ended = False

    def run(self):
        try:
            self._speak()
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._log()}") from None
        finally:
            if self.talk is not None:
                self.talk.close()

    def _begin(self):
        with open(self.log_file, "ab") as log:
            self.talk = Talk(self.config_file, log)
        self.ended = False
        if self.log_in:
            self.talk.send(b"USER ann\r\nPASS password\r\n")
            for _ in range(3):
                self._check(self.talk.line(), b"+OK*")

    def _end(self):
        if not self.ended:
            self.talk.hang_up()
            self.talk.expect_end()
        self.talk.close()
        self.ended = True

    @staticmethod
    def _check(line, wanted):
        if len(line) + 2 > 512:
            raise AssertionError(f"a line of {len(line) + 2} octets")
        if CODES.match(line):
            raise AssertionError(f"no such response code: {line!r}")
        fits = line.startswith(wanted[:-1]) if wanted.endswith(b"*") else line == wanted
        if not fits:
            raise AssertionError(f"expected {wanted!r}\n     got {line!r}")

    def _speak(self):
        outgoing = b""
        self._begin()
        for kind, text in self.steps + [("end", b"")]:
            if kind == "C:":
                outgoing += text + b"\r\n"
                continue
            if kind == "C<":
                outgoing += octets_of(text)
                continue
            if outgoing:
                self.talk.send(outgoing)
                outgoing = b""
            self._step(kind, text)

    def _step(self, kind, text):
        if kind == "S:":
            self._check(self.talk.line(), text)
        elif kind == "closed":
            self.talk.expect_end()
            self.ended = True
        elif kind == "torn":
            self.talk.expect_torn_end()
            self.ended = True
        elif kind == "drop":
            self._end()
        elif kind == "again":
            self._end()
            self._begin()
        elif kind == "end":
            self._end()
        else:
            self._end()
            self._check_log(kind, text.decode())

    def _log(self):
        with open(self.log_file, encoding="utf-8") as file:
            return file.read()

    def _check_log(self, kind, wanted):
        found = re.search(re.escape(wanted).replace(r"\*", ".*"), self._log()) is not None
        if found != (kind == "L:"):
            raise AssertionError(f"{'no' if kind == 'L:' else 'a'} line of the log holds {wanted!r}")


def _test_of(path):
    def test(self):
        with tempfile.TemporaryDirectory(prefix="popgate-dialogue-") as folder:
            os.chmod(folder, 0o755)  # as root the session becomes another user
            start = time.monotonic()
            Dialogue(path, folder).run()
            self.assertLess(time.monotonic() - start, PATIENCE)
    test.__doc__ = read_script(path)[0]
    return test


class Dialogues(unittest.TestCase):
    pass


for _path in sorted(glob.glob(os.path.join(os.path.dirname(os.path.abspath(__file__)), "*.pop3"))):
    setattr(Dialogues, "test_" + os.path.basename(_path)[:-5], _test_of(_path))


if __name__ == "__main__":
    tap.main()
