"""TLS policies against OpenSSL's own client and server: what each admits, and what the log says of the rest."""

import subprocess

import pytest
from lab import sip
from lab.gateway import run


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)


def old_leaf(scene, name, bits, digest):
    """A certificate of peer.test with an RSA key, as weak as told; also for key transport."""
    pem, key, csr, ext = (scene.pki.path(f"{name}.{x}") for x in ("pem", "key", "csr", "ext"))
    with open(ext, "w", encoding="ascii") as f:
        f.write("subjectAltName=URI:sip:peer.test\nextendedKeyUsage=serverAuth,clientAuth\n"
                "keyUsage=digitalSignature,keyEncipherment\n")
    openssl("req", "-newkey", f"rsa:{bits}", "-nodes", "-keyout", key, "-out", csr, "-subj", f"/CN={name}")
    openssl("x509", "-req", "-in", csr, "-CA", scene.ca, "-CAkey", scene.pki.path("ca.key"), "-CAcreateserial",
            "-out", pem, "-extfile", ext, "-days", "30", digest)
    return pem, key


def with_policy(scene, where, policy, own="", key="rsa"):
    """A configuration whose listener or peer has the policy, and our certificate this kind of key."""
    scene.gateway_pem, scene.gateway_key = scene.pki.domain(f"gateway-{key}", "example.test", kind=key)
    extra = f"tls_policies:\n  - {{name: own, {own}}}\n" if own else ""
    return {where: f"    policy: {policy}\n", "extra": extra}


def connect(scene, *args, cert=None, stdin=b"Q\n"):
    pem, key = cert or (scene.peer_pem, scene.peer_key)
    p = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", "-CAfile", scene.ca, "-cert", pem, "-key",
         key, "-servername", "example.test", *args],
        input=stdin, capture_output=True, timeout=20, check=False)
    return p.returncode == 0 and b"Verify return code: 0 (ok)" in p.stdout, p


OLD = "@SECLEVEL=0"
NO_SUITE = ("no cipher suite in common under policy {}, or none for the key of our certificate: "
            "the peer offers {}")
NO_SIGNATURE = NO_SUITE.replace("cipher suite", "signature algorithm")
OWN_256 = ("ciphers: 'ECDHE-RSA-AES256-GCM-SHA384', ciphersuites: TLS_AES_256_GCM_SHA384, groups: 'P-384:P-256', "
           "signature_algorithms: 'rsa_pss_rsae_sha384:ecdsa_secp256r1_sha256:rsa_pkcs1_sha256', max_version: '1.3'")


