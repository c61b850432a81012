"""Connection reuse between running gateways, and peers that want another's requests: RFC 5923."""

import json
import os
import subprocess
import time

import pytest

from lab import sip
from lab.gateway import BINARY, Gateway, free_port


def ctl(gw, *words):
    out = subprocess.run([BINARY, "ctl", "-s", os.path.join(gw.folder, "sipward.sock"), "--json", *words],
                         capture_output=True, text=True, timeout=30, check=False)
    assert out.returncode == 0, out.stdout + out.stderr
    return json.loads(out.stdout)


class Side:
    """One of two gateways that are each other's peer, with a user agent inside."""

    def __init__(self, name, pki, folder):
        self.name, self.pki, self.folder = name, pki, folder / name
        self.folder.mkdir()
        self.port, self.inside, self.user_port = free_port(), free_port(), free_port()
        self.pem, self.key = pki.domain(name, f"{name}.test")
        self.user = sip.Udp(self.user_port)
        self.gateway = None

    def config(self, other, reverse="alias", workers=1, identity="main", certificate="require", peer="", extra=""):
        return f"""
domains: [{self.name}.test]
workers: {workers}
identities:
  - {{name: main, certificate: {self.pem}, key: {self.key}}}
trust:
  - {{name: partners, ca: {self.pki.ca()}}}
listen:
  - name: middle
    address: 127.0.0.1:{self.port}
    transport: tls
    identity: main
    trust: [partners]
    client_certificate: {certificate}
  - name: inside
    address: 127.0.0.1:{self.inside}
    transport: udp
peers:
  - name: other
    domain: {other.name}.test
    address: 127.0.0.1:{other.port}
    transport: tls
    trust: partners
    identity: {identity}
    reverse: {reverse}
    ping: 0
{peer}
  - {{name: user, address: "127.0.0.1:{self.user_port}", transport: udp, source: [127.0.0.0/8], ping: 0}}
routes:
  - {{from: other, to: user}}
  - {{from: user, to: other}}
{extra}
"""

    def start(self, other, **more):
        self.gateway = Gateway(self.folder, self.config(other, **more))
        return self.gateway

    def send(self, other, count=1):
        """Messages from this side's user to the other's. Returns the last as it arrived."""
        for _ in range(count):
            self.user.send(sip.request("MESSAGE", f"sip:bob@{other.name}.test", transport="UDP",
                                       sent_by=f"127.0.0.1:{self.user_port}"), port=self.inside)
            m = other.user.recv(want=lambda m: m.method == "MESSAGE")
            other.user.send(sip.response(m, 200))
            assert self.user.final().status == 200
        return m

    def opened(self, direction):
        return len(self.gateway.events("connection_open", direction=direction, listener="middle"))


@pytest.fixture(name="sides")
def fixture_sides(tmp_path, pki):
    one, two = Side("one", pki, tmp_path), Side("two", pki, tmp_path)
    yield one, two
    one.user.close()
    two.user.close()


def vias(message):
    return [v.strip() for row in message.all("via") for v in row.split(",")]


@pytest.mark.parametrize("workers", [1, 2])
def test_one_connection_carries_both_directions(sides, workers):
    one, two = sides
    with one.start(two, workers=workers), two.start(one, workers=workers):
        m = one.send(two)
        assert vias(m)[1].endswith(";alias") or ";alias;" in vias(m)[1]
        assert two.gateway.wait_event("connection_alias", alias_port=one.port, peer="other")
        m = two.send(one, 5)
        assert ";alias" not in vias(m)[1]
        one.send(two, 5)
        assert (one.opened("out"), one.opened("in"), two.opened("out"), two.opened("in")) == (1, 0, 0, 1)


def test_a_resumed_connection_is_an_alias_too(sides):
    """RFC 5923 9.1: what was shown in the handshake that it resumes counts."""
    one, two = sides
    short = "limits: {idle: 1s}"
    with one.start(two, extra=short), two.start(one):
        one.send(two)
        one.gateway.wait_event("connection_closed", listener="middle")
        m = one.send(two)
        assert one.gateway.events("connection_open", direction="out")[-1]["resumed"] == "yes"
        assert ";alias" in vias(m)[1]
        two.send(one)
        assert two.opened("out") == 0


def test_without_a_certificate_each_side_opens_its_own(sides):
    """RFC 5923 9.2: as if alias were not there."""
    one, two = sides
    allow = "    source: [127.0.0.1/32]\n    without_certificate: allow"
    with one.start(two, identity="none"), two.start(one, certificate="request", peer=allow):
        m = one.send(two)
        assert ";alias" not in vias(m)[1]
        two.send(one, 2)
        assert (one.opened("out"), two.opened("out")) == (1, 1)
        assert not two.gateway.events("connection_alias")


def test_a_server_that_does_not_ask_for_a_certificate_gets_no_alias(sides):
    """RFC 5923 9.1: ours was configured and not shown."""
    one, two = sides
    allow = "    source: [127.0.0.1/32]\n    without_certificate: allow"
    with one.start(two), two.start(one, certificate="none", peer=allow):
        assert ";alias" not in vias(one.send(two))[1]


