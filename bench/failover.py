#!/usr/bin/env python3
"""Moves a virtual address from one gateway to another under connected phones and a trunk, with keepalived between two
network namespaces, and prints how long nobody was served and what the new handshakes cost. Needs root.
bench/failover.py [--phones N] [--advert SECONDS] [--how planned|crash|both] [--binary FILE] [--json FILE]"""

import argparse
import contextlib
import glob
import json
import os
import statistics
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))

from lab import gateway as lab_gateway, netns, sip  # noqa: E402
from lab.pki import Pki                             # noqa: E402

TRUNK_PORT, PBX_PORT = 7061, 6061
INTERVAL_S, ANSWER_S, AGAIN_S, GIVE_UP_S = 0.5, 1.0, 0.02, 60
FAILURES = (OSError, TimeoutError, StopIteration)


def config(folder, pki):
    pem, key = pki.domain("gateway", "example.test")
    with open(f"{folder}/seal.key", "wb") as f:
        f.write(b"0123456789abcdef0123456789abcdef")
    return f"""
domains: [example.test]
workers: 1
seal_key: {folder}/seal.key
identities: [{{name: main, certificate: {pem}, key: {key}}}]
trust: [{{name: partners, ca: {pki.ca()}}}]
listen:
  - {{name: outside, address: "{netns.VIRTUAL4}:5061", transport: tls, identity: main, trust: partners, freebind: true}}
  - {{name: inside, address: "{netns.VIRTUAL4}:5060", transport: udp, freebind: true}}
peers:
  - {{name: phones, domain: phone.test, transport: tls, trust: partners}}
  - {{name: trunk, domain: trunk.test, address: "{netns.HUB4}:{TRUNK_PORT}", transport: tls, trust: partners, ping: 0}}
  - {{name: pbx, address: "{netns.HUB4}:{PBX_PORT}", transport: udp, source: [{netns.HUB4}], ping: 0}}
routes: [{{from: pbx, to: trunk}}, {{from: any, reject: 403}}]
log: {{level: info, format: json}}
"""


def cpu_s(pid):
    """CPU time of a process, in seconds."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


class Phone(threading.Thread):
    """Asks at intervals over one connection, and comes again as soon as that does not answer."""

    def __init__(self, network, tls, stop):
        super().__init__(daemon=True)
        self.network, self.tls, self.stop = network, tls, stop
        self.connected_at = None  # that the connection in use was made
        self.first_answer = None  # that came over it
        self.answers = 0

    def connect(self):
        c = sip.tls(5061, **self.tls, host=netns.VIRTUAL4, timeout=ANSWER_S)
        self.connected_at, self.first_answer = time.monotonic(), None
        return c

    def ask(self, c):
        c.send(sip.request("OPTIONS", uri="sip:example.test"))
        if c.final(ANSWER_S).status != 200:
            raise TimeoutError
        self.answers += 1
        self.first_answer = self.first_answer or time.monotonic()

    def run(self):
        with self.network.inside():
            while not self.stop.is_set():
                try:
                    with contextlib.closing(self.connect()) as c:
                        while not self.stop.is_set():
                            self.ask(c)
                            self.stop.wait(INTERVAL_S)
                except FAILURES:
                    time.sleep(AGAIN_S)


class Trunk(threading.Thread):
    """Takes the gateways' connections and answers each message."""

    def __init__(self, network, tls):
        super().__init__(daemon=True)
        with network.inside():
            self.server = sip.Server(**tls, port=TRUNK_PORT, host=netns.HUB4)

    def run(self):
        while True:
            try:
                threading.Thread(target=self.serve, args=(self.server.accept(3600),), daemon=True).start()
            except OSError:
                continue

    @staticmethod
    def serve(c):
        with contextlib.suppress(*FAILURES):
            while True:
                c.send(sip.response(c.recv(3600), 200))


def call_trunk(network, pbx):
    """When the first request from the inside was answered by the trunk."""
    end = time.monotonic() + GIVE_UP_S
    with network.inside():
        while time.monotonic() < end:
            with contextlib.suppress(*FAILURES):
                pbx.send(sip.request("MESSAGE", "sip:1@trunk.test", transport="UDP",
                                     sent_by=f"{netns.HUB4}:{PBX_PORT}"), 5060, netns.VIRTUAL4)
                if pbx.recv(0.1, lambda m: m.status and m.status >= 200).status == 200:
                    return time.monotonic()
    raise TimeoutError("the trunk was not reached")


def wait_all(phones, since):
    end = time.monotonic() + GIVE_UP_S
    while not all((p.first_answer or 0) and p.connected_at > since for p in phones):
        if time.monotonic() > end:
            raise TimeoutError("not every phone came back")
        time.sleep(0.01)


