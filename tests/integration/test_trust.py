"""Whom we believe, over real TLS: names, purposes, pins, depth, strength, and the worked examples of docs/trust.md."""

import base64
import hashlib
import os
import shutil
import socket
import ssl
import subprocess
import time

import pytest
from lab import pki as lab_pki
from lab import sip
from lab.gateway import ROOT, Gateway, free_port, run

EXAMPLES = os.path.join(ROOT, "docs", "examples")


def openssl(*args, **more):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, **more).stdout


def verdict(gw, direction, timeout=10):
    """The first line that says what came of a TLS connection."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for e in gw.events(direction=direction, transport="tls"):
            if e["event"] in ("connection_open", "connection_failed"):
                return e
        time.sleep(0.02)
    raise AssertionError(gw.tail())


def come_in(scene, cert, key, carrier="", config=None):
    """A client with this certificate connects and asks; the line, and the status of the answer (None: closed)."""
    gateway = Gateway(scene.folder, config) if config else scene.gateway(carrier=carrier)
    with gateway as gw:
        status = None
        try:
            c = sip.tls(scene.outside, ca=scene.ca, cert=cert, key=key)
            c.send(sip.request("OPTIONS", "sip:example.test"))
            status = c.final().status
        except (TimeoutError, ssl.SSLError, ConnectionError):
            pass
        return verdict(gw, "in"), status


def go_out(scene, cert, key, carrier="", config=None):
    """We connect to a server with this certificate; the line, and whether it got the request."""
    server = sip.Server(cert, key, ca=scene.ca, port=scene.carrier_port)
    gateway = Gateway(scene.folder, config) if config else scene.gateway(carrier=carrier)
    try:
        with gateway as gw:
            pbx = sip.Udp()
            pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
            stream = server.accept()
            said = verdict(gw, "out")
            got = None
            if said["event"] == "connection_open":
                got = stream.recv()
                stream.send(sip.response(got, 200))
                assert pbx.final().status == 200
            else:
                assert stream.wait_closed() and stream.data == b""  # RFC 5922 7.3: nothing was sent
            return said, got is not None
    finally:
        server.close()


# ---- the name rule: CONTRACT "Who is it" ----

@pytest.mark.parametrize("verify,san,ok_in,ok_out", [
    ("domain", "URI:sip:peer.test", True, True),
    ("domain", "DNS:*.test", False, False),
    ("domain", "IP:127.0.0.1", False, False),
    ("wildcard", "DNS:peer.test", True, True),
    ("wildcard", "DNS:*.test", False, False),          # a single label behind it: never
    ("wildcard", "IP:127.0.0.1", False, False),
    ("address", "IP:127.0.0.1", True, True),
    ("address", "IP:127.0.0.2", False, False),
    ("address", "DNS:127.0.0.1", False, False),        # an address is no name
    ("address", "DNS:peer.test", True, True),
    ("chain", "DNS:other.test", False, True),          # inbound it widens nothing
    ("chain", "DNS:peer.test", True, True),
])
def test_name_rule_holds_in_both_directions(scene, verify, san, ok_in, ok_out):
    """RFC 5922 7.2, 7.3, 7.4, and each exception from it."""
    name = "v" + "".join(c if c.isalnum() else "_" for c in san)
    cert, key = scene.pki.leaf(name, san=san)
    said, _ = come_in(scene, cert, key, f"    verify: {verify}\n")
    assert (said["peer"] == "carrier") == ok_in, said
    if ok_in:
        assert said["verify"] == ("domain" if verify == "chain" else verify)
    said, got = go_out(scene, cert, key, f"    verify: {verify}\n")
    assert got == ok_out, said
    assert said["verify"] == verify
    if not ok_out:
        assert said["phase"] == "identity" and said["status"] == "denied_identity"


@pytest.mark.parametrize("keys,ok", [("", False), ("    source: [127.0.0.2]\n", True),
                                     ("    source: [127.0.0.0/30]\n", True)])
def test_address_that_is_proved_must_be_one_of_the_peers(scene, keys, ok):
    """RFC 5922 7.1: from public CAs anybody has a certificate of the address he comes from."""
    cert, key = scene.pki.leaf("elsewhere", san="URI:sip:other.test,IP:127.0.0.2")
    with scene.gateway(carrier="    verify: address\n" + keys) as gw:
        raw = socket.create_connection(("127.0.0.1", scene.outside), timeout=5, source_address=("127.0.0.2", 0))
        c = sip.Stream(sip.client_context(scene.ca, cert, key).wrap_socket(raw, server_hostname="example.test"))
        c.send(sip.request("OPTIONS", "sip:example.test"))
        assert verdict(gw, "in")["peer"] == ("carrier" if ok else "verified")
        assert c.final().status == 200


def test_address_of_a_peer_that_is_nowhere_is_warned_of(scene):
    path = os.path.join(scene.folder, "checked.yaml")
    config = scene.config(carrier="    verify: address")
    with open(path, "w", encoding="utf-8") as f:
        f.write(config.replace(f"    address: 127.0.0.1:{scene.carrier_port}\n", "", 1))
    out = run("check", "-c", path)
    assert out.returncode == 0 and 'verify: address on peer "carrier", which has neither address nor source' in out.stderr


@pytest.mark.parametrize("san,ok", [
    ("DNS:*.peer.test", True),
    ("DNS:gw.peer.test", True),
    ("DNS:*.gw.peer.test", False),
    ("DNS:g*.peer.test", False),
    ("DNS:*.*.test", False),
    ("DNS:*.other.test", False),
    ("URI:sip:x.test,DNS:*.peer.test", False),         # a URI rules DNS names out
])
def test_wildcard_is_one_left_most_label(scene, san, ok):
    """The exception from RFC 5922 7.2."""
    name = "w" + "".join(c if c.isalnum() else "_" for c in san)
    cert, key = scene.pki.leaf(name, san=san)
    config = scene.config(carrier="    verify: wildcard\n").replace("domain: peer.test", "domain: gw.peer.test")
    said, _ = come_in(scene, cert, key, config=config)
    assert (said["peer"] == "carrier") == ok, said
    said, got = go_out(scene, cert, key, config=config)
    assert got == ok, said


def test_chain_is_told_at_the_start_and_at_each_connection(scene):
    cert, key = scene.pki.domain("other", "other.test")
    said, _ = go_out(scene, cert, key, "    verify: chain\n")
    assert said["level"] == "warn" and said["verify"] == "chain" and "not asked for" in said["why"]


@pytest.mark.parametrize("keys,words", [
    ("    verify: wildcard\n", "verify: wildcard widens the name rule"),
    ("    verify: address\n", "verify: address widens the name rule"),
    ("    verify: chain\n", "verify: chain does not ask peer"),
    ("    purposes: server-is-enough\n", "purposes: server-is-enough lets peer"),
    ("    purposes: any\n", "purposes: any does not mind"),
])
def test_check_names_each_rule_that_is_widened(scene, keys, words):
    path = os.path.join(scene.folder, "checked.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(scene.config(carrier=keys))
    out = run("check", "-c", path)
    assert out.returncode == 0 and words in out.stderr and '"carrier"' in out.stderr, out.stderr
    assert run("check", "--strict", "-c", path).returncode == 1


# ---- purposes: RFC 5280 4.2.1.12, RFC 5924 5 ----

SIP_DOMAIN = "1.3.6.1.5.5.7.3.20"


@pytest.mark.parametrize("usage,rule,ok_in,ok_out", [
    ("clientAuth", "strict", True, False),
    ("serverAuth", "strict", False, True),
    (SIP_DOMAIN, "strict", True, True),
    ("anyExtendedKeyUsage", "strict", True, True),
    ("codeSigning", "strict", False, False),
    ("serverAuth", "server-is-enough", True, True),
    ("clientAuth", "server-is-enough", True, False),
    ("codeSigning", "server-is-enough", False, False),
    ("codeSigning", "any", True, True),
])
def test_purposes_are_judged_by_the_peers_rule(scene, usage, rule, ok_in, ok_out):
    """RFC 5922 7.1, RFC 5280 4.2.1.12."""
    cert, key = scene.pki.domain("eku" + usage, "peer.test", usage=usage)
    said, status = come_in(scene, cert, key, f"    purposes: {rule}\n")
    assert (said["event"], status) == (("connection_open", 200) if ok_in else ("connection_failed", None)), said
    if not ok_in:
        assert said["phase"] == "identity" and said["status"] == "denied_purpose"
        assert "clientAuth" in said["why"] and said["help"] and said["identity"] == "peer.test"
        key_that_helps = "server-is-enough" if usage == "serverAuth" else "purposes: any"
        assert key_that_helps in said["why"]
    elif rule != "strict":
        assert said["purposes"] == rule
    said, got = go_out(scene, cert, key, f"    purposes: {rule}\n")
    assert got == ok_out, said
    if not ok_out:
        assert said["status"] == "denied_purpose" and "lacks serverAuth" in said["why"]
        assert "purposes: any" in said["why"]


def test_stranger_with_a_certificate_for_servers_is_refused(scene):
    """The rule of peers that are named does not hold for those that are not."""
    cert, key = scene.pki.domain("strangeserver", "stranger.test", usage="serverAuth")
    said, status = come_in(scene, cert, key, "    purposes: any\n")
    assert status is None and said["status"] == "denied_purpose"


# ---- pins ----

def digests(cert):
    der = openssl("x509", "-in", cert, "-outform", "DER")
    public = openssl("x509", "-in", cert, "-noout", "-pubkey")
    spki = openssl("pkey", "-pubin", "-outform", "DER", input=public)
    return hashlib.sha256(der), hashlib.sha256(spki)


def pinned_config(scene, pins):
    return scene.config().replace(
        "trust:\n", f"trust:\n  - {{name: branch, pinned: {pins}}}\n", 1).replace(
        "trust: [partners]", "trust: [partners, branch]").replace(
        "    domain: peer.test\n", "").replace("    trust: partners\n    ping", "    trust: branch\n    ping")


def colons(text):
    return ":".join(text[i:i + 2] for i in range(0, len(text), 2)).upper()


@pytest.mark.parametrize("form", [
    lambda c, k: "sha256:" + c.hexdigest(),
    lambda c, k: "sha256:" + colons(c.hexdigest()),
    lambda c, k: "spki:sha256:" + k.hexdigest(),
    lambda c, k: "spki:sha256:" + base64.b64encode(k.digest()).decode(),
    lambda c, k: "sha256/" + base64.b64encode(k.digest()).decode(),
], ids=["certificate", "colons", "key-hex", "key-base64", "rfc7469"])
def test_pin_as_text_stands_for_chain_name_and_purpose(scene, form):
    cert, key = scene.pki.domain("pinned", "anything.test", ca="rogue", usage="codeSigning")
    pin = form(*digests(cert))
    config = pinned_config(scene, f'["sha256:{"00" * 32}", "{pin}"]')
    said, status = come_in(scene, cert, key, config=config)
    assert (said["peer"], status) == ("carrier", 200), said
    assert said["verify"] == "pin" and said["pin"] == pin
    said, got = go_out(scene, cert, key, config=config)
    assert got and said["pin"] == pin, said
    other, other_key = scene.pki.domain("unpinned", "peer.test", ca="rogue")
    said, status = come_in(scene, other, other_key, config=config)
    assert status is None and said["phase"] == "handshake", said


def test_two_pins_at_once_for_a_roll_over(scene):
    old, old_key = scene.pki.self_signed("old", "DNS:a.test")
    new, new_key = scene.pki.self_signed("new", "DNS:a.test")
    config = pinned_config(scene, f'[{old}, "spki:sha256:{digests(new)[1].hexdigest()}"]')
    for cert, key, pin in ((old, old_key, old), (new, new_key, "spki:sha256:" + digests(new)[1].hexdigest())):
        said, status = come_in(scene, cert, key, config=config)
        assert (said["peer"], status, said["pin"]) == ("carrier", 200, pin)


@pytest.mark.parametrize("pin", ["sha256:12", "sha256:" + "g" * 64, "spki:sha256:" + "A" * 43, "sha256/" + "A" * 44,
                                 "sha256:" + "0" * 66])
def test_wrong_pins_are_errors_with_the_right_forms(scene, pin):
    path = os.path.join(scene.folder, "checked.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(pinned_config(scene, f'["{pin}"]'))
    out = run("check", "-c", path)
    assert out.returncode == 2 and "is no pin (a PEM file, sha256:HEX" in out.stderr, out.stderr


# ---- chains ----

def sub_ca(pki, name, parent, kind="ec"):
    """A CA below another."""
    pem, key, csr, ext = (pki.path(name + end) for end in (".pem", ".key", ".csr", ".ext"))
    pki.ca(parent)
    if not os.path.exists(pem):
        openssl("req", "-newkey", *lab_pki.KINDS.get(kind, [kind]), "-nodes", "-keyout", key, "-out", csr,
                "-subj", f"/CN=Test {name}")
        with open(ext, "w", encoding="ascii") as f:
            f.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
        openssl("x509", "-req", "-in", csr, "-CA", pki.path(f"{parent}.pem"), "-CAkey", pki.path(f"{parent}.key"),
                "-CAcreateserial", "-days", "300", "-out", pem, "-extfile", ext)
    return pem


def with_chain(pki, name, cert, *cas):
    path = pki.path(name)
    with open(path, "w", encoding="ascii") as out:
        for pem in (cert, *cas):
            with open(pem, encoding="ascii") as f:
                out.write(f.read())
    return path


@pytest.mark.parametrize("direction", [come_in, go_out])
def test_depth_is_four_cas_and_one_more_is_refused(scene, direction):
    """Root, three below it, the leaf: four CAs. A fourth below: five."""
    cas, parent = [], "ca"
    for i in range(1, 5):
        cas.insert(0, sub_ca(scene.pki, f"sub{i}", parent))
        parent = f"sub{i}"
    good, key = scene.pki.domain("under3", "peer.test", ca="sub3")
    said, _ = direction(scene, with_chain(scene.pki, "under3-chain.pem", good, *cas[1:]), key)
    assert said["event"] == "connection_open" and said["peer"] == "carrier", said
    deep, key = scene.pki.domain("under4", "peer.test", ca="sub4")
    chain = with_chain(scene.pki, "under4-chain.pem", deep, *cas)
    if direction is go_out:
        said = refused_server(scene, chain, key)
    else:
        said, _ = direction(scene, chain, key)
    assert said["event"] == "connection_failed" and said["reason"] == "chain_too_long", said
    config = scene.config().replace(f"ca: {scene.ca}", f"ca: {scene.ca}, depth: 5")
    said, _ = direction(scene, chain, key, config=config)
    assert said["event"] == "connection_open", said


def refused_server(scene, cert, key):
    """What the log says of a server that we refuse in the handshake."""
    server = sip.Server(cert, key, ca=scene.ca, port=scene.carrier_port)
    try:
        with scene.gateway() as gw:
            pbx = sip.Udp()
            pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
            with pytest.raises((ssl.SSLError, OSError)):
                server.accept()
            return gw.wait_event("connection_failed", direction="out")[0]
    finally:
        server.close()


@pytest.mark.parametrize("policy", ["standard", "legacy"])
@pytest.mark.parametrize("what,reason", [("rsa:1024", "key_too_weak"), ("sha1", "signature_too_weak"),
                                         ("weakca", "key_too_weak")])
def test_weak_certificates_are_refused_under_every_policy(scene, policy, what, reason):
    pki = scene.pki
    lab_pki.KINDS["rsa:1024"] = ["rsa:1024"]
    if what == "weakca":
        ca = sub_ca(pki, "weakca", "ca", "rsa:1024")
        cert, key = pki.domain("underweak", "peer.test", ca="weakca")
        cert = with_chain(pki, "underweak-chain.pem", cert, ca)
    elif what == "sha1":
        _, key = pki.domain("willbesha1", "peer.test")
        cert = pki.path("sha1.pem")
        openssl("x509", "-req", "-in", pki.path("willbesha1.csr"), "-CA", scene.ca, "-CAkey", pki.path("ca.key"),
                "-CAcreateserial", "-sha1", "-days", "30", "-out", cert)
    else:
        cert, key = pki.domain("weakleaf", "peer.test", kind=what)
    with scene.gateway(outside=f"    policy: {policy}\n") as gw:
        subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", "-cert", cert, "-cert_chain", cert,
             "-key", key, "-cipher", "ALL@SECLEVEL=0"], input=b"Q\n", capture_output=True, timeout=20, check=False)
        said = gw.wait_event("connection_failed")[0]
        assert said["status"] == "crypto_verify" and said["reason"] == reason, said
        assert "2048" in said["help"]


# ---- the worked examples of docs/trust.md ----

class Example:
    """A file of docs/examples with certificates, run with its addresses on this machine."""

    def __init__(self, scene, name):
        self.scene, self.folder = scene, os.path.join(scene.folder, name)
        tls = os.path.join(self.folder, "tls")
        os.makedirs(tls)
        pki = scene.pki
        for file, domain in (("sbc", "sbc.example.com"), ("gateway", "trunk.example.com")):
            cert, key = pki.leaf("example-" + file, san=f"DNS:{domain}", ca="public-ca")
            shutil.copy(cert, os.path.join(tls, file + ".pem"))
            shutil.copy(key, os.path.join(tls, file + ".key"))
        shutil.copy(pki.ca("public-ca"), tls)
        with open(os.path.join(tls, "seal.key"), "wb") as f:
            f.write(os.urandom(32))
        shutil.copy(os.path.join(EXAMPLES, name + ".yaml"), self.folder)
        self.path = os.path.join(self.folder, name + ".yaml")
        with open(self.path, encoding="utf-8") as f:
            self.text = f.read()
        self.ca = pki.ca("public-ca")
        self.outside, self.inside, self.first, self.second, self.pbx = (free_port() for _ in range(5))

    def here(self, **more):
        """The gateway with the example's addresses replaced by ports of 127.0.0.1; each must stand in it."""
        text = self.text
        last = {"teams": 10, "twilio": 20, "zoom": 30}[os.path.basename(self.folder)]
        for old, new in {
                "192.0.2.10:5061": f"127.0.0.1:{self.outside}", "10.0.0.10:5060": f"127.0.0.1:{self.inside}",
                f"198.51.100.{last}:5061": f"127.0.0.1:{self.first}",
                f"198.51.100.{last + 1}:5061": f"127.0.0.1:{self.second}",
                "10.0.0.20:5060": f"127.0.0.1:{self.pbx}", "[10.0.0.20]": "[127.0.0.1]", **more}.items():
            assert text.count(old) == 1, (old, text.count(old))
            text = text.replace(old, new)
        return Gateway(self.folder, text, name="here")

    def leaf(self, name, san, usage="serverAuth"):
        return self.scene.pki.leaf(name, san=san, ca="public-ca", usage=usage)


