"""How cost grows: with the round-trip time, the messages, the octets and the sessions."""

import contextlib
import multiprocessing
import resource
import selectors
import statistics
import sys
import time

import loads
import machine
import rival
from crowd import Crowd
from delay import Delay
from gateway import Gateway

SIZES = {
    "trips": (0, 10, 25, 50, 100, 200),  # milliseconds
    "counts": (100, 1000, 10000),
    "octets": (1 << 20, 10 << 20, 100 << 20),
    "sessions": (100, 1000, 5000, 10000),
    "busy": 1000,
}
RIVAL_TRIP_MAX = 50  # milliseconds; beyond it Dovecot's minutes tell nothing new
BUSY_MESSAGES = 30
ROUNDS = 3


def settled(measure, seconds=1.0):
    time.sleep(seconds)
    return measure()


def _say(text):
    print(text, file=sys.stderr, flush=True)


def _hold(ports, count):
    """Sessions that are logged in, the ports in turn."""
    held = []
    for number in range(count):
        client = loads.Pop3(ports[number % len(ports)])
        client.login(f"idle{number}")
        client.ask(b"STAT")
        held.append(client)
    return held


def idle(port, root, count):
    """kB of all processes for each of `count` idle sessions."""
    before = machine.memory(root)
    held = _hold([port], count)
    cost = (settled(lambda: machine.memory(root)) - before) / count / 1000
    for client in held:
        client.close()
    time.sleep(0.5)
    return cost


def _popgate(stack, port, **limits):
    backend = {"name": "main", "plugin": "imap", "host": "127.0.0.1", "port": port, "security": "none"}
    gate = Gateway([backend], fronts=4, limits={"login_penalty": 15, **(limits or {"max_connections": 3000})})
    stack.callback(gate.kill)
    return gate.start()


def _median(measure):
    return statistics.median(measure() for _ in range(ROUNDS))


def _floor(port, user, messages):
    return loads.floor(port, user, "UID FETCH 1:* (UID BODY.PEEK[])", loads.room_for(messages))[0]


def over_trips(world):
    """Seconds for the mailbox `small`: {milliseconds: {target: seconds}}"""
    messages, found = world.mail["small"], {}
    for trip in world.sizes["trips"]:
        with contextlib.ExitStack() as stack:
            proxy = Delay(world.upstream.imap_port, trip / 1000)
            stack.callback(proxy.stop)
            gate = _popgate(stack, proxy.port)
            figures = {"popgate": _median(lambda: loads.download(gate.port, "small", messages)),
                       "floor": _median(lambda: _floor(proxy.port, "small", messages))}
            if rival.available() and trip <= RIVAL_TRIP_MAX:
                other = stack.enter_context(rival.Rival(proxy.port))
                figures["dovecot"] = loads.download(other.port, "small", messages)
            found[trip] = figures
            _say(f"{trip} ms: {figures}")
    return found


def over_counts(world):
    """Seconds for so many messages of 2 kB, 0 ms."""
    found, gate = {}, world.gates[0]
    for count in world.sizes["counts"]:
        world.fill("count", count, 2000)
        found[count] = {
            "popgate": _median(lambda: loads.download(gate.port, "count", world.mail["count"])),
            "floor": _median(lambda: _floor(world.upstream.imap_port, "count", world.mail["count"]))}
        _say(f"{count} messages: {found[count]}")
    return found


