"""Draws what passed between programs as ladders, from the lines of their logs."""

import json
import os
import sys

WIDTH = 25  # from one line of life to the next
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def bold(text):
    return paint(text, "1")


def green(text):
    return paint(text, "32")


def red(text):
    return paint(text, "31")


def grey(text):
    return paint(text, "90")


class Ladder:
    """Columns from left to right, and arrows between neighbours."""

    def __init__(self, *columns):
        self.columns = columns

    def head(self):
        for lines in zip(*[c.split("\n") + [""] * (2 - len(c.split("\n"))) for c in self.columns]):
            text = "".join(t.center(WIDTH) for t in lines).rstrip()
            if text:
                print(bold(text))
        self.note("")

    def note(self, text, code="90"):
        print((self._between(None, "") + "  " + paint(text, code)).rstrip())

    def arrow(self, source, target, label, text=""):
        left = min(source, target)
        room = WIDTH - 4
        label = label if len(label) <= room - 2 else label[:room - 3] + "…"
        line = f" {label} ".center(room, "-")
        line = f"-{line}->" if source < target else f"<-{line}-"
        print(self._between(left, line) + "  " + grey(text))

    def _between(self, at, line):
        out = " " * (WIDTH // 2)
        for i in range(len(self.columns)):
            out += "|"
            if i + 1 < len(self.columns):
                out += line if i == at else " " * (WIDTH - 1)
        return out


def handshake(messages, opened, who, gateway="gateway"):
    """The three phases of one connection, from event=tls_message and event=connection_open."""
    ours = 0 if opened["direction"] == "out" else 1
    ladder = Ladder(*([gateway, f"{who}\n{opened['remote']}"] if ours == 0
                      else [f"{who}\n{opened['remote']}", gateway]))
    ladder.head()
    ladder.note("phase 1: TCP", "1")
    ladder.arrow(0, 1, "SYN, ACK", f"to {opened['remote'] if ours == 0 else opened['local']}")
    ladder.arrow(1, 0, "SYN+ACK")
    ladder.note("phase 2: TLS handshake", "1")
    for m in messages:
        out = m["dir"] == "out"
        source = ours if out else 1 - ours
        ladder.arrow(source, 1 - source, m["message"], f"{m['carries']}  ({m['bytes']} bytes)".strip())
    ladder.note("phase 3: identity assertion (RFC 5922)", "1")
    ladder.note(f"its certificate names   {opened['names']}")
    ladder.note(f"proven                  {opened['identity']}, so it is the peer {opened['peer']} "
                f"({opened['why']})")
    ladder.note(f"open: {opened['version']}, {opened['suite']}, {opened['group']}, {opened['ms']} ms", "32")


def records(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            try:
                yield json.loads(line)
            except ValueError:
                continue


def label(m):
    words = m["line"].split(" ", 2)
    if words[0] == "SIP/2.0":
        return f"{words[1]} {words[2]}", m["cseq"].split()[-1]
    return words[0], words[1]


class Side:
    """One gateway's log: its column, the columns of its peers, and the gateway at its other end."""

    def __init__(self, path, call_id, column, peers, other=None):
        self.todo = [m for m in records(path) if m.get("event") == "message" and m["call_id"] == call_id]
        self.column, self.peers, self.other = column, peers, other

    def inner(self, m):
        return m["peer"] == self.other

    def key(self):
        m = self.todo[0]
        return (m["line"], m["cseq"])


def merge(sides):
    """Messages of several logs in one order: what a gateway got from another comes after it was sent."""
    sent = {}
    while any(s.todo for s in sides):
        ready = [s for s in sides if s.todo
                 and not (s.inner(s.todo[0]) and s.todo[0]["dir"] == "in" and not sent.get(s.key()))]
        s = min(ready or [s for s in sides if s.todo], key=lambda x: x.todo[0]["time"])
        key, m = s.key(), s.todo.pop(0)
        if s.inner(m):
            sent[key] = sent.get(key, 0) + (1 if m["dir"] == "out" else -1)
            if m["dir"] == "in":
                continue
        yield s, m


def call(columns, sides):
    """One call through one gateway, or several in a row. Returns the labels drawn."""
    ladder = Ladder(*columns)
    ladder.head()
    drawn = []
    for s, m in merge(sides):
        name, text = label(m)
        there = s.peers[m["peer"]]
        ends = (there, s.column) if m["dir"] == "in" else (s.column, there)
        ladder.arrow(*ends, name, text)
        drawn.append(name)
    return drawn
