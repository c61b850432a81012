"""Servers that are believed by signed TLSA records: a real name server (nsd) with signed zones, a real gateway, real TLS.
RFC 6698, RFC 7671, RFC 7673."""

import contextlib
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import threading

import pytest

from lab import sip
from lab.dns import Dns
from lab.gateway import BINARY, Gateway, run

pytestmark = pytest.mark.skipif(not shutil.which("nsd", path=os.environ["PATH"] + ":/usr/sbin") or
                                not shutil.which("ldns-signzone"), reason="nsd and ldns are not here")

TA_CERT, TA_KEY, EE_CERT, EE_KEY, PKIX_EE = "2 0 1", "2 1 1", "3 0 1", "3 1 1", "1 1 1"


def ctl(gw, *words):
    out = subprocess.run([BINARY, "ctl", "-s", os.path.join(gw.folder, "sipward.sock"), "--json", *words],
                         capture_output=True, text=True, timeout=30, check=False)
    assert out.returncode == 0, out.stdout + out.stderr
    return json.loads(out.stdout)


def _openssl(*args, data=None):
    return subprocess.run(("openssl", *args), input=data, check=True, capture_output=True).stdout


def tlsa(kind, pem):
    """The data of a record with SHA-256: of the certificate or of its key."""
    der = _openssl("x509", "-in", pem, "-outform", "DER")
    if kind.split()[1] == "1":
        key = _openssl("x509", "-in", pem, "-noout", "-pubkey")
        der = _openssl("pkey", "-pubin", "-outform", "DER", data=key)
    return f"{kind} {hashlib.sha256(der).hexdigest()}"


class Lab:
    """A gateway that finds its carrier, peer.test, by signed SRV records on servers of hoster.test."""

    def __init__(self, scene, servers, signed=("peer.test", "hoster.test"), dane="on", routes=None, trust=True, more=None):
        self.scene, self.signed = scene, signed
        srv = "".join(f"_sips._tcp SRV {i} 0 {s.port} {name}.hoster.test.\n" for i, (name, s, _) in enumerate(servers))
        self.hosts = "one A 127.0.0.1\ntwo A 127.0.0.1\n"
        records = "".join(f"_{s.port}._tcp.{name} TLSA {data}\n" for name, s, data in servers if data)
        self.dns = Dns(scene.folder, zones={"peer.test": srv, "hoster.test": self.hosts + records,
                                            "other.test": "@ A 127.0.0.1", **(more or {})}, signed=signed)
        self.text = scene.config(
            routes=routes, carrier=f"    dane: {dane}", outside=f"    dane: {dane}",
            extra=f"dns: {{servers: [127.0.0.1:{self.dns.port}], dnssec: opportunistic, anchor: {self.dns.anchor}, "
                  "timeout: 2s}\n").replace(f"    address: 127.0.0.1:{scene.carrier_port}\n", "")
        if not trust:
            self.text = self.text.replace("    trust: partners\n", "")
        self.gw = Gateway(scene.folder, self.text)
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

    def send(self, uri="sip:bob@example.test", method="MESSAGE"):
        self.pbx.send(sip.request(method, uri, "UDP", f"127.0.0.1:{self.pbx.port}", from_uri="sip:a@example.test"),
                      self.scene.inside)

    def passes(self, server, **more):
        """A request reaches the server and its answer the sender; the connection."""
        self.send(**more)
        s = server.accept()
        s.send(sip.response(s.recv(), 200))
        assert self.pbx.final().status == 200
        return s

    def refused(self, server):
        """Why the connection was refused; the sender was told."""
        self.send(method="INVITE")
        with contextlib.suppress(ssl.SSLError):  # the handshake itself was refused
            server.accept()
        assert self.pbx.final().status == 500
        return self.gw.wait_event("connection_failed")[0]


