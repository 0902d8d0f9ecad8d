"""Random sessions against a model: whatever a client does and however its server answers, each message that
arrives is the right one, octet for octet, and nothing is removed but what was deleted and confirmed by QUIT.

    model_test.py [--seeds FIRST LAST] [--seed ONE]      (environment as in `make check`)

With --seeds it runs those seeds, as `make soak` does; a seed that fails is printed with its course, and can be
run alone."""

import argparse
import random
import sys
import unittest

import dovecot
import tap
from dovecot import Dovecot
from gateway import Gateway, imap_backend
from messages import digest, on_the_wire, some_message, top_of
from moodyimap import MOODS, MoodyServer
from pop3client import Client

BUDGETS = (0, 65536, 4194304)
SEEDS_IN_CHECK = 60
SEEDS_ON_DOVECOT = 8

# What may make a read fail, and what may make the session's end fail.
EXCUSES = {"poison", "vanishing", "dropping"}


class Session:
    """One seed: what is done, and what must come of it."""

    def __init__(self, rng, gate, uids, messages, excused, user):
        self.rng, self.gate, self.user = rng, gate, user
        self.uids, self.messages = uids, messages
        self.excused = excused  # (uid) -> whether reading it may fail
        self.deleted, self.course = set(), []
        self.client = None

    def log_in(self):
        self.course.append("LOGIN")
        self.deleted = set()
        self.client = Client(self.gate.port)
        reply = self.client.login(self.user, "secret")
        if not reply.startswith(b"+OK"):
            raise AssertionError(f"login: {reply}")
        self.uids = [int(line.partition(b".")[2]) for line in self.client.multiline("UIDL").splitlines()]

    # ---- what is sent, and how the reply is judged -------------------------

    def judge_listing(self, command, reply):
        number = int(command.split()[1])
        if not reply.startswith(b"-ERR" if self.is_gone(number) else b"+OK"):
            raise AssertionError(f"{command}: {reply}")

    def is_gone(self, number):
        return not 1 <= number <= len(self.uids) or number in self.deleted

    def judge_body(self, command, expected):
        number = int(command.split()[1])
        reply = self.client.line()
        if self.is_gone(number):
            if not reply.startswith(b"-ERR"):
                raise AssertionError(f"{command}: {reply}")
            return
        if reply.startswith(b"-ERR"):
            if not self.excused(self.uids[number - 1]):
                raise AssertionError(f"{command}: {reply}")
            return
        got = self.client.lines()
        if digest(got) != digest(expected):
            raise AssertionError(f"{command}: {len(got)} octets instead of {len(expected)}: "
                                 f"{got[:60]!r} instead of {expected[:60]!r}")

    def judge(self, command):
        verb, *arguments = command.split()
        if verb in ("RETR", "TOP"):
            number = int(arguments[0])
            message = self.messages[self.uids[number - 1]] if 1 <= number <= len(self.uids) else b""
            self.judge_body(command, on_the_wire(message) if verb == "RETR" else top_of(message, int(arguments[1])))
            return
        reply = self.client.line()
        if verb == "DELE":
            self.judge_listing(command, reply)
            if reply.startswith(b"+OK"):
                self.deleted.add(int(arguments[0]))
        elif verb == "LIST" and not arguments:
            left = [line.split()[0] for line in self.client.lines().splitlines()]
            if left != [b"%d" % n for n in range(1, len(self.uids) + 1) if n not in self.deleted]:
                raise AssertionError(f"LIST: {left}")
        elif verb in ("LIST", "UIDL"):
            self.judge_listing(command, reply)
        elif not reply.startswith(b"+OK"):
            raise AssertionError(f"{command}: {reply}")
        elif verb == "RSET":
            self.deleted.clear()
        elif verb == "STAT" and int(reply.split()[1]) != len(self.uids) - len(self.deleted):
            raise AssertionError(f"STAT: {reply}")

    # ---- what is done --------------------------------------------------------

    def stretch(self):
        """Message after message, as mail programs read."""
        rng, count = self.rng, len(self.uids)
        first = rng.randint(1, max(count, 1)) if rng.random() < 0.5 else 1
        look, whole, remove = rng.choice([(0, 1, 0), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1)])
        lines = rng.choice([0, 0, 1, 10, 100, 1000])
        commands = []
        for number in range(first, min(first + rng.randint(2, 40), count + 1)):
            if number in self.deleted and rng.random() < 0.9:
                continue
            commands += [f"TOP {number} {lines}"] * look + [f"RETR {number}"] * whole + [f"DELE {number}"] * remove
        return commands

    def single(self):
        rng, number = self.rng, self.rng.randint(0, len(self.uids) + 1)
        return [rng.choice([f"RETR {number}", f"RETR {number}", f"TOP {number} {rng.choice([0, 1, 5, 200])}",
                            f"DELE {number}", f"LIST {number}", f"UIDL {number}", "RSET", "NOOP", "STAT", "LIST"])]

    def run_commands(self, commands):
        pipelined = self.rng.random() < 0.4
        while commands:
            size = self.rng.randint(1, 30) if pipelined else 1
            together, commands = commands[:size], commands[size:]
            self.course += together
            self.client.send("".join(command + "\r\n" for command in together).encode())
            for command in together:
                self.judge(command)

    def abort(self):
        """Goes in the middle of a message."""
        number = self.rng.randint(1, max(len(self.uids), 1))
        self.course.append(f"RETR {number}, gone")
        self.client.send(f"RETR {number}\r\nRETR {number + 1}\r\n".encode())
        if self.rng.random() < 0.7:
            self.client.socket.recv(self.rng.choice([1, 100, 5000]))
        self.client.close()

    def work(self):
        for _ in range(self.rng.randint(1, 6)):
            self.run_commands(self.stretch() if self.rng.random() < 0.5 else self.single())

    def quit(self):
        self.course.append("QUIT")
        reply = self.client.command("QUIT")
        self.client.close()
        return reply.startswith(b"+OK")


