"""Thousands of sessions while popgate's processes are killed, connections cut and clients gone: nothing that was not
deleted is lost, and neither memory nor descriptors, processes and files grow.

    soak_test.py [--rounds N] [--minutes N] [--sessions N] [--commands N]      (environment as in `make check`)

With --rounds it runs as long, as `make soak` does, or for --minutes at most, and prints what it measures after each round, when no
session is open. In the first half of the rounds any process may be killed, in the second only sessions, so that the
others' growth can be seen: a value has grown when the median of its last third is above that of its first third, warm-up
(a sixth) left out, by more than ALLOWED. A role's processes are taken together; "own" is anonymous memory, which does
not depend, as PSS does, on who else uses the same files."""

import argparse
import os
import random
import re
import signal
import socket
import statistics
import struct
import sys
import threading
import time
import unittest

import dovecot
import tap
from dovecot import Dovecot
from gateway import SANITIZED, Gateway, imap_backend
from pop3client import Client
from proxy import Proxy

WORKERS = 4
MESSAGES = 25
ALLOWED = {"own": 200, "rss": 600, "pss": 2000, "fds": 0, "processes": 0, "files": 0}  # the first three in kB
BACK = 3  # seconds that a front, broker or spawner may be missed


def message(name):
    return f"Subject: {name}\r\n\r\n".encode() + b"text of some length, as letters have it\r\n" * 20


class Worker(threading.Thread):
    """Session after session of one user."""

    def __init__(self, soak, number, seed):
        super().__init__(daemon=True)
        self.soak, self.rng = soak, random.Random(seed)
        self.user = ("cut" if number % 2 else "calm") + str(number)
        self.serial, self.there, self.maybe = 0, set(), set()
        self.sessions = self.commands = 0
        self.faults = []
        self.wanted = 0
        self.fill()

    def fill(self):
        names = [f"{self.user}-{self.serial + n}" for n in range(MESSAGES - len(self.there))]
        self.serial += len(names)
        self.soak.server.append(self.user, [message(name) for name in names])
        self.there |= set(names)

    def run(self):
        while self.sessions < self.wanted and not self.faults:
            kills = self.soak.kills
            try:
                self.session(self.soak.commands)
            except Exception as fault:  # pylint: disable=broad-except
                if self.soak.kills == kills and time.monotonic() > self.soak.last_kill + BACK:
                    said = [line for line in self.soak.gate.warnings() if f"user={self.user} " in line][-1:]
                    self.faults.append(f"{self.user}: {fault!r} {said}")
            if len(self.there) < MESSAGES - 5:
                self.fill()

    def log_in(self):
        deadline = time.monotonic() + 15
        while True:
            client = Client(self.soak.gate.port)
            reply = client.login(self.user, "secret")
            if reply.startswith(b"+OK"):
                return client
            client.close()
            if time.monotonic() > deadline or b"AUTH" in reply:
                raise AssertionError(f"login: {reply}")
            if not reply.startswith(b"-ERR [IN-USE]") and time.monotonic() > self.soak.last_kill + BACK:
                raise AssertionError(f"login: {reply}")
            time.sleep(0.1)

    def session(self, commands):
        client = self.log_in()
        try:
            self.sessions += 1
            count = int(client.command("STAT").split()[1])
            if count < 1:
                raise AssertionError("an empty maildrop")
            left = commands - 3
            while left > 0:
                left -= self.batch(client, count, min(left, self.rng.choice([1, 5, 20, 40])))
            self.end(client, count)
        finally:
            client.close()

    def batch(self, client, count, size):
        chosen = []
        for _ in range(size):
            number = self.rng.randint(1, count)
            chosen.append(self.rng.choice([f"RETR {number}", f"TOP {number} 3", f"LIST {number}", f"UIDL {number}",
                                           f"DELE {number}", "RSET", "NOOP", "STAT", "LIST", "UIDL"]))
        if self.rng.random() < 0.2:  # as mail programs read
            chosen = [f"RETR {number % count + 1}" for number in range(size)]
        client.send("".join(command + "\r\n" for command in chosen).encode())
        for command in chosen:
            if client.line().startswith(b"+OK") and command.startswith(("RETR", "TOP", "LIST", "UIDL")) \
                    and (command[0] in "RT" or " " not in command):
                client.lines()
            self.commands += 1
        return size

    def end(self, client, count):
        draw = self.rng.random()
        if draw < 0.15:
            client.send(b"RETR 1\r\nRETR 2\r\n")
        if draw < 0.3:
            if draw < 0.25:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        client.command("RSET")
        self.commands += 2
        if draw < 0.4:
            self.remove(client, self.rng.randint(1, count))
        elif not client.command("QUIT").startswith(b"+OK"):
            raise AssertionError("QUIT without DELE was refused")

    def remove(self, client, number):
        text = client.multiline(f"TOP {number} 0")
        name = re.search(rb"Subject: (\S+)", text).group(1).decode()
        client.command(f"DELE {number}")
        self.there.discard(name)
        self.maybe.add(name)
        reply = client.command("QUIT")
        self.commands += 3
        if not reply.startswith(b"+OK"):
            raise AssertionError(f"QUIT: {reply}")
        self.maybe.discard(name)

    def check(self):
        """Everything is there but what QUIT was asked to remove."""
        held = {re.search(rb"Subject: (\S+)", body).group(1).decode() for body in
                self.soak.server.bodies(self.user).values()}
        if not self.there <= held <= self.there | self.maybe:
            self.faults.append(f"{self.user}: lost {sorted(self.there - held)}, "
                               f"came back {sorted(held - self.there - self.maybe)}")