@pytest.fixture
def stranger(scene):
    """A server with a certificate that it signed itself, for another name."""
    pem, key = scene.pki.self_signed("itself", "DNS:elsewhere.invalid")
    return sip.Server(cert=pem, key=key, ca=scene.ca), pem


@pytest.fixture
def carrier(scene):
    """The server whose certificate the trust entry believes."""
    return sip.Server(**scene.carrier_tls()), scene.peer_pem


@pytest.mark.parametrize("kind", [EE_CERT, EE_KEY])
@pytest.mark.parametrize("trust", [True, False])
def test_certificate_of_a_tlsa_record_is_believed(scene, stranger, kind, trust):
    """RFC 7671 5.1: whatever names are in it, and without any CA; RFC 7673 4.2."""
    server, pem = stranger
    with Lab(scene, [("one", server, tlsa(kind, pem))], trust=trust) as lab:
        s = lab.passes(server)
        opened = lab.gw.wait_event("connection_open")[0]
        assert (opened["peer"], opened["verify"], opened["server_name"]) == ("carrier", "dane", "peer.test")
        assert "DANE-EE" in opened["why"] and opened["identity"] == "one.hoster.test"
        rows = ctl(lab.gw, "connections")["connections"]
        assert [r["verify"] for r in rows if r["direction"] == "out"] == ["dane"]
        s.close()


def test_off_is_the_default(scene, stranger):
    server, pem = stranger
    with Lab(scene, [("one", server, tlsa(EE_KEY, pem))], dane="off") as lab:
        failed = lab.refused(server)
        assert failed["reason"] == "self_signed"


def test_records_that_do_not_match_refuse_what_trust_believes(scene, stranger, carrier):
    """RFC 6698 2.1: the records decide once they can be used."""
    with Lab(scene, [("one", carrier[0], tlsa(EE_KEY, stranger[1]))]) as lab:
        failed = lab.refused(carrier[0])
        assert (failed["reason"], failed["phase"]) == ("dane_no_match", "handshake")
        assert "TLSA" in failed["why"] and "7671 8.1" in failed["help"]


def test_one_record_of_several_is_enough(scene, stranger, carrier):
    """RFC 7671 8.1: while a key changes there are two; what cannot be used is passed over: RFC 6698 4.1."""
    port = stranger[0].port
    more = f"\n_{port}._tcp.one TLSA ".join([tlsa(EE_KEY, carrier[1]), "3 1 9 00", "9 1 1 " + "00" * 32, "3 1 1 0000",
                                            tlsa(EE_KEY, stranger[1])])
    with Lab(scene, [("one", stranger[0], more)]) as lab:
        lab.passes(stranger[0])


def test_records_that_cannot_be_used_change_nothing(scene, carrier):
    """RFC 6698 4.1, RFC 7673 4.1: then trust decides, as without them."""
    with Lab(scene, [("one", carrier[0], "3 1 9 00")]) as lab:
        lab.passes(carrier[0])
        assert lab.gw.wait_event("connection_open")[0]["verify"] == "domain"


def test_ca_of_a_tlsa_record_is_believed_for_the_names_that_were_looked_for(scene):
    """RFC 7671 5.2: usage 2 asks for a chain that holds and a name: the domain's, or the server's, which is signed."""
    ca = scene.pki.ca("private")
    for name, host, good in (("a", "peer.test", True), ("b", "one.hoster.test", True), ("c", "two.hoster.test", False)):
        pem, key = scene.pki.leaf(f"private-{name}", san=f"DNS:{host}", ca="private")
        chain = os.path.join(scene.folder, f"chain-{name}.pem")
        with open(chain, "w", encoding="ascii") as f:
            for part in (pem, ca):
                with open(part, encoding="ascii") as x:
                    f.write(x.read())
        server = sip.Server(cert=chain, key=key, ca=scene.ca)
        for kind in (TA_CERT, TA_KEY):
            with Lab(scene, [("one", server, tlsa(kind, ca))]) as lab:
                if good:
                    lab.passes(server).close()
                    opened = lab.gw.wait_event("connection_open")[0]
                    assert "DANE-TA" in opened["why"] and opened["identity"] == host
                else:
                    failed = lab.refused(server)
                    assert failed["phase"] == "identity" and "neither the domain nor the server's name" in failed["why"]
                    assert failed["wanted"] == "peer.test" and host in failed["presented"]


