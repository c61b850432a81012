"""What `sipward explain` says is what the running gateway does: the same request, asked and sent. docs/rules.md, docs/hiding.md"""

import queue
import re
import threading

import pytest

from lab import sip
from lab.gateway import free_port
from test_explain import explain, written
from test_hide import keys

TRUST = "    asserted_identity: trust\n"
PAI = "P-Asserted-Identity: <sip:+4930@peer.test>, <tel:+4930>\r\n"


def incoming(doc, headers=""):
    """The request that explain takes to come, but for its branch."""
    s, tls = doc["source"], "s" if doc["uri"].lower().startswith("sips:") else ""
    rows = ["Max-Forwards: 70", f"From: <sip{tls}:explain@{s['remote']}>;tag=explain", f"To: <{doc['uri']}>",
            "Call-ID: explain", f"CSeq: 1 {doc['method']}", f"Contact: <sip{tls}:explain@{s['remote']}>"]
    rows = [r for r in rows if r.split(":")[0] + ":" not in headers]
    return (f"{doc['method']} {doc['uri']} SIP/2.0\r\n"
            f"Via: SIP/2.0/{s['transport'].upper()} {s['remote']};branch=z9hG4bKreally;rport\r\n" +
            "\r\n".join(rows) + f"\r\n{headers}Content-Length: 0\r\n\r\n")


def shape(text):
    """The rows of a request without what differs each time: branches, seals, the port that it came from."""
    text = re.sub(r"branch=[^;\s]+", "branch=*", text)
    text = re.sub(r";(received|rport)(=[^;\s]+)?", "", text)
    return re.sub(r";(sw=.|s[vcl]=)[^>;\s]+", r";\1*", text).split("\r\n")


class Ends:
    """Who may get it: the carrier over TLS, the PBX and a spare over UDP."""

    def __init__(self, scene, spare):
        self.scene = scene
        self.server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
        self.udp = {"pbx": sip.Udp(scene.pbx_port), "spare": sip.Udp(spare)}
        self.carrier = None
        self.accepted = queue.Queue()

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def accept(self):
        try:
            self.accepted.put(self.server.accept(timeout=60))
        except OSError:
            pass  # nobody connected

    def __exit__(self, *_):
        for end in (self.server, *self.udp.values()):
            end.close()

    def send(self, doc, text):
        if doc["source"]["peer"] == "carrier":
            asker = sip.tls(self.scene.outside, **self.scene.carrier_tls())
            asker.send(text)
            return asker
        self.udp[doc["source"]["peer"]].send(text, self.scene.inside)
        return self.udp[doc["source"]["peer"]]

    def get(self, peer, method):
        if peer == "carrier":
            self.carrier = self.carrier or self.accepted.get(timeout=20)
        end = self.carrier if peer == "carrier" else self.udp[peer]
        return end, end.recv(want=lambda m: m.method == method)


def as_explained(scene, uri, source, method="MESSAGE", headers="", answers=(200,), **config):
    """Asks, then sends: each target in its order, or the same answer. The document."""
    spare = free_port()
    pbx = config.pop("pbx", "") + f"  - {{name: spare, address: '127.0.0.1:{spare}', transport: udp, source: [192.0.2.7], ping: 0}}\n"
    args = [a for h in headers.split("\r\n") if h for a in ("--header", h)]
    config = dict(config, pbx=pbx)
    code, before = explain(written(scene, **config), uri, "--from", source, "--method", method, *args)
    with scene.gateway(**config) as gw, Ends(scene, spare) as ends:
        _, x = explain(gw.config, uri, "--from", source, "--method", method, *args)
        assert [t["peer"] for t in x["targets"]] == [t["peer"] for t in before["targets"]]
        asker = ends.send(x, incoming(x, headers))
        if not x["targets"]:
            m = asker.final()
            assert m.line == f"SIP/2.0 {x['answer']['status']} {x['answer']['reason']}"
            assert m.all("warning") == ([x["answer"]["warning"]] if "warning" in x["answer"] else [])
            if m.status >= 300 and "message_malformed" not in [e["event"] for e in gw.events()]:
                [said] = gw.events("request_refused") + gw.events("message_lost", what="request")
                assert said["why"] == x["answer"]["why"]
            assert code == (m.status >= 300)
            return x
        for t, status in zip(x["targets"], answers):
            end, m = ends.get(t["peer"], method)
            assert shape(m.raw.decode()) == shape(t["request"])
            assert m.line.split()[1] == t["request_uri"]
            end.send(sip.response(m, status))
        assert asker.final().status == answers[-1] and code == 0
        return x


