"""Passwords that can be found again wherever they, or pieces of them, have been left.

A marker is one word over and over with a letter of its own between, so that nine octets of it are enough to
tell it, plain or in base64 at any offset. `places(octets)` finds what there is; `memory(pid)` reads a process."""

import base64

_WORD = b"Kq7ZvX9w"
_PERIOD = len(_WORD) + 1  # a multiple of 3: base64 of it is periodic as well


def marker(letter, times=5):
    """The password that is told by this letter."""
    return (_WORD.decode() + letter) * times


def _base64_forms():
    """What the word is in base64 behind 0, 1 and 2 other octets, less the ends that neighbours change."""
    forms = []
    for before in range(3):
        text = base64.b64encode(b"\0" * before + _WORD)
        first, last = (before * 8 + 5) // 6, (before + len(_WORD)) * 8 // 6
        forms.append(text[first:last])
    return forms


_NEEDLES = [(_WORD, None)] + [(form, "base64") for form in _base64_forms()]


def _finds(octets, needle):
    at = octets.find(needle)
    while at >= 0:
        yield at
        at = octets.find(needle, at + 1)


def places(octets):
    """One (offset, kind) for each copy or piece of one; kind is the marker's letter, or "base64"."""
    found = []
    for needle, kind in _NEEDLES:
        last = {}
        for at in _finds(octets, needle):
            name = kind or chr(octets[at + len(_WORD)] if at + len(_WORD) < len(octets) else 0x3f)
            if at - last.get(name, -1000) > 2 * _PERIOD:
                found.append((at, name))
            last[name] = at
    return found


def memory(pid):
    """What the process may have written: (name, address, octets) of each mapping. Needs root."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in maps:
            fields = line.split(maxsplit=5)
            begin, end = (int(at, 16) for at in fields[0].split("-"))
            name = fields[5].strip() if len(fields) > 5 else "anonymous"
            if "w" not in fields[1] or name == "[vvar]":
                continue
            try:
                file.seek(begin)
                octets = b""
                while len(octets) < end - begin and (part := file.read(end - begin - len(octets))):
                    octets += part
            except OSError:
                continue
            yield name, begin, octets


def memory_places(pid):
    """[(kind, where)] of all copies in a process."""
    return [(kind, f"{name} {begin + at:#x} {octets[max(at - 24, 0):at + 64]!r}")
            for name, begin, octets in memory(pid) for at, kind in places(octets)]
