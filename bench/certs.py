#!/usr/bin/env python3
"""Measures the gateway with many identities and trust entries: start, memory, and what choosing one by server name
costs. bench/certs.py [--count 10000] [--binary build/sipward]; `ninja -C build sipward sipward-certs` makes both."""

import argparse
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tools"))

from lab.gateway import free_port  # noqa: E402

HANDSHAKES = 400


def config(folder, port, identities, roots, log="warn"):
    ids = "".join(f"  - {{name: id-{i}, certificate: id-{i}.pem, key: id-{i}.key}}\n" for i in range(identities))
    trust = "".join(f"  - {{name: root-{i}, ca: root-{i}.pem}}\n" for i in range(roots))
    path = os.path.join(folder, "sipward.yaml")
    with open(path, "w", encoding="ascii") as f:
        f.write(f"""domains: [h0.example.test]
workers: 1
identities:
{ids}trust:
  - {{name: partners, ca: ca.pem}}
{trust}listen:
  - name: outside
    address: 127.0.0.1:{port}
    transport: tls
    identity: id-0
    sni: [{", ".join(f"id-{i}" for i in range(1, identities))}]
    trust: [{", ".join(["partners"] + [f"root-{i}" for i in range(roots)])}]
peers:
  - {{name: peer, domain: peer.test, transport: tls, trust: partners, ping: 0}}
routes:
  - {{from: peer, to: peer}}
log: {{level: {log}, format: json}}
""")
    return path


def pss_mb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(x.split()[1]) for x in f if x.startswith("Pss:")) / 1024


def cpu_s(pid):
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def handshakes(folder, port, names, count):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.load_verify_locations(os.path.join(folder, "ca.pem"))
    c.load_cert_chain(os.path.join(folder, "peer.pem"), os.path.join(folder, "peer.key"))
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            with c.wrap_socket(raw, server_hostname=random.choice(names)) as s:
                s.sendall(b"\r\n\r\n")
                s.recv(2)


def measure(binary, folder, what, identities, roots):
    port = free_port()
    path = config(folder, port, identities, roots, log="info")
    names = [f"h{i}.example.test" for i in range(identities)]
    log_path = os.path.join(folder, "log")
    with open(log_path, "w", encoding="utf-8") as log:
        begin = time.monotonic()
        p = subprocess.Popen([binary, "run", "-c", path], stderr=log)
    try:
        while '"event":"ready"' not in open(log_path, encoding="utf-8", errors="replace").read():
            if p.poll() is not None:
                sys.exit(f"the gateway ended, see {log_path}")
            time.sleep(0.005)
        start, start_cpu, start_mb = time.monotonic() - begin, cpu_s(p.pid), pss_mb(p.pid)
        handshakes(folder, port, names, HANDSHAKES)
        before = cpu_s(p.pid)
        handshakes(folder, port, names, HANDSHAKES)
        each = (cpu_s(p.pid) - before) / HANDSHAKES * 1e6
        print(f"{what:36} {start:8.2f} s {start_cpu:8.2f} s {start_mb:8.1f} MB {each:8.0f} us {pss_mb(p.pid):8.1f} MB",
              flush=True)
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--binary", default=os.path.join(ROOT, "build", "sipward"))
    parser.add_argument("--maker", help="sipward-certs; default: beside the binary")
    args = parser.parse_args()
    maker = args.maker or os.path.join(os.path.dirname(args.binary), "sipward-certs")
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([maker, folder, str(args.count)], check=True)
        print(f"{'':36} {'start':>10} {'its CPU':>10} {'memory':>11} {'handshake':>11} {'memory then':>11}")
        for what, identities, roots in (("1 identity, 1 trust entry", 1, 0),
                                        (f"{args.count} identities", args.count, 0),
                                        (f"{args.count} trust entries", 1, args.count),
                                        (f"{args.count} of each", args.count, args.count)):
            measure(os.path.abspath(args.binary), folder, what, identities, roots)


if __name__ == "__main__":
    main()
