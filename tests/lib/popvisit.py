"""A POP3 client in a mailbox where others work too: what it may be told, judged reply by reply.

The driver says what is in the folder (`world.held`, `world.contents`, `world.sizes`), before and after."""

import re
import socket
import struct

from messages import digest, on_the_wire, top_of
from pop3client import Client


class Visit:
    """One connection, from its login on. keys: what message number n is, at n - 1."""

    def __init__(self, world):
        self.world = world
        self.client = Client(world.gate.port)
        self.keys, self.sizes, self.deleted = [], [], set()
        self.hurt = False  # its folder, session or server connection has gone: what it asks for may be refused

    # ---- login -------------------------------------------------------------

    def ask_login(self, user):
        self.client.send(f"USER {user}\r\nPASS secret\r\n".encode())

    def login_reply(self):
        self.client.line()
        return self.client.line()

    def take_snapshot(self, before, after):
        """STAT, LIST and UIDL agree, and are what was in the folder."""
        count, octets = map(int, self.client.command("STAT").split()[1:3])
        ids = [line.split() for line in self.client.multiline("UIDL").splitlines()]
        sizes = [line.split() for line in self.client.multiline("LIST").splitlines()]
        numbers = [b"%d" % n for n in range(1, count + 1)]
        demand([one[0] for one in ids] == numbers == [one[0] for one in sizes], f"numbers: {ids}, {sizes}")
        self.keys = [tuple(map(int, one[1].split(b"."))) for one in ids]
        self.sizes = [int(one[1]) for one in sizes]
        demand(sum(self.sizes) == octets, f"STAT says {octets}, LIST {self.sizes}")
        there = set(self.keys)
        demand(len(there) == count, f"UIDL has doubles: {self.keys}")
        demand(set(before) & set(after) <= there <= set(before) | set(after),
               f"listed {sorted(there)}, the folder has {sorted(after)}")
        for key, size in zip(self.keys, self.sizes):
            demand(size == self.world.sizes[key], f"LIST: {key} has {size} instead of {self.world.sizes[key]}")

    # ---- commands ------------------------------------------------------------

    def exists(self, number):
        return 1 <= number <= len(self.keys) and number not in self.deleted

    def some_commands(self, rng):
        count = len(self.keys)
        if rng.random() < 0.5:
            number = rng.randint(0, count + 1)
            return [rng.choice([f"RETR {number}", f"TOP {number} {self.lines(rng, 0, 1, 5, 200)}", f"DELE {number}",
                                f"DELE {number}", f"LIST {number}", f"UIDL {number}", "RSET", "NOOP", "STAT", "LIST",
                                "UIDL"])]
        first = rng.randint(1, max(count, 1))
        look, whole, remove = rng.choice([(0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 1), (0, 0, 1)])
        commands = []
        for number in range(first, min(first + rng.randint(1, 12), count + 1)):
            commands += [f"TOP {number} {self.lines(rng, 0, 10)}"] * look + [f"RETR {number}"] * whole
            commands += [f"DELE {number}"] * remove
        return commands

    def lines(self, rng, *counts):
        return rng.choice(counts) if self.world.exact else 0  # the other server cannot cut a text

    def send(self, commands):
        self.client.send("".join(command + "\r\n" for command in commands).encode())

    def judge(self, command, before, after):
        """Reads one reply. before, after: what was in the folder when it was asked for, and is now."""
        verb, *arguments = command.split()
        if verb in ("RETR", "TOP"):
            self.judge_body(command, verb, [int(one) for one in arguments], lambda key: key in before and key in after)
        elif verb in ("LIST", "UIDL", "STAT") and not arguments:
            self.judge_listing(verb)
        else:
            reply = self.client.line()
            fine = not arguments or self.exists(int(arguments[0]))
            if self.hurt and reply.startswith(b"-ERR [SYS/"):
                return
            demand(reply.startswith(b"+OK" if fine else b"-ERR"), f"{command}: {reply}")
            if fine and arguments:
                self.judge_single(verb, int(arguments[0]), reply)
            elif verb == "RSET":
                self.deleted.clear()

    def judge_single(self, verb, number, reply):
        if verb == "DELE":
            self.deleted.add(number)
        elif verb == "LIST":
            demand(int(reply.split()[2]) == self.sizes[number - 1], f"LIST {number}: {reply}")
        elif verb == "UIDL":
            demand(reply.split()[2].decode() == name_of(self.keys[number - 1]), f"UIDL {number}: {reply}")

    def judge_listing(self, verb):
        reply = self.client.line()
        if self.hurt and reply.startswith(b"-ERR [SYS/"):
            return
        demand(reply.startswith(b"+OK"), f"{verb}: {reply}")
        left = [n for n in range(1, len(self.keys) + 1) if n not in self.deleted]
        if verb == "STAT":
            expected = [len(left), sum(self.sizes[n - 1] for n in left)]
            demand([int(one) for one in reply.split()[1:3]] == expected, f"STAT: {reply} instead of {expected}")
            return
        values = {"UIDL": lambda n: name_of(self.keys[n - 1]), "LIST": lambda n: str(self.sizes[n - 1])}[verb]
        lines = self.client.lines().decode().splitlines()
        demand(lines == [f"{n} {values(n)}" for n in left], f"{verb}: {lines}")

    def judge_body(self, command, verb, arguments, is_there):
        reply = self.client.line()
        number = arguments[0]
        if not self.exists(number):
            demand(reply.startswith(b"-ERR"), f"{command}: {reply}")
            return
        key = self.keys[number - 1]
        if reply.startswith(b"-ERR"):
            demand(self.hurt or not is_there(key), f"{command}: {reply}, and {key} is there")
            return
        content = self.world.contents[key]
        got = self.client.lines()
        expected = on_the_wire(content) if verb == "RETR" else top_of(content, arguments[1])
        if verb == "TOP" and not self.world.exact:  # its BODY[HEADER] has an empty line too many or too few
            got, expected = got.rstrip(b"\r\n"), expected.rstrip(b"\r\n")
        demand(digest(got) == digest(expected), f"{command}: {len(got)} octets, not the {len(expected)} of {key}: "
                                                f"{got[:60]!r} instead of {expected[:60]!r}")

    # ---- the end ---------------------------------------------------------------

    def wished(self):
        return {self.keys[number - 1] for number in self.deleted}

    def end(self, rng):
        """Goes without QUIT: at rest or within a reply, politely or not."""
        if rng.random() < 0.4 and self.keys:
            number = rng.randint(1, len(self.keys))
            self.send([f"RETR {number}", "NOOP", f"RETR {number + 1}"])
            if rng.random() < 0.7:
                self.client.socket.settimeout(10)
                try:
                    self.client.socket.recv(rng.choice([1, 100, 5000]))
                except OSError:
                    pass
        if rng.random() < 0.5:
            self.client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.client.close()


def name_of(key):
    return f"{key[0]}.{key[1]}"


def demand(fine, text):
    if not fine:
        raise AssertionError(text)


def is_untrue(reply):
    """Whether a login that failed for the server's or the folder's sake blames the password or another session."""
    return not re.match(rb"-ERR \[SYS/(TEMP|PERM)\]", reply)