@pytest.fixture(params=["teams", "twilio", "zoom"])
def example_name(request):
    return request.param


def test_check_accepts_the_example(scene, example_name):
    out = run("check", "-c", Example(scene, example_name).path)
    assert out.returncode == 0, out.stderr
    assert " error:" not in out.stderr


def call_in(gw, example, stream, peer):
    """A request from the peer reaches the PBX, and the answer the peer."""
    pbx = sip.Udp(example.pbx)
    try:
        stream.send(sip.request("MESSAGE", "sip:+4912@sbc.example.com:5061" if peer != "trunk-provider"
                                else "sip:+4912@trunk.example.com:5061"))
        m = pbx.recv(want=lambda x: x.method == "MESSAGE")
        pbx.send(sip.response(m, 200))
        assert stream.recv(want=lambda x: x.status and x.status >= 200).status == 200
        opened = gw.wait_event("connection_open", direction="in", peer=peer)[0]
        return opened
    finally:
        pbx.close()


def call_out(example, stream):
    """A request from the PBX reaches the peer; returns what it got."""
    pbx = sip.Udp(example.pbx)
    try:
        pbx.send(sip.request("MESSAGE", f"sip:+15550100@127.0.0.1:{example.inside}", transport="UDP",
                             sent_by=f"127.0.0.1:{pbx.port}"), example.inside)
        m = stream.recv(want=lambda x: x.method == "MESSAGE")
        stream.send(sip.response(m, 200))
        assert pbx.recv(want=lambda x: x.status and x.status >= 200).status == 200
        return m
    finally:
        pbx.close()


