"""Next hops that are found by DNS: a real gateway, a real name server (nsd), real TLS. RFC 3263, RFC 6116."""

import json
import os
import shutil
import socket
import time

import pytest

from lab import sip
from lab.dns import Dns
from lab.gateway import Gateway, run

pytestmark = pytest.mark.skipif(not shutil.which("nsd", path=os.environ["PATH"] + ":/usr/sbin") or
                                not shutil.which("ldns-signzone"), reason="nsd and ldns are not here")

CLOSED = 1  # a port where nobody listens


class Lab:
    """A gateway whose carrier, peer.test, has no address, and a name server that knows it."""

    def __init__(self, scene, zones, routes=None, dnssec="off", signed=(), workers=1, extra=""):
        self.scene = scene
        self.dns = Dns(scene.folder, zones=zones, signed=signed)
        text = scene.config(workers, routes=routes, extra=f"dns: {{servers: [127.0.0.1:{self.dns.port}], "
                            f"dnssec: {dnssec}, anchor: {self.dns.anchor}, timeout: 2s}}\n{extra}")
        text = text.replace(f"    address: 127.0.0.1:{scene.carrier_port}\n", "")
        self.gw = Gateway(scene.folder, text)
        self.pbx = None

    def __enter__(self):
        self.dns.start()
        self.gw.__enter__()
        self.pbx = sip.Udp(self.scene.pbx_port)
        return self

    def __exit__(self, *what):
        self.pbx.close()
        try:
            self.gw.__exit__(*what)
        finally:
            self.dns.stop()

    def send(self, method="MESSAGE", uri="sip:bob@example.test", **more):
        self.pbx.send(sip.request(method, uri, "UDP", f"127.0.0.1:{self.pbx.port}", from_uri="sip:a@example.test",
                                  **more), self.scene.inside)


def carrier_zone(scene, first, second=None):
    """Its preferred service is not TLS: sips and TLS-only peers leave it out."""
    return f"""@ NAPTR 10 10 "s" "SIP+D2U" "" _sip._udp
@ NAPTR 20 10 "s" "SIPS+D2T" "" _sips._tcp
_sip._udp SRV 0 0 {scene.pbx_port} one
_sips._tcp SRV 1 0 {first} one.hoster.test.
""" + (f"_sips._tcp SRV 2 0 {second} two.hoster.test.\n" if second else "") + "one A 127.0.0.1"


HOSTER = "one A 127.0.0.1\ntwo A 127.0.0.1"


def serve(scene, cert=None):
    return sip.Server(**(cert or scene.carrier_tls()))


def elsewhere(scene):
    """A server of other.test, which is no peer."""
    pem, key = scene.pki.domain("other", "other.test")
    return serve(scene, {"cert": pem, "key": key, "ca": scene.ca})


@pytest.mark.parametrize("workers", [1, 2])
def test_peer_is_found_by_naptr_srv_and_address(scene, workers):
    """RFC 3263 4.1, 4.2; the SRV target is not the name that counts: RFC 5922 4."""
    carrier = serve(scene)
    zones = {"peer.test": carrier_zone(scene, carrier.port), "hoster.test": HOSTER}
    with Lab(scene, zones, workers=workers) as lab:
        s = None
        for _ in range(8):
            lab.send()
            s = s or carrier.accept()
            m = s.recv()
            assert m.line == "MESSAGE sip:bob@peer.test SIP/2.0"
            s.send(sip.response(m, 200))
            assert lab.pbx.final().status == 200
        opened = lab.gw.wait_event("connection_open")[0]
        assert (opened["peer"], opened["server_name"], opened["remote"]) == (
            "carrier", "peer.test", f"127.0.0.1:{carrier.port}")


def test_next_server_is_tried_and_the_dead_one_avoided(scene):
    """RFC 3263 4.3: the next element in the list."""
    carrier = serve(scene)
    zone = carrier_zone(scene, CLOSED, carrier.port)
    with Lab(scene, {"peer.test": zone, "hoster.test": HOSTER}) as lab:
        s = None
        for _ in range(2):
            lab.send()
            s = s or carrier.accept()
            s.send(sip.response(s.recv(), 200))
            assert lab.pbx.final().status == 200
        dead = lab.gw.events("target_unreachable")
        assert [d["address"] for d in dead] == [f"127.0.0.1:{CLOSED}"]  # once: then it is avoided
        assert dead[0]["then"] == "the next target is tried"


