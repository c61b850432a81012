"""Mutual TLS on real sockets: who gets in, who does not, and what the log says of it."""

import ssl
import subprocess

import pytest
from lab import sip


def test_peer_with_its_certificate_gets_an_answer(scene):
    with scene.gateway() as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("OPTIONS", "sip:example.test"))
        answer = c.final()
        assert answer.status == 200
        assert "INVITE" in answer["allow"]
        opened = gw.wait_event("connection_open")[0]
        assert opened["peer"] == "carrier" and opened["identity"] == "peer.test"
        assert opened["version"] == "TLSv1.3" and "AES" in opened["suite"]
        c.sock.unwrap()  # our close_notify, and the gateway's answer to it
        closed = gw.wait_event("connection_closed")[0]
        assert closed["messages_in"] == 1 and closed["messages_out"] == 1


def expect_refused(scene, status, why, phase="handshake", **client):
    """A TLS 1.3 client learns of its refusal with its first read."""
    with scene.gateway() as gw:
        try:
            c = sip.tls(scene.outside, **client)
            c.send(sip.request("OPTIONS", "sip:example.test"))
            assert c.wait_closed()
            assert b"SIP/2.0" not in c.data
        except (ssl.SSLError, ConnectionError):
            pass
        failed = gw.wait_event("connection_failed")[0]
        assert failed["phase"] == phase and failed["status"] == status, failed
        assert why in failed["why"] and failed["help"], failed
        assert gw.alive()


def test_no_certificate_is_refused_with_the_reason(scene):
    """RFC 3261 26.2.2, 26.3.2.2; RFC 5922 7.4."""
    expect_refused(scene, "crypto_no_certificate", "showed no certificate", ca=scene.ca)


def test_another_ca_is_refused_with_the_reason(scene):
    """RFC 3261 26.3.1: certificates are validated against our own roots."""
    cert, key = scene.pki.domain("evil", "peer.test", ca="rogue")
    expect_refused(scene, "crypto_verify", "(partners) has the CA that issued the certificate: CN = Test rogue", ca=scene.ca, cert=cert, key=key)


def test_a_server_only_certificate_is_refused_as_client(scene):
    """RFC 5922 7.1, RFC 5280 4.2.1.12: a certificate for servers is none for clients."""
    cert, key = scene.pki.domain("serveronly", "peer.test", usage="serverAuth")
    expect_refused(scene, "denied_purpose", "lacks clientAuth (purposes: server-is-enough", phase="identity",
                   ca=scene.ca, cert=cert, key=key)


def test_an_expired_certificate_is_refused(scene):
    """RFC 5922 7.1: valid as RFC 5280 6.1 has it."""
    cert, key = scene.pki.domain("expired", "peer.test", days="-1")
    expect_refused(scene, "crypto_verify", "expired", ca=scene.ca, cert=cert, key=key)


def test_another_domain_gets_403_and_the_reason(scene):
    """RFC 5922 7.4, 7.5: what the certificate proves decides what is allowed."""
    cert, key = scene.pki.domain("other", "other.test")
    with scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, ca=scene.ca, cert=cert, key=key)
        c.send(sip.request("INVITE"))
        assert c.final().status == 403
        refused = gw.wait_event("request_refused", status=403)[0]
        assert "no peer's" in refused["why"] and refused["peer"] == "verified"
        assert pbx.silent()


@pytest.mark.parametrize("san,subject,peer", [
    ("URI:sip:peer.test", None, "carrier"),
    ("DNS:peer.test", None, "carrier"),
    ("DNS:PEER.Test", None, "carrier"),
    (None, "peer.test", "carrier"),
    ("URI:sip:other.test,DNS:peer.test", None, "verified"),   # a URI rules DNS names out
    ("URI:sips:peer.test", None, "nobody"),                    # sips is no identity
    ("URI:sip:alice@peer.test", None, "nobody"),               # nor is a user
    ("DNS:*.test", None, "nobody"),                            # 7.2: a wildcard is no identity
    ("DNS:*.peer.test", None, "nobody"),
    ("DNS:*.peer.test,DNS:other.test", None, "verified"),      # another name is
    ("DNS:example.test", None, "nobody"),                      # a domain of ours is no other domain
    ("DNS:sub.peer.test", None, "verified"),                   # no suffix matches
    ("email:a@peer.test", "peer.test", "nobody"),              # CN only without any SAN
])
def test_identity_follows_rfc_5922(scene, san, subject, peer):
    """RFC 5922 7.1 and 7.2."""
    name = "id" + "".join(c if c.isalnum() else "_" for c in f"{san}{subject}")
    cert, key = scene.pki.leaf(name, san=san, subject=subject)
    with scene.gateway() as gw:
        c = sip.tls(scene.outside, ca=scene.ca, cert=cert, key=key)
        c.send(sip.request("OPTIONS", "sip:example.test"))
        expected = {"carrier": 200, "verified": 200, "nobody": 403}[peer]
        assert c.final().status == expected
        assert gw.wait_event("connection_open")[0]["peer"] == peer


def test_server_must_prove_the_name_that_was_wanted(scene):
    """RFC 3261 26.2.2, 26.3.2.2; RFC 5922 7.3, 7.5; RFC 9325 3.7, 7.1."""
    other, key = scene.pki.domain("other", "other.test")
    server = sip.Server(other, key, ca=scene.ca, port=scene.carrier_port)
    with scene.gateway() as gw:
        pbx = sip.Udp()
        pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        stream = server.accept()
        assert stream.wait_closed()
        assert stream.data == b""  # RFC 5922 7.3: nothing was sent
        assert pbx.final().status == 500
        failed = gw.wait_event("connection_failed", phase="identity")[0]
        assert failed["wanted"] == "peer.test" and "other.test" in failed["presented"]
        assert failed["status"] == "denied_identity"


