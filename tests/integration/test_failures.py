"""What is kept of connections that failed: `sipward ctl failures`, and one line of the log each."""

import hashlib
import json
import socket
import ssl

from lab import sip
from lab.gateway import Gateway, run


def failures(scene, peer=None):
    out = run("ctl", "-s", str(scene.folder / "sipward.sock"), "--json", "failures", *([peer] if peer else []))
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout)["failures"]


def wait_failure(gw, scene, **fields):
    """The record of the one failure in the log that has these fields."""
    said = gw.wait_event("connection_failed", **fields)[0]
    found = [r for r in failures(scene) if all(r.get(k) == said[k] for k in ("reason", "direction", "remote"))]
    assert len(found) == 1, failures(scene)
    return found[0], said


def try_in(scene, **client):
    """One attempt as a client, to its end."""
    try:
        c = sip.tls(scene.outside, **client)
        c.send(sip.request("OPTIONS", "sip:example.test"))
        c.wait_closed()
    except (ssl.SSLError, ConnectionError):
        pass


def ask_out(scene):
    """Lets the gateway connect to the carrier; the status of the answer."""
    pbx = sip.Udp()
    pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
    return pbx


def test_a_refused_chain_is_recorded_with_all_of_it(scene):
    cert, key = scene.pki.domain("evil-chain", "peer.test", ca="rogue")
    with scene.gateway() as gw:
        try_in(scene, ca=scene.ca, cert=cert, key=key)
        r, said = wait_failure(gw, scene, reason="issuer_unknown")
        assert r["phase"] == "handshake" and r["status"] == "crypto_verify" and r["count"] == 1
        assert r["peer"] == "nobody" and r["listener"] == "outside" and r["profile"] == "listener"
        assert r["profile_why"] and r["help"] and r["why"] == said["why"]
        assert r["time"] == r["last"] and r["time"].endswith("Z")
        assert r["server_name"] == "example.test"
        assert r["alert"] == "unknown_ca" and r["alert_from"] == "us"
        versions, suites = r["offered_by_peer"].split(": ")
        assert versions.startswith("TLS 1.3, TLS 1.2") and suites.startswith("TLS_AES_256_GCM_SHA384, ")
        assert r["offered_by_us"].startswith("TLS 1.3, TLS 1.2: ") and r["policy"] == "standard"
        assert r["chosen"].startswith("TLS 1.3: TLS_")
        leaf = r["chain"][0]
        assert leaf["verdict"] == "refused" and "rogue" in leaf["issuer"] and leaf["not_after"].endswith("Z")
        with open(cert, encoding="ascii") as f:
            der = ssl.PEM_cert_to_DER_cert(f.read().split("-----END")[0] + "-----END CERTIFICATE-----\n")
        assert leaf["sha256"] == hashlib.sha256(der).hexdigest()
        assert "DNS:peer.test" in r["presented"]
        for key_ in ("offered_by_peer", "server_name", "chain"):
            assert said[key_]


def test_a_certificate_for_a_peers_domain_of_another_ca_is_recorded(scene):
    """RFC 5922 7.1: the listener believes the CA, the peer's trust entry does not."""
    second = scene.pki.ca("second")
    cert, key = scene.pki.domain("claims", "peer.test", ca="second")
    text = scene.config().replace("trust:\n", f"trust:\n  - {{name: others, ca: {second}}}\n", 1)
    with Gateway(scene.folder, text.replace("trust: [partners]", "trust: [partners, others]")) as gw:
        try_in(scene, ca=scene.ca, cert=cert, key=key)
        r, said = wait_failure(gw, scene, reason="denied_identity")
        assert (r["phase"], r["status"], r["peer"]) == ("identity", "denied_identity", "nobody")
        assert (r["claims"], r["wanted"], r["wanted_trust"]) == ("carrier", "peer.test", "partners")
        assert "second" in r["issuer"] and r["identity"] == "peer.test" and "peer.test" in r["presented"]
        assert r["profile"] == "peer" and "claims" in r["profile_why"]
        assert "trust entry" in r["why"] and "add the CA" in r["help"]
        assert said["claims"] == "carrier" and said["issuer"] == r["issuer"]
        assert not gw.events("connection_open")
        assert failures(scene, "carrier")  # also by the peer's name


