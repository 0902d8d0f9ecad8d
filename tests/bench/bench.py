"""The benchmark: popgate beside the raw IMAP floor, and beside Dovecot's pop3 on imapc storage where it is installed.

    make bench                        the works, a few minutes
    make bench-full                   and how cost grows; half an hour
    make bench BENCHFLAGS='--works download,login --rounds 7'
    make bench-full BENCHFLAGS=--write    also into doc/PERFORMANCE.md and doc/performance.svg

Every server is private, on free ports of 127.0.0.1, and ends with the benchmark. Each round runs every target once;
figures are medians over the rounds, ratios are medians of the rounds' ratios."""

import argparse
import contextlib
import json
import os
import random
import resource
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

# pylint: disable=wrong-import-position
import dovecot  # noqa: E402
import draw  # noqa: E402
import growth  # noqa: E402
import loads  # noqa: E402
import machine  # noqa: E402
import rival  # noqa: E402
from delay import Delay  # noqa: E402
from gateway import IMPLICIT, Gateway, imap_backend  # noqa: E402
from localmail import LocalMail  # noqa: E402

OPEN_FILES = 65536
TRIP = 0.05  # seconds, of the far upstream
PROCESSES = "\ndefault_client_limit = 12000\ndefault_process_limit = 12000\nservice imap-login {\n  service_count = 0\n" \
            "  process_min_avail = 2\n  client_limit = 6000\n}\nservice imap {\n  process_limit = 12000\n" \
            "  service_count = 0\n  process_min_avail = 16\n}\n"


