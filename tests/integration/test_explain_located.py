"""What `sipward explain` says of what the DNS tells is what the gateway does: peers, strangers, numbers, TLSA records,
senders who proved a domain, the clear, and peers that are down. RFC 3263, RFC 6116, RFC 7673"""

import pytest

import test_dane
from lab import sip
from lab.gateway import free_port
from test_explain import explain
from test_explain_true import incoming, shape
from test_locating import HOSTER, Lab, carrier_zone, elsewhere, pytestmark, serve  # noqa: F401

NUMBER = r'{}.2.1.0.3.9.4 NAPTR 1 1 "u" "E2U+sip" "!^\\+49(.*)$!{}!" .' "\n"
ROUTES = """  - {from: pbx, user: "+*", to: [enum], suffix: enum.test}
  - {from: pbx, user: "9*", set: {strip: 1, host: other.test}, to: dns}
  - {from: pbx, domain: example.test, to: carrier}
  - {from: pbx, to: dns}
"""


def zones(scene, carrier, other):
    return {"peer.test": carrier_zone(scene, carrier.port), "hoster.test": HOSTER,
            "other.test": f"_sips._tcp SRV 1 0 {other.port} one\none A 127.0.0.1", "test": "x A 127.0.0.1",
            "none.test": "_sips._tcp SRV 0 0 0 .",
            "enum.test": NUMBER.format(3, r"sip:\\1@other.test") + NUMBER.format(4, r"sips:\\1@other.test") +
            NUMBER.format(5, r"sip:\\1@peer.test") + NUMBER.format(6, "sip:a@gone.test") + NUMBER.format(7, "sip:a@127.0.0.9")}


def same(lab, doc, server, asker):
    """What is sent as explain took it to come leaves as it said, or is answered so."""
    asker.send(incoming(doc), *([lab.scene.inside] if asker is lab.pbx else []))
    if not doc["targets"]:
        m = asker.final(timeout=15)
        assert m.line == f"SIP/2.0 {doc['answer']['status']} {doc['answer']['reason']}"
        assert m.all("warning") == ([doc["answer"]["warning"]] if "warning" in doc["answer"] else [])
        return
    t = doc["targets"][0]
    s = server.accept()
    m = s.recv()
    assert shape(m.raw.decode()) == shape(t["request"])
    assert t["address"] == f"127.0.0.1:{server.port}" and t["transport"] == "tls"
    s.send(sip.response(m, 200))
    assert asker.final().status == 200
    opened = lab.gw.wait_event("connection_open", direction="out")[0]
    assert (opened["peer"], opened["server_name"]) == (t["peer"], t["server_name"])


@pytest.mark.parametrize("uri, who", [
    ("sip:bob@example.test", "carrier"),
    ("sip:bob@other.test", "other"),
    ("sip:bob@other.test;transport=tcp", "other"),
    ("sip:9bob@example.test", "other"),
    ("sip:bob@peer.test", "carrier"),  # a peer's domain is that peer
    ("tel:+49-30-123", "other"),
    ("tel:+49-30-124", "other"),       # ENUM says sips, and it came without TLS: RFC 5630 5.3
    ("sip:+4930125@example.test", "carrier"),
    ("sip:+4930126@example.test;user=phone", None),
    ("tel:+4930127", None),
    ("tel:+4930128", None),
    ("sip:bob@nowhere.test", None),
    ("sip:bob@none.test", None),
    ("sip:bob@none.test;transport=udp", None),
    ("sip:bob@127.0.0.1:7", None),
])
def test_explain_is_true_of_what_the_dns_says(scene, uri, who):
    carrier, other = serve(scene), elsewhere(scene)
    with Lab(scene, zones(scene, carrier, other), ROUTES) as lab:
        _, x = explain(lab.gw.config, uri, "--from", "pbx", "--method", "MESSAGE")
        assert bool(x["targets"]) == bool(who)
        same(lab, x, {"carrier": carrier, "other": other, None: None}[who], lab.pbx)


@pytest.mark.parametrize("sender", ["carrier", "verified"])
@pytest.mark.parametrize("uri, who", [
    ("sips:bob@other.test", "other"),
    ("sips:bob@none.test", None),                          # 480 and Warning 380
    ("sips:+4930123@example.test;user=phone", None),       # ENUM has sip only: likewise
    ("sips:+4930124@example.test;user=phone", "other"),
    ("tel:+4930124", "other"),
    ("sip:+4930124@example.test", "other"),
])
def test_explain_is_true_of_who_sends_over_tls(scene, sender, uri, who):
    carrier, other = serve(scene), elsewhere(scene)
    pem, key = scene.pki.domain("asks", "asks.test")
    routes = ROUTES.replace("from: pbx", "from: " + sender)
    with Lab(scene, zones(scene, carrier, other), routes) as lab:
        _, x = explain(lab.gw.config, uri, "--from", sender, "--method", "MESSAGE")
        assert bool(x["targets"]) == bool(who)
        cert = scene.carrier_tls() if sender == "carrier" else {"cert": pem, "key": key, "ca": scene.ca}
        same(lab, x, other, sip.tls(scene.outside, **cert))