def test_a_purpose_is_recorded_with_the_peer_whose_rule_decided(scene):
    """RFC 5280 4.2.1.12: the peer's `purposes`, not the listener's; of a stranger the listener's."""
    cert, key = scene.pki.domain("claims-eku", "peer.test", usage="serverAuth")
    other, other_key = scene.pki.domain("other-eku", "other.test", usage="serverAuth")
    with scene.gateway() as gw:
        try_in(scene, ca=scene.ca, cert=cert, key=key)
        r, _ = wait_failure(gw, scene, reason="denied_purpose")
        assert (r["claims"], r["profile"]) == ("carrier", "peer") and "purposes" in r["profile_why"]
        try_in(scene, ca=scene.ca, cert=other, key=other_key)
        gw.wait_event("connection_failed", identity="other.test")
        r = [x for x in failures(scene) if x.get("identity") == "other.test"][0]
        assert r["profile"] == "listener" and "no domain of a peer" in r["profile_why"] and "claims" not in r


def test_a_client_with_old_versions_is_recorded_with_its_offer(scene):
    with scene.gateway() as gw:
        raw = socket.create_connection(("127.0.0.1", scene.outside), timeout=5)
        name = b"old.test"
        ext = b"\0\0" + (len(name) + 5).to_bytes(2, "big") + (len(name) + 3).to_bytes(2, "big") + b"\0" \
            + len(name).to_bytes(2, "big") + name
        body = b"\3\2" + bytes(32) + b"\0" + b"\0\2\0\x2f" + b"\1\0" + len(ext).to_bytes(2, "big") + ext
        hello = b"\1" + len(body).to_bytes(3, "big") + body
        raw.sendall(b"\x16\3\1" + len(hello).to_bytes(2, "big") + hello)
        assert raw.recv(100)[:1] == b"\x15"  # an alert
        r, _ = wait_failure(gw, scene, reason="no_common_version")
        assert r["offered_by_peer"] == "at most TLS 1.1: TLS_RSA_WITH_AES_128_CBC_SHA"
        assert r["server_name"] == "old.test" and r["alert"] == "protocol_version"
        assert "chosen" not in r and "chain" not in r
        raw.close()


def test_all_suites_that_a_client_offers_are_in_its_record(scene):
    """Named if IANA names them, and old software may offer them."""
    names = {0x0041: "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", 0x0016: "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA",
             0xC019: "TLS_ECDH_anon_WITH_AES_256_CBC_SHA", 0x0007: "TLS_RSA_WITH_IDEA_CBC_SHA", 0xEEEE: "0xeeee"}
    offered = list(names) + list(range(0xC036, 0xC05C))
    with scene.gateway() as gw:
        raw = socket.create_connection(("127.0.0.1", scene.outside), timeout=5)
        suites = b"".join(x.to_bytes(2, "big") for x in offered)
        body = b"\3\3" + bytes(32) + b"\0" + len(suites).to_bytes(2, "big") + suites + b"\1\0"
        hello = b"\1" + len(body).to_bytes(3, "big") + body
        raw.sendall(b"\x16\3\1" + len(hello).to_bytes(2, "big") + hello)
        assert raw.recv(100)[:1] == b"\x15"
        r, _ = wait_failure(gw, scene, reason="no_common_suite")
        assert r["offered_by_peer"].endswith(" more") and "neither" in r["help"]
        assert len(r["peer_suites"]) == len(offered)
        assert r["peer_suites"][:5] == list(names.values())
        assert r["our_suites"][0] == "TLS_AES_128_GCM_SHA256" and len(r["our_suites"]) == 9
        raw.close()


def test_repeats_are_counted_and_told_once(scene):
    with scene.gateway() as gw:
        for _ in range(5):
            try_in(scene, ca=scene.ca)
        gw.wait_event("connection_failed", count=5)
        assert len(gw.events("connection_failed", level="warn")) == 1
        assert gw.events("connection_failed", level="debug")[-1]["count"] == 5
        assert [(r["reason"], r["count"]) for r in failures(scene)] == [("no_certificate", 5)]
        r = failures(scene)[0]
        assert r["last"] > r["time"]


