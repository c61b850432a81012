"""sips with the real daemon: what an operator configures, sees in the log, and asks for of each call's hops."""

import json
import os
import subprocess

import pytest
from lab import sip
from lab.gateway import BINARY, Gateway, free_port, run


def check(scene, text, *args):
    path = scene.folder / "checked.yaml"
    path.write_text(text, encoding="utf-8")
    return run("check", "-c", str(path), *args)


def ctl(gw, *words):
    out = subprocess.run([BINARY, "ctl", "-s", os.path.join(gw.folder, "sipward.sock"), *words],
                         capture_output=True, text=True, timeout=30, check=True)
    return out.stdout


def calls(gw):
    return json.loads(ctl(gw, "calls", "--json"))["calls"]


def second(scene, more="", **config):
    """The configuration with a second TLS peer behind the gateway, and a server that is it."""
    pem, key = scene.pki.domain("second", "second.test")
    port = free_port()
    text = scene.config(routes="  - {from: carrier, to: second}\n  - {from: pbx, to: second}\n", **config).replace(
        "peers:\n", f"peers:\n  - {{name: second, domain: second.test, address: 127.0.0.1:{port}, "
        f"transport: tls, trust: partners, ping: 0{more}}}\n", 1)
    return text, sip.Server(pem, key, ca=scene.ca, port=port)


def invite(c, contact="<sips:alice@127.0.0.1:5099>", **more):
    c.send(sip.request("INVITE", "sips:bob@example.test", contact=contact, **more))


def test_hops_of_a_sips_call_are_in_the_log_and_in_ctl(scene):
    """RFC 3261 26.2.2, 26.4.4; RFC 5630 3.2: as far as they can be seen."""
    config, server = second(scene, outside="    policy: modern")
    with Gateway(scene.folder, config) as gw:
        assert calls(gw) == []
        c = sip.tls(scene.outside, **scene.carrier_tls())
        invite(c)
        s = server.accept()
        m = s.recv()
        s.send(sip.response(m, 200, headers="Contact: <sips:bob@127.0.0.1:9>\r\n"))
        ok = c.final()
        assert ok.status == 200 and all(v.startswith("<sips:") for v in ok.all("record-route"))
        [told] = gw.wait_event("call_hops")
        [row] = calls(gw)
        for x in (told, row):
            assert x["call_id"] == ok["call-id"] and x["uri"] == "sips" and x["secure"] == "yes", x
            assert x["in_peer"] == "carrier" and x["out_peer"] == "second"
            assert x["in_identity"] == "peer.test" and x["out_identity"] == "second.test"
            assert x["in_transport"] == x["out_transport"] == "tls"
            assert x["in_version"] == x["out_version"] == "TLSv1.3"
            assert x["in_suite"].startswith("TLS_AES_") and x["out_suite"].startswith("TLS_AES_")
            assert x["in_listener"] == x["out_listener"] == "outside"
            assert x["before"] == "-" and x["behind"] == "-"
        assert row["seconds"] >= 0
        opened = {e["peer"]: e["suite"] for e in gw.events("connection_open")}
        assert (told["in_suite"], told["out_suite"]) == (opened["carrier"], opened["second"])
        assert "call_id" in ctl(gw, "calls") and "TLSv1.3" in ctl(gw, "calls")
        routes = sip.route_set(ok)
        c.send(sip.request("BYE", "sips:bob@127.0.0.1:9", headers=routes, to_tag=";tag=callee", cseq=2,
                           call_id=ok["call-id"]))
        bye = s.recv(want=lambda m: m.method == "BYE")
        s.send(sip.response(bye, 200))
        assert c.final().status == 200
        assert calls(gw) == []


def test_hops_of_a_call_that_ends_in_the_clear_say_so(scene):
    with scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        m = pbx.recv(want=lambda m: m.method == "INVITE")
        pbx.send(sip.response(m, 200, headers="Contact: <sip:pbx@127.0.0.1>\r\n"))
        assert c.final().status == 200
        [told] = gw.wait_event("call_hops")
        assert told["secure"] == "no" and told["why"] == "the answering side is not TLS"
        assert told["out_identity"] == "none" and told["out_version"] == told["out_suite"] == "-"


