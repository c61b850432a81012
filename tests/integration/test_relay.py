"""Messages through the real gateway: transports in every combination, framing, connections, failover."""

import json
import os
import ssl
import time

import pytest
from lab import sip
from lab.gateway import Gateway, free_port, run


def answer(endpoint, m, status=200, **more):
    endpoint.send(sip.response(m, status, **more))


@pytest.mark.parametrize("workers", [1, 2])
def test_call_from_tls_to_udp_and_back(scene, workers):
    with scene.gateway(workers=workers):
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE", body="v=0\r\n", contact="<sip:alice@192.0.2.99:9;transport=tls>"))
        invite = pbx.recv()
        assert invite.line == f"INVITE sip:bob@127.0.0.1:{scene.pbx_port} SIP/2.0"
        assert invite.body == b"v=0\r\n"
        assert c.recv().status == 100
        answer(pbx, invite, 180, reason="Ringing")
        assert c.recv().status == 180
        answer(pbx, invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{pbx.port}>")
        ok = c.recv()
        assert ok.status == 200 and len(ok.all("via")) == 1
        routes = sip.route_set(ok)
        assert routes.count("Route:") == 2  # RFC 5658: the sides differ
        c.send(sip.request("ACK", f"sip:bob@127.0.0.1:{pbx.port}", headers=routes, call_id=ok["call-id"],
                           to_tag=";tag=callee"))
        ack = pbx.recv()
        assert ack.method == "ACK" and not ack.all("route")
        # a request from inside reaches the outside over the connection of the call
        inside = "".join(f"Route: {r}\r\n" for r in invite.all("record-route"))
        pbx.send(sip.request("BYE", "sip:alice@192.0.2.99:9;transport=tls", "UDP",
                             f"127.0.0.1:{pbx.port}", headers=inside, call_id=ok["call-id"],
                             to_tag=";tag=t1"), scene.inside)
        bye = c.recv()
        assert bye.line == "BYE sip:alice@192.0.2.99:9;transport=tls SIP/2.0"
        answer(c, bye, 200)
        assert pbx.final().status == 200


def test_tls_to_tls(scene):
    """RFC 3261 26.3.1: the sips scheme; 26.3.2.2: mutual TLS between domains."""
    second, key = scene.pki.domain("second", "second.test")
    port = free_port()
    config = scene.config(routes="  - {from: carrier, to: second}\n").replace(
        "peers:\n", f"peers:\n  - {{name: second, domain: second.test, address: 127.0.0.1:{port}, "
        "transport: tls, trust: partners, ping: 0}\n", 1)
    server = sip.Server(second, key, ca=scene.ca, port=port)
    with Gateway(scene.folder, config):
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("MESSAGE", "sips:bob@example.test"))
        s = server.accept()
        m = s.recv()
        assert m.line == "MESSAGE sips:bob@second.test SIP/2.0"  # sips stays sips
        answer(s, m)
        assert c.final().status == 200


@pytest.mark.parametrize("inside", ["udp", "tcp"])
def test_plain_tcp_to_the_udp_listener(scene, inside):
    """RFC 3261 18.2.1: a udp listener also takes tcp on the same port."""
    server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
    config = scene.config().replace(
        "    transport: udp\n    source: [127.0.0.0/8]",
        f"    transport: [{'udp, tcp' if inside == 'udp' else 'tcp'}]\n    source: [127.0.0.0/8]", 1)
    with Gateway(scene.folder, config):
        pbx = sip.tcp(scene.inside)
        pbx.send(sip.request("INVITE", transport="TCP", sent_by="127.0.0.1:5099"))
        s = server.accept()
        m = s.recv()
        assert f"<sip:127.0.0.1:{scene.inside};transport=tcp;lr;" in m.all("record-route")[1]
        answer(s, m, 486, reason="Busy Here")
        assert s.recv().method == "ACK"
        assert pbx.final().status == 486