def test_failures_outbound_have_their_phase_and_peer(scene):
    """TCP that is refused, a name that is not proved, and a server that wants a certificate of ours."""
    with scene.gateway() as gw:
        pbx = ask_out(scene)
        assert pbx.final().status == 500
        r, _ = wait_failure(gw, scene, phase="tcp")
        assert r["reason"] == "tcp_refused" and r["peer"] == "carrier" and r["direction"] == "out"
        assert r["profile"] == "peer" and r["wanted"] == "peer.test"
        other, key = scene.pki.domain("other", "other.test")
        server = sip.Server(other, key, port=scene.carrier_port)
        pbx = ask_out(scene)
        server.accept()
        assert pbx.final().status == 500
        r, _ = wait_failure(gw, scene, phase="identity")
        assert r["reason"] == "denied_identity" and "other.test" in r["presented"]
        assert r["chain"][0]["verdict"] == "-" and r["offered_by_us"].startswith("TLS 1.3, TLS 1.2: ")
        assert r["offered_by_peer"] == r["chosen"] and r["server_name"] == "peer.test"


def test_a_server_that_refuses_us_after_the_handshake_is_recorded_with_its_alert(scene):
    """RFC 8446 4.4.2.4: a TLS 1.3 client learns it late, and the record still has both hellos."""
    server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
    with scene.gateway(carrier="    identity: none") as gw:
        pbx = ask_out(scene)
        try:
            server.accept()
        except (ssl.SSLError, ConnectionError):
            pass
        assert pbx.final().status == 500
        r, _ = wait_failure(gw, scene, direction="out")
        assert r["reason"] == "alert_received" and r["alert"] == "certificate_required"
        assert r["alert_from"] == "peer" and r["phase"] == "handshake" and r["shown"] == "none"
        assert "TLS_AES" in r["offered_by_us"] and "TLS_AES" in r["offered_by_peer"]


def test_a_peer_is_asked_for_by_name_address_or_certificate(scene):
    """What came without proving who it is has no peer's name: it is found by what points to the peer."""
    config = scene.config(carrier="    source: [127.0.0.1]").replace(
        "peers:\n", "peers:\n  - {name: far, domain: far.test, address: 192.0.2.1, trust: partners, ping: 0}\n", 1)
    cert, key = scene.pki.domain("evil-far", "far.test", ca="rogue")
    with Gateway(scene.folder, config) as gw:
        try_in(scene, ca=scene.ca)
        try_in(scene, ca=scene.ca, cert=cert, key=key)
        gw.wait_event("connection_failed", count=2)
        assert len(failures(scene)) == 2
        assert {r["matched"] for r in failures(scene, "carrier")} == {"its address"}
        assert [(r["reason"], r["matched"]) for r in failures(scene, "far")] == \
            [("issuer_unknown", "a name in its certificate")]
        out = run("ctl", "-s", str(scene.folder / "sipward.sock"), "failures", "unheard-of")
        assert out.returncode == 1 and "unheard-of" in out.stderr


def test_failures_for_people_are_paragraphs(scene):
    cert, key = scene.pki.domain("evil-text", "peer.test", ca="rogue")
    with scene.gateway() as gw:
        socket_path = str(scene.folder / "sipward.sock")
        assert run("ctl", "-s", socket_path, "failures").stdout == "failures: none\n"
        try_in(scene, ca=scene.ca, cert=cert, key=key)
        gw.wait_event("connection_failed")
        out = run("ctl", "-s", socket_path, "failures").stdout
        assert "issuer_unknown in phase handshake" in out and "<-- refused" in out
        assert "  help            " in out


def test_a_connection_over_the_limit_is_recorded(scene):
    with scene.gateway(extra="limits: {connections: 1}") as gw:
        first = sip.tls(scene.outside, **scene.carrier_tls())
        second = sip.tcp(scene.outside)
        assert second.wait_closed()
        r, _ = wait_failure(gw, scene, phase="policy")
        assert r["conn"] == "-" and r["local"] == f"127.0.0.1:{scene.outside}"
        assert r["reason"] == "too_many_connections" and r["remote"].startswith("127.0.0.1:")
        first.send(sip.request("OPTIONS", "sip:example.test"))
        assert first.final().status == 200