@pytest.mark.parametrize("names,ok", [("URI:sip:peer.test", False), ("URI:sip:second.test", True)])
def test_the_name_looked_up_is_asked_for_and_expected(scene, names, ok):
    """RFC 5922 4, 7.3, 7.8: of a peer with two domains, the one that was located."""
    pem, key = scene.pki.leaf("two" + str(ok), san=names)
    carrier, seen = serve(scene, {"cert": pem, "key": key, "ca": scene.ca}), []
    carrier.context.sni_callback = lambda sock, name, ctx: seen.append(name)
    zone = f"_sips._tcp SRV 1 0 {carrier.port} one.hoster.test."
    zones = {"peer.test": zone, "second.test": zone, "hoster.test": HOSTER}
    lab = Lab(scene, zones, routes="  - {from: pbx, to: dns}\n")
    with open(lab.gw.config, encoding="utf-8") as file:
        text = file.read().replace("domain: peer.test", "domain: [peer.test, second.test]")
    with open(lab.gw.config, "w", encoding="utf-8") as file:
        file.write(text)
    with lab:
        lab.send(uri="sip:bob@second.test")
        s = carrier.accept()
        if ok:
            m = s.recv()
            assert m.line == "MESSAGE sip:bob@second.test SIP/2.0"
            s.send(sip.response(m, 200))
            opened = lab.gw.wait_event("connection_open")[0]
            assert (opened["peer"], opened["server_name"]) == ("carrier", "second.test")
        else:
            failed = lab.gw.wait_event("connection_failed", phase="identity")[0]
            assert (failed["wanted"], failed["status"]) == ("second.test", "denied_identity")
            assert s.wait_closed() and s.data == b""
        assert lab.pbx.final().status == (200 if ok else 500)
        assert seen == ["second.test"]


def test_a_call_to_a_stranger_is_recorded_with_its_domain(scene):
    """RFC 5922 7.3, docs/sips.md: the domain that was located and proved, not the name of a class."""
    pem, key = scene.pki.leaf("far", san="DNS:sip.other.test,DNS:other.test")
    far = serve(scene, {"cert": pem, "key": key, "ca": scene.ca})
    zones = {"other.test": f"_sips._tcp SRV 1 0 {far.port} one.hoster.test.", "hoster.test": HOSTER}
    with Lab(scene, zones, routes="  - {from: pbx, to: dns}\n") as lab:
        lab.send("INVITE", uri="sip:bob@other.test")
        s = far.accept()
        s.send(sip.response(s.recv(), 200, headers="Contact: <sip:bob@other.test;transport=tls>\r\n"))
        assert lab.pbx.final().status == 200
        said = lab.gw.wait_event("call_hops")[0]
        assert (said["out_peer"], said["out_identity"]) == ("verified", "other.test")


def test_server_that_stalls_in_tls_is_avoided(scene):
    """RFC 3263 4.3: it takes the TCP connection, and says nothing. One request waits for it, not each."""
    carrier = serve(scene)
    with socket.create_server(("127.0.0.1", 0)) as stalls:
        zone = carrier_zone(scene, stalls.getsockname()[1], carrier.port)
        with Lab(scene, {"peer.test": zone, "hoster.test": HOSTER}) as lab:
            s, took = None, []
            for _ in range(2):
                began = time.monotonic()
                lab.send()
                s = s or carrier.accept(timeout=10)
                s.send(sip.response(s.recv(), 200))
                assert lab.pbx.final().status == 200
                took.append(time.monotonic() - began)
            assert took[0] >= 4 > 2 > took[1]  # the default `timeout`


def test_server_with_another_name_is_passed_over(scene):
    """RFC 5922 7.3: the domain that was looked up must be proved."""
    pem, key = scene.pki.domain("intruder", "intruder.test")
    intruder, carrier = serve(scene, {"cert": pem, "key": key, "ca": scene.ca}), serve(scene)
    zone = carrier_zone(scene, intruder.port, carrier.port)
    with Lab(scene, {"peer.test": zone, "hoster.test": HOSTER}) as lab:
        lab.send()
        intruder.accept()
        s = carrier.accept()
        s.send(sip.response(s.recv(), 200))
        assert lab.pbx.final().status == 200
        assert "another name" in lab.gw.wait_event("connection_failed")[0]["why"]


