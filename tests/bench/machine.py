"""What processes cost: memory, processor time, and how much of the machine strangers used."""

import os
import time

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    """(parent, processor seconds with those of its dead children)"""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15])) / TICK


def _table():
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = _stat(entry)
            except OSError:
                pass
    return found


def tree(root, table=None):
    """A process and its descendants."""
    table = table or _table()
    children = {}
    for pid, (parent, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        left += children.get(pid, ())
    return found


def memory(root):
    """Proportional set size of a tree, octets."""
    total = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                total += sum(int(line.split()[1]) for line in file if line.startswith("Pss:")) * 1024
        except OSError:
            pass
    return total


def peak(pid):
    """The largest resident set that a process has had, octets; what it shares with others is in it."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) * 1024


def _busy():
    with open("/proc/stat", encoding="ascii") as file:
        return sum(map(int, file.readline().split()[1:4])) / TICK


class Watch:
    """Times a block; `foreign` is the share of all processors that other processes had meanwhile."""

    def __enter__(self):
        self._before = self._own(), _busy()
        self._begun = time.monotonic()
        return self

    @staticmethod
    def _own():
        table = _table()
        return sum(table[pid][1] for pid in tree(os.getpid(), table) if pid in table)

    def __exit__(self, *_):
        self.seconds = time.monotonic() - self._begun
        own, busy = self._own() - self._before[0], _busy() - self._before[1]
        self.foreign = max(0.0, busy - own) / max(self.seconds, 0.01) / os.cpu_count()


def describe():
    """One line on this machine."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "processor")
    with open("/proc/meminfo", encoding="ascii") as file:
        size = int(file.readline().split()[1]) >> 20
    return f"{os.cpu_count()} cores ({model}), {size} GiB, Linux {os.uname().release}"