@pytest.mark.parametrize("reverse", ["flow", "never"])
def test_reverse_otherwise_means_a_connection_in_each_direction(sides, reverse):
    one, two = sides
    with one.start(two), two.start(one, reverse=reverse):
        assert ";alias" in vias(one.send(two))[1]  # RFC 5923 8.2: and it passes
        assert ";alias" not in vias(two.send(one))[1]
        assert (one.opened("out"), two.opened("out")) == (1, 1)


def test_a_new_connection_replaces_one_that_is_gone(sides):
    """RFC 5923 8.1, 8.2"""
    one, two = sides
    with two.start(one):
        with one.start(two):
            one.send(two)
            two.send(one)
        two.gateway.wait_event("connection_closed", listener="middle")
        with one.start(two):
            two.send(one)
            assert two.opened("out") == 1
            one.send(two)  # and now it is the other one that finds an alias
            assert one.opened("out") == 0


def test_another_identity_has_connections_of_its_own(sides, pki):
    """RFC 5923 9.3: after a reload the peer is shown another domain."""
    one, two = sides
    pem, key = pki.domain("three", "three.test")
    with one.start(two), two.start(one, extra="") as gw:
        one.send(two)
        two.send(one)
        two.send(one)
        assert two.opened("out") == 0
        with open(gw.config, encoding="utf-8") as f:
            text = f.read()
        text = text.replace("trust:\n", f"  - {{name: third, certificate: {pem}, key: {key}}}\ntrust:\n", 1)
        text = text.replace("identity: main\n    reverse", "identity: third\n    reverse", 1)
        text += "\n"
        with open(gw.config, "w", encoding="utf-8") as f:
            f.write(text)
        # three.test is the other's name for it, too
        with open(one.gateway.config, encoding="utf-8") as f:
            text = f.read()
        with open(one.gateway.config, "w", encoding="utf-8") as f:
            f.write(text.replace("domain: two.test", "domain: [two.test, three.test]", 1))
        assert ctl(one.gateway, "reload")["reload"]["result"] == "reloaded"
        assert ctl(gw, "reload")["reload"]["result"] == "reloaded"
        two.send(one, 2)
        assert two.opened("out") == 1
        assert two.gateway.events("connection_open", direction="out")[-1]["shown"] == "third"


def rewrite(gw, old, new):
    with open(gw.config, encoding="utf-8") as f:
        text = f.read()
    assert old in text
    with open(gw.config, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new, 1))
    assert ctl(gw, "reload")["reload"]["result"] == "reloaded"


def test_of_two_connections_one_goes_when_it_is_idle(sides):
    """Both dialled: both stay while they are used; then who dialled the surplus one closes it, and only that one.
    RFC 5923 8.1, 8.3"""
    one, two = sides
    limits = "limits: {surplus: 1s, connections_per_peer: 1}"
    with one.start(two, extra=limits), two.start(one, reverse="flow", extra=limits):
        one.send(two)
        two.send(one)
        rewrite(two.gateway, "reverse: flow", "reverse: alias")
        one.send(two)
        two.send(one)
        two.gateway.wait_event("connection_alias")
        end = time.monotonic() + 10
        while time.monotonic() < end and not any(s.gateway.events("connection_closed") for s in sides):
            time.sleep(0.05)
        for _ in range(3):  # longer than the limit: the other one stays
            one.send(two)
            time.sleep(0.5)
            two.send(one)
        assert (one.opened("out"), two.opened("out")) == (1, 1)
        for side in (one, two):
            side.gateway.wait_event("connection_closed", listener="middle")
            assert len(side.gateway.events("connection_closed", listener="middle")) == 1
        closed = [e for s in sides for e in s.gateway.events("connection_closed") if "surplus" in e["why"]]
        assert len(closed) == 1 and closed[0]["direction"] == "out"


def test_what_comes_after_our_closure_is_discarded(sides, pki):
    """RFC 5923 8.3: and it is closed when the peer has closed, too."""
    one, two = sides
    with two.start(one, extra="limits: {idle: 1s}"):
        h = Hostile(two, pki, "one")
        assert h.ask(f"127.0.0.1:{one.port}") == 200
        two.gateway.wait_event("connection_closed", listener="middle")
        count = len(two.gateway.events())
        h.stream.send(sip.request("MESSAGE", "sip:bob@two.test"))
        assert two.user.silent()
        assert h.stream.wait_closed() and two.gateway.alive()
        assert not [e for e in two.gateway.events()[count:] if e["event"].startswith("request")]