def test_forged_answer_is_refused(scene):
    """RFC 4035 5.5: a forged SRV record leads nowhere, and the answer says so."""
    carrier = serve(scene)
    with Lab(scene, {"peer.test": carrier_zone(scene, 7, carrier.port), "hoster.test": HOSTER},
             signed=["peer.test", "hoster.test"], dnssec="opportunistic") as lab:
        lab.dns.forge("peer.test", "_sips._tcp.peer.test", "SRV", " 7 ", f" {carrier.port} ")
        lab.send("INVITE")
        answer = lab.pbx.final()
        assert answer.line == "SIP/2.0 500 DNS Answer Forged"
        failed = lab.gw.wait_event("location_failed")[0]
        assert failed["why"].startswith("peer.test: DNSSEC says that an answer was forged: NAPTR peer.test: 2 records")
        assert "SRV _sips._tcp.peer.test: forged: DNSSEC does not hold" in failed["why"]
        assert carrier.idle()


def test_unsigned_peer_is_refused_if_dnssec_is_required(scene):
    carrier = serve(scene)
    zones = {"test": "x A 127.0.0.1", "peer.test": carrier_zone(scene, carrier.port)}
    with Lab(scene, zones, signed=["test"], dnssec="require") as lab:
        lab.send()
        assert lab.pbx.final().line == "SIP/2.0 500 DNS Answer Not Signed"
        why = lab.gw.wait_event("location_failed")[0]["why"]
        assert "an answer is not signed, and only signed ones are used" in why and "forged" not in why
        assert carrier.idle()


def test_silent_name_server_is_told(scene):
    with Lab(scene, {"peer.test": carrier_zone(scene, 7)}) as lab:
        lab.dns.silence()
        lab.send("INVITE")
        assert lab.pbx.final(15).line == "SIP/2.0 500 DNS Does Not Answer"
        lab.dns.speak()