def test_large_request_goes_over_tcp_and_back_to_udp_if_that_fails(scene):
    """RFC 3261 18.1.1."""
    config = scene.config(pbx="").replace(
        f"    address: 127.0.0.1:{scene.pbx_port}\n    transport: udp\n",
        f"    address: 127.0.0.1:{scene.pbx_port}\n    transport: [udp, tcp]\n", 1)
    with Gateway(scene.folder, config):
        udp = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("MESSAGE", body="x" * 200))
        answer(udp, udp.recv())
        assert c.final().status == 200
        tcp = sip.Server(port=scene.pbx_port)
        c.send(sip.request("MESSAGE", body="y" * 2000))
        s = tcp.accept()
        m = s.recv()
        assert m.all("via")[0].startswith("SIP/2.0/TCP ") and len(m.body) == 2000
        answer(s, m)
        assert c.final().status == 200
        s.close()
        tcp.close()
        time.sleep(0.1)  # the gateway sees the connection close
        c.send(sip.request("MESSAGE", body="z" * 2000))
        m = udp.recv()
        assert m.all("via")[0].startswith("SIP/2.0/UDP ") and len(m.body) == 2000
        answer(udp, m)
        assert c.final().status == 200


def test_ipv6_on_both_sides(scene):
    pem, key = scene.pki.leaf("gateway6", san="URI:sip:example.test,IP:0:0:0:0:0:0:0:1")
    config = scene.config().replace(scene.gateway_pem, pem).replace(scene.gateway_key, key)
    config = config.replace(f"address: 127.0.0.1:{scene.outside}", f'address: "[::1]:{scene.outside}"')
    config = config.replace(f"address: 127.0.0.1:{scene.inside}", f'address: "[::1]:{scene.inside}"')
    config = config.replace(f"address: 127.0.0.1:{scene.pbx_port}", f'address: "[::1]:{scene.pbx_port}"')
    config = config.replace("source: [127.0.0.0/8]", 'source: ["::1"]')
    with Gateway(scene.folder, config):
        import socket
        pbx = sip.Udp(scene.pbx_port, "::1")
        raw = socket.create_connection(("::1", scene.outside), timeout=5)
        c = sip.Stream(sip.client_context(scene.ca, scene.peer_pem, scene.peer_key).wrap_socket(
            raw, server_hostname="example.test"))
        c.send(sip.request("INVITE", sent_by="[::1]:5099"))
        m = pbx.recv()
        assert m.all("via")[0].startswith(f"SIP/2.0/UDP [::1]:{scene.inside};branch=z9hG4bK")
        assert f"<sip:[::1]:{scene.inside};lr;" in m.all("record-route")[0]
        answer(pbx, m, 404, reason="Not Found")
        assert c.final().status == 404


def test_messages_in_pieces_and_several_in_one_record(scene):
    with scene.gateway():
        c = sip.tls(scene.outside, **scene.carrier_tls())
        text = sip.request("OPTIONS", "sip:example.test", body="body of it")
        for byte in text.encode():
            c.send(bytes([byte]))
        assert c.final().status == 200
        c.send("".join(sip.request("OPTIONS", "sip:example.test", cseq=i) for i in range(1, 21)))
        assert [c.final()["cseq"] for _ in range(20)] == [f"{i} OPTIONS" for i in range(1, 21)]
        half = sip.request("OPTIONS", "sip:example.test")
        c.send(sip.request("OPTIONS", "sip:example.test") + half[:50])
        assert c.final().status == 200
        c.send(half[50:])
        assert c.final().status == 200


def test_double_crlf_is_answered_with_crlf(scene):
    """RFC 5626 5.4."""
    with scene.gateway():
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(b"\r\n\r\n")
        assert c.recv_raw() == b"\r\n"
        c.send(b"\r\n")
        c.send(b"\r\n" + sip.request("OPTIONS", "sip:example.test").encode())
        c.data = c.recv_raw()
        assert c.data.startswith(b"\r\n")
        assert c.final().status == 200


def test_connection_is_closed_with_close_notify_and_answers_one(scene):
    with scene.gateway() as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("OPTIONS", "sip:example.test"))
        assert c.final().status == 200
        gw.process.terminate()
        c.sock.settimeout(5)
        assert c.sock.recv(10) == b""  # an SSLEOFError would mean that close_notify did not come
        closed = gw.wait_event("connection_closed")[0]
        assert closed["why"] == "we stop"


