#!/usr/bin/env python3
"""Real calls through the gateway over mutual TLS, drawn; then those who are refused, and why.

Everything runs on loopback with certificates that are made on the spot. Exit code 0 only if every call
completed and every intruder was refused."""

import argparse
import os
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "tools")]

import ladder  # noqa: E402
from ladder import bold, green, grey, red  # noqa: E402
from lab import gateway as lab_gateway  # noqa: E402
from lab import sip  # noqa: E402
from lab.gateway import Gateway, free_port  # noqa: E402
from lab.peers import Baresip, Kamailio  # noqa: E402
from lab.pki import Pki  # noqa: E402

CONFIG = """
domains: [example.test]
identities:
  - {{name: main, certificate: {pem}, key: {key}}}
trust:
  - {{name: partners, ca: {ca}}}
listen:
  - {{name: outside, address: "127.0.0.1:{outside}", transport: tls, identity: main, trust: partners}}
  - {{name: inside, address: "127.0.0.1:{inside}", transport: udp}}
peers:
  - {{name: carrier, domain: peer.test, address: "127.0.0.1:{carrier}", transport: tls, trust: partners, ping: 0}}
  - {{name: pbx, address: "127.0.0.1:{pbx}", transport: udp, ping: 0}}
routes:
  - {{from: carrier, to: pbx}}
  - {{from: pbx, to: carrier}}
"""

ROW = """
domains: [{domain}]
identities:
  - {{name: main, certificate: {pem}, key: {key}}}
trust:
  - {{name: partners, ca: {ca}}}
listen:
  - {{name: outside, address: "127.0.0.1:{outside}", transport: tls, identity: main, trust: partners}}
  - {{name: inside, address: "127.0.0.1:{inside}", transport: udp}}
peers:
  - {{name: {other}, domain: {other_domain}, address: "127.0.0.1:{other_port}", transport: tls, trust: partners, ping: 0}}
  - {{name: phone, address: "127.0.0.1:{phone}", transport: udp, ping: 0}}
routes:
  - {{from: {other}, to: phone}}
  - {{from: phone, to: {other}}}
"""


