#!/usr/bin/env python3
"""Measures the gateway: CPU time per unit of its own process, memory per connection, heap calls per message, and a
soak; and its parser. `make bench` runs all of it; name sections to run some: units handshake anchor storm idle alloc light parse soak"""

import argparse
import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))

from lab import gateway as lab_gateway  # noqa: E402
from lab.pki import Pki                 # noqa: E402

SECTIONS = ["units", "handshake", "scale", "anchor", "storm", "idle", "alloc", "light", "parse", "soak"]

# The goal of each figure: CPU microseconds of the gateway per unit, one worker; kB per idle connection; ns per message.
GOALS = {"options tls-udp": 15, "calls tls-udp": 45, "options udp-udp": 9, "calls udp-udp": 32,
         "handshake": 480, "handshake, server only": 245, "resumed": 180, "idle": 26, "idle, server only": 16, "parse invite, sipward": 1000}

# work, caller, callee, units of one run
UNITS = [("options", "tls", "udp", 40000), ("calls", "tls", "udp", 15000), ("options", "udp", "udp", 40000),
         ("calls", "udp", "udp", 15000), ("options", "udp", "tls", 40000), ("calls", "udp", "tls", 15000),
         ("options", "tls", "tls", 40000)]


class Bench:
    def __init__(self, binary, load, folder, runs):
        self.load, self.folder, self.runs = load, folder, runs
        lab_gateway.BINARY = binary
        pki = Pki(os.path.join(folder, "pki"))
        self.ca = pki.ca()
        self.own = pki.domain("gateway", "example.test")
        self.peer = pki.domain("peer", "peer.test")
        self.ports = {name: lab_gateway.free_port() for name in ("outside", "inside", "second", "callee")}
        self.pki = pki
        self.results = {}
        self.pin = []  # what keeps the load generator off the gateway's CPU

    def long_chains(self):
        """Certificate and key of the gateway and of the peer, each with an intermediate CA's certificate behind the leaf."""
        between = self.pki.intermediate("between")
        found = []
        for name, domain in (("gateway", "example.test"), ("peer", "peer.test")):
            leaf, key = self.pki.domain(f"{name}-long", domain, ca="between")
            chain = os.path.join(self.folder, f"{name}-chain.pem")
            with open(chain, "w", encoding="ascii") as out:
                for part in (leaf, between):
                    with open(part, encoding="ascii") as f:
                        out.write(f.read())
            found.append((chain, key))
        return found

    def config(self, workers, pbx_only, bare=False):
        p = self.ports
        rule = ", client_certificate: none" if bare else ""
        # the callee plays one role in a run: the PBX behind the gateway, or the carrier
        carrier = "" if pbx_only else f"    address: 127.0.0.1:{p['callee']}\n"
        pbx = f"    address: 127.0.0.1:{p['callee']}\n" if pbx_only else "    source: [127.0.0.0/8]\n"
        return f"""
domains: [example.test]
workers: {workers}
identities:
  - {{name: main, certificate: {self.own[0]}, key: {self.own[1]}}}
trust:
  - {{name: partners, ca: {self.ca}}}
listen:
  - {{name: outside, address: "127.0.0.1:{p['outside']}", transport: tls, identity: main, trust: [partners]{rule}}}
  - {{name: inside, address: "127.0.0.1:{p['inside']}", transport: udp}}
  - {{name: second, address: "127.0.0.1:{p['second']}", transport: udp}}
peers:
  - name: carrier
    domain: peer.test
    transport: tls
    trust: partners
    ping: 0
{carrier}
  - name: pbx
    transport: udp
    listen: inside
    ping: 0
{pbx}
  - {{name: caller, transport: udp, listen: second, source: [127.0.0.0/8], ping: 0}}
routes:
  - {{from: carrier, to: {'pbx' if pbx_only else 'carrier'}}}
  - {{from: caller, to: {'pbx' if pbx_only else 'carrier'}}}
limits: {{connections: 50000, transactions: 5000000, messages_per_second: 10000000, source_messages_per_second: 0}}
log: {{level: warn}}
"""

    def gateway(self, workers=1, pbx_only=True, bare=False):
        return lab_gateway.Gateway(self.folder, self.config(workers, pbx_only, bare), log_level="warn")

    def command(self, gw, mode, caller="tls", callee="udp", **more):
        """How to run the load generator; an option that is True has no value."""
        port = self.ports["outside" if caller == "tls" else "second"]
        args = [*self.pin, self.load, "--mode", mode, "--caller", caller, "--callee", callee, "--gateway-port", str(port),
                "--callee-port", str(self.ports["callee"]), "--cert", self.peer[0], "--key", self.peer[1],
                "--ca", self.ca, "--watch", str(gw.process.pid)]
        for key, value in more.items():
            args += [f"--{key}"] if value is True else [f"--{key}", str(value)]
        return args

    def run(self, gw, *what, **more):
        """One run of the load generator; what it said, as numbers."""
        args = self.command(gw, *what, **more)
        out = subprocess.run(args, stdout=subprocess.PIPE, text=True, check=False)
        line = (out.stdout.splitlines() or [""])[-1]
        found = {k: float(v) for k, v in re.findall(r"(\w+)=([0-9.]+)", line)}
        if out.returncode or not found:
            raise SystemExit(f"the load generator failed: {' '.join(args)}\n{out.stdout}{gw.tail()}")
        found["text"] = out.stdout
        return found

    def keep(self, name, value, unit, **more):
        self.results[name] = dict(value=value, unit=unit, **more)
        goal = GOALS.get(name)
        says = f"goal {goal}, {value / goal:.2f} of it" if goal else ""
        rest = ", ".join(f"{k} {v}" for k, v in more.items())
        print(f"{name:34} {value:9.2f} {unit:6} {says:24} {rest}", flush=True)