def rule(keys_of_route):
    return f"  - {{from: carrier, {keys_of_route}, to: pbx}}\n  - {{from: carrier, reject: 604}}\n" \
           "  - {from: pbx, to: carrier}\n"


@pytest.mark.parametrize("keys_of_route, uri, headers", [
    ("user: '+49*'", "sip:+4930@example.test", ""),
    ("user: '+49*'", "sip:+4830@example.test", ""),
    ("user_regex: '^\\+49(30[0-9]+)$', set: {user: '0\\1', host: 'h.test:5070'}", "tel:+49-30-1;ext=2", ""),
    ("user_regex: '^\\+49(30[0-9]+)$', set: {user: '0\\1'}", "sip:+49-301;ext=2@example.test;user=phone", ""),
    ("user_regex: '^(1|11)+$'", "sip:1111111111111111111111111111111111111111111111x@example.test", ""),
    ("set: {strip: 3}", "sip:abc@example.test", ""),
    ("set: {strip: 3}", "sip:" + "1" * 400 + "@example.test", ""),
    ("domain: '*.test'", "sip:bob@elsewhere.test;transport=tcp", ""),
    ("domain: '*.test'", "sip:bob@elsewhere.tset", ""),
    ("method: MESSAGE", "sip:bob@example.test", ""),
    ("method: INVITE", "sip:bob@example.test", ""),
    ("header: 'X-Tenant: gold*'", "sip:bob@example.test", "X-Tenant: Golden\r\n"),
    ("header: 'X-Tenant: gold*'", "sip:bob@example.test", "X-Tenant: tin\r\n"),
    ("header: 'X-Tenant: gold*'", "sip:bob@example.test", ""),
    ("header: From, set: {remove: [Subject, X-A], add: ['X-A: 1', 'Subject: new']}", "sip:bob@example.test",
     "s: old\r\nx-a: 2\r\nX-B: 3\r\n"),
    ("source: 127.0.0.1", "sip:bob@example.test", ""),
    ("source: 192.0.2.0/24", "sip:bob@example.test", ""),
    ("user: '*'", "sip:bob@example.test", "Proxy-Require: sec-agree\r\n"),
    ("user: '*'", "sip:bob@example.test", "Max-Forwards: 0\r\n"),
    ("user: '*'", "sip:bob@example.test", "Max-Breadth: 3\r\nRoute: <sip:next.test;lr>, <sip:x.test>\r\n"),
    ("user: '*'", "sip:bob@example.test", "Route: <sip:next.test>\r\n"),
    ("user: '*'", "sip:bob@example.test", "Route: <sip:example.test;lr;sw=sABCDEFGHIJKLMNOPQRSTUVW>\r\n"),
])
def test_explain_is_true_of_rules(scene, keys_of_route, uri, headers):
    as_explained(scene, uri, "carrier", headers=headers, routes=rule(keys_of_route))


@pytest.mark.parametrize("uri", [
    "sip:bob@example.test?Subject=x", "<sip:bob@example.test>", "sip:%zz@example.test", "sip:bob@exa_mple.test", "sip:",
    "bob@example.test", "tel:abc", "tel:+49;phone-context=", "urn:service:sos", "sip:bob@example.test:70000", "sip:@example.test",
    "sip:bob:pass@example.test;x=%31", "SIP:bob@EXAMPLE.test;lr;maddr=192.0.2.1;ttl=1", "sip:bob@[::1]", "sip:b\u00f6b@example.test",
])
def test_explain_is_true_of_odd_uris(scene, uri):
    as_explained(scene, uri, "carrier")


@pytest.mark.parametrize("uri, carrier, routes, headers", [
    ("sips:bob@example.test", "", None, ""),                              # 480 and Warning 380
    ("sips:bob@example.test;transport=udp", "", None, ""),
    ("sips:bob@example.test", "    sips: deny\n", None, ""),
    ("sip:bob@example.test", "    sips: require\n", None, ""),            # 480 and Warning 381
    ("sip:bob@example.test", "", None, "Route: <sips:next.test;lr>\r\n"),
    ("sip:bob@example.test", "", "  - {from: carrier, to: carrier}\n", "Route: <sips:next.test;lr>\r\n"),
    ("sips:bob@example.test", "", "  - {from: carrier, to: carrier}\n", ""),
    ("sips:bob@example.test", "", "  - {from: carrier, to: [pbx, carrier]}\n", ""),
])
def test_explain_is_true_of_sips(scene, uri, carrier, routes, headers):
    as_explained(scene, uri, "carrier", headers=headers, carrier=carrier, routes=routes)


