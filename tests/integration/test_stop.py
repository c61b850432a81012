"""Stopping: the paragraph of that name in the contract."""

import signal
import threading
import time

from lab import sip


def inviting(scene):
    """The PBX, the carrier's connection, and its INVITE that the PBX has got."""
    pbx = sip.Udp(scene.pbx_port)
    c = sip.tls(scene.outside, **scene.carrier_tls())
    c.send(sip.request("INVITE"))
    return pbx, c, pbx.recv()


def test_open_transactions_get_their_time(scene):
    with scene.gateway(extra="limits: {drain: 10s}") as gw:
        pbx, c, invite = inviting(scene)
        gw.process.send_signal(signal.SIGTERM)
        gw.wait_event("draining")
        timer = threading.Timer(0.5, lambda: pbx.send(sip.response(invite, 200)))
        timer.start()
        assert c.final().status == 200
        assert gw.stop() == 0
        assert gw.events("stopped")[0]["abandoned"] == 0


def test_the_rest_is_abandoned_after_the_limit(scene):
    with scene.gateway(extra="limits: {drain: 500ms}") as gw:
        _pbx, c, _ = inviting(scene)
        started = time.monotonic()
        assert gw.stop() == 0
        assert 0.4 < time.monotonic() - started < 5
        assert gw.events("stopped")[0]["abandoned"] == 1
        assert c.wait_closed()


def test_no_new_connections_while_draining(scene):
    with scene.gateway(extra="limits: {drain: 2s}") as gw:
        pbx, c, invite = inviting(scene)
        gw.process.send_signal(signal.SIGTERM)
        gw.wait_event("draining")
        late = sip.tcp(scene.outside)  # the kernel's queue takes it; nobody answers
        late.send(b"\x16\x03\x01")
        assert late.silent(0.3)
        pbx.send(sip.response(invite, 200))
        assert gw.stop() == 0


def test_timers_that_only_absorb_do_not_count(scene):
    """RFC 6026's Accepted lasts 32 s: stopping does not wait for it."""
    with scene.gateway(extra="limits: {drain: 30s}") as gw:
        pbx, c, invite = inviting(scene)
        pbx.send(sip.response(invite, 200))
        assert c.final().status == 200
        started = time.monotonic()
        assert gw.stop() == 0
        assert time.monotonic() - started < 5


def test_interrupt_stops_too(scene):
    with scene.gateway() as gw:
        assert gw.stop(signal.SIGINT) == 0


def test_what_was_counted_is_told_at_the_end(scene):
    """docs/messages.md "Counters": each limit that was reached, and what came and went."""
    limits = "{uri_bytes: 512, headers: 32, header_bytes: 4k, body_bytes: 1k, transactions: 16}"
    with scene.gateway(extra=f"limits: {limits}") as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("OPTIONS", f"sip:{'u' * 600}@example.test", call_id="uri@test"))
        assert c.final().status == 414  # RFC 3261 21.4.13
        c.send(sip.request("OPTIONS", "sip:example.test", call_id="rows@test", headers="X: y\r\n" * 40))
        assert c.final().status == 400
        for i in range(17):
            c.send(sip.request("MESSAGE", call_id=f"m{i}@test", branch=f"z9hG4bKm{i}"))
        refused = c.final()
        assert refused.status == 503 and refused["retry-after"] == "5"  # RFC 3261 21.5.4
        answered = set()
        while len(answered) < 16:
            message = pbx.recv()
            answered.add(message["call-id"])
            pbx.send(sip.response(message, 200))
        assert all(c.final().status == 200 for _ in range(16))
        c.send(sip.request("MESSAGE", call_id="body@test").replace("Content-Length: 0", "Content-Length: 2000"))
        assert c.final().status == 513
        assert c.wait_closed()
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send("OPTIONS sip:example.test SIP/2.0\r\nX: " + "y" * 5000)
        assert c.wait_closed()
        assert gw.stop() == 0
        told = gw.events("stopped")[0]
    for name in ("uri_bytes", "headers", "transactions", "body_bytes", "header_bytes"):
        assert told[f"limit_{name}"] == 1, name
    want = {"received_tls": 20, "sent_tls": 20, "requests": 16, "relayed": 16, "responses": 16,
            "malformed_answered": 3, "stateless_503": 1, "answered_400": 1, "answered_414": 1, "answered_503": 1,
            "answered_513": 1, "connections_accepted": 2}
    assert {k: told.get(k) for k in want} == want
    assert told["sent_udp"] >= 16 and told["received_udp"] >= 16  # and perhaps repeats
    assert "nobody_dropped" not in told  # what is 0 is not told
