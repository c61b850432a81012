#!/usr/bin/env python3
"""Reloads a gateway thousands of times under load: bench/reload.py [--reloads N] [--binary FILE].
Prints memory, the time of a reload, and what was lost. Exits 1 if a request or a connection was."""

import argparse
import os
import socket
import statistics
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))

from lab import gateway as lab_gateway, sip  # noqa: E402
from lab.pki import Pki                      # noqa: E402

CONNECTIONS = 8


def reload(path):
    """Seconds that one took."""
    with socket.socket(socket.AF_UNIX) as s:
        started = time.monotonic()
        s.connect(path)
        s.sendall(b"reload\n")
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    assert b'"reloaded"' in answer, answer
    return time.monotonic() - started


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


class Load:
    """Peers that send requests over connections that stay, and new handshakes all the while."""

    def __init__(self, port, ca, peer):
        self.port, self.tls = port, {"ca": ca, "cert": peer[0], "key": peer[1]}
        self.requests = self.handshakes = 0
        self.lost = []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.talk) for _ in range(CONNECTIONS)]
        self.threads.append(threading.Thread(target=self.knock))
        for t in self.threads:
            t.start()

    def talk(self):
        try:
            c = sip.tls(self.port, **self.tls)
            while not self.stop.is_set():
                c.send(sip.request("OPTIONS", uri="sip:example.test"))
                assert c.final().status == 200
                self.requests += 1
                time.sleep(0.005)
        except Exception as e:  # pylint: disable=broad-except
            self.lost.append(repr(e))

    def knock(self):
        try:
            while not self.stop.is_set():
                c = sip.tls(self.port, **self.tls)
                c.send(sip.request("OPTIONS", uri="sip:example.test"))
                assert c.final().status == 200
                c.close()
                self.handshakes += 1
                time.sleep(0.01)
        except Exception as e:  # pylint: disable=broad-except
            self.lost.append(repr(e))

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()


def config(folder, pki):
    own = pki.domain("gateway", "example.test")
    port = lab_gateway.free_port()
    return port, f"""
domains: [example.test]
workers: 2
identities: [{{name: main, certificate: {own[0]}, key: {own[1]}}}]
trust: [{{name: partners, ca: {pki.ca()}}}]
listen: [{{name: outside, address: "127.0.0.1:{port}", transport: tls, identity: main, trust: [partners]}}]
peers: [{{name: carrier, domain: peer.test, transport: tls, trust: partners}}]
routes: [{{from: any, reject: 403}}]
admin: {{socket: {folder}/ctl.sock}}
log: {{level: warn, format: json}}
"""


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--reloads", type=int, default=10000)
    p.add_argument("--binary", default=os.path.join(ROOT, "build", "sipward"))
    a = p.parse_args()
    lab_gateway.BINARY = a.binary
    lab_gateway.Gateway.wait_event = lambda *_, **__: time.sleep(1)  # its log has no `ready` at this level
    with tempfile.TemporaryDirectory() as folder:
        pki = Pki(os.path.join(folder, "pki"))
        port, text = config(folder, pki)
        peer = pki.domain("peer", "peer.test")
        with lab_gateway.Gateway(folder, text) as gw:
            load = Load(port, pki.ca(), peer)
            times, memory = [], []
            for i in range(a.reloads):
                times.append(reload(f"{folder}/ctl.sock"))
                if i % max(a.reloads // 10, 1) == 0:
                    memory.append(rss_kb(gw.process.pid))
                    print(f"{i:6} reloads: {memory[-1]} kB, {load.requests} requests, "
                          f"{load.handshakes} handshakes", flush=True)
            load.end()
            memory.append(rss_kb(gw.process.pid))
            print(f"{a.reloads:6} reloads: {memory[-1]} kB; a reload took {statistics.median(times) * 1000:.1f} ms, "
                  f"at most {max(times) * 1000:.0f}; {load.requests} requests, {load.handshakes} handshakes, "
                  f"lost: {load.lost or 'none'}")
    return 1 if load.lost else 0


if __name__ == "__main__":
    sys.exit(main())
