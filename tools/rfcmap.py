#!/usr/bin/env python3
"""Makes docs/rfc-map.md from the citations in code and tests: clause, functions, tests. With --check it only tells
whether the file is up to date. docs/requirements.tsv has what the standards demand, a row each, and where it is met."""

import collections
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAP = os.path.join(ROOT, "docs", "rfc-map.md")
ROWS = os.path.join(ROOT, "docs", "requirements.tsv")

# "RFC 3261 16.6 step 4, 16.7; RFC 5630 5.3": a number of an RFC and what follows it
RFC = re.compile(r"\bRFC\s+(?:\*\s+)?(\d{4})((?:(?:,| and|;)?\s+(?:\*\s*)?(?:section )?\d+(?:\.\d+)+(?: step \d+)?"
                 r"|\s+(?:section )?\d{1,2}(?= |$|[:,;.)]|\*)(?! to))*)")
CLAUSE = re.compile(r"\d+(?:\.\d+)*(?: step \d+)?")
C_FUNCTION = re.compile(r"^(?!static const|struct|enum|union|typedef|#|\s|/|\*)[A-Za-z_].*?(\w+)\((?!.*;\s*$)")
C_PROTOTYPE = re.compile(r"^(?!struct \w+ \{|enum|union|typedef|#|\s|/|\*)[A-Za-z_].*?(\w+)\(")
PY_FUNCTION = re.compile(r"^\s*def (\w+)\(")


def files():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "src", "tests"], cwd=ROOT, text=True,
                         stdout=subprocess.PIPE, check=True).stdout.split()
    return sorted(f for f in out if f.endswith((".c", ".h", ".py")) and os.path.exists(os.path.join(ROOT, f)))


def header_owners(lines):
    """In a header a comment belongs to the prototype right behind it."""
    names, following = [None] * len(lines), None
    for i in range(len(lines) - 1, -1, -1):
        m = C_PROTOTYPE.match(lines[i])
        if m:
            following = m.group(1)
        elif not re.match(r"\s*(/\*|\*)|\S.*\*/", lines[i]):
            following = None
        names[i] = following
    return names


def owners(lines, path):
    """For each line the function that it stands in or, in a comment before one, the function that follows."""
    pattern = PY_FUNCTION if path.endswith(".py") else C_FUNCTION
    if path.endswith(".h"):
        return header_owners(lines)
    names, current, inside = [None] * len(lines), None, False
    starts = {i: m.group(1) for i, line in enumerate(lines) if (m := pattern.match(line))}
    if path.endswith(".py"):
        for i, _ in enumerate(lines):
            current = starts.get(i, current)
            names[i] = current
        return names
    for i, line in enumerate(lines):
        if i in starts:
            current, inside = starts[i], True
        names[i] = current if inside else None
        if line.startswith("}"):
            inside = False
    following = None
    for i in range(len(lines) - 1, -1, -1):
        if i in starts:
            following = starts[i]
        elif lines[i].startswith("}") or lines[i].strip() == "" and names[i] is None:
            following = following if lines[i].strip() == "" and following and i + 1 in starts else None
        if names[i] is None and following:
            names[i] = following
    return names


def citations():
    """{rfc: {clause: {"code": set, "test": set}}}"""
    found = collections.defaultdict(lambda: collections.defaultdict(lambda: {"code": set(), "test": set()}))
    for path in files():
        with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
            text = f.read()
        lines = text.split("\n")
        names = owners(lines, path)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line) + 1)
        kind = "test" if path.startswith("tests/") else "code"
        line_of = 0
        for m in RFC.finditer(text):
            while starts[line_of + 1] <= m.start():
                line_of += 1
            where = f"{path}:{names[line_of]}" if names[line_of] else path
            clauses = CLAUSE.findall(m.group(2)) or ["-"]
            for clause in clauses:
                found[m.group(1)][clause][kind].add(where)
    return found


def order(clause):
    return [int(n) for n in re.findall(r"\d+", clause)] or [-1]


def cell(places):
    """Places grouped by file."""
    by_file = collections.defaultdict(list)
    for place in sorted(places):
        path, _, name = place.partition(":")
        by_file[path].append(name)
    return "; ".join(f"`{path}` {', '.join(n for n in names if n)}".strip() for path, names in by_file.items())


def requirements(problems):
    """The rows of docs/requirements.tsv; each place they name must exist."""
    texts = {}
    for path in files():
        with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as f:
            texts[path] = f.read()
    everything = "\n".join(texts.values())
    out = ["| id | level | demand | clause | code | test |", "|---|---|---|---|---|---|"]
    with open(ROWS, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if line.startswith("#") or not line.strip():
                continue
            fields = line.rstrip("\n").split("\t")
            if len(fields) != 6:
                problems.append(f"docs/requirements.tsv:{number}: {len(fields)} fields, 6 are wanted")
                continue
            places = fields[4] + " " + fields[5]
            for name in re.findall(r"\b(?:sw|test)_\w+", re.sub(r"\b(?:src|tests)/[\w./]+", "", places)):
                if not re.search(rf"\b{name}\b", everything):
                    problems.append(f"docs/requirements.tsv:{number}: {name} does not exist")
            for path in re.findall(r"\b(?:src|tests)/[\w./]+\w", places):
                if not os.path.exists(os.path.join(ROOT, path)):
                    problems.append(f"docs/requirements.tsv:{number}: {path} does not exist")
            out.append("| " + " | ".join(fields) + " |")
    return out


def page(problems):
    out = ["# Map of the standards", "",
           "Made by `tools/rfcmap.py` from the citations in code and tests; do not edit it. `make test` checks that it is",
           "up to date.", "", "## What is demanded, and where it is met", "",
           "M must, S should, X may be chosen, R recommended. From [requirements.tsv](requirements.tsv).", ""]
    out += requirements(problems)
    found = citations()
    for rfc in sorted(found):
        out += ["", f"## RFC {rfc}", "", "| clause | code | tests |", "|---|---|---|"]
        for clause in sorted(found[rfc], key=order):
            x = found[rfc][clause]
            out.append(f"| {clause} | {cell(x['code'])} | {cell(x['test'])} |")
    return "\n".join(out) + "\n"


def main():
    problems = []
    text = page(problems)
    if "--check" in sys.argv:
        with open(MAP, encoding="utf-8") as f:
            if f.read() != text:
                problems.append("docs/rfc-map.md is not up to date: run tools/rfcmap.py")
    else:
        with open(MAP, "w", encoding="utf-8") as f:
            f.write(text)
    for p in problems:
        print(p)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