def test_teams_style_peer(scene):
    """Mutual TLS, a wildcard and several names, serverAuth only, OPTIONS with our name in Contact."""
    example = Example(scene, "teams")
    cert, key = example.leaf("teams", "DNS:sip.pstnhub.microsoft.test,DNS:*.pstnhub.microsoft.com")
    server = sip.Server(cert, key, ca=example.ca, port=example.first)
    with example.here(**{"ping: 60s": "ping: 1s"}) as gw:
        stream = server.accept()
        ping = stream.recv(want=lambda x: x.method == "OPTIONS")
        assert "sbc.example.com:5061" in ping["contact"]
        assert ("DNS", "sbc.example.com") in stream.sock.getpeercert()["subjectAltName"]
        stream.send(sip.response(ping, 200))
        opened = gw.wait_event("connection_open", direction="out")[0]
        assert (opened["peer"], opened["verify"], opened["purposes"]) == ("teams", "wildcard", "server-is-enough")
        m = call_out(example, stream)
        assert m.line == "MESSAGE sip:+15550100@sip.pstnhub.microsoft.com SIP/2.0"
        client = sip.tls(example.outside, ca=example.ca, cert=cert, key=key, server_name="sbc.example.com")
        client.send(sip.request("OPTIONS", "sip:sbc.example.com:5061"))
        assert client.final().status == 200
        opened = call_in(gw, example, client, "teams")
        assert (opened["verify"], opened["purposes"]) == ("wildcard", "server-is-enough")
        # the same CA, another name: nobody's
        cert, key = example.leaf("teams-not", "DNS:*.pstnhub.microsoft.test", usage="serverAuth,clientAuth")
        other = sip.tls(example.outside, ca=example.ca, cert=cert, key=key)
        other.send(sip.request("MESSAGE", "sip:+4912@sbc.example.com:5061"))
        assert other.final().status == 403
    server.close()