def test_purpose_counts_under_a_ca_of_a_tlsa_record(scene):
    """RFC 7671 5.2: RFC 5280 holds for usage 2."""
    ca = scene.pki.ca("private")
    pem, key = scene.pki.leaf("private-client", san="DNS:peer.test", ca="private", usage="clientAuth")
    with open(ca, encoding="ascii") as x, open(pem, "a", encoding="ascii") as f:
        f.write(x.read())
    server = sip.Server(cert=pem, key=key, ca=scene.ca)
    with Lab(scene, [("one", server, tlsa(TA_CERT, ca))]) as lab:
        assert "serverAuth" in lab.refused(server)["why"]


def test_pkix_records_narrow_trust(scene, stranger, carrier):
    """RFC 6698 2.1.1: usage 1 needs the trust entry and the record."""
    servers = [("one", stranger[0], tlsa(PKIX_EE, stranger[1])), ("two", carrier[0], tlsa(PKIX_EE, carrier[1]))]
    with Lab(scene, servers) as lab:
        lab.send()
        with contextlib.suppress(ssl.SSLError):
            stranger[0].accept()
        s = carrier[0].accept()
        s.send(sip.response(s.recv(), 200))
        assert lab.pbx.final().status == 200
        assert lab.gw.wait_event("connection_failed")[0]["phase"] == "handshake"
        assert lab.gw.wait_event("connection_open")[0]["verify"] == "domain"


@pytest.mark.parametrize("signed", [("peer.test",), ("hoster.test",), ("other.test",)])
def test_records_count_only_if_all_that_led_to_them_is_signed(scene, stranger, carrier, signed):
    """RFC 7673 3.1, 3.2: an SRV record or an address that nobody signed leads to no TLSA records."""
    with Lab(scene, [("one", carrier[0], tlsa(EE_KEY, stranger[1]))], signed=signed) as lab:
        lab.passes(carrier[0])  # by trust: the record, which is of another key, is not asked for
        assert lab.gw.wait_event("connection_open")[0]["verify"] == "domain"


def test_server_whose_records_are_forged_is_not_connected_to(scene, stranger, carrier):
    """RFC 7673 3.4: bogus records, or none where there should be some: the next server."""
    servers = [("one", stranger[0], tlsa(EE_KEY, carrier[1])), ("two", carrier[0], tlsa(EE_KEY, carrier[1]))]
    with Lab(scene, servers) as lab:
        name = f"_{stranger[0].port}._tcp.one.hoster.test"
        wrong, right = (tlsa(EE_KEY, x).split()[-1] for x in (carrier[1], stranger[1]))
        lab.dns.forge("hoster.test", name, "TLSA", wrong, right)
        lab.passes(carrier[0])
        assert stranger[0].idle()
        assert name in lab.gw.wait_event("dns_bogus")[0]["name"]


def test_stranger_is_believed_where_the_listener_says_so(scene, stranger):
    """to: dns: the certificate of another name stands for the domain, and only for it."""
    routes = "  - {from: pbx, to: dns}\n"
    lab = Lab(scene, [("one", stranger[0], tlsa(EE_KEY, stranger[1]))], routes=routes)
    lab.text = lab.text.replace("domain: peer.test", "domain: nobody.test")
    lab.gw = Gateway(scene.folder, lab.text)
    with lab:
        lab.passes(stranger[0], uri="sip:bob@peer.test")
        assert lab.gw.wait_event("connection_open")[0]["verify"] == "dane"