def test_after_the_peers_closure_nothing_begins_on_it(sides, pki):
    """RFC 5923 8.3: what it asks for afterwards is not read, and requests to it go over a new connection."""
    one, two = sides
    server = sip.Server(*pki.domain("one", "one.test"), ca=pki.ca(), port=one.port)
    with two.start(one):
        h = Hostile(two, pki, "one")
        assert h.ask(f"127.0.0.1:{one.port}") == 200
        two.gateway.wait_event("connection_alias", alias_port=one.port)
        raw = h.stream.sock
        raw.settimeout(5)
        raw.unwrap()  # close_notify; TCP stays open on our side
        two.gateway.wait_event("connection_closed", listener="middle")
        two.user.send(sip.request("MESSAGE", "sip:bob@one.test", transport="UDP",
                                  sent_by=f"127.0.0.1:{two.user_port}"), port=two.inside)
        c = server.accept()
        c.send(sip.response(c.recv(), 200))
        assert two.user.final().status == 200
    server.close()


class Hostile:
    """A TLS client with a certificate that talks to a gateway."""

    def __init__(self, side, pki, name):
        pem, key = pki.domain(name, f"{name}.test")
        self.tls = {"cert": pem, "key": key, "ca": pki.ca()}
        self.stream = sip.tls(side.port, **self.tls, server_name=f"{side.name}.test")
        self.side = side

    def ask(self, sent_by, params=";alias"):
        self.stream.send(sip.request("OPTIONS", f"sip:{self.side.name}.test", sent_by=sent_by + params))
        return self.stream.final().status


def test_an_alias_for_anothers_address_is_of_no_use(sides, pki):
    """RFC 5923 8.2: the address is the one that it came from; and the name is asked for as well. Here both have
    the address of the other, and the port is the other's."""
    one, two = sides
    evil = f"""  - {{name: evil, domain: evil.test, transport: tls, trust: partners, reverse: alias, ping: 0,
     address: "127.0.0.1:{free_port()}"}}"""
    with one.start(two), two.start(one, peer=evil):
        h = Hostile(two, pki, "evil")
        assert h.ask(f"127.0.0.1:{one.port}") == 200
        two.gateway.wait_event("connection_alias", peer="evil", alias_port=one.port)
        two.send(one)
        h.stream.silent()
        assert two.opened("out") == 1


def test_a_flood_of_aliases_is_one(sides, pki):
    one, two = sides
    with two.start(one):
        h = Hostile(two, pki, "one")
        for port in range(10000, 10200):
            assert h.ask(f"127.0.0.1:{port}") == 200
        assert [e["alias_port"] for e in two.gateway.events("connection_alias")] == [10000]


def test_a_stranger_makes_no_alias(sides, pki):
    """Its certificate is good, and it is nobody's peer: RFC 5923 8.2, 9.2."""
    one, two = sides
    with two.start(one):
        h = Hostile(two, pki, "stranger")
        h.ask(f"127.0.0.1:{one.port}")
        assert two.gateway.alive() and not two.gateway.events("connection_alias")


def test_check_notes_where_an_alias_can_have_no_effect(sides, pki):
    """RFC 5923 9.1, 9.3"""
    one, two = sides
    pem, key = pki.domain("three", "three.test")
    third = f"  - {{name: third, certificate: {pem}, key: {key}}}\ntrust:\n"
    cases = [
        ("", "", None),
        ("identity: main\n    reverse", "identity: none\n    reverse", "no certificate is shown"),
        ("identity: main\n    reverse", "identity: third\n    reverse", "have other names"),
        ("transport: udp, source", "transport: udp, reverse: alias, source", "only TLS connections are reused"),
    ]
    for i, (old, new, note) in enumerate(cases):
        path = one.folder / f"check{i}.yaml"
        path.write_text(one.config(two).replace("trust:\n", third, 1).replace(old, new, 1), encoding="utf-8")
        out = subprocess.run([BINARY, "check", "-c", path], capture_output=True, text=True, timeout=30, check=False)
        assert out.returncode == 0, out.stderr
        assert ("reverse: alias:" in out.stderr + out.stdout) == bool(note)
        assert not note or note in out.stderr + out.stdout


def test_client_and_server_certificates_with_other_names(sides, pki):
    """Answers whose connection is gone share one new connection, though it shows another identity than theirs did."""
    one, two = sides
    pem, key = pki.domain("three", "three.test")
    server = sip.Server(*pki.domain("one", "one.test"), ca=pki.ca(), port=one.port)
    text = two.config(one, reverse="flow", identity="third", extra="limits: {connections_per_peer: 1}")
    text = text.replace("trust:\n", f"  - {{name: third, certificate: {pem}, key: {key}}}\ntrust:\n", 1)
    two.gateway = Gateway(two.folder, text)
    with two.gateway:
        h = Hostile(two, pki, "one")
        for _ in range(3):
            h.stream.send(sip.request("MESSAGE", "sip:bob@two.test", sent_by=f"127.0.0.1:{one.port}"))
        asked = [two.user.recv(want=lambda m: m.method == "MESSAGE") for _ in range(3)]
        h.stream.close()
        two.gateway.wait_event("connection_closed", listener="middle")
        for m in asked:
            two.user.send(sip.response(m, 200))
        c = server.accept()
        assert [c.final().status for _ in asked] == [200] * 3
        assert server.idle()
    server.close()
