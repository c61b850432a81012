"""Bad input: answered, dropped or closed by rule; the process lives and others do not notice."""

import random
import socket
import time

import pytest
from lab import sip
from lab.gateway import Gateway


@pytest.fixture
def running(scene):
    with scene.gateway() as gw:
        witness = sip.tls(scene.outside, **scene.carrier_tls())
        yield scene, gw, witness
        # the neighbour did not notice; answers of broken connections may have come to it meanwhile
        witness.send(sip.request("OPTIONS", "sip:example.test", call_id="witness@test"))
        assert witness.recv(want=lambda m: m["call-id"] == "witness@test").status == 200
        assert gw.alive()


def expect_closed(gw, c, why):
    assert c.wait_closed()
    assert any(why in e["why"] for e in gw.wait_event("connection_closed"))


@pytest.mark.parametrize("head", ["", "Content-Length: -1\r\n", "Content-Length: x\r\n",
                                  "Content-Length: 5\r\nContent-Length: 6\r\n",
                                  "Content-Length: 99999999999999999999\r\n"])
def test_bad_content_length_on_a_stream_gets_400_and_a_closed_connection(running, head):
    """RFC 3261 18.3."""
    scene, gw, _ = running
    c = sip.tls(scene.outside, **scene.carrier_tls())
    c.send(sip.request("OPTIONS", "sip:example.test").replace("Content-Length: 0\r\n", head))
    assert c.final().status == 400
    expect_closed(gw, c, "Content-Length")


def test_body_over_the_limit_gets_513(running):
    scene, gw, _ = running
    c = sip.tls(scene.outside, **scene.carrier_tls())
    c.send(sip.request("MESSAGE").replace("Content-Length: 0", "Content-Length: 1000000"))
    assert c.final().status == 513
    expect_closed(gw, c, "limit message size")


def test_head_over_the_limit_closes(running):
    scene, gw, _ = running
    c = sip.tls(scene.outside, **scene.carrier_tls())
    c.send("OPTIONS sip:example.test SIP/2.0\r\n" + "X: y\r\n" * 10000)
    expect_closed(gw, c, "limit message size")


def test_too_many_header_rows_get_400(running):
    scene, _, _ = running
    c = sip.tls(scene.outside, **scene.carrier_tls())
    c.send(sip.request("OPTIONS", "sip:example.test", headers="X: y\r\n" * 400))
    assert c.final().status == 400


@pytest.mark.parametrize("junk", [
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"\x00\x01\x02\x03" * 100,
    b"\n\n\n\n",
    b"OPTIONS sip:example.test SIP/2.0\nVia: x\n\n",
])
def test_what_is_not_sip_closes_the_connection(running, junk):
    scene, gw, _ = running
    c = sip.tls(scene.outside, **scene.carrier_tls())
    c.send(junk)
    expect_closed(gw, c, "not SIP")


def test_plain_sip_on_the_tls_port_is_explained(running):
    scene, gw, _ = running
    c = sip.tcp(scene.outside)
    c.send(sip.request("OPTIONS", "sip:example.test"))
    assert c.wait_closed()
    failed = gw.wait_event("connection_failed")[0]
    assert failed["status"] == "peer_protocol" and "not TLS" in failed["why"]


def test_http_on_the_tls_port_is_explained(running):
    scene, gw, _ = running
    c = sip.tcp(scene.outside)
    c.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
    assert c.wait_closed()
    assert "HTTP" in gw.wait_event("connection_failed")[0]["why"]


def test_tls_on_the_plain_port_closes(running):
    scene, gw, _ = running
    c = sip.tcp(scene.inside)
    c.send(bytes([0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]) + b"x" * 200)
    assert c.wait_closed()


def test_handshake_that_does_not_go_on_is_ended(scene):
    with scene.gateway(extra="limits: {handshake: 300ms}") as gw:
        c = sip.tcp(scene.outside)
        assert c.wait_closed()
        failed = gw.wait_event("connection_failed")[0]
        assert failed["phase"] == "handshake" and "limit handshake" in failed["why"]


def test_message_that_does_not_end_is_ended(scene):
    with scene.gateway(extra="limits: {message: 300ms}") as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send("OPTIONS sip:example.test SIP/2.0\r\nVia: ")
        assert c.wait_closed()
        assert "limit message" in gw.wait_event("connection_closed")[0]["why"]


def test_idle_connection_is_ended(scene):
    """RFC 3261 18: after longer than a transaction can last, unless the configuration says less; check warns then."""
    with scene.gateway(extra="limits: {idle: 1s}") as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("OPTIONS", "sip:example.test"))
        assert c.final().status == 200
        assert c.wait_closed()
        assert "limit idle" in gw.wait_event("connection_closed")[0]["why"]


