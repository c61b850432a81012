#!/usr/bin/env python3
"""The include rules: which room may use which, and which library headers appear where.

Prints each breach as FILE:LINE: what; exits 1 if there is one."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SRC = os.path.join(ROOT, "src")

PURE = ["sip", "txn", "engine", "reg", "proxy", "gateway"]  # each may include those to its left
ALL = ["base", "crypto", "sys", "sip", "txn", "engine", "reg", "proxy", "gateway", "loop", "tls", "cert",
       "fetch", "dns", "conn", "store", "worker", "client", "media", "daemon", "cmd"]

ALLOWED = {
    "base": [],
    "crypto": ["base"],
    "sys": ["base"],
    "loop": ["base", "sys"],
    "tls": ["base", "crypto"],
    "cert": ["base", "sys", "crypto", "tls"],
    "dns": ["base", "sys", "loop"],
    "store": ["base", "sys", "loop"],
    "fetch": ["base", "sys", "loop"],
    "conn": ["base", "sys", "crypto", "loop", "tls", "cert"],
    "worker": ["base", "sys", "crypto", "loop", "tls", "cert", "dns", "conn", "store", "engine"],
    "client": ["base", "crypto", "sip", "txn", "engine", "worker"],
    "daemon": ALL,
    "cmd": ALL,
}
for i, room in enumerate(PURE):
    ALLOWED[room] = ["base"] + PURE[:i] + ([] if room == "txn" else ["crypto"])

# One header of a room, where the room as a whole is not allowed; docs/architecture.md says why.
SINGLE = {
    ("conn", "sip/frame.h"),
}

# Library headers, and the files that may name them.
LIBRARIES = [
    (r"<openssl/", r"^(crypto|tls)/openssl"),
    (r"<wolfssl/", r"^(crypto|tls)/wolfssl"),
    (r"<sys/epoll\.h>", r"^loop/"),
    (r"<curl/", r"^fetch/download\.c$"),
    (r"<unbound\.h>", r"^dns/context\.c$"),
    (r"<pcre2\.h>", r"^sip/pattern\.c$"),
    (r"<yaml\.h>", r"^daemon/schema\.c$"),
    (r"<sys/socket\.h>", r"^loop/"),
    (r"<netinet/", r"^loop/"),
    (r"<pthread\.h>", r"^((sys|dns|conn|worker|daemon)/|crypto/openssl_facts\.h$)"),
]


def check(path, room):
    """Breaches in one file, as (line, text)."""
    name = os.path.relpath(path, SRC)
    with open(path, encoding="utf-8") as f:
        lines = f.readlines()
    for number, line in enumerate(lines, 1):
        own = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if own:
            header = own.group(1)
            other = header.split("/")[0]
            if other != room and other not in ALLOWED[room] and (room, header) not in SINGLE:
                yield number, f"room {room} may not include {header}"
            if not os.path.exists(os.path.join(SRC, header)):
                yield number, f"there is no {header}"
        for pattern, where in LIBRARIES:
            if re.search(r"#\s*include\s+" + pattern, line) and not re.search(where, name):
                yield number, f"{line.strip()} belongs in other files ({where})"
        if re.match(r"\s*#\s*if(def|ndef)?\b.*(OPENSSL|WOLFSSL|SSL_)", line) and \
                not re.search(r"^(crypto|tls)/(openssl|wolfssl)", name):
            yield number, "conditional on a library outside its backend"


def main():
    breaches = 0
    for folder, _, files in sorted(os.walk(SRC)):
        room = os.path.relpath(folder, SRC).split(os.sep)[0]
        for file in sorted(files):
            if not file.endswith((".c", ".h")):
                continue
            if room not in ALLOWED:
                print(f"{folder}: the room {room} is not in the table")
                breaches += 1
                continue
            path = os.path.join(folder, file)
            for line, text in check(path, room):
                print(f"{os.path.relpath(path, ROOT)}:{line}: {text}")
                breaches += 1
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