def test_refused_target_is_passed_over_at_once(scene):
    """ICMP says that nobody is there: RFC 3261 18.4."""
    other = free_port()
    config = scene.config(routes="  - {from: carrier, to: [pbx, spare]}\n").replace(
        "peers:\n", f"peers:\n  - {{name: spare, address: 127.0.0.1:{other}, transport: udp, ping: 0, "
        "source: [127.0.0.2]}\n", 1)
    with Gateway(scene.folder, config) as gw:
        spare = sip.Udp(other)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        started = time.monotonic()
        c.send(sip.request("INVITE"))
        m = spare.recv()
        assert time.monotonic() - started < 1
        answer(spare, m)
        assert c.final().status == 200
        assert gw.alive()


def test_tls_peer_that_is_down_is_passed_over_and_reported(scene):
    config = scene.config(routes="  - {from: pbx, to: [carrier, backup]}\n")
    backup, key = scene.pki.domain("backup", "backup.test")
    port = free_port()
    config = config.replace(
        "peers:\n", f"peers:\n  - {{name: backup, domain: backup.test, address: 127.0.0.1:{port}, "
        "transport: tls, trust: partners, ping: 0}\n", 1)
    server = sip.Server(backup, key, ca=scene.ca, port=port)
    with Gateway(scene.folder, config) as gw:
        pbx = sip.Udp()
        pbx.send(sip.request("INVITE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        s = server.accept()
        answer(s, s.recv())
        assert pbx.final().status == 200
        failed = gw.wait_event("connection_failed", peer="carrier")[0]
        assert failed["phase"] == "tcp" and failed["status"] == "peer_refused"
        assert gw.wait_event("target_unreachable", peer="carrier")[0]["then"] == "the next target is tried"


def test_tls13_server_that_refuses_us_after_the_handshake_counts_as_failed(scene):
    """a fatal alert before the first byte is a failed handshake, and the next target is tried."""
    rogue, rogue_key = scene.pki.domain("roguegw", "example.test", ca="rogue")
    port = free_port()
    backup, key = scene.pki.domain("backup", "backup.test")
    config = scene.config(routes="  - {from: pbx, to: [carrier, backup]}\n").replace(
        "identities:\n", f"identities:\n  - {{name: rogue, certificate: {rogue}, key: {rogue_key}}}\n", 1)
    config = config.replace("    domain: peer.test\n", "    domain: peer.test\n    identity: rogue\n", 1)
    config = config.replace(
        "peers:\n", f"peers:\n  - {{name: backup, domain: backup.test, address: 127.0.0.1:{port}, "
        "transport: tls, trust: partners, ping: 0}\n", 1)
    first = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
    second = sip.Server(backup, key, ca=scene.ca, port=port)
    with Gateway(scene.folder, config) as gw:
        pbx = sip.Udp()
        pbx.send(sip.request("INVITE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        with pytest.raises(ssl.SSLError):
            first.accept()
        s = second.accept()
        answer(s, s.recv())
        assert pbx.final().status == 200
        failed = gw.wait_event("connection_failed", peer="carrier")[0]
        assert failed["alert_from"] == "peer" and "unknown_ca" in failed["alert"]


def test_ping_takes_a_peer_down_and_up(scene):
    config = scene.config(pbx="    ping: 300ms").replace(
        "    source: [127.0.0.0/8]\n    ping: 0\n", "    source: [127.0.0.0/8]\n", 1)
    with Gateway(scene.folder, config) as gw:
        pbx = sip.Udp(scene.pbx_port)
        m = pbx.recv()
        assert m.method == "OPTIONS"
        assert m["from"].startswith("<sip:127.0.0.1>;tag=")  # RFC 3261 19.1.1 table 1: no port
        assert m["contact"] == f"<sip:127.0.0.1:{scene.inside}>"
        answer(pbx, m, 503, reason="Service Unavailable")
        assert gw.wait_event("peer_down")[0]["peer"] == "pbx"
        answer(pbx, pbx.recv(), 404, reason="Not Found")  # any other final answer: it is alive
        assert gw.wait_event("peer_up")[0]["peer"] == "pbx"


def test_best_effort_leaves_in_the_clear_only_after_tls_was_refused(scene):
    clear = free_port()
    config = scene.config(
        carrier=f"    security: best-effort\n    clear_address: 127.0.0.1:{clear}")
    with Gateway(scene.folder, config) as gw:
        plain = sip.Udp(clear)
        pbx = sip.Udp()
        pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        answer(plain, plain.recv())
        assert pbx.final().status == 200
        [told] = gw.wait_event("sent_in_the_clear")
        assert told["level"] == "warn" and told["peer"] == "carrier" and told["method"] == "MESSAGE"
        assert told["address"] == f"127.0.0.1:{clear}" and told["transport"] == "udp"
        # a peer that fails TLS in another way gets nothing in the clear
        other, key = scene.pki.domain("other", "other.test")
        server = sip.Server(other, key, ca=scene.ca, port=scene.carrier_port)
        pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        server.accept()
        assert pbx.final().status == 500
        assert plain.silent()
        assert gw.events("sent_in_the_clear") == [told]
        assert json.loads(run("ctl", "-s", os.path.join(scene.folder, "sipward.sock"), "status",
                              "--json").stdout)["counters"]["in_the_clear"] == 1


def test_peer_that_spoke_tls_gets_nothing_in_the_clear(scene):
    """RFC 9325 3.2: no attacker can bring a peer back to plain text."""
    clear = free_port()
    config = scene.config(
        carrier=f"    security: best-effort\n    clear_address: 127.0.0.1:{clear}")
    with Gateway(scene.folder, config) as gw:
        plain = sip.Udp(clear)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("OPTIONS", "sip:example.test"))
        assert c.final().status == 200
        c.close()
        gw.wait_event("connection_closed")
        pbx = sip.Udp()
        pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        assert pbx.final().status == 500
        assert plain.silent()


def test_only_the_peer_that_was_asked_over_tls_may_answer(scene):
    """RFC 5922 7.3: another peer that learned the branch is not believed."""
    server = sip.Server(scene.peer_pem, scene.peer_key, ca=scene.ca, port=scene.carrier_port)
    with scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        s = server.accept()
        m = s.recv()
        sip.Udp().send(sip.response(m, 200), scene.inside)
        refused = gw.wait_event("response_refused")[0]
        assert refused["wanted"] == "carrier" and refused["transport"] == "udp"
        s.send(sip.response(m, 202))
        assert pbx.final().status == 202


def test_parallel_fork_rings_both_and_cancels_the_loser(scene):
    """RFC 3261 16.6, 16.7 step 10."""
    second = free_port()
    config = scene.config(routes="  - {from: carrier, to: [pbx, second], fork: parallel}\n").replace(
        "peers:\n", f"peers:\n  - {{name: second, address: 127.0.0.1:{second}, transport: udp, source: [192.0.2.9], "
        "ping: 0}\n", 1)
    with Gateway(scene.folder, config):
        phones = [sip.Udp(scene.pbx_port), sip.Udp(second)]
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        invites = [p.recv() for p in phones]
        assert [m["max-breadth"] for m in invites] == ["30", "30"]
        for p, m in zip(phones, invites):
            answer(p, m, 180, reason="Ringing")
        answer(phones[1], invites[1], 200)
        assert c.final().status == 200
        cancel = phones[0].recv()
        assert cancel.method == "CANCEL"
        answer(phones[0], cancel, 200)
        answer(phones[0], invites[0], 487)
        assert phones[0].recv().method == "ACK"


def test_peers_of_a_route_are_tried_by_q(scene):
    routes = "  - {from: carrier, to: [pbx;q=0.25, spare], fork: serial}\n"
    spare_port = free_port()
    spare = f"  - {{name: spare, address: 127.0.0.1:{spare_port}, transport: udp, ping: 0}}"
    with scene.gateway(pbx=spare, routes=routes) as gw:
        pbx, second = sip.Udp(scene.pbx_port), sip.Udp(spare_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("MESSAGE"))
        second.send(sip.response(second.recv(), 404))
        pbx.send(sip.response(pbx.recv(), 200))
        assert c.final().status == 200
        assert gw.alive()