class World:
    """Gateways with different budgets before one scripted server."""

    def __init__(self):
        self.server = MoodyServer()
        self.removed = set()
        self.gates = [self.gateway(imap_backend(port=self.server.port, reconnect_timeout=5), budget)
                      for budget in BUDGETS]

    @staticmethod
    def gateway(backend, budget):
        gate = Gateway([backend], limits={"read_ahead": budget, "upstream_timeout": 10, "fetch_window": 10})
        gate.allow_warning("fetch_failed|commit_failed|login_failed")
        return gate.start()

    def stop(self):
        for gate in self.gates:
            gate.stop()
        self.server.close()

    def run(self, seed):
        rng = random.Random(seed)
        moods = {mood for mood in MOODS if rng.random() < 0.25}
        uids = sorted(rng.sample(range(1, 500), rng.choice([0, 1, 2, 5, 20, 40, 60])))
        messages = {uid: some_message(rng) for uid in uids}
        self.server.begin(random.Random(seed + 1), messages, moods)
        gate = self.gates[seed % len(self.gates)]
        session = Session(rng, gate, uids, messages, lambda uid: self.may_fail(uid, moods), f"user{seed}")
        try:
            self.play(session, moods)
        except AssertionError as fault:
            raise AssertionError(f"seed {seed}, moods {sorted(moods)}, budget {gate.sections['limits']['read_ahead']}: "
                                 f"{fault}\n" + "; ".join(session.course)) from fault

    def may_fail(self, uid, moods):
        return uid in self.server.vanished or uid == self.server.poisoned or "dropping" in moods

    def play(self, session, moods):
        self.removed = set()
        for _ in range(2):
            wished, done = self.visit(session, moods)
            gone = set(session.messages) - set(self.server.messages) - self.server.vanished
            if not gone <= self.removed | wished:
                raise AssertionError(f"removed but not deleted: {sorted(gone - wished - self.removed)}")
            if done and not wished <= gone | self.server.vanished:
                raise AssertionError(f"QUIT was +OK, and still there: {sorted(wished - gone)}")
            self.removed |= gone

    @staticmethod
    def visit(session, moods):
        """One connection. Returns the UIDs that may be gone after it, and whether they must."""
        try:
            session.log_in()
            session.work()
            if session.rng.random() < 0.3:
                session.abort()
                return set(), False
            wished = {session.uids[number - 1] for number in session.deleted}
            done = session.quit()
            if not done and not moods & EXCUSES:
                raise AssertionError("QUIT was refused")
            return wished, done
        except EOFError as cut:
            if not moods & EXCUSES:
                raise AssertionError(f"the connection was cut: {cut}") from cut
            return set(), False


class Model(unittest.TestCase):
    def test_random_sessions_with_servers_of_all_moods(self):
        world = World()
        self.addCleanup(world.stop)
        for seed in range(SEEDS_IN_CHECK):
            world.run(seed)

    @unittest.skipUnless(dovecot.available(), "needs Dovecot")
    def test_random_sessions_with_a_real_server(self):
        with Dovecot() as server:
            gates = [World.gateway(imap_backend(server), budget) for budget in BUDGETS]
            try:
                for seed in range(SEEDS_ON_DOVECOT):
                    self.on_dovecot(server, gates[seed % len(gates)], seed)
            finally:
                for gate in gates:
                    gate.stop()

    def on_dovecot(self, server, gate, seed):
        rng = random.Random(seed)
        messages = [some_message(rng) or b"not nothing\r\n" for _ in range(rng.choice([1, 5, 30]))]
        server.append(f"user{seed}", messages)
        held = server.bodies(f"user{seed}")
        session = Session(rng, gate, sorted(held), held, lambda uid: False, f"user{seed}")
        session.log_in()
        session.work()
        wished = {session.uids[number - 1] for number in session.deleted}
        self.assertTrue(session.quit(), session.course)
        self.assertEqual(server.bodies(f"user{seed}"), {uid: held[uid] for uid in held if uid not in wished})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs=2)
    parser.add_argument("--seed", type=int)
    chosen = parser.parse_args()
    if chosen.seed is None and chosen.seeds is None:
        tap.main()
        return 0
    first, last = chosen.seeds or (chosen.seed, chosen.seed)
    world, failed = World(), 0
    for seed in range(first, last + 1):
        try:
            world.run(seed)
        except (AssertionError, OSError) as fault:
            failed += 1
            print(f"FAILED {fault}", flush=True)
    print(f"{last - first + 1} seeds, {failed} failed")
    world.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