def test_explain_is_true_of_tlsa_records(scene):
    pem, key = scene.pki.self_signed("itself", "DNS:elsewhere.invalid")
    server = sip.Server(cert=pem, key=key, ca=scene.ca)
    with test_dane.Lab(scene, [("one", server, test_dane.tlsa(test_dane.EE_KEY, pem))]) as lab:
        code, x = explain(lab.gw.config, "sip:bob@example.test", "--from", "pbx", "--method", "MESSAGE")
        assert code == 0 and x["targets"][0]["verify"] == "dane"
        same(lab, x, server, lab.pbx)


def test_explain_is_true_of_the_clear(scene):
    """TLS is refused at connect, and then clear_address gets what explain says."""
    clear = sip.Udp(free_port())
    carrier = f"    security: best-effort\n    clear_address: 127.0.0.1:{clear.port}\n"
    with scene.gateway(carrier=carrier) as gw:
        pbx = sip.Udp(scene.pbx_port)
        code, x = explain(gw.config, "sip:bob@example.test", "--from", "pbx", "--method", "MESSAGE")
        assert code == 0 and [t["transport"] for t in x["targets"]] == ["tls", "udp"]
        pbx.send(incoming(x), scene.inside)
        m = clear.recv()
        assert shape(m.raw.decode()) == shape(x["targets"][1]["request"])
        clear.send(sip.response(m, 200))
        assert pbx.final().status == 200


@pytest.mark.parametrize("why", ["503", "silent"])
def test_explain_is_true_of_peers_that_are_down(scene, why):
    """Retry-After, and requests in a row without answer: the gateway that runs is asked."""
    spare = sip.Udp(free_port())
    keys = "    timeout: 300ms\n    fail_after: 1\n    retry_after: 1h\n"
    more = f"  - {{name: spare, address: '127.0.0.1:{spare.port}', transport: udp, source: [192.0.2.7], ping: 0}}\n"
    with scene.gateway(pbx=keys + more, routes="  - {from: carrier, to: [pbx, spare]}\n") as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        ask = (gw.config, "sip:bob@example.test", "--from", "carrier", "--method", "MESSAGE")
        assert [t["peer"] for t in explain(*ask)[1]["targets"]] == ["pbx", "spare"]
        c.send(sip.request("MESSAGE"))
        m = pbx.recv()
        if why == "503":
            pbx.send(sip.response(m, 503, headers="Retry-After: 3600"))
        m = spare.recv()
        spare.send(sip.response(m, 200))
        assert c.final().status == 200
        gw.wait_event("peer_down", peer="pbx")
        _, x = explain(*ask)
        assert [(t["peer"], t["health"]) for t in x["targets"]] == [("spare", "up")]
        c.send(incoming(x))
        m = spare.recv()
        assert shape(m.raw.decode()) == shape(x["targets"][0]["request"])
        spare.send(sip.response(m, 200))
        assert c.final().status == 200


def test_explain_is_true_of_what_is_open(scene):
    """Of a peer with two domains, and of one who is no peer: only a connection that proved the name."""
    pem, key = scene.pki.leaf("both", san="URI:sip:peer.test,URI:sip:second.test")
    carrier, other = serve(scene, {"cert": pem, "key": key, "ca": scene.ca}), elsewhere(scene)
    zone = f"_sips._tcp SRV 1 0 {carrier.port} one.hoster.test."
    lab = Lab(scene, {"peer.test": zone, "second.test": zone, **{k: v for k, v in zones(
        scene, carrier, other).items() if k in ("hoster.test", "other.test")}}, "  - {from: pbx, to: dns}\n")
    with open(lab.gw.config, encoding="utf-8") as file:
        text = file.read().replace("domain: peer.test", "domain: [peer.test, second.test]")
    with open(lab.gw.config, "w", encoding="utf-8") as file:
        file.write(text)
    with lab:
        opened = {}
        for domain in ("peer.test", "second.test", "other.test", "second.test", "other.test", "peer.test"):
            _, x = explain(lab.gw.config, f"sip:bob@{domain}", "--from", "pbx", "--method", "MESSAGE")
            said = "this open one is used" if domain in opened else "a new one is opened"
            assert x["targets"][0]["connection"] == said, domain
            lab.send(uri=f"sip:bob@{domain}")
            if domain not in opened:
                opened[domain] = (other if domain == "other.test" else carrier).accept()
            s = opened[domain]
            s.send(sip.response(s.recv(), 200))
            assert lab.pbx.final().status == 200
        assert carrier.idle() and other.idle()