class Soak:
    def __init__(self, server, commands):
        self.server, self.commands = server, commands
        self.proxy = Proxy(server.imap_port)
        self.gate = Gateway([imap_backend(server), imap_backend(port=self.proxy.port, name="cut")], fronts=2,
                            routes=[{"users": "cut*", "backend": "cut"}, {"users": "*", "backend": "main"}],
                            limits={"upstream_timeout": 60})
        self.gate.allow_warning("")
        self.gate.start()
        self.kills, self.last_kill = 0, -BACK
        self.rng = random.Random(1)
        self.samples, self.faults = [], []

    def stop(self):
        self.gate.stop()
        self.proxy.close()

    # ---- harm ------------------------------------------------------------------

    def harm(self, everywhere):
        role = self.rng.choice(["cut", "session", "session"] + ["front", "broker", "spawner"] * everywhere)
        self.kills += 1
        if role == "cut":
            self.proxy.cut()
            return
        pids = self.gate.pids(role)
        for pid in self.rng.sample(pids, min(1, len(pids))):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.kills += 1
        if role != "session":
            self.last_kill = time.monotonic()

    # ---- measuring -----------------------------------------------------------------

    def is_whole(self):
        time.sleep(0.1)
        roles = [one.name.partition("-")[2] or "popgate" for one in self.gate.processes()]
        return sorted(roles) == ["broker", "front", "front", "popgate", "spawner"]

    def sample(self):
        self.gate.wait_until(self.is_whole, "sessions to end, and processes to be back", 60)
        found = {"processes": len(self.gate.processes())}
        run = self.gate.path("run")
        found["files"] = sum(1 + os.stat(os.path.join(run, name)).st_size for name in os.listdir(run))
        for one in self.gate.processes():
            role = one.name.partition("-")[2] or "popgate"
            with open(f"/proc/{one.pid}/smaps_rollup", encoding="utf-8") as file:
                text = file.read()
            values = {"pss": int(re.search(r"^Pss: +(\d+)", text, re.M).group(1)),
                      "own": int(re.search(r"^Anonymous: +(\d+)", text, re.M).group(1)),
                      "rss": int(re.search(r"^Rss: +(\d+)", text, re.M).group(1)),
                      "fds": len(os.listdir(f"/proc/{one.pid}/fd"))}
            for key, value in values.items():
                found[f"{role} {key}"] = found.get(f"{role} {key}", 0) + value
        return found

    def judge(self, first, out):
        """Growth over the samples from `first` on, of everything; of what is never killed over all."""
        for key in sorted(self.samples[-1]):
            samples = self.samples if key.startswith(("popgate", "files", "processes")) else self.samples[first:]
            samples = samples[max(1, len(samples) // 6):]  # warm-up
            values = [sample[key] for sample in samples]
            third = max(1, len(values) // 3)
            early, late = statistics.median(values[:third]), statistics.median(values[-third:])
            allowed = ALLOWED[key.rpartition(" ")[2]] * (10 if SANITIZED else 1)
            out(f"{key:16} first third {early:8.0f}  last third {late:8.0f}  "
                f"least {min(values)} most {max(values)}, {len(values)} samples")
            if late > early + allowed:
                self.faults.append(f"{key} has grown from {early} to {late}")

    # ---- the course of things ---------------------------------------------------------

    def round(self, workers, sessions, everywhere):
        for worker in workers:
            worker.wanted = worker.sessions + sessions // len(workers)
        threads = [threading.Thread(target=worker.run) for worker in workers]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(self.rng.uniform(0.05, 0.6))
            self.harm(everywhere)
        for worker in workers:
            worker.check()
            self.faults += worker.faults
        del self.proxy.sent[:]

    def run(self, rounds, sessions, out, seconds=None):
        workers = [Worker(self, number, number) for number in range(WORKERS)]
        started, second_half = time.monotonic(), None
        for number in range(rounds):
            part = max(number / rounds, (time.monotonic() - started) / seconds if seconds else 0)
            if part >= 1:
                break
            if part >= 0.5 and second_half is None:
                second_half = number
            self.round(workers, sessions, everywhere=second_half is None)
            self.samples.append(self.sample())
            done = sum(worker.sessions for worker in workers), sum(worker.commands for worker in workers)
            out(f"{time.monotonic() - started:6.0f} s, {done[0]} sessions, {done[1]} commands, {self.kills} kills and "
                f"cuts: " + ", ".join(f"{key} {value}" for key, value in sorted(self.samples[-1].items())))
            if self.faults:
                return self.faults
        self.judge(second_half, out)
        return self.faults


def soak(rounds, sessions, commands, out, seconds=None):
    with Dovecot(reuse=True) as server:
        one = Soak(server, commands)
        try:
            faults = one.run(rounds, sessions, out, seconds)
        except BaseException:
            one.gate.kill()
            raise
        one.stop()
    return faults


@unittest.skipUnless(dovecot.available(), "needs Dovecot")
class Short(unittest.TestCase):
    def test_input_79_invariant_12_sessions_among_kills_lose_nothing_and_nothing_grows(self):
        said = []
        faults = soak(4, 16, 40, said.append)
        self.assertEqual(faults, [], "\n".join(said))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--sessions", type=int, default=200, help="a round")
    parser.add_argument("--commands", type=int, default=52, help="a session")
    chosen = parser.parse_args()
    if chosen.rounds is None:
        tap.main()
        return 0
    if not dovecot.available():
        print("soak: skipped, there is no Dovecot here")
        return 0
    faults = soak(chosen.rounds, chosen.sessions, chosen.commands, lambda text: print(text, flush=True),
                  chosen.minutes * 60 if chosen.minutes else None)
    for fault in faults:
        print(f"FAILED {fault}")
    print(f"soak: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