def started(bench, **how):
    """A gateway that logs only warnings says nothing when it is ready: its port does."""
    gw = bench.gateway(**how)
    gw.wait_event = lambda *a, **k: []
    gw.__enter__()
    time.sleep(0.5)
    if not gw.alive():
        raise SystemExit(f"the gateway did not start:\n{gw.tail()}")
    apart = os.cpu_count() > 1 and how.get("workers", 1) == 1
    bench.pin = ["taskset", "-c", "1"] if apart else []
    if apart:
        for task in os.listdir(f"/proc/{gw.process.pid}/task"):
            os.sched_setaffinity(int(task), {0})
    return gw


# A server transaction on UDP, and any INVITE's, stays that long (RFC 3261 17.2.2, RFC 6026): before, each one takes
# new memory from the system, afterwards it takes what another gave back.
STAY_S = 33


def measure(bench, gw, work, caller, callee, count, settle=False, runs=None, **more):
    """The median of some runs after one that warms up."""
    runs = runs or bench.runs
    if settle:
        bench.run(gw, work, caller, callee, count=count * (runs + 1), **more)
        time.sleep(STAY_S)
    bench.run(gw, work, caller, callee, count=max(2000, count // 5), **more)
    runs = [bench.run(gw, work, caller, callee, count=count, **more) for _ in range(runs)]
    found = {k: statistics.median(r.get(k, 0) for r in runs) for k in ("cpu_us", "per_s", "ms_p50", "ms_p99", "resumed")}
    return dict(found, least=min(r["cpu_us"] for r in runs))


def section_units(bench):
    for workers in (1, 2):
        for work, caller, callee, count in UNITS:
            gw = started(bench, workers=workers, pbx_only=callee == "udp")
            settle = workers == 1 and (work == "calls" or caller == "udp")
            m = measure(bench, gw, work, caller, callee, count, settle, conns=8, window=64)
            gw.stop()
            name = f"{work} {caller}-{callee}" + (", 2 workers" if workers == 2 else "")
            bench.keep(name, m["cpu_us"], "us", least=m["least"], per_s=round(m["per_s"]), p50_ms=m["ms_p50"],
                       p99_ms=m["ms_p99"])


def section_light(bench):
    """One unit now and then: what a wake-up costs is not shared by many."""
    for workers in (1, 2):
        for work, rate in (("options", 1000), ("calls", 300)):
            gw = started(bench, workers=workers)
            bench.run(gw, work, rate=rate, count=rate, conns=8)
            m = bench.run(gw, work, rate=rate, count=rate * 5, conns=8)
            gw.stop()
            name = f"{work} tls-udp, {rate}/s" + (", 2 workers" if workers == 2 else "")
            bench.keep(name, m["cpu_us"], "us", p50_ms=m["ms_p50"], p99_ms=m["ms_p99"])


def section_handshake(bench):
    """Full and resumed ones, where both sides show a certificate and where only the gateway does."""
    for what, bare in (("", False), (", server only", True)):
        for kind, more in (("handshake", {}), ("resumed", {"resume": True})):
            for workers in (1, 2):
                gw = started(bench, workers=workers, bare=bare)
                m = measure(bench, gw, "handshake", "tls", "udp", 3000, conns=16, **more,
                            **({"bare": True} if bare else {}))
                gw.stop()
                bench.keep(kind + what + (", 2 workers" if workers == 2 else ""), m["cpu_us"], "us", least=m["least"],
                           per_s=round(m["per_s"]), p50_ms=m["ms_p50"], resumed=round(m["resumed"]))


def section_scale(bench):
    """Full mutual handshakes with more and more workers: CPU time that one costs, wherever it runs. What workers cost each
    other by locks shows also where they are more than the CPUs; what they cost by moving memory does not."""
    for workers in (1, 2, 4, 8):
        gw = started(bench, workers=workers)
        bench.pin = []
        for task in os.listdir(f"/proc/{gw.process.pid}/task"):
            os.sched_setaffinity(int(task), range(os.cpu_count()))
        m = measure(bench, gw, "handshake", "tls", "udp", 3000, conns=32)
        gw.stop()
        bench.keep(f"handshake, {workers} workers", m["cpu_us"], "us", least=m["least"], per_s=round(m["per_s"]))


class Bare:
    """The library alone, bench/bare.c, where the gateway would listen: something to compare with, in the same run."""

    def __init__(self, bench, *options, own=None):
        program = os.path.join(os.path.dirname(bench.load), "sipward-bare")
        bench.pin = ["taskset", "-c", "1"] if os.cpu_count() > 1 else []
        own = own or bench.own
        self.process = subprocess.Popen([program, str(bench.ports["outside"]), *own, *options])
        if bench.pin:
            os.sched_setaffinity(self.process.pid, {0})
        time.sleep(0.3)

    def tail(self):
        return ""

    def stop(self):
        self.process.kill()
        self.process.wait()


# name, options of the bare library, options of the load generator, whether an intermediate certificate is sent, too
ANCHORS = [
    ("server only, full", ["--tickets", "1", "--release"], {"bare": True}, False),
    ("mutual, full, leaf", ["--ca"], {}, False),
    ("mutual, full, leaf and CA", ["--ca"], {}, True),
    ("mutual, resumed, leaf", ["--ca", "--tickets", "1"], {"resume": True}, False),
    ("mutual, resumed, leaf and CA", ["--ca", "--tickets", "1"], {"resume": True}, True),
]


def section_anchor(bench):
    """Handshakes and idle connections beside the bare library's, in turns."""
    for name, options, more, chain in ANCHORS:
        leaf = bench.own, bench.peer
        if chain:
            bench.own, bench.peer = bench.long_chains()
        options = [x for o in options for x in ((o, bench.ca) if o == "--ca" else (o,))]
        both = {"gateway": [], "bare": []}
        for _ in range(bench.runs):
            gw = started(bench, bare="bare" in more)
            both["gateway"].append(measure(bench, gw, "handshake", "tls", "udp", 3000, conns=16, runs=1, **more)["cpu_us"])
            gw.stop()
            server = Bare(bench, *options)
            both["bare"].append(measure(bench, server, "handshake", "tls", "udp", 3000, conns=16, runs=1, **more)["cpu_us"])
            server.stop()
        bench.own, bench.peer = leaf
        ours, bare = statistics.median(both["gateway"]), statistics.median(both["bare"])
        bench.keep(f"anchor {name}", ours, "us", bare=bare, ratio=ours / bare, least=min(both["gateway"]),
                   bare_least=min(both["bare"]))
    for name, options, more in (("server only", [], {"bare": True}), ("mutual", ["--ca", bench.ca], {})):
        gw = started(bench, bare="bare" in more)
        ours = idle(bench, gw, more)
        gw.stop()
        server = Bare(bench, *options, "--release", "--tickets", "1")
        bare = idle(bench, server, more)
        server.stop()
        bench.keep(f"anchor idle, {name}", ours, "kB", bare=bare, ratio=ours / bare)


def section_storm(bench):
    """Latency of a steady load over connections that are up, alone and beside as many handshakes as there can be."""
    gw = started(bench)
    steady = {"rate": 500, "seconds": 5, "conns": 4}
    others = bench.pin
    if os.geteuid() == 0:  # both load generators share a CPU: what is measured is not to wait for what loads
        bench.pin = ["chrt", "--fifo", "1", *others]
    bench.run(gw, "options", **steady)
    alone = bench.run(gw, "options", **steady)
    measured, bench.pin = bench.pin, others
    storm = subprocess.Popen(bench.command(gw, "handshake", count=1000000, seconds=8, conns=64), stdout=subprocess.PIPE)
    bench.pin = measured
    beside = bench.run(gw, "options", **steady)
    storm.communicate()
    gw.stop()
    for name, m in (("options beside nothing", alone), ("options beside a storm", beside)):
        bench.keep(name, m["ms_p99"], "ms p99", p50_ms=m["ms_p50"], done=round(m["done"]), lost=round(m["lost"]))


def idle(bench, gw, more):
    """Memory of one of 4,000 idle connections, after some that warm up."""
    bench.run(gw, "idle", count=200, conns=50, **more)
    return bench.run(gw, "idle", count=4000, conns=50, **more)["kb_per_conn"]


def section_idle(bench):
    for name, bare in (("idle", False), ("idle, server only", True)):
        more = {"bare": True} if bare else {}
        gw = started(bench, bare=bare)
        kb = idle(bench, gw, more)
        gw.stop()
        bench.keep(name, kb, "kB", conns=4000)


def section_alloc(bench):
    """Heap calls of the gateway itself while it relays over connections that are up."""
    shim = os.path.join(os.path.dirname(bench.load), "libsipward-count-alloc.so")
    counts = os.path.join(bench.folder, "counts")
    with open(counts, "wb") as f:
        f.write(bytes(16))
    os.environ.update(LD_PRELOAD=shim, SIPWARD_ALLOC_COUNT=counts)
    gw = started(bench)
    del os.environ["LD_PRELOAD"]
    # transactions stay for 32 s (RFC 3261 17.1.1.2, RFC 6026): only then is memory as large as it gets
    bench.run(gw, "calls", rate=600, seconds=40, conns=8)

    def read():
        with open(counts, "rb") as f:
            return struct.unpack("=QQ", f.read(16))

    # a run opens its own connections: what they need is the difference of two runs of different length
    ends = [read()]
    for count in (500, 5500):
        bench.run(gw, "calls", rate=500, count=count, conns=8)
        ends.append(read())
    gw.stop()
    own, library = ((ends[2][i] - ends[1][i]) - (ends[1][i] - ends[0][i]) for i in (0, 1))
    bench.keep("heap calls of our own", own / 5000, "/call", calls=5000)
    bench.keep("heap calls of libraries", library / 5000, "/call")


def instructions(program, library, what, corpus):
    """Instructions of one round of work: the difference of two runs of different length."""
    counts = []
    for rounds in ("1", "11"):
        out = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, "--library",
                              library, what, rounds, corpus], stderr=subprocess.PIPE, text=True, check=True).stderr
        counts.append(int(re.search(r"Collected : (\d+)", out).group(1)))
    return (counts[1] - counts[0]) / 10