@pytest.mark.parametrize("peer", [False, True])
def test_call_that_rings_is_cancelled_at_a_server_that_its_records_prove(scene, stranger, peer):
    """RFC 5923 8.1, RFC 3261 9.1: its connection is lost; the records are asked for anew, and decide (RFC 6698 2.1)."""
    server, pem = stranger
    routes = "  - {from: pbx, to: carrier}\n" if peer else "  - {from: pbx, to: dns}\n"
    uri = "sip:bob@elsewhere.test" if peer else "sip:bob@peer.test"  # a peer is where its own domain is
    lab = Lab(scene, [("one", server, tlsa(EE_KEY, pem))], routes=routes)
    if not peer:
        lab.text = lab.text.replace("domain: peer.test", "domain: nobody.test")
        lab.gw = Gateway(scene.folder, lab.text)
    with lab:
        lab.send(uri=uri, method="INVITE")
        s = server.accept()
        invite = s.recv()
        s.send(sip.response(invite, 180))
        lab.pbx.recv(want=lambda m: m.status == 180)
        s.close()
        s = server.accept()
        cancel = s.recv()
        assert cancel.line == f"CANCEL {uri} SIP/2.0" and cancel["via"] == invite["via"]
        assert lab.pbx.final().status == 500
        assert not lab.gw.events("connection_failed")
        s.close()


@pytest.mark.parametrize("tree", ["signed", "not signed"])
def test_number_leads_to_tlsa_records_only_by_signed_answers(scene, stranger, tree):
    """RFC 7673 3: who can forge the answer of ENUM would choose whom we believe."""
    signed = ["peer.test", "hoster.test"] + ["enum.test"] * (tree == "signed")
    routes = "  - {from: pbx, to: enum, suffix: enum.test}\n"
    lab = Lab(scene, [("one", stranger[0], tlsa(EE_KEY, stranger[1]))], routes=routes, signed=signed, more={
        "enum.test": r'3.2.1.0.3.9.4 NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:bob@peer.test!" .'})
    lab.text = lab.text.replace("domain: peer.test", "domain: nobody.test")
    lab.gw = Gateway(scene.folder, lab.text)
    with lab:
        if tree == "signed":
            lab.passes(stranger[0], uri="tel:+4930123")
            assert lab.gw.wait_event("connection_open")[0]["verify"] == "dane"
        else:
            lab.send("tel:+4930123", "INVITE")
            with pytest.raises(ssl.SSLError):
                stranger[0].accept()
            assert lab.pbx.final().status == 500


def test_reload_that_turns_it_off_ends_what_it_let_in(scene, stranger):
    server, pem = stranger
    with Lab(scene, [("one", server, tlsa(EE_KEY, pem))]) as lab:
        s = lab.passes(server)
        with open(lab.gw.config, "w", encoding="utf-8") as f:
            f.write(lab.text.replace("dane: on", "dane: off"))
        assert ctl(lab.gw, "reload")["reload"]["result"] == "reloaded"
        s.wait_closed()
        failed = lab.refused(server)
        assert failed["reason"] == "self_signed"