def test_twilio_style_peer(scene):
    """It shows a certificate as server only, speaks TLS 1.2, and is known inbound by its addresses."""
    example = Example(scene, "twilio")
    cert, key = example.leaf("twilio", "DNS:*.pstn.twilio.com,DNS:pstn.twilio.com")
    server = sip.Server(cert, key, port=example.first)
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    with example.here(**{"198.51.100.0/26": "127.0.0.0/26",
                         "without_certificate: allow": "without_certificate: allow\n    ping: 1s"}) as gw:
        stream = server.accept()  # our OPTIONS
        assert stream.sock.version() == "TLSv1.2" and not stream.sock.getpeercert(binary_form=True)
        stream.send(sip.response(stream.recv(), 200))
        opened = gw.wait_event("connection_open", direction="out")[0]
        assert (opened["peer"], opened["verify"]) == ("trunk-provider", "wildcard")
        m = call_out(example, stream)
        assert m.line == "MESSAGE sip:+15550100@example-trunk.pstn.twilio.com SIP/2.0"
        client = sip.tls(example.outside, ca=example.ca, version=ssl.TLSVersion.TLSv1_2)
        opened = call_in(gw, example, client, "trunk-provider")
        assert opened["why"] == "its source address" and "verify" not in opened
    server.close()
    # an address that is not in the list gets no answer, and no call
    with example.here() as gw:
        client = sip.tls(example.outside, ca=example.ca, version=ssl.TLSVersion.TLSv1_2)
        client.send(sip.request("MESSAGE", "sip:+4912@trunk.example.com:5061"))
        assert gw.wait_event("connection_open", direction="in")[0]["peer"] == "nobody"
        assert client.silent() or client.data == b""