def test_request_goes_out_over_tls_with_sni_and_our_certificate(scene):
    """RFC 3261 26.3.1: a certificate that names our domain; RFC 5922 7.8, RFC 9325 3.7: SNI."""
    seen = []
    server = sip.Server(**{k: v for k, v in scene.carrier_tls().items()}, port=scene.carrier_port)
    server.context.sni_callback = lambda sock, name, ctx: seen.append(name)
    with scene.gateway():
        pbx = sip.Udp()
        pbx.send(sip.request("MESSAGE", "sip:+49@example.test", transport="UDP",
                             sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        stream = server.accept()
        m = stream.recv()
        assert m.line == "MESSAGE sip:+49@peer.test SIP/2.0"
        assert m.all("via")[0].startswith(f"SIP/2.0/TLS 127.0.0.1:{scene.outside};branch=z9hG4bK")
        stream.send(sip.response(m, 200))
        assert pbx.final().status == 200
        assert seen == ["peer.test"]
        names = stream.sock.getpeercert()["subjectAltName"]
        assert ("URI", "sip:example.test") in names
        # the connection is used again
        pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        stream.send(sip.response(stream.recv(), 200))
        assert pbx.final().status == 200
        assert server.idle()


def test_two_requests_that_need_a_connection_share_one_dial(scene):
    server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
    with scene.gateway():
        pbx = sip.Udp()
        for _ in range(5):
            pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"),
                     scene.inside)
        stream = server.accept()
        for _ in range(5):
            stream.send(sip.response(stream.recv(), 200))
        assert sorted(pbx.final().status for _ in range(5)) == [200] * 5
        assert server.idle()


def test_pinned_self_signed_peer_is_believed_as_it_is(scene):
    cert, key = scene.pki.self_signed("branch", "DNS:whatever.test")
    config = scene.config().replace(
        "trust:\n", f"trust:\n  - {{name: branch, pinned: {cert}}}\n", 1).replace(
        "trust: [partners]", "trust: [partners, branch]").replace(
        "peers:\n", "peers:\n  - {name: branch, transport: tls, trust: branch, ping: 0}\n", 1)
    from lab.gateway import Gateway
    with Gateway(scene.folder, config) as gw:
        c = sip.tls(scene.outside, ca=scene.ca, cert=cert, key=key)
        c.send(sip.request("OPTIONS", "sip:example.test"))
        assert c.final().status == 200
        assert gw.wait_event("connection_open")[0]["peer"] == "branch"


def openssl_client(scene, *more):
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", "-CAfile", scene.ca,
         "-cert", scene.peer_pem, "-key", scene.peer_key, "-servername", "example.test", *more],
        input=b"Q\n", capture_output=True, timeout=20, check=False)


@pytest.mark.parametrize("args,ok", [
    (["-tls1_3"], True),
    (["-tls1_2"], True),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"], True),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA@SECLEVEL=0"], False),  # CBC
    (["-tls1_2", "-cipher", "AES128-SHA@SECLEVEL=0"], False),              # static RSA
    (["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], False),                     # RFC 9325 3.1.1
])
def test_standard_policy_with_openssl_as_client(scene, args, ok):
    """RFC 3261 26.3.1: TLS with both sides authenticated."""
    with scene.gateway() as gw:
        out = openssl_client(scene, *args)
        verified = b"Verify return code: 0 (ok)" in out.stdout
        assert (out.returncode == 0 and verified) == ok, out.stdout[-600:] + out.stderr[-600:]
        if not ok:
            assert gw.wait_event("connection_failed")[0]["help"]


def test_renegotiation_is_refused(scene):
    with scene.gateway() as gw:
        out = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", "-tls1_2", "-CAfile",
             scene.ca, "-cert", scene.peer_pem, "-key", scene.peer_key],
            input=b"R\n", capture_output=True, timeout=20, check=False)
        assert b"no renegotiation" in out.stderr or b"RENEGOTIATING" in out.stdout
        assert gw.alive()


def test_openssl_server_as_peer(scene):
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", str(scene.carrier_port), "-cert", scene.peer_pem, "-key",
         scene.peer_key, "-CAfile", scene.ca, "-Verify", "2", "-verify_return_error", "-quiet"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        with scene.gateway() as gw:
            pbx = sip.Udp()
            pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"),
                     scene.inside)
            opened = gw.wait_event("connection_open", direction="out")[0]
            assert opened["identity"] == "peer.test"
            assert server.stdout.readline().startswith(b"MESSAGE sip:bob@peer.test SIP/2.0")
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("kind", ["ec", "p384", "p521", "rsa", "rsa-pss", "ed25519", "ed448"])
def test_each_kind_of_key_proves_a_peer_and_us(scene, kind):
    cert, key = scene.pki.domain(f"peer-{kind}", "peer.test", kind=kind)
    scene.gateway_pem, scene.gateway_key = scene.pki.domain(f"gateway-{kind}", "example.test", kind=kind)
    with scene.gateway() as gw:
        c = sip.tls(scene.outside, ca=scene.ca, cert=cert, key=key)
        c.send(sip.request("OPTIONS", "sip:example.test"))
        assert c.final().status == 200
        assert gw.wait_event("connection_open")[0]["peer"] == "carrier"
