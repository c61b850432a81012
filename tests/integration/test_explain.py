"""`sipward explain`: what it says is what the gateway does, and nothing is sent."""

import json
import os
import socket

import pytest

from lab import sip
from lab.gateway import free_port, run
from test_reload import ctl

TWO = "  - {from: carrier, to: pbx}\n  - {from: pbx, user: 'x*', reject: 603}\n  - {from: pbx, to: carrier}\n"


def written(scene, **more):
    path = os.path.join(scene.folder, "explain.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(scene.config(**more))
    return path


def explain(config, *args):
    """Exit code and document."""
    out = run("explain", "-c", config, "--json", *args)
    assert not out.stderr, out.stderr
    return out.returncode, json.loads(out.stdout)


def test_explain_names_all_that_a_connection_would_be_made_with(scene):
    code, x = explain(written(scene, routes=TWO), "sip:bob@example.test", "--from", "pbx")
    assert code == 0 and x["ok"] and not x["gateway_asked"]
    assert x["source"]["peer"] == "pbx" and x["source"]["why"] == "its source address"
    assert [(r["matches"], r.get("differs")) for r in x["routes"]] == [(False, "from"), (False, "user"), (True, None)]
    with open(written(scene, routes=TWO), encoding="utf-8") as f:
        lines = f.read().splitlines()
    assert "to: carrier" in lines[x["routes"][2]["line"] - 1]
    [t] = x["targets"]
    assert {k: t[k] for k in ("peer", "transport", "address", "listener", "identity", "certificate", "policy", "trust",
                              "expected", "verify", "server_name", "when", "request_uri")} == {
        "peer": "carrier", "transport": "tls", "address": f"127.0.0.1:{scene.carrier_port}", "listener": "outside",
        "identity": "main", "certificate": ["CN = gateway"], "policy": "standard", "trust": "partners",
        "expected": "peer.test", "verify": "domain", "server_name": "peer.test", "when": "first",
        "request_uri": "sip:bob@peer.test"}
    assert "Record-Route:" in t["request"] and t["request"].startswith("INVITE sip:bob@peer.test SIP/2.0\r\n")


def test_explain_sends_nothing(scene):
    """Neither the TLS target nor the UDP one sees a packet."""
    with socket.create_server(("127.0.0.1", scene.carrier_port)) as tcp:
        tcp.setblocking(False)
        udp = sip.Udp(scene.pbx_port)
        for source in ("carrier", "pbx"):
            code, x = explain(written(scene), "sip:bob@example.test", "--from", source)
            assert code == 0 and len(x["targets"]) == 1
        assert udp.silent()
        with pytest.raises(BlockingIOError):
            tcp.accept()


@pytest.mark.parametrize("uri, method", [
    ("sip:bob@example.test", "MESSAGE"),
    ("sip:bob@elsewhere.test;transport=tcp", "MESSAGE"),
    ("sip:xenia@example.test", "MESSAGE"),
    ("sips:bob@example.test", "MESSAGE"),
    ("http://example.test/", "MESSAGE"),
    ("sip:bob@127.1", "MESSAGE"),
    ("sip:example.test", "OPTIONS"),
    ("tel:+4930123", "MESSAGE"),
])
def test_explain_says_what_the_gateway_does(scene, uri, method):
    """The same request through the running gateway: the same answer, or the same Request-URI at the PBX."""
    routes = "  - {from: carrier, user: 'x*', reject: 603}\n  - {from: carrier, to: pbx}\n"
    with scene.gateway(routes=routes) as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        code, x = explain(gw.config, uri, "--from", "carrier", "--method", method)
        c.send(sip.request(method, uri=uri))
        if x["targets"]:
            m = pbx.recv(want=lambda m: m.method == method)
            assert m.raw.split(b" ")[1].decode() == x["targets"][0]["request_uri"]
            pbx.send(sip.response(m, 200))
            assert code == 0 and c.final().status == 200
        else:
            m = c.final()
            assert f"{m.status} {m.raw.split(b' ', 2)[2].split(chr(13).encode())[0].decode()}" == \
                f"{x['answer']['status']} {x['answer']['reason']}"
            assert code == (0 if m.status == 200 else 1)
            if m.status != 200:
                event = "message_malformed" if x["answer"]["why"].startswith("Bad") else "request_refused"
                assert gw.wait_event(event)[0]["why"] == x["answer"]["why"]


def test_explain_names_the_connection_that_is_reused(scene):
    with scene.gateway() as gw:
        carrier = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
        pbx = sip.Udp(scene.pbx_port)
        code, x = explain(gw.config, "sip:bob@example.test", "--from", "pbx")
        assert code == 0 and x["gateway_asked"] and x["targets"][0]["connection"] == "a new one is opened"
        pbx.send(sip.request("MESSAGE", transport="UDP"), port=scene.inside)
        peer = carrier.accept()
        peer.send(sip.response(peer.recv(want=lambda m: m.method == "MESSAGE"), 200))
        assert pbx.final().status == 200
        code, x = explain(gw.config, "sip:bob@example.test", "--from", "pbx")
        [row] = ctl(gw, "connections")[1]["connections"]
        assert code == 0 and row["direction"] == "out"
        assert x["targets"][0]["conn"] == row["conn"] and "is used" in x["targets"][0]["connection"]


def test_explain_knows_which_peers_are_down(scene):
    spare = free_port()
    extra = f"  - {{name: spare, address: '127.0.0.1:{spare}', transport: udp, source: [192.0.2.7], ping: 0}}\n"
    routes = "  - {from: carrier, to: [pbx, spare]}\n"
    config = scene.config(pbx=extra, routes=routes).replace("source: [127.0.0.0/8]\n    ping: 0",
                                                            "source: [127.0.0.0/8]\n    ping: 1s")
    scene.config = lambda **_: config
    assert [t["peer"] for t in explain(written(scene), "sip:bob@example.test")[1]["targets"]] == ["pbx", "spare"]
    with scene.gateway() as gw:  # nobody listens at the port of pbx: ICMP says so
        gw.wait_event("peer_down", peer="pbx")
        code, x = explain(gw.config, "sip:bob@example.test")
        assert code == 0 and [(t["peer"], t["health"]) for t in x["targets"]] == [("spare", "up")]


def test_explain_tells_what_is_tried_in_the_clear(scene):
    clear = f"    security: best-effort\n    clear_address: 127.0.0.1:{free_port()}"
    code, x = explain(written(scene, carrier=clear), "sip:bob@example.test", "--from", "pbx")
    assert code == 0 and [t["transport"] for t in x["targets"]] == ["tls", "udp"]
    assert "in the clear" in x["targets"][1]["when"] and x["targets"][1]["request_uri"]
    code, x = explain(written(scene, carrier=clear), "sips:bob@example.test", "--from", "127.0.0.1:9")
    assert code == 1 and x["answer"]["status"] == 400  # RFC 3261 26.2.2: it came without TLS


@pytest.mark.parametrize("source, peer, why", [
    ("carrier", "carrier", "its certificate, once it has proved what is expected"),
    ("127.0.0.9", "pbx", "its source address"),
    ("192.0.2.9:5060", "nobody", "no certificate was shown"),
    ("verified", "verified", "a certificate that proves a domain which is no peer's"),
    ("nobody", "nobody", "its address is no peer's source"),
])
def test_explain_says_who_the_sender_is(scene, source, peer, why):
    code, x = explain(written(scene), "sip:bob@example.test", "--from", source)
    assert (x["source"]["peer"], x["source"]["why"]) == (peer, why)
    assert code == (0 if peer in ("carrier", "pbx") else 1)
    if peer == "carrier":
        assert (x["source"]["trust"], x["source"]["expected"]) == ("partners", "peer.test")


def test_explain_tells_the_warning_of_a_480(scene):
    """RFC 5630 5.3"""
    code, x = explain(written(scene), "sips:bob@example.test", "--from", "carrier")
    assert code == 1 and x["answer"]["status"] == 480
    assert x["answer"]["warning"].startswith("380 ") and x["answer"]["warning"].endswith(' "SIPS Not Allowed"')
    assert '"SIPS Not Allowed"' in run("explain", "-c", written(scene), "sips:bob@example.test", "--from",
                                       "carrier").stdout


def test_explain_tells_what_a_peer_is_configured_with(scene):
    more = "    hide_inside: on\n    asserted_identity: trust\n    reverse: never\n    remove: [X-A, X-B]\n" \
           "    limits: {calls_per_second: 7, transactions: 9}"
    routes = "  - {from: pbx, to: [{peer: carrier, weight: 3, order: 2}], choose: weight}\n"
    config = written(scene, carrier=more, routes=routes)
    [t] = explain(config, "sip:bob@example.test", "--from", "pbx")[1]["targets"]
    assert {k: t[k] for k in ("weight", "order", "limits", "hide_inside", "asserted_identity", "reverse")} == {
        "weight": 3, "order": 2, "limits": {"calls_per_second": 7, "transactions": 9}, "hide_inside": True,
        "asserted_identity": "trust", "reverse": "never"}
    text = [" ".join(line.split()) for line in
            run("explain", "-c", config, "sip:bob@example.test", "--from", "pbx").stdout.splitlines()]
    for line in ("in the list order 2, weight 3", "limits calls_per_second 7, transactions 9", "hide_inside on",
                 "reverse never", "asserted_identity trust", "removes X-A, X-B",
                 "identity P-Asserted-Identity is removed: the sender is not trusted with it"):
        assert line in text
    [t] = explain(written(scene), "sip:bob@example.test", "--from", "pbx")[1]["targets"]
    assert (t["limits"], t["hide_inside"], t["reverse"], t["asserted_identity"], t["weight"]) == (
        {}, False, "flow", "distrust", 1)


def test_explain_asks_enum_and_then_shows_the_peers_behind_it(scene):
    """What is no number goes to them at once."""
    routes = "  - {from: pbx, to: [enum, carrier]}\n"
    code, x = explain(written(scene, routes=routes), "sip:bob@example.test", "--from", "pbx")
    assert code == 0 and [t["peer"] for t in x["targets"]] == ["carrier"] and not x["dns"]
    assert x["routes"][0]["to"] == ["enum", "carrier"]


def test_explain_for_people(scene):
    out = run("explain", "-c", written(scene), "sip:bob@example.test", "--from", "pbx")
    lines = [" ".join(line.split()) for line in out.stdout.splitlines()]
    assert out.returncode == 0 and not out.stderr
    for line in ("target 1: carrier", "shows main", "trust partners", "expected peer.test", "policy standard",
                 f"transport tls to 127.0.0.1:{scene.carrier_port}, from listener outside"):
        assert line in lines
    out = run("explain", "-c", written(scene), "sips:bob@example.test", "--from", "carrier")
    assert out.returncode == 1 and "the target has none" in out.stdout


@pytest.mark.parametrize("args, words", [
    ([], "the URI is missing"),
    (["sip:a@b", "sip:c@d"], "an argument is not known"),
    (["sip:a@b", "--from", "whoever"], "--from is"),
    (["sip:a@b\r\nX: y"], "neither spaces nor control"),
    (["sip:a@b", "--method", "ACK"], "ACK and CANCEL"),
    (["sip:a@b", "--method", "A B"], "no name of a method"),
    (["sip:" + "a" * 9000 + "@b"], "fit into 8 KiB"),
    (["--json", b"sip:\xff@b"], "the URI is no UTF-8"),
    (["--json", "sip:a@b", "--header", b"X: \xff\xfe"], "--header is no UTF-8"),
    (["sip:a@b", "--header"], "lacks its value"),
    (["sip:a@b", "--header", "X-A"], "--header is NAME: VALUE"),
    (["sip:a@b", "--header", "X A: b"], "--header is NAME: VALUE"),
    (["sip:a@b", "--header", "X: a\r\nVia: b"], "one header each"),
    (["sip:a@b", "--header", "i: b"], "cannot be Call-ID"),
    (["sip:a@b"] + ["--header", "X: 1"] * 33, "more than 32 times"),
    (["sip:a@b", "--header", "X: " + "a" * 9000], "fit into 8 KiB"),
])
def test_explain_refuses_what_it_cannot_ask(scene, args, words):
    out = run("explain", "-c", written(scene), *args)
    assert out.returncode == 2 and words in out.stderr and not out.stdout


def test_explain_tells_what_is_wrong_with_the_configuration(scene):
    path = written(scene, routes="  - {from: carrier, to: pbxx}\n")
    out = run("explain", "-c", path, "sip:bob@example.test")
    assert out.returncode == 2 and 'the nearest known is "pbx"' in out.stderr and not out.stdout