@pytest.mark.parametrize("policy,own,key,args,version,suite", [
    ("modern", "", "rsa", ["-tls1_3"], "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ("modern", "", "rsa", ["-ciphersuites", "TLS_AES_256_GCM_SHA384"], "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ("standard", "", "rsa", ["-tls1_2"], "TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("standard", "", "ec", ["-tls1_2"], "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    ("standard", "", "rsa", ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-GCM-SHA384"], "TLSv1.2",
     "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    ("standard", "", "rsa", ["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"], "TLSv1.2",
     "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    # RFC 3261 26.2.1's mandatory suite, and old versions: RFC 8996
    ("legacy", "", "rsa", ["-tls1", "-cipher", "AES128-SHA:" + OLD], "TLSv1", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ("legacy", "", "rsa", ["-tls1_1", "-cipher", "AES128-SHA:" + OLD], "TLSv1.1", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ("legacy", "", "rsa", ["-tls1_2", "-cipher", "AES128-SHA"], "TLSv1.2", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ("legacy", "", "ec", ["-tls1", "-cipher", "ALL:" + OLD], "TLSv1", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    ("legacy", "", "rsa", ["-tls1_1", "-cipher", "ALL:" + OLD], "TLSv1.1", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    ("legacy", "", "rsa", [], "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ("own", "min_version: '1.0', ciphers: AES128-SHA", "rsa", ["-tls1", "-cipher", "ALL:" + OLD], "TLSv1",
     "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ("own", "max_version: '1.2'", "rsa", [], "TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("own", "ciphers: DHE-RSA-AES128-GCM-SHA256, max_version: '1.2'", "rsa", [], "TLSv1.2",
     "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("own", OWN_256, "rsa", [], "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ("own", OWN_256, "rsa", ["-tls1_2"], "TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
])
def test_listener_admits_what_its_policy_has(scene, policy, own, key, args, version, suite):
    with scene.gateway(**with_policy(scene, "outside", policy, own, key)) as gw:
        ok, out = connect(scene, *args)
        assert ok, out.stdout[-600:] + out.stderr[-600:]
        opened = gw.wait_event("connection_open")[0]
        assert (opened["version"], opened["suite"]) == (version, suite)
        assert opened["identity"] == "peer.test"


@pytest.mark.parametrize("policy,own,args,alert,why", [
    # a peer with old versions only gets a line that says exactly that
    ("standard", "", ["-tls1", "-cipher", "ALL:" + OLD], "protocol_version",
     "no TLS version in common under policy standard (TLS 1.2 to TLS 1.3): the peer offers at most TLS 1.0"),
    ("standard", "", ["-tls1_1", "-cipher", "ALL:" + OLD], "protocol_version",
     "no TLS version in common under policy standard (TLS 1.2 to TLS 1.3): the peer offers at most TLS 1.1"),
    ("modern", "", ["-tls1_2"], "protocol_version",
     "no TLS version in common under policy modern (TLS 1.3): the peer offers at most TLS 1.2"),
    ("own", "max_version: '1.2'", ["-tls1_3"], "protocol_version",
     "no TLS version in common under policy own (TLS 1.2): the peer offers TLS 1.3"),
    ("own", "min_version: '1.1', max_version: '1.2', ciphers: AES128-SHA", ["-tls1", "-cipher", "ALL:" + OLD],
     "protocol_version",
     "no TLS version in common under policy own (TLS 1.1 to TLS 1.2): the peer offers at most TLS 1.0"),
    ("standard", "", ["-tls1_2", "-cipher", "AES128-SHA"], "handshake_failure",
     NO_SUITE.format("standard", "at most TLS 1.2 with TLS_RSA_WITH_AES_128_CBC_SHA")),
    ("standard", "", ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA:AES128-SHA"], "handshake_failure",
     NO_SUITE.format("standard", "at most TLS 1.2 with TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA, "
                                 "TLS_RSA_WITH_AES_128_CBC_SHA")),
    ("legacy", "", ["-tls1_2", "-cipher", "NULL-SHA:" + OLD], "handshake_failure",
     NO_SUITE.format("legacy", "at most TLS 1.2 with TLS_RSA_WITH_NULL_SHA")),
    ("legacy", "", ["-tls1_2", "-cipher", "AECDH-AES128-SHA:" + OLD], "handshake_failure",
     NO_SUITE.format("legacy", "at most TLS 1.2 with TLS_ECDH_anon_WITH_AES_128_CBC_SHA")),
    ("own", OWN_256, ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], "handshake_failure",
     NO_SUITE.format("own", "TLS 1.3 with TLS_AES_128_GCM_SHA256")),
    ("own", OWN_256, ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "handshake_failure",
     NO_SUITE.format("own", "at most TLS 1.2 with TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")),
    ("standard", "", ["-tls1_3", "-groups", "P-521"], "handshake_failure",
     "no group in common under policy standard: the peer offers TLS 1.3 with the groups secp521r1"),
    ("legacy", "", ["-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"], "handshake_failure",
     NO_SIGNATURE.format("legacy", "TLS 1.3 with the signatures ecdsa_secp256r1_sha256")),
    # RFC 9155: no SHA-1 where something else can be agreed on
    ("legacy", "", ["-tls1_2", "-cipher", "ECDHE:" + OLD, "-sigalgs", "RSA+SHA1"], "handshake_failure",
     NO_SIGNATURE.format("legacy", "at most TLS 1.2 with the signatures rsa_pkcs1_sha1")),
])
def test_listener_refuses_the_rest_and_says_what_was_offered(scene, policy, own, args, alert, why):
    with scene.gateway(**with_policy(scene, "outside", policy, own)) as gw:
        ok, _ = connect(scene, *args)
        assert not ok
        failed = gw.wait_event("connection_failed")[0]
        assert (failed["phase"], failed["status"], failed["listener"]) == ("handshake", "crypto", "outside"), failed
        assert (failed["alert"], failed["alert_from"]) == (alert, "us") and failed["help"], failed
        assert failed["why"] == why, failed


class OpensslServer:
    """The carrier, played by openssl s_server."""

    def __init__(self, scene, *args, cert=None):
        pem, key = cert or scene.pki.domain("peer-rsa", "peer.test", kind="rsa")
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", str(scene.carrier_port), "-cert", pem, "-key", key, "-CAfile",
             scene.ca, "-Verify", "2", "-verify_return_error", "-msg", *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while True:
            line = self.process.stdout.readline()
            assert line, "s_server ended"
            if line.startswith(b"ACCEPT"):
                break

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def read_until(self, word):
        while True:
            line = self.process.stdout.readline()
            assert line, f"s_server ended before {word}"
            if word in line:
                return

    def type(self, key):
        self.process.stdin.write(key)
        self.process.stdin.flush()


def dial(scene):
    pbx = sip.Udp()
    pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
    return pbx


@pytest.mark.parametrize("policy,own,args,version,suite", [
    ("modern", "", [], "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ("standard", "", ["-tls1_2"], "TLSv1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    ("legacy", "", ["-tls1", "-cipher", "ALL:" + OLD], "TLSv1", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    ("legacy", "", ["-tls1_1", "-cipher", "AES128-SHA:" + OLD], "TLSv1.1", "TLS_RSA_WITH_AES_128_CBC_SHA"),
    ("legacy", "", ["-tls1_2", "-cipher", "AES256-SHA"], "TLSv1.2", "TLS_RSA_WITH_AES_256_CBC_SHA"),
    ("own", OWN_256, [], "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
])
def test_peer_is_reached_with_what_its_policy_has(scene, policy, own, args, version, suite):
    with OpensslServer(scene, *args) as server, scene.gateway(**with_policy(scene, "carrier", policy, own)) as gw:
        dial(scene)
        opened = gw.wait_event("connection_open", direction="out")[0]
        assert (opened["version"], opened["suite"], opened["peer"]) == (version, suite, "carrier")
        server.read_until(b"MESSAGE sip:bob@peer.test SIP/2.0")


@pytest.mark.parametrize("policy,args,why", [
    ("standard", ["-tls1", "-cipher", "ALL:" + OLD],
     "alert protocol_version: policy standard has TLS 1.2 to TLS 1.3"),
    ("modern", ["-tls1_2"], "alert protocol_version: policy modern has TLS 1.3"),
    ("standard", ["-tls1_2", "-cipher", "AES128-SHA"],
     "alert handshake_failure: policy standard has TLS 1.2 to TLS 1.3"),
])
def test_peer_that_has_nothing_of_our_policy_is_named_in_the_log(scene, policy, args, why):
    """RFC 9325 3.1.3: and it is not tried again with less."""
    with OpensslServer(scene, *args), scene.gateway(**with_policy(scene, "carrier", policy)) as gw:
        assert dial(scene).final().status == 500
        failed = gw.wait_event("connection_failed", direction="out")[0]
        assert len(gw.events("connection_failed")) == 1
        assert failed["peer"] == "carrier" and failed["alert_from"] == "peer", failed
        assert why in failed["why"], failed


@pytest.mark.parametrize("bits,digest,why", [(1024, "-sha256", "key_too_weak"), (2048, "-sha1", "signature_too_weak")])
@pytest.mark.parametrize("args", [["-tls1"], ["-tls1_2"]])
def test_legacy_admits_no_weak_certificate(scene, bits, digest, why, args):
    """RFC 9325 4.5: what legacy lowers is the handshake, not whom we believe."""
    weak = old_leaf(scene, f"weak{bits}{digest}{args[0]}", bits, digest)
    with scene.gateway(**with_policy(scene, "outside", "legacy")) as gw:
        connect(scene, *args, "-cipher", "ALL:" + OLD, cert=weak)
        failed = gw.wait_event("connection_failed")[0]
        assert (failed["status"], failed["reason"]) == ("crypto_verify", why), failed
    with OpensslServer(scene, *args, "-cipher", "ALL:" + OLD, cert=weak), \
            scene.gateway(name="out", **with_policy(scene, "carrier", "legacy")) as gw:
        dial(scene)
        failed = gw.wait_event("connection_failed", direction="out")[0]
        assert (failed["status"], failed["reason"]) == ("crypto_verify", why), failed


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("offered,chosen", [("sip/2", "sip/2"), ("h2,sip,sip/2", "sip/2"), ("sip,http/1.1", "sip")])
def test_a_client_that_asks_for_sip_by_alpn_gets_it(scene, version, offered, chosen):
    """RFC 9325 3.8, RFC 7301 3.2"""
    with scene.gateway() as gw:
        ok, out = connect(scene, version, "-alpn", offered)
        assert ok and f"ALPN protocol: {chosen}\n".encode() in out.stdout, out.stdout
        assert gw.wait_event("connection_open")[0]["identity"] == "peer.test"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_client_that_asks_for_other_protocols_only_is_refused(scene, version):
    """RFC 9325 3.8, RFC 7301 3.2: no_application_protocol; one that does not ask goes on."""
    with scene.gateway() as gw:
        ok, out = connect(scene, version, "-alpn", "h2,http/1.1")
        assert not ok and b"alert number 120" in out.stderr, out.stderr
        failed = gw.wait_event("connection_failed")[0]
        assert (failed["alert"], failed["alert_from"], failed["reason"]) == ("no_application_protocol", "us",
                                                                             "no_common_protocol"), failed
        ok, out = connect(scene, version)
        assert ok and b"No ALPN negotiated" in out.stdout, out.stdout


def test_a_server_that_asks_for_alpn_is_asked_for_none(scene):
    """RFC 7301 3.1: an extension that a client may leave out; RFC 9325 3.8"""
    with OpensslServer(scene, "-alpn", "h2") as server, scene.gateway() as gw:
        dial(scene)
        gw.wait_event("connection_open", direction="out")
        server.read_until(b"MESSAGE sip:")


@pytest.mark.parametrize("policy", ["standard", "legacy"])
def test_client_cannot_renegotiate(scene, policy):
    """RFC 9325 3.5: not even by secure renegotiation."""
    with scene.gateway(**with_policy(scene, "outside", policy)) as gw:
        _, out = connect(scene, "-tls1_2", "-msg", stdin=b"R\n")
        assert b"Secure Renegotiation IS supported" in out.stdout
        assert b"RENEGOTIATING" in out.stderr and b"no renegotiation" in out.stderr, out.stderr
        assert out.stdout.count(b", ServerHello\n") == 1
        assert len(gw.wait_event("connection_open")) == 1


def test_server_cannot_renegotiate(scene):
    """RFC 5246 7.4.1.1: a HelloRequest is answered with no_renegotiation."""
    with OpensslServer(scene, "-tls1_2") as server, scene.gateway() as gw:
        dial(scene)
        gw.wait_event("connection_open", direction="out")
        server.read_until(b"MESSAGE sip:")
        server.type(b"r\n")
        server.read_until(b"HelloRequest")
        server.read_until(b"no_renegotiation")


def findings(scene, **more):
    path = scene.folder / "checked.yaml"
    path.write_text(scene.config(**more), encoding="utf-8")
    out = run("check", "-c", str(path))
    return out.returncode, out.stderr.splitlines()


@pytest.mark.parametrize("keys,message", [
    ("ciphers: RC4-SHA", "RC4-SHA in ciphers: RC4 is broken (RFC 7465)"),
    ("ciphers: 'ECDHE+AESGCM:NULL-SHA'", "NULL-SHA in ciphers: it does not encrypt"),
    ("ciphers: EXP-RC4-MD5", "EXP-RC4-MD5 in ciphers: export suites"),
    ("ciphers: DES-CBC3-SHA", "DES-CBC3-SHA in ciphers: DES and 3DES"),
    ("ciphers: ADH-AES128-SHA", "ADH-AES128-SHA in ciphers: nobody proves who it is"),
    ("ciphers: 'ALL:@SECLEVEL=0'", "ciphers contains ADH"),
    ("ciphers: 'ECDHE-RSA-AES128-GCM-SHA256:AES128-SAH'", "AES128-SAH in ciphers: the TLS library does not know it"),
    ("groups: 'X25519:P-192'", "P-192 in groups: it is none of"),
    ("signature_algorithms: 'RSA+SHA256:RSA+SHA1'", "RSA+SHA1 in signature_algorithms: SHA-1"),
    ("min_version: '1.3', max_version: '1.2'", "max_version is below min_version"),
    ("min_version: SSLv3", 'min_version: "SSLv3"'),
    ("min_version: '0.3'", 'min_version: "0.3"'),
    ("compression: true", "compression"),
    ("renegotiation: true", "renegotiation"),
])
def test_what_cannot_be_had_is_a_configuration_error(scene, keys, message):
    code, lines = findings(scene, extra=f"tls_policies:\n  - {{name: own, {keys}}}\n")
    errors = [x for x in lines if ": warning:" not in x and ": note:" not in x]
    assert code == 2 and any(message in x for x in errors), lines


def test_check_names_each_user_of_a_weak_policy(scene):
    code, lines = findings(
        scene, outside="    policy: legacy\n", carrier="    policy: own\n",
        extra="tls_policies:\n  - {name: own, min_version: '1.0', ciphers: AES128-SHA}\n"
              "  - {name: fine, max_version: '1.2'}\n")
    warnings = [x for x in lines if ": warning:" in x]
    assert code == 0
    of_listener = [x for x in warnings if 'listener "outside" uses policy legacy' in x]
    of_peer = [x for x in warnings if 'peer "carrier" uses policy own' in x]
    assert len(of_listener) == 1 and "TLS 1.0 and 1.1 (RFC 8996)" in of_listener[0]
    assert len(of_peer) == 1 and "TLS_RSA_WITH_AES_128_CBC_SHA has no forward secrecy" in of_peer[0]
    assert any('TLS policy "own": it admits TLS 1.0' in x for x in warnings)
    assert not any("fine" in x for x in warnings)
    code, lines = findings(scene)
    assert code == 0 and not any("uses policy" in x or "TLS policy" in x for x in lines), lines