class Demo:
    def __init__(self, folder):
        self.folder = folder
        self.good = self.bad = 0
        self.started = time.monotonic()

    def title(self, text):
        print(f"\n{bold(text)}\n{'-' * len(text)}", flush=True)

    def say(self, text):
        print(f"{grey(f'{time.monotonic() - self.started:5.1f} s')}  {text}", flush=True)

    def verdict(self, ok, text):
        self.good, self.bad = self.good + ok, self.bad + (not ok)
        print(f"\n  {green('ok') if ok else red('FAILED')}  {text}", flush=True)
        return ok

    def calls_through_one_gateway(self, pki):
        pem, key = pki.domain("gateway", "example.test")
        peer_pem, peer_key = pki.domain("peer", "peer.test")
        p = {n: free_port(2) for n in ("outside", "inside", "carrier", "pbx", "alice", "relay")}
        self.say("the outside: Kamailio as the carrier peer.test, with the phone of alice behind it")
        kamailio = Kamailio(self.folder, peer_pem, peer_key, pki.ca(), p["carrier"], p["relay"], p["alice"],
                            p["outside"])
        phones = []
        try:
            self.say("the gateway for example.test: TLS to the outside, UDP to the inside")
            with Gateway(self.folder, CONFIG.format(pem=pem, key=key, ca=pki.ca(), **p)) as gw:
                phones = [self.phone("alice", "peer.test", p["alice"], p["relay"], 21000),
                          self.phone("bob", "example.test", p["pbx"], p["inside"], 22000)]
                self.say("the inside: the phone of bob, over UDP")
                self.inbound_call(gw, *phones)
                self.outbound_call(gw, *phones)
                self.intruders(gw, pki, p["outside"])
                kamailio.stop()
                kamailio = None
                self.impostor(gw, pki, p["carrier"], phones[1])
        finally:
            for x in phones:
                x.stop()
            if kamailio:
                kamailio.stop()

    def phone(self, user, domain, port, proxy, rtp):
        return Baresip(self.folder, user, port, free_port(),
                       f'<sip:{user}@{domain};transport=udp>;outbound="sip:127.0.0.1:{proxy}";regint=0'
                       ";answermode=auto", rtp=rtp)

    def talk(self, caller, uri, callee):
        """A call from start to end; False if it does not get there."""
        try:
            caller.command("dial", uri)
            callee.wait_event("CALL_ESTABLISHED")
            caller.wait_event("CALL_ESTABLISHED")
            caller.command("hangup")
            callee.wait_event("CALL_CLOSED")
            return True
        except TimeoutError as e:
            print(e)
            return False

    def last_call(self, gw):
        return gw.wait_event("message")[-1]["call_id"]

    def draw_handshake(self, gw, direction, who):
        opened = gw.events("connection_open", direction=direction)[-1]
        messages = [m for m in gw.events("tls_message") if m["remote"] == opened["remote"]
                    and m["time"] <= opened["time"]]
        ladder.handshake(messages, opened, who)

    def draw_call(self, gw, columns, peers):
        names = ladder.call(columns, [ladder.Side(gw.log_path, self.last_call(gw), 1, peers)])
        return {"INVITE", "ACK", "BYE"} <= set(names)

    def inbound_call(self, gw, alice, bob):
        self.title("1. From outside: alice@peer.test calls bob@example.test")
        done = self.talk(alice, "sip:bob@example.test", bob)
        print("The handshake, seen by the gateway as the server:\n")
        self.draw_handshake(gw, "in", "carrier (Kamailio)")
        print("\nThe call:\n")
        drawn = self.draw_call(gw, ["carrier\nTLS", "gateway", "pbx\nUDP"], {"carrier": 0, "pbx": 2})
        self.verdict(done and drawn, "the call was set up, talked over and ended")

    def outbound_call(self, gw, alice, bob):
        self.title("2. From inside: bob@example.test calls alice@peer.test")
        done = self.talk(bob, "sip:alice@peer.test", alice)
        print("The handshake, seen by the gateway as the client:\n")
        self.draw_handshake(gw, "out", "carrier (Kamailio)")
        print("\nThe call:\n")
        drawn = self.draw_call(gw, ["pbx\nUDP", "gateway", "carrier\nTLS"], {"carrier": 2, "pbx": 0})
        self.verdict(done and drawn, "the call was set up, talked over and ended")

    def refused(self, who, e, words):
        print(f"\n  {bold(who)}")
        for name in words:
            if e.get(name):
                print(f"    {name:10} {e[name]}")

    def attempt(self, port, ca, cert=None, key=None):
        """Connects and asks for bob; the status of the answer, or None if the connection ended."""
        try:
            c = sip.tls(port, ca, cert, key)
            c.send(sip.request("INVITE", "sip:bob@example.test", from_uri="sip:mallory@peer.test"))
            return c.final(5).status
        except (OSError, TimeoutError):
            return None

    def intruders(self, gw, pki, port):
        self.title("3. Who is refused, and what the log says")
        words = ("phase", "status", "wanted", "presented", "alert", "why", "help")
        for who, cert in (("a caller without a certificate", ()),
                          ("a caller with the right name, but from another CA",
                           pki.leaf("forged", san="URI:sip:peer.test,DNS:peer.test", ca="other"))):
            before = len(gw.events("connection_failed"))
            answer = self.attempt(port, pki.ca(), *cert)
            e = gw.wait_event("connection_failed", count=before + 1)[-1]
            self.refused(who, e, words)
            self.verdict(answer is None, "refused in the handshake: no SIP was read")
        answer = self.attempt(port, pki.ca(), *pki.domain("mallory", "mallory.test"))
        e = gw.wait_event("request_refused")[-1]
        self.refused("a caller with a good certificate of our CA, but of another domain", e,
                     ("status", "method", "presented", "why", "help"))
        self.verdict(answer == 403, f"refused with {answer}")

    def impostor(self, gw, pki, port, bob):
        """Kamailio is gone; in its place listens a server with a good certificate of another domain."""
        cert, key = pki.domain("mallory", "mallory.test")
        server = sip.Server(cert, key, pki.ca(), port)
        bob.command("dial", "sip:alice@peer.test")
        sent = b""
        try:
            # two handshakes: one for what is left of the old connection's place, one for the call
            c = server.accept(10)
            sent = c.recv_raw(3) or b""
        except OSError:
            pass
        e = gw.wait_event("connection_failed", phase="identity")[-1]
        self.refused("a server in the carrier's place, with a good certificate of another domain", e,
                     ("phase", "wanted", "presented", "why", "help"))
        self.verdict(not sent, "not one byte of the call was sent to it")
        server.close()

    def two_gateways(self, pki):
        self.title("4. Two gateways in a row, TLS between them")
        p = {n: free_port(2) for n in ("east", "east_in", "west", "west_in", "carol", "dave")}
        gateways = []
        for name, domain, other, other_domain, phone in (
                ("east", "east.test", "west", "west.test", "carol"),
                ("west", "west.test", "east", "east.test", "dave")):
            pem, key = pki.domain(name, domain)
            gateways.append(Gateway(self.folder, ROW.format(
                domain=domain, pem=pem, key=key, ca=pki.ca(), outside=p[name], inside=p[f"{name}_in"],
                other=other, other_domain=other_domain, other_port=p[other], phone=p[phone]), name=name))
        with gateways[0] as east, gateways[1] as west:
            carol = self.phone("carol", "east.test", p["carol"], p["east_in"], 23000)
            dave = self.phone("dave", "west.test", p["dave"], p["west_in"], 24000)
            try:
                done = self.talk(carol, "sip:dave@west.test", dave)
            finally:
                carol.stop()
                dave.stop()
            self.row_verdict(east, west, done)

    def row_verdict(self, east, west, done):
        call_id = self.last_call(east)
        names = ladder.call(
            ["carol\nUDP", "gateway east", "gateway west\nTLS", "dave\nUDP"],
            [ladder.Side(east.log_path, call_id, 1, {"phone": 0, "west": 2}, "west"),
             ladder.Side(west.log_path, call_id, 2, {"phone": 3, "east": 1}, "east")])
        proven = [g.events("connection_open")[-1]["identity"] for g in (east, west)]
        self.verdict(done and "BYE" in names and proven == ["west.test", "east.test"],
                     f"the call went through both; each proved itself to the other: {' and '.join(proven)}")


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--binary", help="the gateway (default: build/sipward)")
    p.add_argument("--keep", action="store_true", help="keep certificates, configurations and logs")
    args = p.parse_args()
    if args.binary:
        lab_gateway.BINARY = os.path.abspath(args.binary)
    folder = tempfile.mkdtemp(prefix="sipward-demo-")
    demo = Demo(folder)
    try:
        demo.say("a throw-away CA and certificates (openssl)")
        pki = Pki(os.path.join(folder, "pki"))
        demo.calls_through_one_gateway(pki)
        demo.two_gateways(pki)
    except (AssertionError, OSError) as e:
        demo.verdict(False, f"{type(e).__name__}: {e}")
    if args.keep or demo.bad:
        print(f"\nconfigurations, certificates and logs: {folder}")
    else:
        shutil.rmtree(folder)
    print(f"\n{demo.good} as it should be, {demo.bad} not, in {time.monotonic() - demo.started:.0f} s")
    return 1 if demo.bad or not demo.good else 0


if __name__ == "__main__":
    sys.exit(main())
