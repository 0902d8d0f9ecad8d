"""The benchmark's tables and its picture."""

import math
import os

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PAGE, PICTURE = os.path.join(TOP, "doc", "PERFORMANCE.md"), os.path.join(TOP, "doc", "performance.svg")
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
COLOURS = {"popgate": "#0072b2", "dovecot": "#d55e00", "floor": "#009e73"}
NAMES = {"popgate": "popgate", "dovecot": "Dovecot pop3 + imapc", "floor": "raw IMAP (floor)"}


def figure(value):
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def _cell(found, unit):
    if found is None:
        return "-"
    median, low, high = found
    return f"{figure(median)} {unit} ({figure(low)}-{figure(high)})"


def _times(value):
    return "-" if value is None else f"{figure(value)} x"


def table(rows):
    """Markdown: medians with the least and the most, and ratios."""
    lines = ["| work | popgate | to Dovecot | to the floor | Dovecot pop3 + imapc | floor | foreign |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        unit = row["unit"]
        lines.append(f"| {row['what']} | {_cell(row['popgate'], unit)} | {_times(row['to_dovecot'])} "
                     f"| {_times(row['to_floor'])} | {_cell(row['dovecot'], unit)} | {_cell(row['floor'], unit)} "
                     f"| {row['foreign']:.2f} |")
    return "\n".join(lines) + "\n"


def _seconds(title, found, label):
    lines = [f"\n| {title} | popgate | Dovecot pop3 + imapc | raw IMAP |", "| --- | --- | --- | --- |"]
    for key, one in found.items():
        cells = " | ".join(f"{figure(one[name])} s" if name in one else "-" for name in ("popgate", "dovecot", "floor"))
        lines.append(f"| {label(key)} | {cells} |")
    return "\n".join(lines) + "\n"


def growth_tables(grown):
    text = _seconds("round-trip time", grown["trips"], lambda key: f"{key} ms")
    text += _seconds("messages of 2 kB", grown["counts"], lambda key: f"{key:,}")
    text += _seconds("octets of one message", grown["octets"], lambda key: f"{key >> 20} MiB")
    text += "\n| idle sessions | memory of all processes, each | all logged in after | NOOP, p99 |\n" \
            "| --- | --- | --- | --- |\n"
    for count, (cost, seconds, noop) in grown["sessions"].items():
        text += f"| {count:,} | {figure(cost)} kB | {figure(seconds)} s | {figure(noop)} ms |\n"
    busy = grown["busy"]
    text += f"\n{busy['sessions']:,} sessions that download at once: {busy['octets'] / 1e6:,.0f} MB in " \
            f"{figure(busy['seconds'])} s. A neighbour's commands meanwhile:\n\n" \
            "| command | alone: p50, p99 | beside them: p50, p99 |\n| --- | --- | --- |\n"
    for name in busy["alone"]:
        cells = " | ".join("{} ms, {} ms".format(*map(figure, busy[kind][name])) for kind in ("alone", "beside"))
        text += f"| {name} | {cells} |\n"
    return text


# ---- the picture --------------------------------------------------------------


class _Panel:
    """Axes in a rectangle; y logarithmic."""

    def __init__(self, left, title, x_name, y_name, xs, ys, logarithmic_x=False):
        self.left, self.top, self.width, self.height = left, 50, 330, 230
        self.log_x = logarithmic_x
        self.xs, self.low, self.high = xs, math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys)))
        self.parts = [f'<text x="{left}" y="24" class="title">{title}</text>',
                      f'<text x="{left + self.width / 2}" y="{self.top + self.height + 38}" class="name">{x_name}</text>',
                      f'<text x="{left}" y="42" class="left">{y_name}</text>']
        for power in range(self.low, self.high + 1):
            y = self.y(10 ** power)
            self.parts += [f'<line x1="{left}" x2="{left + self.width}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>',
                           f'<text x="{left - 6}" y="{y + 4:.1f}" class="right">{10 ** power:g}</text>']
        for x in xs:
            self.parts.append(f'<text x="{self.x(x):.1f}" y="{self.top + self.height + 18}" class="name">{x:,}</text>')

    def x(self, value):
        scale = math.log10 if self.log_x else float
        low, high = scale(self.xs[0]), scale(self.xs[-1])
        return self.left + (scale(value) - low) / (high - low) * self.width

    def y(self, value):
        return self.top + (self.high - math.log10(value)) / (self.high - self.low) * self.height

    def line(self, name, points):
        where = [(self.x(x), self.y(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in where)
        self.parts.append(f'<polyline points="{path}" stroke="{COLOURS[name]}"/>')
        self.parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{COLOURS[name]}"/>' for x, y in where]


def picture(grown):
    trips, sessions = grown["trips"], grown["sessions"]
    seconds = [value for one in trips.values() for value in one.values()]
    left = _Panel(60, "200 messages, one after the other", "round-trip time to the IMAP server, ms", "seconds",
                  list(trips), seconds)
    for name in NAMES:
        points = [(trip, one[name]) for trip, one in trips.items() if name in one]
        if points:
            left.line(name, points)
    memory = {count: cost * count / 1000 for count, (cost, _, _) in sessions.items()}
    right = _Panel(480, "Idle sessions", "sessions", "MB, all processes", list(memory), list(memory.values()), True)
    right.line("popgate", list(memory.items()))
    legend = "".join(f'<rect x="{60 + 170 * i}" y="338" width="12" height="12" fill="{COLOURS[name]}"/>'
                     f'<text x="{78 + 170 * i}" y="348" class="left">{NAMES[name]}</text>'
                     for i, name in enumerate(NAMES))
    style = "text{font:12px sans-serif;fill:#222}.title{font-weight:bold;font-size:14px}.name{text-anchor:middle}" \
            ".right{text-anchor:end}.grid{stroke:#888;stroke-opacity:.35}polyline{fill:none;stroke-width:2}" \
            ".back{fill:#fff}@media(prefers-color-scheme:dark){text{fill:#ddd}.back{fill:#161b22}}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 365" role="img">\n<title>popgate: time over ' \
           f'round-trip time, memory over sessions</title>\n<style>{style}</style>\n<rect width="840" height="365" ' \
           f'class="back"/>\n' + "\n".join(left.parts + right.parts) + f"\n{legend}\n</svg>\n"


def write(text, grown):
    """Puts the measured part between its marks in doc/PERFORMANCE.md; the rest is written by hand."""
    with open(PAGE, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
        after = rest.partition(END)[2]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + text + END + after)
    if grown is not None:
        with open(PICTURE, "w", encoding="utf-8") as file:
            file.write(picture(grown))