def answers_cost(phones, pid):
    """CPU seconds of one request over a connection that is up."""
    before, asked = cpu_s(pid), sum(p.answers for p in phones)
    time.sleep(4 * INTERVAL_S)
    return (cpu_s(pid) - before) / (sum(p.answers for p in phones) - asked)


class Scene:
    """Both nodes, phones and trunk, in service on node 1."""

    def __init__(self, a, folder, network):
        self.network, self.stop = network, threading.Event()
        pki = Pki(os.path.join(folder, "pki"))
        self.nodes, self.keepalived = {}, {}
        for n in (1, 2):
            os.mkdir(f"{folder}/{n}")
            self.nodes[n] = lab_gateway.Gateway(f"{folder}/{n}", config(folder, pki), prefix=network.enter(n))
            self.keepalived[n] = netns.Keepalived(network, n, folder, a.advert)
        tls = {who: dict(zip(("cert", "key"), pki.domain(who, f"{who}.test")), ca=pki.ca())
               for who in ("phone", "trunk")}
        self.phones = [Phone(network, tls["phone"], self.stop) for _ in range(a.phones)]
        self.trunk = Trunk(network, tls["trunk"])
        with network.inside():
            self.pbx = sip.Udp(PBX_PORT, host=netns.HUB4)

    def __enter__(self):
        try:
            self.begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def begin(self):
        for gateway in self.nodes.values():
            gateway.__enter__()
        self.keepalived[1].start()
        self.keepalived[1].wait_address(30)
        self.keepalived[2].start()
        self.trunk.start()
        for p in self.phones:
            p.start()
        wait_all(self.phones, 0)
        call_trunk(self.network, self.pbx)

    def __exit__(self, *_):
        self.stop.set()
        for p in self.phones:
            if p.is_alive():
                p.join()
        for n in (1, 2):
            self.keepalived[n].stop()
            self.nodes[n].stop()


def measure(a, how):
    with tempfile.TemporaryDirectory() as folder, netns.Network() as network, Scene(a, folder, network) as scene:
        time.sleep(5 * a.advert)  # both of keepalived know each other
        pid, phones = scene.nodes[2].process.pid, scene.phones
        cpu, answers, start = cpu_s(pid), sum(p.answers for p in phones), time.monotonic()
        if how == "planned":
            scene.keepalived[1].process.terminate()
        else:
            network.ip(0, "link", "set", "to1", "down")
        trunk = call_trunk(network, scene.pbx) - start
        wait_all(phones, start)
        cpu, answers = cpu_s(pid) - cpu, sum(p.answers for p in phones) - answers
        opened = scene.nodes[2].events("connection_open")
        cpu -= answers * answers_cost(phones, pid)
        waits = sorted(p.first_answer - start for p in phones)
        return {"how": how, "phones": a.phones, "advert_s": a.advert, "first_answer_s": waits[0],
                "half_s": statistics.median(waits), "all_s": waits[-1], "trunk_s": trunk, "handshakes": len(opened),
                "cpu_handshakes_s": cpu, "cpu_per_handshake_ms": cpu * 1000 / len(opened)}


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--phones", type=int, default=200)
    p.add_argument("--advert", type=float, default=1.0, help="advert_int of keepalived")
    p.add_argument("--how", choices=["planned", "crash", "both"], default="both")
    p.add_argument("--binary", default=os.path.join(ROOT, "build", "sipward"))
    p.add_argument("--json")
    a = p.parse_args()
    reason = netns.why_not()
    if reason:
        print(reason, file=sys.stderr)
        return 1
    lab_gateway.BINARY = os.path.abspath(a.binary)
    figures = []
    for how in ("planned", "crash") if a.how == "both" else (a.how,):
        x = measure(a, how)
        figures.append(x)
        print(f"{how}: {a.phones} phones, advert_int {a.advert:g}\n"
              f"  first request answered after {x['first_answer_s'] * 1000:6.0f} ms; half of the phones were back "
              f"after {x['half_s'] * 1000:.0f} ms, all after {x['all_s'] * 1000:.0f} ms\n"
              f"  first request to the trunk   {x['trunk_s'] * 1000:6.0f} ms\n"
              f"  CPU of {x['handshakes']} handshakes: {x['cpu_handshakes_s'] * 1000:.0f} ms, "
              f"{x['cpu_per_handshake_ms']:.3f} ms each", flush=True)
    if a.json:
        with open(a.json, "w", encoding="ascii") as f:
            json.dump(figures, f, indent=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