def test_calls_are_kept_up_to_their_limit(scene):
    with scene.gateway(extra="limits: {calls: 2}") as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        ids = []
        for _ in range(3):
            c.send(sip.request("INVITE"))
            m = pbx.recv(want=lambda m: m.method == "INVITE" and m["call-id"] not in ids)
            ids.append(m["call-id"])
            pbx.send(sip.response(m, 200, headers="Contact: <sip:pbx@127.0.0.1>\r\n"))
            assert c.recv(want=lambda m: m.status == 200 and m["call-id"] == ids[-1])
        assert sorted(row["call_id"] for row in calls(gw)) == sorted(ids[1:])


@pytest.mark.parametrize("contact, tolerate, status", [
    ("<sip:alice@127.0.0.1:5099>", False, 400), ("<sip:alice@127.0.0.1:5099>", True, 486),
    ("<sips:alice@127.0.0.1:5099>", False, 486)])
def test_sips_invite_with_a_sip_contact(scene, contact, tolerate, status):
    """RFC 5630 5.3: "inconsistently ... 400 (Bad Request)"."""
    config, server = second(scene, carrier="    sips_contact: tolerate" if tolerate else "")
    with Gateway(scene.folder, config) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        invite(c, contact=contact)
        if status == 486:
            s = server.accept()
            s.send(sip.response(s.recv(), 486, reason="Busy Here"))
        assert c.final().status == status
        if status == 400:
            [told] = gw.wait_event("request_refused")
            assert told["why"] == "the Request-URI is sips, and a Contact is not"
            assert "sips_contact: tolerate" in told["help"]


@pytest.mark.parametrize("verify", ["domain", "chain"])
def test_sips_leaves_to_a_proved_name_only(scene, verify):
    """RFC 3261 26.2.2, 26.3.2.2; RFC 5630 5.3: 480 with Warning 380."""
    config, server = second(scene, more=f", verify: {verify}")
    with Gateway(scene.folder, config) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        invite(c)
        if verify == "domain":
            s = server.accept()
            s.send(sip.response(s.recv(), 486, reason="Busy Here"))
            assert c.final().status == 486
        else:
            refused = c.final()
            assert refused.status == 480 and refused["warning"] == '380 127.0.0.1 "SIPS Not Allowed"'
            assert gw.wait_event("request_refused")[0]["target"] == "second"
            assert server.idle()


@pytest.mark.parametrize("more, warning", [
    (", sips_contact: tolerate", 'sips_contact: tolerate: in sips calls of peer "second"'),
    (", sips: require, verify: chain", 'sips: require with verify: chain: nothing reaches peer "second"'),
    (", clear_address: 127.0.0.1:9", "clear_address is not used: nothing leaves without TLS for a peer"),
    (", sips: require", None)])
def test_check_warns_of_what_weakens_sips_or_makes_no_sense(scene, more, warning):
    config, server = second(scene, more=more)
    server.close()
    out = check(scene, config)
    assert out.returncode == 0, out.stderr
    assert (warning in out.stderr) if warning else "sips: require" not in out.stderr


def test_check_warns_of_sips_require_without_tls(scene):
    out = check(scene, scene.config(pbx="    sips: require"))
    assert out.returncode == 0
    assert 'sips: require on peer "pbx", which has no TLS: no request from or to it is accepted' in out.stderr


def test_sips_contact_has_two_words(scene):
    out = check(scene, scene.config(carrier="    sips_contact: maybe"))
    assert out.returncode == 2 and 'sips_contact: "maybe" is not known (refuse|tolerate)' in out.stderr


def in_dialog(scene, method, uri, routes, ok, cseq):
    return sip.request(method, uri, transport="UDP", sent_by=f"127.0.0.1:{scene.pbx_port}", headers=routes,
                       to_tag=";tag=callee", call_id=ok["call-id"], cseq=cseq)


