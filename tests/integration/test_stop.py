"""Stopping: the paragraph of that name in the contract."""

import signal
import threading
import time

from lab import sip


def test_open_transactions_get_their_time(scene):
    with scene.gateway(extra="limits: {drain: 10s}") as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        invite = pbx.recv()
        gw.process.send_signal(signal.SIGTERM)
        gw.wait_event("draining")
        timer = threading.Timer(0.5, lambda: pbx.send(sip.response(invite, 200)))
        timer.start()
        assert c.final().status == 200
        assert gw.stop() == 0
        assert gw.events("stopped")[0]["abandoned"] == 0


def test_the_rest_is_abandoned_after_the_limit(scene):
    with scene.gateway(extra="limits: {drain: 500ms}") as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        pbx.recv()
        started = time.monotonic()
        assert gw.stop() == 0
        assert 0.4 < time.monotonic() - started < 5
        assert gw.events("stopped")[0]["abandoned"] == 1
        assert c.wait_closed()


def test_no_new_connections_while_draining(scene):
    with scene.gateway(extra="limits: {drain: 2s}") as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        invite = pbx.recv()
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
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        pbx.send(sip.response(pbx.recv(), 200))
        assert c.final().status == 200
        started = time.monotonic()
        assert gw.stop() == 0
        assert time.monotonic() - started < 5


def test_interrupt_stops_too(scene):
    with scene.gateway() as gw:
        assert gw.stop(signal.SIGINT) == 0