def some_messages(count, mean, seed):
    """Mail of all sizes about a mean, always the same."""
    rng = random.Random(seed)
    line = bytes(rng.choice(b"abcdefghijklmnopqrstuvwxyz .") for _ in range(70))
    found = []
    for number in range(count):
        size = max(200, int(rng.lognormvariate(0, 0.9) * mean * 0.667))
        head = b"From: a@example.org\r\nSubject: %d\r\nDate: Mon, 2 Mar 2026 10:00:00 +0000\r\n\r\n" % number
        text = b"".join(line[rng.randint(0, 30):] + b"\r\n" for _ in range(min(size // 56, 40)))
        found.append(head + text * max(1, size // max(len(text), 1)))
    return found


class World:
    """The servers: one upstream, and before it, near and far, each target."""

    def __init__(self, stack, sizes):
        self.sizes = sizes
        self.upstream = dovecot.Dovecot(more=PROCESSES)
        stack.enter_context(self.upstream)
        self.ports = {0: self.upstream.imap_port, TRIP: self.started(stack, Delay(self.upstream.imap_port, TRIP)).port}
        backend = dict(host="127.0.0.1", security="none", plugin="imap")
        self.gates, self.rivals = {}, {}
        for trip, port in self.ports.items():
            self.gates[trip] = self.popgate(stack, [dict(backend, name="main", port=port)])
            if rival.available():
                self.rivals[trip] = stack.enter_context(rival.Rival(port))
        secure = imap_backend(self.upstream, security="tls")
        self.secure_ports = {0: self.upstream.imaps_port,
                             TRIP: self.started(stack, Delay(self.upstream.imaps_port, TRIP)).port}
        self.secure = {trip: self.popgate(stack, [dict(secure, port=port)], [IMPLICIT])
                       for trip, port in self.secure_ports.items()}
        self.mail = {}
        self.stack, self.maildir, self.keeping = stack, None, None

    def local(self):
        """A gateway before a Maildir, made when it is first asked for."""
        if self.maildir is None:
            mail = self.stack.enter_context(LocalMail())
            mail.add("huge")
            for message in some_messages(self.sizes["huge"], 300, "huge"):
                size = len(message)
                mail.number += 1
                mail.deliver("huge", message, f"{1700000000 + mail.number}.M{mail.number}P1.host,S={size},W={size}:2,S", "cur")
            user = {"user": "nobody"} if os.geteuid() == 0 else {}
            self.maildir = Gateway([mail.backend()], fronts=2, **user)
            self.stack.callback(self.maildir.kill)
            self.maildir.start()
        return self.maildir

    def keeper(self):
        """A gateway before the far upstream that keeps maildrops open."""
        if self.keeping is None:
            backend = imap_backend(name="main", port=self.ports[TRIP])
            self.keeping = self.popgate(self.stack, [backend], limits={"keep_open": 60})
        return self.keeping

    @staticmethod
    def started(stack, proxy):
        stack.callback(proxy.stop)
        return proxy

    @staticmethod
    def popgate(stack, backends, listeners=None, limits=None):
        options = {} if listeners is None else {"listeners": listeners}
        limits = {"max_connections": 4000, "login_penalty": 15, **(limits or {})}
        gate = Gateway(backends, fronts=2, limits=limits, **options)
        stack.callback(gate.kill)
        return gate.start()

    def fill(self, user, count, mean):
        """A mailbox and what is in it."""
        messages = some_messages(count, mean, user)
        self.mail[user] = messages
        connection = self.upstream.imap(user)
        if int(connection.select("INBOX")[1][0]) > 0:
            connection.store("1:*", "+FLAGS.SILENT", "\\Deleted")
            connection.expunge()
        for first in range(0, count, 500):
            self.append(connection, messages[first:first + 500])
        connection.logout()

    @staticmethod
    def append(connection, messages):
        """One APPEND for many messages (RFC 3502, RFC 7888)."""
        tag = connection._new_tag()
        connection.send(tag + b" APPEND INBOX")
        for message in messages:
            connection.send(b" {%d+}\r\n" % len(message) + message)
        connection.send(b"\r\n")
        while not connection.readline().startswith(tag + b" OK"):
            pass


class Works:
    """Each method measures one round: {target: figure}. A figure is seconds, or what UNITS says."""

    UNITS = {"storm": "logins/s", "memory": "MB", "maildir_memory": "MB", "first_octet": "ms", "idle": "kB"}

    def __init__(self, world):
        self.world, self.sizes = world, world.sizes

    def targets(self, trip, method, *arguments, **options):
        found = {"popgate": method(self.world.gates[trip].port, *arguments, **options)}
        if trip in self.world.rivals:
            found["dovecot"] = method(self.world.rivals[trip].port, *arguments, **options)
        return found

    def floor(self, trip, user, command, remove=False):
        room = loads.room_for(self.world.mail[user])
        return loads.floor(self.world.ports[trip], user, command, room, remove=remove)[0]

    def mailbox(self, user, count, mean):
        if user not in self.world.mail:
            self.world.fill(user, count, mean)
        return self.world.mail[user]

    def small(self):
        return self.mailbox("small", self.sizes["small"], 43000)

    def many(self):
        return self.mailbox("many", self.sizes["many"], 40000)

    def download(self):
        """{small} messages one after the other, 50 ms round trip"""
        found = self.targets(TRIP, loads.download, "small", self.small())
        return dict(found, floor=self.floor(TRIP, "small", "UID FETCH 1:* (UID BODY.PEEK[])"))

    def local(self):
        """{many} messages of 40 kB one after the other, 0 ms"""
        found = self.targets(0, loads.download, "many", self.many())
        return dict(found, floor=self.floor(0, "many", "UID FETCH 1:* (UID BODY.PEEK[])"))

    def pipelined(self):
        """the same, the client pipelines"""
        found = self.targets(0, loads.download_pipelined, "many", self.many())
        return dict(found, floor=self.floor(0, "many", "UID FETCH 1:* (UID BODY.PEEK[])"))

    def listing(self):
        """{huge} messages: login, STAT, UIDL, 0 ms"""
        count = len(self.mailbox("huge", self.sizes["huge"], 300))
        found = self.targets(0, loads.listing, "huge", count)
        return dict(found, floor=self.floor(0, "huge", "UID FETCH 1:* (UID RFC822.SIZE)"))

    def far_listing(self):
        """{huge} messages: login, STAT, UIDL, 50 ms (popgate and floor)"""
        count = len(self.mailbox("huge", self.sizes["huge"], 300))
        return {"popgate": loads.listing(self.world.gates[TRIP].port, "huge", count),
                "floor": self.floor(TRIP, "huge", "UID FETCH 1:* (UID RFC822.SIZE)")}

    def maildir(self):
        """{huge} messages in a local maildir: login, STAT, UIDL"""
        return {"popgate": loads.listing(self.world.local().port, "huge", self.sizes["huge"])}

    def maildir_memory(self):
        """... the most memory that its session had"""
        gate, client = self.world.local(), loads.Pop3(self.world.local().port)
        client.login("huge")
        found = max(machine.peak(pid) for pid in gate.pids("session"))
        client.ask(b"QUIT")
        client.close()
        return {"popgate": found / 1e6}

    def large_message(self):
        if "large" not in self.world.mail:
            line = b"x" * 74 + b"\r\n"
            self.world.mail["large"] = [b"Subject: large\r\n\r\n" + line * (self.sizes["large"] // len(line))]
            self.world.upstream.append("large", self.world.mail["large"])
        return self.world.mail["large"][0]

    def large(self):
        """one message of {large} octets, 0 ms"""
        message = self.large_message()
        found = self.targets(0, lambda port: loads.large(port, "large", message)[0])
        return dict(found, floor=self.floor(0, "large", "UID FETCH 1 (UID BODY.PEEK[])"))

    def first_octet(self):
        """... until its first octet"""
        message = self.large_message()
        found = self.targets(0, lambda port: loads.large(port, "large", message)[1] * 1000)
        return dict(found, floor=loads.floor_first(self.world.ports[0], "large", "UID FETCH 1 (UID BODY.PEEK[])") * 1000)

    def memory(self):
        """... more memory in all processes, the reader stalled half-way"""
        message, found = self.large_message(), {}
        roots = {"popgate": (self.world.gates[0].port, self.world.gates[0].pid)}
        if 0 in self.world.rivals:
            roots["dovecot"] = (self.world.rivals[0].port, self.world.rivals[0].process.pid)
        for name, (port, root) in roots.items():
            client = loads.Pop3(port)
            client.login("idler")  # what any session costs is not this message's
            before, seen = machine.memory(root), []
            client.close()
            loads.large(port, "large", message, lambda: seen.append(growth.settled(lambda: machine.memory(root))))
            found[name] = (seen[0] - before) / 1e6
        return found

    def storm(self):
        """logins, 32 at once, 0 ms"""
        users = [f"storm{n}" for n in range(100)]
        found = self.targets(0, loads.storm, users, self.sizes["storm"], 32)
        return found

    def login(self):
        """one login and STAT, 50 ms"""
        self.small()
        found = self.targets(TRIP, loads.login, "small")
        return dict(found, floor=self.floor(TRIP, "small", "UID FETCH 1:* (UID RFC822.SIZE)"))

    def poll(self):
        """the next login of the same user, the maildrop kept open"""
        self.small()
        loads.login(self.world.keeper().port, "small")
        found = {"popgate": loads.login(self.world.keeper().port, "small")}
        if TRIP in self.world.rivals:
            found["dovecot"] = loads.login(self.world.rivals[TRIP].port, "small")
        return dict(found, floor=self.floor(TRIP, "small", "UID FETCH 1:* (UID RFC822.SIZE)"))

    def idle(self):
        """each of {idle} idle sessions, all processes"""
        found = {"popgate": growth.idle(self.world.gates[0].port, self.world.gates[0].pid, self.sizes["idle"])}
        if 0 in self.world.rivals:
            process = self.world.rivals[0].process
            found["dovecot"] = growth.idle(self.world.rivals[0].port, process.pid, self.sizes["idle"])
        return found

    def fill_removed(self):
        """The mailbox to be emptied, listed once: a server that has never told the messages' sizes reads them for it."""
        self.world.fill("remove", self.sizes["small"], 43000)
        self.floor(0, "remove", "UID FETCH 1:* (UID RFC822.SIZE)")

    def remove(self):
        """download, DELE and QUIT of {small} messages, 50 ms"""
        found = {}
        roads = {"popgate": self.world.gates[TRIP].port}
        if TRIP in self.world.rivals:
            roads["dovecot"] = self.world.rivals[TRIP].port
        for name, port in roads.items():
            self.fill_removed()
            found[name] = loads.download(port, "remove", self.world.mail["remove"], remove=True)
        self.fill_removed()
        bulk = self.floor(TRIP, "remove", "UID FETCH 1:* (UID BODY.PEEK[])")
        return dict(found, floor=bulk + self.floor(TRIP, "remove", "NOOP", remove=True))

    def top(self):
        """TOP n 0 of {many} messages, 50 ms (popgate and floor)"""
        count = len(self.many())
        return {"popgate": loads.tops(self.world.gates[TRIP].port, "many", count),
                "floor": self.floor(TRIP, "many", "UID FETCH 1:* (UID BODY.PEEK[HEADER])")}

    def secured(self, trip, user, messages):
        return loads.download(self.world.secure[trip].port, user, messages, context=loads.trusting())

    def secured_floor(self, trip, user):
        return loads.floor(self.world.secure_ports[trip], user, "UID FETCH 1:* (UID BODY.PEEK[])",
                           loads.room_for(self.world.mail[user]), context=loads.trusting())[0]

    def tls(self):
        """{small} messages, 50 ms, TLS on both sides; floor: IMAP over TLS"""
        return {"popgate": self.secured(TRIP, "small", self.small()), "floor": self.secured_floor(TRIP, "small")}

    def tls_price(self):
        """the same; floor: popgate in clear"""
        return {"popgate": self.secured(TRIP, "small", self.small()),
                "floor": loads.download(self.world.gates[TRIP].port, "small", self.small())}

    def local_tls(self):
        """{many} messages of 40 kB, 0 ms, TLS on both sides; floor: IMAP over TLS"""
        return {"popgate": self.secured(0, "many", self.many()), "floor": self.secured_floor(0, "many")}

    def local_tls_price(self):
        """the same; floor: popgate in clear"""
        return {"popgate": self.secured(0, "many", self.many()),
                "floor": loads.download(self.world.gates[0].port, "many", self.many())}


ORDER = ("download", "local", "pipelined", "listing", "far_listing", "maildir", "maildir_memory", "large", "first_octet",
         "memory", "storm", "login", "poll", "remove", "top", "tls", "tls_price", "local_tls", "local_tls_price",
         "idle")  # last: a thousand sessions that end keep the machine busy for a while
USUAL = {"small": 200, "many": 1000, "huge": 20000, "large": 100 << 20, "storm": 1000, "idle": 300}
FULL = dict(USUAL, huge=100000, storm=2000, idle=1000, **growth.SIZES)


def measure(works, names, rounds):
    """{work: [one round's figures]}; a round's `foreign` is among them."""
    found = {name: [] for name in names}
    for turn in range(1, rounds + 1):
        for name in names:
            with machine.Watch() as watch:
                figures = getattr(works, name)()
            found[name].append(dict(figures, foreign=watch.foreign))
            print(f"round {turn} {name}: " + "  ".join(f"{key} {value:.3g}" for key, value in found[name][-1].items()),
                  file=sys.stderr, flush=True)
    return found


def summary(rounds, key):
    values = [one[key] for one in rounds if key in one]
    return (statistics.median(values), min(values), max(values)) if values else None


def ratio(rounds, to):
    values = [one["popgate"] / one[to] for one in rounds if one.get(to)]
    return statistics.median(values) if values else None


def rows(found, sizes):
    """For draw.table."""
    for name, rounds in found.items():
        yield {"what": getattr(Works, name).__doc__.format(**sizes), "unit": Works.UNITS.get(name, "s"),
               "popgate": summary(rounds, "popgate"), "dovecot": summary(rounds, "dovecot"),
               "floor": summary(rounds, "floor"), "to_dovecot": ratio(rounds, "dovecot"),
               "to_floor": ratio(rounds, "floor"), "foreign": summary(rounds, "foreign")[0]}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="the large sizes, and how cost grows")
    parser.add_argument("--works", default=",".join(ORDER), help="which, with commas between them")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=json.loads, default={}, help="JSON: " + json.dumps(FULL))
    parser.add_argument("--write", action="store_true", help="into doc/PERFORMANCE.md and doc/performance.svg")
    chosen = parser.parse_args()
    chosen.works = [name for name in chosen.works.split(",") if name]
    wrong = set(chosen.works) - set(ORDER)
    if wrong:
        parser.error(f"no such work: {', '.join(sorted(wrong))}")
    return chosen


def raise_limit():
    """To what ten thousand sessions take, as far as this user may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, OPEN_FILES)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, wanted)), hard))


def main():
    chosen = options()
    raise_limit()
    if not dovecot.available():
        sys.exit("the benchmark needs Dovecot's IMAP server (Debian: dovecot-imapd)")
    if not rival.available():
        print("Dovecot's pop3 is not installed (Debian: dovecot-pop3d): no rival is measured", file=sys.stderr)
    sizes = dict(FULL if chosen.full else USUAL, **chosen.sizes)
    with contextlib.ExitStack() as stack:
        world = World(stack, sizes)
        table = draw.table(rows(measure(Works(world), chosen.works, chosen.rounds), sizes))
        print(table, file=sys.stderr, flush=True)
        grown = growth.measure(world) if chosen.full else None
    text = f"Machine: {machine.describe()}. {chosen.rounds} rounds.\n\n{table}"
    if grown is not None:
        text += "\n" + draw.growth_tables(grown)
    print(text)
    if chosen.write:
        draw.write(text, grown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
