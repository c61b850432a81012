"""Requests inside a dialog that the peer began over its connection, with `reverse: alias`: RFC 5923 8.2."""

import pytest

from lab import sip
from test_alias import Hostile, fixture_sides  # noqa: F401


class Callee:
    """The user of `side` in a call that `peer` began over its own connection."""

    def __init__(self, side, stream, sent_by, params):
        self.side = side
        stream.send(sip.request("INVITE", f"sip:bob@{side.name}.test", sent_by=sent_by + params,
                                contact=f"<sip:alice@{sent_by};transport=tls>"))
        self.invite = side.user.recv(want=lambda m: m.method == "INVITE")
        side.user.send(sip.response(self.invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{side.user_port}>"))
        assert stream.final().status == 200

    def ask(self, method, cseq):
        route = "".join(f"Route: {r}\r\n" for r in self.invite.all("record-route"))
        self.side.user.send(sip.request(method, self.invite["contact"].strip("<>"), transport="UDP", headers=route,
                                        sent_by=f"127.0.0.1:{self.side.user_port}", cseq=cseq,
                                        call_id=self.invite["call-id"], to_tag=";tag=t1"), port=self.side.inside)


@pytest.mark.parametrize("params", ["", ";alias"])
def test_an_ack_goes_where_its_invite_went(sides, pki, params):
    """Without `alias` the connection carries no request of ours, not even the ACK of a 2xx."""
    one, two = sides
    server = sip.Server(*pki.domain("one", "one.test"), ca=pki.ca(), port=one.port)
    with two.start(one):
        stream = Hostile(two, pki, "one").stream
        callee = Callee(two, stream, f"127.0.0.1:{one.port}", params)
        callee.ask("INVITE", 7)
        there = stream if params else server.accept()
        again = there.recv(want=lambda m: m.method == "INVITE")
        there.send(sip.response(again, 200, headers=f"Contact: <sip:alice@127.0.0.1:{one.port};transport=tls>"))
        assert two.user.final().status == 200
        callee.ask("ACK", 7)
        assert there.recv(want=lambda m: m.method == "ACK")["cseq"] == "7 ACK"
        assert params or stream.silent()
    server.close()
