"""Random messages, and how a POP3 client must get them."""

import hashlib
import re


def on_the_wire(message):
    """The octets of a message as a POP3 client gets them."""
    text = re.sub(rb"(?<!\r)\n", b"\r\n", message)
    if text.endswith(b"\r"):
        return text + b"\n"
    return text + b"\r\n" if text and not text.endswith(b"\n") else text


def top_of(message, lines):
    found, rest = [], on_the_wire(message).splitlines(keepends=True) if b"\r" not in message.replace(b"\r\n", b"") \
        else re.findall(rb"[^\n]*\n", on_the_wire(message))
    for at, line in enumerate(rest):
        found.append(line)
        if line == b"\r\n":
            return b"".join(found + rest[at + 1:at + 1 + lines])
    return b"".join(found)


def digest(octets):
    return hashlib.sha256(octets).hexdigest()


def some_text(rng, size):
    lines = []
    while size > 0:
        line = rng.choice([b"", b".", b"..", b".dot", b"text", b"From nobody", b"x" * rng.randint(1, 200)])
        lines.append(line + rng.choice([b"\r\n"] * 9 + [b"\n"]))
        size -= len(lines[-1])
    return b"".join(lines)


def some_message(rng):
    kind = rng.random()
    if kind < 0.03:
        return b""
    if kind < 0.08:
        return b"one line without any end %d" % rng.randint(0, 999)
    header = b"Subject: %d\r\nX-Long: %s\r\n" % (rng.randint(0, 10 ** 9), b"h" * rng.choice([1, 50, 3000]))
    if kind < 0.12:
        return header
    size = rng.choice([0, 1, 80, 500, 2000, 2000, 6000, 30000])
    if kind > 0.97:
        size = rng.choice([100000, 300000, 700000, 2000000])
    return header + b"\r\n" + some_text(rng, size) + rng.choice([b"", b"", b"no end", b"\r"])