@pytest.mark.parametrize("carrier, pbx, headers", [
    ("", "", PAI), (TRUST, "", PAI), (TRUST, TRUST, PAI + "Privacy: id\r\n"), (TRUST, "", PAI + "Privacy: id\r\n"),
    (TRUST, "    asserted_identity: withhold\n", PAI), (TRUST, TRUST, PAI + "P-Preferred-Identity: <sip:x@y>\r\n"),
    (TRUST, "    remove: [X-Internal]\n", PAI + "X-Internal: 1\r\n"),
    (TRUST, TRUST, "P-Asserted-Identity: <sip:a@b>, <sip:c@d>, <http://x>, \"d, e\" <tel:+1>\r\n"),
])
def test_explain_is_true_of_identities(scene, carrier, pbx, headers):
    x = as_explained(scene, "sip:bob@example.test", "carrier", headers=headers, carrier=carrier, pbx=pbx)
    [t] = x["targets"]
    assert (t["p_asserted_identity"] == "passes") == ("P-Asserted-Identity:" in t["request"])
    assert t["remove"] == (["X-Internal"] if "remove" in pbx else [])


@pytest.mark.parametrize("method, headers", [
    ("INVITE", "Record-Route: <sip:10.9.8.7;lr>\r\nVia: SIP/2.0/UDP 10.9.8.7;branch=z9hG4bKinside\r\n"),
    ("REGISTER", "Path: <sip:10.9.8.7;lr>\r\n"),
    ("MESSAGE", "Contact: <sip:a@10.9.8.7:99999>\r\n"),  # it cannot be hidden
])
@pytest.mark.parametrize("target", ["pbx", "carrier"])
def test_explain_is_true_of_hiding(scene, method, headers, target):
    x = as_explained(scene, "sip:bob@example.test", {"pbx": "carrier", "carrier": "pbx"}[target], method, headers,
                     extra=keys(scene, "k"), **{target: "    hide_inside: true\n"})
    assert len(x["targets"]) == (method != "MESSAGE")
    if x["targets"]:
        assert "10.9.8.7" not in x["targets"][0]["request"] and x["targets"][0]["hide_inside"]


@pytest.mark.parametrize("routes, answers", [
    ("to: [pbx, spare]", (503, 200)),
    ("to: [pbx, spare], fork: serial", (486, 200)),
    ("to: [{peer: pbx, q: 0.1}, {peer: spare, q: 0.9}], fork: serial", (486, 200)),
    ("to: [{peer: pbx, order: 2}, {peer: spare, order: 1}]", (503, 200)),
    ("to: [pbx, spare], choose: hash", (503, 200)),
])
def test_explain_is_true_of_groups(scene, routes, answers):
    as_explained(scene, "sip:bob@example.test", "carrier", answers=answers, routes=f"  - {{from: carrier, {routes}}}\n")


def test_explain_is_true_of_what_is_too_large_for_a_datagram(scene):
    """RFC 3261 18.1.1: over TCP, to the same place; that is one target, and its connection is told."""
    port, header = free_port(), f"X-Long: {'x' * 1400}\r\n"
    big = f"  - {{name: big, address: '127.0.0.1:{port}', transport: [udp, tcp], source: [192.0.2.7], ping: 0}}\n"
    with scene.gateway(pbx=big, routes="  - {from: carrier, to: [big, pbx]}\n") as gw:
        server = sip.Server(port=port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        for more, transports in (("", ["udp", "udp"]), (header, ["tcp", "udp"])):
            _, x = explain(gw.config, "sip:bob@example.test", "--from", "carrier", "--method", "MESSAGE",
                           *(["--header", more[:-2]] if more else []))
            assert [(t["peer"], t["transport"]) for t in x["targets"]] == list(zip(("big", "pbx"), transports))
        c.send(incoming(x, header))
        s = server.accept()
        m = s.recv()
        assert shape(m.raw.decode()) == shape(x["targets"][0]["request"])
        assert x["targets"][0]["connection"] == "a new one is opened"
        s.send(sip.response(m, 200))
        assert c.final().status == 200
        _, x = explain(gw.config, "sip:bob@example.test", "--from", "carrier", "--method", "MESSAGE", "--header", header[:-2])
        assert "is used" in x["targets"][0]["connection"]


def test_explain_tells_one_place_in_the_clear_however_long_the_request_is(scene):
    clear = f"    security: best-effort\n    clear_address: 127.0.0.1:{free_port()}"
    _, x = explain(written(scene, carrier=clear), "sip:bob@example.test", "--from", "pbx", "--header",
                   f"X-Long: {'x' * 1400}")
    assert [(t["transport"], "request" in t) for t in x["targets"]] == [("tls", True), ("udp", True)]
