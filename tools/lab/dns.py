"""A real name server on loopback: nsd with zones given as text, signed with ldns if wanted.

    with Dns(folder, zones={"example.test": "@ A 192.0.2.1"}, signed=["example.test"]) as dns:
        dns.port, dns.anchor     # for dns.servers and dns.anchor of a configuration

A zone's text has no SOA, NS or $TTL. A zone below another one of `zones` is delegated from it, with DS if it is
signed and not in `islands`."""

import os
import re
import signal
import socket
import struct
import subprocess
import time

from .gateway import free_port


class Dns:
    def __init__(self, folder, zones, signed=(), islands=(), port=None, ttl=300, negative_ttl=300, name="dns",
                 valid_days=(-1, 30)):
        self.folder = os.path.join(str(folder), name)
        os.makedirs(self.folder, exist_ok=True)
        self.zones, self.signed, self.islands = dict(zones), list(signed), list(islands)
        self.port = port or free_port()
        self.ttl, self.negative_ttl, self.valid_days = ttl, negative_ttl, valid_days
        self.anchor = os.path.join(self.folder, "anchor")
        self.process = None
        self.serial = 0
        self.keys = {z: self._key(z) for z in self.signed}
        self._write_anchor()
        for zone in self.zones:
            self._write_zone(zone)

    # ---- zones

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _run(self, *args):
        return subprocess.run(args, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def _key(self, zone):
        """The base name of a new key that signs all of the zone."""
        return self._run("ldns-keygen", "-r", "/dev/urandom", "-a", "ECDSAP256SHA256", "-k", zone).strip()

    def _ds(self, zone):
        with open(self._path(self.keys[zone] + ".ds"), encoding="ascii") as f:
            return f.read().strip()

    def _above(self, zone):
        """The nearest of our zones above this one."""
        parents = [z for z in self.zones if zone.endswith("." + z)]
        return max(parents, key=len, default=None)

    def _write_anchor(self):
        """DS records of the signed zones that nobody above vouches for."""
        tops = [z for z in self.signed if self._above(z) not in self.signed]
        with open(self.anchor, "w", encoding="ascii") as f:
            f.write("".join(self._ds(z) + "\n" for z in tops))

    def _children(self, zone):
        for child in (z for z in self.zones if self._above(z) == zone):
            yield f"{child}. NS ns.{child}.\nns.{child}. A 127.0.0.1"
            if child in self.signed and child not in self.islands:
                yield self._ds(child)

    def _write_zone(self, zone):
        self.serial += 1
        plain = self._path(zone + ".zone")
        with open(plain, "w", encoding="ascii") as f:
            f.write(f"$ORIGIN {zone}.\n$TTL {self.ttl}\n"
                    f"@ {self.negative_ttl} SOA ns.{zone}. hostmaster.{zone}. {self.serial} 3600 600 86400 "
                    f"{self.negative_ttl}\n@ NS ns.{zone}.\nns A 127.0.0.1\n")
            f.write("\n".join(self._children(zone)) + "\n" + self.zones[zone].strip() + "\n")
        if zone in self.signed:
            self._sign(zone, plain)

    def _sign(self, zone, plain):
        begin, end = (str(int(time.time()) + 86400 * d) for d in self.valid_days)
        self._run("ldns-signzone", "-i", begin, "-e", end, "-o", zone + ".", "-f", plain + ".new", plain,
                  self.keys[zone])
        os.rename(plain + ".new", plain)

    def change(self, zone, text):
        """Other records, signed as before. A server that runs is started anew."""
        self.zones[zone] = text
        self._write_zone(zone)
        self._again()

    def forge(self, zone, name, kind, old, new):
        """Changes the data of a record, and leaves its signature as it was."""
        self._edit(zone, rf"^({re.escape(name)}\.\s+\d+\s+IN\s+{kind}\s+.*){re.escape(old)}", rf"\g<1>{new}")

    def strip(self, zone, name, kind):
        """Takes the signature of a record away."""
        self._edit(zone, rf"^{re.escape(name)}\.\s+\d+\s+IN\s+RRSIG\s+{kind}\s.*$", "")

    def _edit(self, zone, pattern, replacement):
        path = self._path(zone + ".zone")
        with open(path, encoding="ascii") as f:
            text, count = re.subn(pattern, replacement, f.read(), flags=re.M)
        assert count, f"{zone} has nothing like {pattern}"
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        self._again()

    # ---- the server

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        conf = self._path("nsd.conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(f'server:\n ip-address: 127.0.0.1@{self.port}\n username: ""\n zonesdir: "{self.folder}"\n'
                    f' database: ""\n pidfile: "{self.folder}/pid"\n logfile: "{self.folder}/log"\n'
                    f' xfrdfile: "{self.folder}/xfrd"\n zonelistfile: "{self.folder}/list"\n server-count: 1\n'
                    " rrl-ratelimit: 0\n"
                    "remote-control:\n control-enable: no\n")
            for zone in self.zones:
                f.write(f'zone:\n name: "{zone}"\n zonefile: "{zone}.zone"\n')
        nsd = "/usr/sbin/nsd" if os.path.exists("/usr/sbin/nsd") else "nsd"
        self.process = subprocess.Popen([nsd, "-d", "-c", conf], start_new_session=True,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < until, self.log()
            time.sleep(0.02)

    def _answers(self):
        """True if it answers a question for the SOA of one of its zones."""
        zone = next(iter(self.zones))
        labels = b"".join(bytes([len(x)]) + x.encode() for x in zone.split(".")) + b"\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.2)
            try:
                s.connect(("127.0.0.1", self.port))
                s.send(struct.pack("!6H", 7, 0, 1, 0, 0, 0) + labels + struct.pack("!2H", 6, 1))
                answer = s.recv(4096)
            except OSError:
                return False
        return answer[:2] == b"\0\x07" and answer[3] & 15 == 0

    def stop(self):
        if self.process:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGKILL)
            self.process.wait()
            self.process = None
            self._wait_for_port()

    def _wait_for_port(self):
        """Its children hold the port for a moment longer."""
        until = time.monotonic() + 20
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                try:
                    s.bind(("127.0.0.1", self.port))
                    return
                except OSError:
                    assert time.monotonic() < until, "its port is not given back"
            time.sleep(0.01)

    def _again(self):
        if self.process:
            self.stop()
            self.start()

    def _signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def silence(self):
        """It takes questions and answers none, until `speak`."""
        self._signal(signal.SIGSTOP)

    def speak(self):
        self._signal(signal.SIGCONT)

    def log(self):
        try:
            with open(self._path("log"), encoding="utf-8") as f:
                return f.read()
        except OSError:
            return ""