def over_octets(world):
    """Seconds for one message of so many octets, 0 ms."""
    found, gate = {}, world.gates[0]
    line = b"x" * 74 + b"\r\n"
    for size in world.sizes["octets"]:
        user = f"octets{size}"
        message = b"Subject: large\r\n\r\n" + line * (size // len(line))
        world.upstream.append(user, [message])
        found[size] = {
            "popgate": _median(lambda: loads.large(gate.port, user, message)[0]),
            "floor": _median(lambda: _floor(world.upstream.imap_port, user, [message]))}
        _say(f"{size} octets: {found[size]}")
    return found


def _popgates(count):
    """How many are needed for so many sessions: each wants two files a connection in one process."""
    most = (resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 128) // 2 - 500
    return -(-count // most)


def _memory(gates):
    return sum(machine.memory(gate.pid) for gate in gates)


def over_sessions(world):
    """{sessions: (kB each, seconds until all are in, longest NOOP in ms while all are there)}"""
    found = {}
    for count in world.sizes["sessions"]:
        with contextlib.ExitStack() as stack:
            crowd = Crowd()
            stack.callback(crowd.stop)
            # as many popgates as it takes, where the limit of open files is low
            gates = [_popgate(stack, crowd.port, max_connections=count // _popgates(count) + 500)
                     for _ in range(_popgates(count))]
            before = settled(lambda: _memory(gates))
            begun = time.monotonic()
            held = _hold([gate.port for gate in gates], count)
            seconds = time.monotonic() - begun
            cost = (settled(lambda: _memory(gates)) - before) / count / 1000
            noops = sorted(_latency(held[i], b"NOOP") for i in range(0, count, max(1, count // 200)))
            found[count] = (cost, seconds, noops[len(noops) * 99 // 100] * 1000)
            for client in held:
                client.close()
        _say(f"{count} idle sessions: {found[count]}")
    return found


def _latency(client, command):
    begun = time.monotonic()
    client.ask(command)
    return time.monotonic() - begun


class _Reader:
    """One of many downloads at once."""

    def __init__(self, port, user, count):
        self.client = loads.Pop3(port)
        self.client.login(user)
        self.left, self.tail, self.octets = count, b"", 0
        self.next = 1

    def ask(self):
        self.client.socket.sendall(b"RETR %d\r\n" % self.next)
        self.next += 1

    def step(self):
        """False: all messages are here."""
        data = self.client.socket.recv(loads.SMALL)
        if not data or (not self.tail and not data.startswith(b"+OK")):
            raise loads.Wrong(f"busy: {data[:80]!r}")
        self.octets += len(data)
        self.tail = (self.tail + data)[-5:]
        if self.tail == loads.END:
            self.left, self.tail = self.left - 1, b""
            if self.left > 0:
                self.ask()
        return self.left > 0


def _neighbour(port, pipe):
    """Commands one after the other until told to stop; sends their latencies."""
    client, found = loads.Pop3(port), {"NOOP": [], "STAT": [], "RETR": []}
    client.login("neighbour")
    while not pipe.poll():
        for name, command in (("NOOP", b"NOOP"), ("STAT", b"STAT")):
            found[name].append(_latency(client, command))
        begun = time.monotonic()
        client.multiline(b"RETR 1")
        found["RETR"].append(time.monotonic() - begun)
        time.sleep(0.005)
    pipe.send(found)


def _percentiles(values):
    values = sorted(values)
    return values[len(values) // 2] * 1000, values[len(values) * 99 // 100] * 1000


def busy(world):
    """Sessions that all download at once: seconds, octets, and a neighbour's latencies (ms) alone and beside them."""
    most = world.sizes["busy"]
    for number in range(most):
        world.fill(f"busy{number}", BUSY_MESSAGES, 4000)
    world.fill("neighbour", 1, 2000)
    gate, found = world.gates[0], {}
    for name, count in (("alone", 0), ("beside", most)):
        context = multiprocessing.get_context("fork")
        near, far = context.Pipe()
        watcher = context.Process(target=_neighbour, args=(gate.port, far), daemon=True)
        readers = [_Reader(gate.port, f"busy{n}", BUSY_MESSAGES) for n in range(count)]
        selector = selectors.DefaultSelector()
        for reader in readers:
            selector.register(reader.client.socket, selectors.EVENT_READ, reader)
        watcher.start()
        time.sleep(0.5)
        begun = time.monotonic()
        for reader in readers:
            reader.ask()
        left = len(readers)
        while left > 0:
            for key, _ in selector.select(120):
                if not key.data.step():
                    selector.unregister(key.fileobj)
                    left -= 1
        seconds = time.monotonic() - begun
        time.sleep(0 if readers else 1)
        near.send("stop")
        latencies = near.recv()
        watcher.join()
        for reader in readers:
            reader.client.close()
        found[name] = {key: _percentiles(values) for key, values in latencies.items()}
        found["sessions"], found["seconds"] = count, seconds
        found["octets"] = sum(reader.octets for reader in readers)
    _say(f"busy: {found}")
    return found


def measure(world):
    if "small" not in world.mail:
        world.fill("small", world.sizes["small"], 43000)
    return {"trips": over_trips(world), "counts": over_counts(world), "octets": over_octets(world),
            "sessions": over_sessions(world), "busy": busy(world)}
