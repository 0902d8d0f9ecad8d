"""Runs a command with sockets, as systemd does for a socket unit: from descriptor 3 on, told by LISTEN_FDS,
LISTEN_PID and LISTEN_FDNAMES.

    activate.py [--pid=PID] [--count=COUNT] SOCKET ... -- COMMAND ...

SOCKET is KIND:ADDRESS:PORT; KIND is tcp, both (IPv6 and IPv4), deaf (bound, without listen) or udp. The others take
the place of what is really so: another LISTEN_PID, another LISTEN_FDS."""

import fcntl
import os
import socket
import sys


def bound(text):
    kind, _, place = text.partition(":")
    address, _, port = place.rpartition(":")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(kind != "both"))
    one.bind((address, int(port)))
    if kind in ("tcp", "both"):
        one.listen(100)
    return one


def main(arguments):
    end = arguments.index("--")
    options = dict(one[2:].split("=") for one in arguments[:end] if one.startswith("--"))
    sockets = [bound(one) for one in arguments[:end] if not one.startswith("--")]
    high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 100) for one in sockets]
    for number, one in enumerate(high, 3):
        os.dup2(one, number)
        os.close(one)
    os.closerange(3 + len(high), 100)
    os.environ.update(LISTEN_FDS=options.get("count", str(len(high))), LISTEN_PID=options.get("pid", str(os.getpid())),
                      LISTEN_FDNAMES=":".join(["popgate.socket"] * len(high)))
    command = arguments[end + 1:]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