def test_zoom_style_peer(scene):
    """Mutual TLS, and each of several servers proves a name of its own."""
    example = Example(scene, "zoom")
    names = ["us01peer01.sc.zoom.example", "us01peer01.ny.zoom.example", "us01peer01.dv.zoom.example"]
    leaves = [example.leaf(n, f"DNS:{n}", usage="serverAuth,clientAuth" if i else "serverAuth")
              for i, n in enumerate(names)]
    server = sip.Server(*leaves[1], ca=example.ca, port=example.first)  # not the first of the names
    with example.here(**{"timeout: 3s": "timeout: 3s\n    ping: 1s"}) as gw:
        stream = server.accept()
        stream.send(sip.response(stream.recv(), 200))
        opened = gw.wait_event("connection_open", direction="out")[0]
        assert (opened["peer"], opened["identity"], opened["verify"]) == ("zoom", names[1], "domain")
        assert call_out(example, stream).line == f"MESSAGE sip:+15550100@{names[0]} SIP/2.0"
        for name, (cert, key) in zip(names, leaves):
            client = sip.tls(example.outside, ca=example.ca, cert=cert, key=key, server_name="sbc.example.com")
            call_in(gw, example, client, "zoom")
            assert gw.wait_event("connection_open", direction="in", identity=name)[0]["peer"] == "zoom"
        with pytest.raises((TimeoutError, ssl.SSLError, ConnectionError)):
            client = sip.tls(example.outside, ca=example.ca)
            client.send(sip.request("OPTIONS", "sip:sbc.example.com:5061"))
            client.final()
        assert gw.wait_event("connection_failed", status="crypto_no_certificate")
    server.close()