def test_peer_that_does_not_read_is_closed_over_a_limit(scene):
    """Responses pile up: the limit output_bytes ends it, memory stays bounded."""
    config = scene.config(extra="limits: {output_bytes: 64k}").replace(
        "    transport: udp\n    source", "    transport: [udp, tcp]\n    source", 1)
    with Gateway(scene.folder, config, log_level="info") as gw:
        raw = socket.create_connection(("127.0.0.1", scene.inside), timeout=5)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        # each answer repeats the Via rows
        row = "Via: SIP/2.0/UDP host.test;branch=z9hG4bK" + "x" * 900 + "\r\n"
        text = sip.request("OPTIONS", "sip:example.test", "TCP", headers=row * 12).encode()
        raw.settimeout(0.2)
        end = time.monotonic() + 30
        closed = False
        while time.monotonic() < end and not closed:
            try:
                for _ in range(100):
                    raw.sendall(text)
            except OSError:
                pass
            closed = any("limit output_bytes" in e["why"] for e in gw.events("connection_closed"))
        assert closed, gw.tail(5)


def test_datagrams_of_chance_harm_nobody(running):
    scene, gw, _ = running
    seed = random.randrange(1 << 30)
    print("seed", seed)
    dice = random.Random(seed)
    udp = sip.Udp(scene.pbx_port)
    good = sip.request("INVITE", "sip:+49@example.test", "UDP", f"127.0.0.1:{scene.pbx_port}",
                       body="v=0\r\n").encode()
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(dice.randrange(1, 12)):
            at = dice.randrange(len(data))
            how = dice.randrange(3)
            if how == 0:
                data[at] = dice.randrange(256)
            elif how == 1:
                del data[at:at + dice.randrange(1, 40)]
            else:
                data[at:at] = bytes([dice.randrange(256)]) * dice.randrange(1, 40)
            if not data:
                data = bytearray(b"x")
        udp.send(bytes(data), scene.inside)
    udp.send(b"", scene.inside)
    udp.send(b"x" * 65000, scene.inside)
    assert gw.alive()


def test_streams_of_chance_harm_nobody(running):
    scene, gw, _ = running
    seed = random.randrange(1 << 30)
    print("seed", seed)
    dice = random.Random(seed)
    good = sip.request("MESSAGE", body="x" * 50).encode() * 3
    for _ in range(60):
        data = bytearray(good)
        for _ in range(dice.randrange(1, 8)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        try:
            c.send(bytes(data[:dice.randrange(1, len(data))]))
            c.recv_raw(0.02)
        except OSError:
            pass
        c.close()
    assert gw.alive()


def test_garbage_in_the_handshake_harms_nobody(running):
    scene, gw, _ = running
    seed = random.randrange(1 << 30)
    print("seed", seed)
    dice = random.Random(seed)
    hello = bytes.fromhex("16030100c4010000c00303") + bytes(dice.randrange(256) for _ in range(185))
    for _ in range(100):
        data = bytearray(hello)
        for _ in range(dice.randrange(0, 10)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        c = sip.tcp(scene.outside)
        try:
            c.send(bytes(data[:dice.randrange(1, len(data))]))
        except OSError:
            pass
        c.close()
    assert gw.alive()


@pytest.mark.parametrize("workers", [1, 4])
def test_connections_of_a_domain_that_is_no_peer_have_one_limit(scene, workers):
    """limits.source_messages_per_second: what is above it gets 503, and a peer has no such limit. Connections are
    spread over the workers, and the limit is one."""
    pem, key = scene.pki.domain("other", "other.test")
    with scene.gateway(workers=workers, extra="limits: {source_messages_per_second: 5}") as gw:
        connections = [sip.tls(scene.outside, cert=pem, key=key, ca=scene.ca) for _ in range(5)]
        for i in range(10):
            connections[i % 5].send(sip.request("OPTIONS", "sip:example.test", call_id=f"s{i}@test",
                                                branch=f"z9hG4bKs{i}"))
        answers = [connections[i % 5].final() for i in range(10)]
        limited = [m for m in answers if m.status == 503]
        assert 0 < len(limited) < len(answers) and limited[0]["retry-after"] == "5"
        said = gw.wait_event("source_limited")[0]
        assert (said["domain"], said["transport"], said["listener"]) == ("other.test", "tls", "outside")
        carrier = sip.tls(scene.outside, **scene.carrier_tls())
        for i in range(20):
            carrier.send(sip.request("OPTIONS", "sip:example.test", call_id=f"p{i}@test", branch=f"z9hG4bKp{i}"))
            assert carrier.final().status == 200


def test_a_connection_that_sends_too_much_waits_and_loses_nothing(scene):
    """limits.messages_per_second: the rest stays in the kernel, other connections do not notice."""
    many = 160
    with scene.gateway(extra="limits: {messages_per_second: 50}") as gw:
        a, b = (sip.tls(scene.outside, **scene.carrier_tls()) for _ in range(2))
        started = time.monotonic()
        for i in range(many):
            a.send(sip.request("OPTIONS", "sip:example.test", call_id=f"many{i}@test", branch=f"z9hG4bKm{i}"))
            time.sleep(0.002)
        gw.wait_event("connection_paused")
        b.send(sip.request("OPTIONS", "sip:example.test", call_id="other@test"))
        assert b.final().status == 200
        got = {a.final(timeout=10)["call-id"] for _ in range(many)}
        assert len(got) == many
        a.send(sip.request("OPTIONS", "sip:example.test", call_id="last@test"))
        assert a.final(timeout=10)["call-id"] == "last@test"
        assert time.monotonic() - started > 2  # 161 messages at 50 a second
        assert gw.alive()
