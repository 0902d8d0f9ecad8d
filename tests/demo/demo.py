#!/usr/bin/env python3
"""popgate at work on this machine alone: a private Dovecot with mail in it, popgate in front of it,
mail fetched through POP3. Stays up until Ctrl-C, or SIGTERM, or SIGHUP; then ends what it started and
removes its folders. `./autogen.sh demo` builds popgate and calls this.

Environment: POPGATE and POPGATE_PLUGINS, the program and the folder of its modules."""

import contextlib
import email
import email.header
import email.policy
import os
import poplib
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import dovecot  # noqa: E402
import letters  # noqa: E402

USER = "anna@example.org"
USUAL_PORT = 1110
LOCKS_OF_ROOT = "/run/popgate"  # where popgate keeps its locks when root starts it
SHOWN = 6  # number of the message that is shown


class Failed(Exception):
    """Ends the demo; the text says why."""


class Stop:
    """Asked to end? Nothing is interrupted: whoever waits looks here."""

    def __init__(self):
        self.asked = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, *_):
        self.asked = True


BOLD, PLAIN = ("\033[1m", "\033[0m") if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else ("", "")


def say(text=""):
    print(text, flush=True)


def title(text):
    say(f"\n{BOLD}{text}{PLAIN}")


def choose_port():
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", USUAL_PORT))
            return USUAL_PORT
        except OSError:
            return dovecot.free_port()


# ---- the two servers ---------------------------------------------------------


@contextlib.contextmanager
def own_folder():
    path = tempfile.mkdtemp(prefix="popgate-demo-", dir="/tmp")
    locks_were_there = os.path.exists(LOCKS_OF_ROOT)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if os.geteuid() == 0 and not locks_were_there:
            with contextlib.suppress(OSError):
                os.rmdir(LOCKS_OF_ROOT)


@contextlib.contextmanager
def running(command, folder, log):
    """A process of its own process group: Ctrl-C is this program's to answer."""
    with open(log, "wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                                   start_new_session=True, env={**os.environ, "XDG_RUNTIME_DIR": folder})
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_greeting(process, port, log, stop):
    deadline = time.monotonic() + 20
    while not stop.asked:
        if process.poll() is not None or time.monotonic() > deadline:
            with open(log, encoding="utf-8", errors="replace") as file:
                raise Failed(f"popgate did not start:\n{file.read()}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as connection:
            if connection.recv(3) == b"+OK":
                return
        time.sleep(0.05)


# ---- what is shown -------------------------------------------------------------


def subject_of(lines):
    header = email.message_from_bytes(b"\r\n".join(lines), policy=email.policy.default)
    return str(header["Subject"])


def show_list(port):
    client = poplib.POP3("127.0.0.1", port, timeout=30)
    client.user(USER)
    client.pass_(dovecot.PASSWORD)
    names = dict(line.decode().split(" ", 1) for line in client.uidl()[1])
    say(f"  {'LIST':>4} {'octets':>7}  {'UIDL':<16} TOP n 0: Subject")
    for line in client.list()[1]:
        number, octets = line.decode().split()
        say(f"  {number:>4} {octets:>7}  {names[number]:<16} {subject_of(client.top(int(number), 0)[1])}")
    client.quit()


def show_message(command):
    say(f"  $ {shlex.join(command)}")
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False)
    text = done.stdout.decode("utf-8", "replace").splitlines()
    for line in text[:30]:
        say(f"  | {line}")
    if len(text) > 30:
        say(f"  | ... {len(text) - 30} more lines")
    if done.returncode != 0:
        raise Failed(f"curl failed with status {done.returncode}")


def show_commands(curl, url, log):
    title("Go on by hand, in another terminal")
    say("  The list, the unique ids, a message, and one message less:")
    say(f"  $ {shlex.join(curl)} {url}")
    say(f"  $ {shlex.join(curl)} -X UIDL {url}")
    say(f"  $ {shlex.join(curl)} {url}3")
    say(f"  $ {shlex.join(curl)} -I -X 'DELE 2' {url}")
    say("  A raw session; type, for instance: CAPA, STAT, TOP 1 5, DELE 1, QUIT")
    host, port = url.partition("//")[2].rstrip("/").split(":")
    say(f"  $ bash -c 'exec 3<>/dev/tcp/{host}/{port}; cat <&0 >&3 & cat <&3; kill $!'")
    say(f"    USER {USER}")
    say(f"    PASS {dovecot.PASSWORD}")
    say("  popgate's log:")
    say(f"  $ cat {log}")


def stay(process, server, stop):
    title("Everything is up; Ctrl-C ends it.")
    while not stop.asked:
        if process.poll() is not None or server.process.poll() is not None:
            raise Failed("popgate or the IMAP server has ended; see its log above")
        time.sleep(0.2)


def demonstrate(stop, popgate, plugins):
    with own_folder() as folder, dovecot.Dovecot() as server:
        title("1. An IMAP server somewhere")
        mail = letters.letters()
        server.append(USER, mail)
        url, port, log = f"imaps://127.0.0.1:{server.imaps_port}", choose_port(), os.path.join(folder, "popgate.log")
        say(f"  {url}, with a certificate of its own authority; {len(mail)} messages for {USER}")
        command = [popgate, "serve", "--imap", url, "--ca-file", server.ca_file, "--plugin-dir", plugins,
                   "--listen", f"127.0.0.1:{port}"]
        title("2. popgate in front of it")
        say(f"  $ {shlex.join(command)}")
        with running(command, folder, log) as process:
            wait_for_greeting(process, port, log, stop)
            curl = ["curl", "-sS", "--user", f"{USER}:{dovecot.PASSWORD}"]
            pop3 = f"pop3://127.0.0.1:{port}/"
            if not stop.asked:
                title("3. What a POP3 client finds")
                show_list(port)
            if not stop.asked:
                title("4. One message")
                show_message([*curl, f"{pop3}{SHOWN}"])
            if not stop.asked:
                show_commands(curl, pop3, log)
            stay(process, server, stop)


def main():
    stop = Stop()
    sys.stdout.reconfigure(errors="replace")
    try:
        popgate, plugins = os.environ["POPGATE"], os.environ["POPGATE_PLUGINS"]
    except KeyError as error:
        sys.exit(f"demo.py: {error.args[0]} is not set; call ./autogen.sh demo")
    try:
        demonstrate(stop, popgate, plugins)
    except (Failed, OSError, RuntimeError, poplib.error_proto, subprocess.SubprocessError) as error:
        sys.exit(f"demo.py: {error}")
    say("\nEverything is ended and removed.")


if __name__ == "__main__":
    main()