def section_parse(bench):
    """The parser alone, beside libosip2 and sofia-sip, on the messages of bench/parse/corpus.py."""
    program = os.path.join(os.path.dirname(bench.load), "bench/parse/sipward-parse")
    corpus = os.path.join(bench.folder, "corpus")
    subprocess.run([sys.executable, os.path.join(ROOT, "bench/parse/corpus.py"), corpus], check=True)
    args = [*(["taskset", "-c", "1"] if os.cpu_count() > 1 else []), program, "--samples", str(100 * bench.runs), corpus]
    out = subprocess.run(args, stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [dict(x.split("=") for x in line.split()) for line in out.splitlines()]
    for m in lines:
        name, count = m["library"], int(m["messages"])
        known = {w: instructions(program, name, f"--{w}", corpus) for w in ("invites", "sweeps")} \
            if shutil.which("valgrind") else {}
        for what, rounds, per in (("invite", "invites", 1), ("corpus", "sweeps", count)):
            more = {"instructions": round(known[rounds] / per)} if known else {}
            bench.keep(f"parse {what}, {name}", float(m[f"{what}_median_ns"]), "ns", least=float(m[f"{what}_ns"]),
                       heap_calls=float(m[f"heap_{what}"]), **more)
        print(f"{'':34} {count} messages, {m['refused']} refused, {m['differs']} read differently from Sipward")
    missing = {"osip", "sofia"} - {m["library"] for m in lines}
    if missing:
        print(f"not measured, as not installed when the build was set up: {', '.join(sorted(missing))}")


def section_soak(bench):
    gw = started(bench, workers=2)
    bench.run(gw, "calls", count=20000, conns=8)
    m = bench.run(gw, "calls", seconds=60, conns=8, window=64, every=5)
    kb = [int(x) for x in re.findall(r"at_s=\d+ .* kb=(\d+)", m["text"])]
    gw.stop()
    # a transaction stays for 32 s after its call: from then on memory is to be flat
    bench.keep("soak, 60 s of calls, 2 workers", m["cpu_us"], "us", calls=int(m["done"]), per_s=round(m["per_s"]),
               kb_at_5_s=kb[0], kb_at_35_s=kb[6], kb_at_60_s=kb[-1])


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        model = re.search(r"model name\s*: (.*)", f.read())
    return f"{model.group(1) if model else 'unknown'}, {os.cpu_count()} CPUs"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("sections", nargs="*", default=SECTIONS)
    p.add_argument("--binary", default=os.path.join(ROOT, "build/sipward"))
    p.add_argument("--runs", type=int, default=3, help="runs of which the median counts")
    p.add_argument("--json", help="also write the figures to this file")
    a = p.parse_args()
    binary = os.path.abspath(a.binary)
    print(f"{subprocess.run([binary, 'version'], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()}")
    print(f"{machine()}; CPU time of the gateway per unit; the load generator shares the machine\n")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(binary, os.path.join(os.path.dirname(binary), "sipward-load"), folder, a.runs)
        for s in a.sections:
            globals()[f"section_{s}"](bench)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(bench.results, f, indent=1)
    over = [n for n, g in GOALS.items() if n in bench.results and bench.results[n]["value"] > 2 * g]
    print(f"\n{len(over)} figures above twice their goal" + (": " + ", ".join(over) if over else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
