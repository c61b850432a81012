"""Requests inside a dialog that the peer began over its connection, with `reverse: alias`: RFC 5923 8.2."""

import time

import pytest

from lab import sip
from lab.gateway import Gateway, run
from test_alias import Hostile, ctl, fixture_sides, rewrite  # noqa: F401


class Callee:
    """The user of `side` in a call that `peer` began over its own connection."""

    def __init__(self, side, stream, sent_by, params, host):
        self.side = side
        stream.send(sip.request("INVITE", f"sip:bob@{side.name}.test", sent_by=sent_by + params,
                                contact=f"<sip:alice@{host};transport=tls>"))
        self.invite = side.user.recv(want=lambda m: m.method == "INVITE")
        side.user.send(sip.response(self.invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{side.user_port}>"))
        assert stream.final().status == 200

    def ask(self, method, cseq):
        route = "".join(f"Route: {r}\r\n" for r in self.invite.all("record-route"))
        self.side.user.send(sip.request(method, self.invite["contact"].strip("<>"), transport="UDP", headers=route,
                                        sent_by=f"127.0.0.1:{self.side.user_port}", cseq=cseq,
                                        call_id=self.invite["call-id"], to_tag=";tag=t1"), port=self.side.inside)


@pytest.mark.parametrize("host", ["127.0.0.1", "one.test"])
@pytest.mark.parametrize("params", ["", ";alias"])
def test_an_ack_goes_where_its_invite_went(sides, pki, params, host):
    """Without `alias` the connection carries no request of ours, not even the ACK of a 2xx."""
    one, two = sides
    server = sip.Server(*pki.domain("one", "one.test"), ca=pki.ca(), port=one.port)
    with two.start(one):
        stream = Hostile(two, pki, "one").stream
        callee = Callee(two, stream, f"127.0.0.1:{one.port}", params, f"{host}:{one.port}")
        callee.ask("INVITE", 7)
        there = stream if params else server.accept()
        again = there.recv(want=lambda m: m.method == "INVITE")
        there.send(sip.response(again, 200, headers=f"Contact: <sip:alice@127.0.0.1:{one.port};transport=tls>"))
        assert two.user.final().status == 200
        callee.ask("ACK", 7)
        assert there.recv(want=lambda m: m.method == "ACK")["cseq"] == "7 ACK"
        assert params or stream.silent()
    server.close()


def alias_of(gw, wanted):
    """The port of the alias that the other gateway's connection is, once it is that."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        rows = [c for c in ctl(gw, "connections", "other")["connections"] if c["direction"] == "in"]
        if rows[0]["alias_port"] == wanted:
            break
        time.sleep(0.05)
    return rows[0]["alias_port"]


def test_an_alias_ends_with_the_key_that_allowed_it(sides):
    """A row that no request may use would count when it is asked which connections are surplus. RFC 5923 8.2"""
    one, two = sides
    with one.start(two), two.start(one):
        for _ in range(2):
            one.send(two)
            assert alias_of(two.gateway, one.port) == one.port
            rewrite(two.gateway, "reverse: alias", "reverse: flow")
            assert alias_of(two.gateway, 0) == 0
            rewrite(two.gateway, "reverse: flow", "reverse: alias")
        two.send(one)
        assert two.opened("out") == 1


def test_check_notes_a_listener_that_asks_for_no_certificate(sides):
    """RFC 5923 9.2: a server MUST ask for one."""
    one, two = sides
    allow = "    source: [127.0.0.1/32]\n    without_certificate: allow"
    for asks, noted in (("none", True), ("request", False)):
        path = two.folder / f"{asks}.yaml"
        path.write_text(two.config(one, certificate=asks, peer=allow), encoding="utf-8")
        checked = run("check", "-c", str(path))
        assert checked.returncode == 0
        assert ("asks for no client certificate" in checked.stdout + checked.stderr) == noted


@pytest.mark.parametrize("name", ["two", "else"])
def test_no_alias_is_wanted_of_a_server_whose_name_was_not_proved(sides, pki, name):
    """verify: chain asks for no name; what stands in an alias table is who proved one. RFC 5923 8.1, 9.1"""
    one, two = sides
    server = sip.Server(*pki.domain(name, f"{name}.test"), ca=pki.ca(), port=two.port)
    with one.start(two, peer="    verify: chain"):
        one.user.send(sip.request("MESSAGE", "sip:bob@two.test", transport="UDP",
                                  sent_by=f"127.0.0.1:{one.user_port}"), port=one.inside)
        m = server.accept().recv(want=lambda m: m.method == "MESSAGE")
        assert (";alias" in m["via"]) == (name == "two")
    server.close()


def test_a_ping_makes_an_alias_too(sides):
    """Who cannot be connected to is reached from the moment it is there, not from its first call on. RFC 5923 8.1"""
    one, two = sides
    with two.start(one):
        one.gateway = Gateway(one.folder, one.config(two).replace("ping: 0", "ping: 1s", 1))
        with one.gateway:
            two.gateway.wait_event("connection_alias", alias_port=one.port, peer="other")
            two.send(one)
            assert (two.opened("out"), two.opened("in"), one.opened("out")) == (0, 1, 1)