def test_sips_route_of_a_caller_over_udp_leads_back_to_it(scene):
    """RFC 3261 16.7 step 8: over a non-TLS connection "a SIP URI"; RFC 5658 6.2: what it shows leads there."""
    config, server = second(scene)
    with Gateway(scene.folder, config):
        pbx = sip.Udp(scene.pbx_port)
        pbx.send(sip.request("INVITE", transport="UDP", sent_by=f"127.0.0.1:{scene.pbx_port}",
                             headers="Route: <sips:second.test;lr>\r\n"), port=scene.inside)
        s = server.accept()
        m = s.recv()
        outside, inside = m.all("record-route")
        assert outside.startswith(f"<sips:127.0.0.1:{scene.outside};lr;"), outside
        assert inside.startswith(f"<sip:127.0.0.1:{scene.inside};lr;"), inside
        s.send(sip.response(m, 200, headers="Contact: <sip:bob@127.0.0.1:9>\r\n"))
        ok = pbx.final()
        pbx.send(in_dialog(scene, "ACK", "sip:bob@127.0.0.1:9", sip.route_set(ok), ok, 1), port=scene.inside)
        assert s.recv().method == "ACK"
        pbx.send(in_dialog(scene, "BYE", "sip:bob@127.0.0.1:9", sip.route_set(ok), ok, 2), port=scene.inside)
        s.send(sip.response(s.recv(want=lambda m: m.method == "BYE"), 200))
        assert pbx.recv(want=lambda m: m.status and m["cseq"] == "2 BYE").status == 200


def test_ack_that_sips_keeps_back_is_told_in_the_log(scene):
    """RFC 5630 4.1: the Contact "would then force the other UA" to sips; an ACK is never answered."""
    config, server = second(scene)
    with Gateway(scene.folder, config) as gw:
        pbx = sip.Udp(scene.pbx_port)
        pbx.send(sip.request("INVITE", transport="UDP", sent_by=f"127.0.0.1:{scene.pbx_port}"), port=scene.inside)
        s = server.accept()
        s.send(sip.response(s.recv(), 200, headers="Contact: <sips:bob@127.0.0.1:9>\r\n"))
        ok = pbx.final()
        pbx.send(in_dialog(scene, "ACK", "sips:bob@127.0.0.1:9", sip.route_set(ok), ok, 1), port=scene.inside)
        [told] = gw.wait_event("request_refused")
        assert told["status"] == 0 and told["method"] == "ACK" and told["call_id"] == ok["call-id"]
        assert told["why"] == "a sips request came in over a transport without TLS"
        pbx.send(in_dialog(scene, "BYE", "sips:bob@127.0.0.1:9", sip.route_set(ok), ok, 2), port=scene.inside)
        assert pbx.recv(want=lambda m: m.status and m["cseq"] == "2 BYE").status == 400
        assert s.silent()


def test_hops_of_a_caller_whose_name_was_not_asked_for_are_not_secure(scene):
    """RFC 3261 26.3.2.2: who answers a connection that we open proves by verify: chain no name for its calls, either."""
    config, server = second(scene, more=", verify: chain")
    server.close()
    server = sip.Server(*scene.pki.domain("third", "third.test"), ca=scene.ca, port=server.port)
    routes = "  - {from: second, to: carrier}\n"
    with Gateway(scene.folder, config.replace("routes:\n", "routes:\n" + routes)) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("MESSAGE"))
        s = server.accept()
        s.send(sip.response(s.recv(), 200))
        assert c.final().status == 200
        carrier = sip.Server(scene.peer_pem, scene.peer_key, ca=scene.ca, port=scene.carrier_port)
        s.send(sip.request("INVITE", sent_by=f"127.0.0.1:{server.port}"))
        callee = carrier.accept()
        callee.send(sip.response(callee.recv(), 200, headers="Contact: <sip:a@127.0.0.1:9>\r\n"))
        assert s.final().status == 200
        [told] = gw.wait_event("call_hops")
        assert told["in_identity"] == "none" and told["out_identity"] == "peer.test"
        assert (told["secure"], told["why"]) == (
            "no", "the caller's side proved no name, which its peer here is not asked for")