@pytest.mark.parametrize("transports,records", [
    ("udp", '_sip._udp SRV 1 0 {dead} a\n_sip._udp SRV 2 0 {port} a\na A 127.0.0.1'),
    ("[udp, tcp]", '@ NAPTR 1 1 "s" "SIP+D2T" "" _sip._tcp\n_sip._tcp SRV 1 0 {port} a\na A 127.0.0.1'),
])
def test_peer_without_tls_is_found(scene, transports, records):
    """RFC 3263 4.1: the transports that the peer may have; a dead port is told by ICMP or a refused connection."""
    tcp = sip.Server()
    port = scene.pbx_port if transports == "udp" else tcp.port
    dns = Dns(scene.folder, zones={"pbx.test": records.format(dead=CLOSED, port=port)})
    text = scene.config(extra=f"dns: {{servers: [127.0.0.1:{dns.port}], dnssec: off}}\n").replace(
        f"    address: 127.0.0.1:{scene.pbx_port}\n    transport: udp",
        f"    domain: pbx.test\n    transport: {transports}")
    udp = sip.Udp(scene.pbx_port)
    with dns, Gateway(scene.folder, text):
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        pbx = udp if transports == "udp" else tcp.accept()
        invite = pbx.recv()
        assert invite.line == "INVITE sip:bob@pbx.test SIP/2.0"
        pbx.send(sip.response(invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{port}>"))
        ok = c.final()
        routes = sip.route_set(ok)
        for cseq, method in ((1, "ACK"), (2, "BYE")):
            c.send(sip.request(method, f"sip:bob@127.0.0.1:{port}", headers=routes, call_id=ok["call-id"], cseq=cseq,
                               to_tag=";tag=callee"))
            m = pbx.recv(want=lambda m, method=method: m.method == method)
        pbx.send(sip.response(m, 200))
        assert c.final().status == 200
    udp.close()


TO_DNS = "  - {from: pbx, to: dns}\n  - {from: verified, to: pbx}\n"


def in_dialog(m, method, uri, target_port, **more):
    """A request of the PBX inside the dialog of a response that it got."""
    routes = sip.route_set(m)
    return sip.request(method, uri, "UDP", f"127.0.0.1:{target_port}", headers=routes, call_id=m["call-id"],
                       to_tag=";tag=callee", **more)


def test_stranger_is_called_by_dns_and_proves_its_domain(scene):
    """RFC 3261 16.6 step 7: the Request-URI's domain; inside the dialog its Contact, a name, once the connection is
    gone; RFC 5923 8.2: never a connection of another domain."""
    other = elsewhere(scene)
    zone = f"_sips._tcp SRV 1 0 {other.port} one.hoster.test."
    with Lab(scene, {"other.test": zone, "third.test": zone, "hoster.test": HOSTER}, TO_DNS) as lab:
        lab.send("INVITE", "sip:bob@other.test")
        s = other.accept()
        invite = s.recv()
        assert invite.line == "INVITE sip:bob@other.test SIP/2.0"
        s.send(sip.response(invite, 200, headers="Contact: <sip:bob@other.test>"))
        ok = lab.pbx.final()
        assert ok.status == 200
        lab.pbx.send(in_dialog(ok, "ACK", "sip:bob@other.test", lab.pbx.port), lab.scene.inside)
        assert s.recv().method == "ACK"
        opened = lab.gw.wait_event("connection_open")[0]
        assert (opened["peer"], opened["identity"], opened["server_name"]) == ("verified", "other.test", "other.test")
        lab.send("MESSAGE", "sip:bob@OTHER.test.")  # the same domain: the same connection
        m = s.recv()
        assert m.line == "MESSAGE sip:bob@OTHER.test. SIP/2.0"
        s.send(sip.response(m, 200))
        assert lab.pbx.final().status == 200
        s.close()
        lab.gw.wait_event("connection_closed")
        lab.pbx.send(in_dialog(ok, "BYE", "sip:bob@other.test", lab.pbx.port, cseq=2), lab.scene.inside)
        s = other.accept()
        bye = s.recv()
        assert bye.line == "BYE sip:bob@other.test SIP/2.0"
        s.send(sip.response(bye, 200))
        assert lab.pbx.final().status == 200
        # third.test leads to the same machine, which cannot prove it
        lab.send("MESSAGE", "sip:bob@third.test")
        other.accept()
        assert lab.pbx.final().line == "SIP/2.0 500 Next Hop Did Not Prove Its Identity"
        failed = lab.gw.wait_event("connection_failed")[0]
        assert failed["wanted"] == "third.test" and "other.test" in failed["presented"]


def test_stranger_calls_in_and_is_answered(scene):
    """from: verified: open federation, with requests inside the dialog in both directions."""
    pem, key = scene.pki.domain("other", "other.test")
    zone = {"other.test": "@ A 127.0.0.1"}
    with Lab(scene, zone, TO_DNS) as lab:
        s = sip.tls(scene.outside, cert=pem, key=key, ca=scene.ca)
        s.send(sip.request("INVITE", contact="<sip:alice@other.test;transport=tls>", from_uri="sip:alice@other.test"))
        invite = lab.pbx.recv()
        lab.pbx.send(sip.response(invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{lab.pbx.port}>"))
        ok = s.final()
        assert ok.status == 200
        routes = sip.route_set(ok)
        s.send(sip.request("ACK", f"sip:bob@127.0.0.1:{lab.pbx.port}", headers=routes, call_id=ok["call-id"],
                           to_tag=";tag=callee"))
        assert lab.pbx.recv().method == "ACK"
        inside = "".join(f"Route: {r}\r\n" for r in invite.all("record-route"))
        lab.pbx.send(sip.request("BYE", "sip:alice@other.test;transport=tls", "UDP", f"127.0.0.1:{lab.pbx.port}",
                                 headers=inside, call_id=ok["call-id"], to_tag=";tag=t1"), scene.inside)
        bye = s.recv()
        assert bye.method == "BYE"
        s.send(sip.response(bye, 200))
        assert lab.pbx.final().status == 200


def test_domain_of_a_peer_is_the_peer(scene):
    """to: dns is no way around a peer's own rules: its address is where it is configured."""
    carrier = serve(scene)
    zones = {"peer.test": carrier_zone(scene, carrier.port), "hoster.test": HOSTER}
    with Lab(scene, zones, TO_DNS) as lab:
        lab.send(uri="sip:bob@peer.test;x=y")
        s = carrier.accept()
        m = s.recv()
        assert m.line == "MESSAGE sip:bob@peer.test;x=y SIP/2.0"
        s.send(sip.response(m, 200))
        assert lab.pbx.final().status == 200
        assert lab.gw.wait_event("connection_open")[0]["peer"] == "carrier"


@pytest.mark.parametrize("uri,answer", [
    ("sip:bob@nowhere.test", "404 Domain Does Not Exist: nowhere.test"),
    ("sip:bob@none.test", "404 Domain Has No SIP Server: none.test"),
    ("sip:bob@127.0.0.1:7", "403 Address Without A Name"),
    ("sip:bob@none.test;transport=udp", "480 Domain Not Reachable From Here"),
    ("sip:bob@example.test", "404 Not Found"),
])
def test_what_leads_nowhere_is_told(scene, uri, answer):
    with Lab(scene, {"test": "x A 127.0.0.1", "none.test": "_sips._tcp SRV 0 0 0 ."}, TO_DNS) as lab:
        lab.send("INVITE", uri)
        assert lab.pbx.final().line == "SIP/2.0 " + answer


def test_number_is_tried_at_its_next_uri(scene):
    """RFC 6116 3.4.2: the preferred URI's domain does not exist, the next one is an address, the third is good."""
    other = elsewhere(scene)
    record = r'3.2.1.0.3.9.4 NAPTR 1 {} "u" "E2U+sip" "!^.*$!{}!" .'
    zones = {"other.test": f"_sips._tcp SRV 1 0 {other.port} one.hoster.test.", "hoster.test": HOSTER,
             "enum.test": "\n".join(record.format(n, uri) for n, uri in enumerate(
                 ("sip:a@gone.other.test", "sip:b@127.0.0.9", "sip:c@other.test")))}
    with Lab(scene, zones, '  - {from: pbx, user: "+*", to: enum, suffix: enum.test}\n') as lab:
        lab.send(uri="tel:+49-30-123")
        s = other.accept()
        m = s.recv()
        assert m.line == "MESSAGE sip:c@other.test SIP/2.0"
        s.send(sip.response(m, 200))
        assert lab.pbx.final().status == 200
        passed = lab.gw.events("number_uri_passed")
        assert [x["uri"] for x in passed] == ["sip:a@gone.other.test", "sip:b@127.0.0.9"]
        assert "does not exist" in passed[0]["why"] and passed[1]["why"] == "Number Leads To No Domain"


def numbered(scene):
    """The server of other.test, and zones in which the number +4930123 is there."""
    other = elsewhere(scene)
    return other, {"other.test": f"_sips._tcp SRV 1 0 {other.port} one\none A 127.0.0.1",
                   "enum.test": r'3.2.1.0.3.9.4 NAPTR 1 1 "u" "E2U+sip" "!^\\+49(.*)$!sip:\\1@other.test!" .'}


def test_number_is_found_by_enum(scene):
    """RFC 6116 4, in a private tree."""
    other, zones = numbered(scene)
    routes = '  - {from: pbx, user: "+*", to: enum, suffix: enum.test}\n'
    with Lab(scene, zones, routes) as lab:
        lab.send(uri="tel:+49-30-123")
        s = other.accept()
        m = s.recv()
        assert m.line == "MESSAGE sip:30123@other.test SIP/2.0"
        s.send(sip.response(m, 200))
        assert lab.pbx.final().status == 200
        lab.send("INVITE", "sip:+49999@example.test;user=phone")
        assert lab.pbx.final().line == "SIP/2.0 404 Number Not In ENUM"
        lab.send("INVITE", "sip:+49@other.test")  # no user=phone, and not ours
        assert lab.pbx.final().line == "SIP/2.0 404 No Global Number"


def test_number_that_enum_does_not_know_goes_to_the_peer_behind_it(scene):
    """`to: [enum, carrier]`, and numbers as a PBX writes them: without user=phone."""
    pem, key = scene.pki.domain("other", "other.test")
    other, carrier = serve(scene, {"cert": pem, "key": key, "ca": scene.ca}), serve(scene)
    zones = {"other.test": f"_sips._tcp SRV 1 0 {other.port} one\none A 127.0.0.1",
             "peer.test": carrier_zone(scene, carrier.port), "hoster.test": HOSTER,
             "enum.test": r'3.2.1.0.3.9.4 NAPTR 1 1 "u" "E2U+sip" "!^\\+49(.*)$!sip:\\1@other.test!" .'
                          "\n" r'4.2.1.0.3.9.4 NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:a@nowhere.test!" .'}
    routes = '  - {from: pbx, user: "+*", to: [enum, carrier], suffix: enum.test}\n'
    with Lab(scene, zones, routes) as lab:
        kept = {}
        for uri, where, leaves in [("sip:+4930123@example.test", other, "sip:30123@other.test"),
                                   ("sip:+4930124@example.test", carrier, "sip:+4930124@peer.test"),
                                   ("sip:+49999@example.test", carrier, "sip:+49999@peer.test")]:
            lab.send(uri=uri)
            s = kept[where] = kept.get(where) or where.accept()
            m = s.recv()
            assert m.line == f"MESSAGE {leaves} SIP/2.0"
            s.send(sip.response(m, 200))
            assert lab.pbx.final().status == 200
        x = json.loads(run("explain", "-c", lab.gw.config, "--json", "sip:+49999@example.test", "--from", "pbx").stdout)
        assert x["ok"] and [t["request_uri"] for t in x["targets"]] == ["sip:+49999@peer.test"]
        told = lab.gw.events("location_failed")
        assert [(t["peer"], t["then"]) for t in told] == [("verified", "the next target is tried")] * 2


def test_what_rules_set_is_what_is_located(scene):
    """A national number is made a global one for ENUM; a host that a rule sets is asked for in place of the sender's."""
    other, zones = numbered(scene)
    routes = """  - {from: pbx, user: "0*", set: {strip: 1, prefix: "+49"}, to: enum, suffix: enum.test}
  - {from: pbx, user: "9*", set: {strip: 1, host: other.test}, to: dns}
"""
    with Lab(scene, zones, routes) as lab:
        lab.send(uri="sip:030123@example.test;user=phone")
        s = other.accept()
        m = s.recv()
        assert m.line == "MESSAGE sip:30123@other.test SIP/2.0"
        s.send(sip.response(m, 200))
        assert lab.pbx.final().status == 200
        lab.send("INVITE", "sip:9bob@example.test")
        m = s.recv()
        assert m.line == "INVITE sip:bob@other.test SIP/2.0"
        s.send(sip.response(m, 486))
        assert lab.pbx.final().status == 486
        assert s.recv().line == "ACK sip:bob@other.test SIP/2.0"


def test_explain_tells_what_the_dns_says(scene):
    """The questions and their answers, the places in their order, and what is expected there; nothing is sent."""
    zones = {"peer.test": carrier_zone(scene, CLOSED, 5071), "hoster.test": HOSTER}
    with Dns(scene.folder, zones=zones) as dns:
        text = scene.config(extra=f"dns: {{servers: [127.0.0.1:{dns.port}], dnssec: off}}\n",
                            routes="  - {from: pbx, domain: peer.test, to: carrier}\n" + TO_DNS)
        path = os.path.join(scene.folder, "explain.yaml")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text.replace(f"    address: 127.0.0.1:{scene.carrier_port}\n", ""))
        out = run("explain", "-c", path, "--json", "sip:bob@peer.test", "--from", "pbx")
        x = json.loads(out.stdout)
        assert out.returncode == 0, out.stdout
        asked = {(q["type"], q["name"]): q for q in x["dns"]}
        assert asked["NAPTR", "peer.test"]["outcome"] == "answered"
        assert sorted(asked["SRV", "_sips._tcp.peer.test"]["records"]) == \
            [f"1 0 {CLOSED} one.hoster.test", "2 0 5071 two.hoster.test"]
        assert asked["A", "one.hoster.test"]["records"] == ["127.0.0.1"]
        assert [t["address"] for t in x["targets"]] == [f"127.0.0.1:{CLOSED}", "127.0.0.1:5071"]
        assert [t["expected"] for t in x["targets"]] == ["peer.test", "peer.test"]
        assert "asked" in x["targets"][0]["dns"] and x["targets"][1]["when"].startswith("if the one before")
        text = run("explain", "-c", path, "sip:bob@peer.test", "--from", "pbx").stdout
        assert "SRV   _sips._tcp.peer.test: answered" in text, text
        # a name that is not there
        out = run("explain", "-c", path, "--json", "sip:bob@nobody.peer.test", "--from", "pbx")
        x = json.loads(out.stdout)
        assert out.returncode == 1 and x["answer"]["status"] == 404
        assert "does not exist" in x["answer"]["reason"].lower() or "does not exist" in x["answer"]["why"]
        # one who is no peer must prove the domain
        out = run("explain", "-c", path, "--json", "sip:bob@hoster.test", "--from", "pbx")
        x = json.loads(out.stdout)
        assert x["answer"]["status"] == 404 if not x["targets"] else x["targets"][0]["expected"] == "hoster.test"