def test_explain_shows_the_records(scene, stranger):
    lab = Lab(scene, [("one", stranger[0], tlsa(EE_KEY, stranger[1]))])
    path = os.path.join(scene.folder, "explain.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(lab.text)
    with lab.dns:
        out = run("explain", "-c", path, "--json", "sip:bob@example.test", "--from", "pbx")
        x = json.loads(out.stdout)
        asked = {(q["type"], q["name"]): q for q in x["dns"]}
        q = asked["TLSA", f"_{stranger[0].port}._tcp.one.hoster.test"]
        assert q["secure"] and q["records"] == [tlsa(EE_KEY, stranger[1])]
        assert x["targets"][0]["expected"] == "a certificate that matches the TLSA records of one.hoster.test", x["targets"]


def probe(scene, text, *more):
    path = os.path.join(scene.folder, "probe.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    out = run("probe", "-c", path, "--peer", "carrier", "--json", *more)
    return out.returncode, json.loads(out.stdout)


def serving(server, count=1):
    """Answers OPTIONS on so many connections."""
    def serve():
        for _ in range(count):
            with contextlib.suppress(OSError, TimeoutError):  # ssl.SSLError is one
                c = server.accept()
                c.send(sip.response(c.recv(), 200))
                c.wait_closed()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_probe_of_a_peer_goes_where_the_gateway_goes(scene, stranger, carrier):
    """RFC 3263 4.2, RFC 7673: server after server, each believed as the gateway would."""
    servers = [("one", carrier[0], tlsa(EE_KEY, stranger[1])), ("two", stranger[0], tlsa(EE_KEY, stranger[1]))]
    lab = Lab(scene, servers)
    with lab.dns:
        threads = [serving(x[0]) for x in (carrier, stranger)]
        code, report = probe(scene, lab.text)
        for t in threads:
            t.join(10)
    assert code == 0 and "TLSA _" in report["dns"] and "SRV _sips._tcp.peer.test: 2 records" in report["dns"]
    assert report["addresses"] == [f"127.0.0.1:{s[1].port}" for s in servers]
    assert "TLSA" in report["attempts"][0]["failure"]["why"]
    assert "DANE-EE" in report["attempts"][1]["verdict"]
    with lab.dns:
        thread = serving(stranger[0])
        code, report = probe(scene, lab.text.replace("dane: on", "dane: off"), "--timeout", "1")
    assert code == 1 and "TLSA" not in report["dns"]


@pytest.mark.parametrize("change,said", [
    (("    dane: on", "    dane: on\n    address: 127.0.0.1:5061"), "it has an address"),
    (("dnssec: opportunistic", "dnssec: off"), "dns.dnssec is off"),
    (("    dane: on", "    dane: on\n    security: best-effort\n    clear_address: 127.0.0.1:5060"), "in the clear"),
    (("transport: tls\n    trust: partners", "transport: udp"), "it is no tls peer"),
])
def test_what_cannot_be_is_refused_by_check(scene, stranger, change, said):
    lab = Lab(scene, [("one", stranger[0], None)])
    text = lab.text.replace("    dane: on\n", "", 1)  # that of the listener
    path = os.path.join(scene.folder, "check.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(*change))
    out = run("check", "-c", path)
    assert out.returncode == 2 and said in out.stdout + out.stderr


@pytest.mark.parametrize("old, new, why", [
    ("", "", None),
    ("    domain: peer.test\n    transport: tls\n    trust: partners\n", "    transport: tls\n", "it has no domain, so no DNS leads to it"),
    ("    dane: on\n", "    dane: on\n    address: 127.0.0.1:5061\n", "it has an address"),
    ("    transport: tls\n    trust: partners\n", "    transport: udp\n", "it is no tls peer"),
    ("    dane: on\n", "    dane: on\n    security: best-effort\n    clear_address: 127.0.0.1:5060\n", "TLSA records promise TLS"),
    ("opportunistic", "off", "dns.dnssec is off"),
])
def test_check_refuses_dane_where_it_cannot_work(scene, old, new, why):
    """docs/dane.md: a peer that no signed DNS leads to gains nothing by it."""
    anchor = scene.folder / "root.ds"
    anchor.write_text(". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n", encoding="ascii")
    text = scene.config(carrier="    dane: on", extra=f"dns: {{dnssec: opportunistic, anchor: {anchor}}}\n").replace(
        f"    address: 127.0.0.1:{scene.carrier_port}\n", "")
    assert old in text, text
    path = scene.folder / "checked.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    out = run("check", "-c", str(path))
    refused = [x for x in out.stderr.splitlines() if 'dane: on has no meaning for peer "carrier"' in x]
    assert out.returncode == (2 if why else 0), out.stderr
    assert bool(refused) == bool(why) and (not why or why in refused[0]), out.stderr
