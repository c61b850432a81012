"""Certificates that were revoked: lists in files and over HTTP, OCSP, and what
each policy makes of what is not known."""

import os
import ssl
import subprocess

import pytest
from lab import sip
from lab.gateway import free_port, run
from lab.revoke import Register, Web, make_old
from test_reload import ctl

STALE = ("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200108000000Z")


@pytest.fixture
def register(scene, tmp_path):
    return Register(scene.pki, tmp_path)


def with_trust(scene, keys):
    """The usual configuration; `keys` are added to its trust entry."""
    text = scene.config()
    assert f"ca: {scene.ca}}}" in text
    return text.replace(f"ca: {scene.ca}}}", f"ca: {scene.ca}, {keys}}}")


def gateway(scene, keys, **more):
    gw = scene.gateway(**more)
    with open(gw.config, "r+", encoding="utf-8") as f:
        text = f.read()
        f.seek(0)
        f.write(text.replace(f"ca: {scene.ca}}}", f"ca: {scene.ca}, {keys}}}"))
    return gw


def is_let_in(scene, cert=None, key=None):
    """True if a client with the carrier's certificate, or another, gets an answer."""
    try:
        c = sip.tls(scene.outside, ca=scene.ca, cert=cert or scene.peer_pem, key=key or scene.peer_key)
        c.send(sip.request("OPTIONS", "sip:example.test"))
        return c.final().status == 200
    except (TimeoutError, ssl.SSLError, ConnectionError):
        return False


def serial(pem):
    out = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-serial"], capture_output=True, text=True, check=True)
    return out.stdout.strip().split("=")[1]


def reason(gw):
    return gw.wait_event("connection_failed")[-1]["reason"]


def alert(gw):
    failed = gw.wait_event("connection_failed")[-1]
    return failed["alert"], failed["alert_from"]


@pytest.mark.parametrize("failure, let_in", [("hard", False), ("soft", True)])
def test_a_list_past_its_next_update(scene, register, tmp_path, failure, let_in):
    crl = register.crl(tmp_path / "ca.crl", *STALE)
    with gateway(scene, f"crl: {crl}, revocation_failure: {failure}") as gw:
        assert gw.wait_event("certificate_ends", kind="crl")[0]["why"] == "it has expired"
        assert is_let_in(scene) == let_in
        if not let_in:
            assert reason(gw) == "crl_stale"
            assert alert(gw) == ("certificate_unknown", "us")  # RFC 8446 6.2: the certificate has not expired


@pytest.mark.parametrize("failure, let_in", [("hard", False), ("soft", True)])
def test_no_list_of_the_issuer(scene, tmp_path, failure, let_in):
    scene.pki.ca("other-ca")
    crl = Register(scene.pki, tmp_path, "other-ca").crl(tmp_path / "other.crl")
    with gateway(scene, f"crl: {crl}, revocation_failure: {failure}") as gw:
        assert is_let_in(scene) == let_in
        if not let_in:
            assert reason(gw) == "revocation_unknown"
            assert alert(gw) == ("certificate_unknown", "us")  # its CA is known
            failed = gw.events("connection_failed")[-1]
            assert "names neither a responder nor a list" in failed["why"] and "nobody to ask" in failed["help"]


def test_a_list_that_cannot_be_believed_gets_an_alert_that_says_nothing_else(scene, register, tmp_path):
    """Its hash is weak (RFC 9325 4.5); decrypt_error would be of the handshake's own signatures: RFC 8446 6.2"""
    forged = register.crl(tmp_path / "ca.crl", "-md", "sha1")
    with gateway(scene, f"crl: {forged}") as gw:
        assert not is_let_in(scene)
        assert reason(gw) == "crl_signature"
        assert alert(gw) == ("certificate_unknown", "us")


def test_a_stale_list_still_refuses_what_it_names(scene, register, tmp_path):
    register.revoke(scene.peer_pem)
    crl = register.crl(tmp_path / "ca.crl", *STALE)
    with gateway(scene, f"crl: {crl}") as gw:
        assert not is_let_in(scene)
        assert reason(gw) == "revoked"


def test_a_list_that_comes_into_a_folder_ends_the_connection(scene, register, tmp_path):
    """The certificate was believed a moment ago, and is in the cache of verified chains."""
    folder = tmp_path / "lists"
    folder.mkdir()
    register.crl(folder / "a.crl", der=True)
    with gateway(scene, f"crl: [{folder}], revocation_failure: hard") as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        assert is_let_in(scene)
        register.revoke(scene.peer_pem)
        register.crl(folder / "b.crl")
        assert c.wait_closed(timeout=10)
        closed = gw.wait_event("connection_closed", status="crypto_verify")[0]
        assert "is revoked" in closed["why"]
        assert not is_let_in(scene)
        assert reason(gw) == "revoked"


def test_a_list_that_is_written_over_is_read_again(scene, register, tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    crl = register.crl(folder / "a.pem")
    register.revoke(scene.peer_pem)
    newer = register.crl(tmp_path / "newer")
    with gateway(scene, f"crl: {folder}") as gw:
        assert is_let_in(scene)
        with open(newer, "rb") as f, open(crl, "r+b") as g:
            g.write(f.read())
        gw.wait_event("reloaded")
        assert not is_let_in(scene)


def test_a_broken_list_keeps_the_old_one(scene, register, tmp_path):
    register.revoke(scene.peer_pem)
    crl = register.crl(tmp_path / "ca.crl")
    with gateway(scene, f"crl: {crl}") as gw:
        with open(crl + ".new", "w", encoding="ascii") as f:
            f.write("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n")
        os.rename(crl + ".new", crl)
        gw.wait_event("crl_kept", file=crl)
        assert not is_let_in(scene)


def test_ctl_tells_the_age_of_lists(scene, register, tmp_path):
    register.revoke(scene.peer_pem)
    fresh, stale = register.crl(tmp_path / "a.crl"), register.crl(tmp_path / "b.crl", *STALE)
    with gateway(scene, f"crl: [{fresh}, {stale}]") as gw:
        a, b = ctl(gw, "certificates")[1]["revocation_lists"]
        assert (a["entry"], a["state"], a["revoked"], a["from"]) == ("partners", "current", 1, fresh)
        assert 0 <= a["age_seconds"] < 100
        assert (b["state"], b["next_update"]) == ("stale", "2020-01-08T00:00:00Z")


@pytest.mark.parametrize("keys, why", [
    ("crl: {crl}, revocation: off", "believed all the same"),
    ("revocation_failure: hard", "changes nothing"),
    ("revocation: sometimes", "off|crl"),
])
def test_check_warns_of_what_does_not_fit(scene, register, tmp_path, keys, why):
    crl = register.crl(tmp_path / "ca.crl")
    path = tmp_path / "checked.yaml"
    path.write_text(with_trust(scene, keys.format(crl=crl)), encoding="utf-8")
    out = run("check", "-c", str(path))
    assert why in out.stderr, out.stderr


# ---- OCSP ----

QUICK = "limits: {recheck: 1s, revocation_refresh: 1s}"


@pytest.fixture
def asked(scene, register):
    """The carrier's certificate names a responder on a port where nobody is yet."""
    port = free_port()
    scene.peer_pem, scene.peer_key = scene.pki.domain(
        f"asked-{port}", "peer.test", extra=f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/")
    register.good(scene.peer_pem)
    register.port = port
    return register


@pytest.mark.parametrize("mode", ["ocsp", "any"])
def test_a_responder_that_says_good_is_believed_and_not_asked_again(scene, asked, mode):
    with asked.ocsp(asked.port), gateway(scene, f"revocation: {mode}, revocation_failure: hard") as gw:
        assert is_let_in(scene) and is_let_in(scene)
        learnt = gw.events("revocation_learnt")
        assert [(e["kind"], e["said"]) for e in learnt] == [("ocsp", "good")]
        row, = ctl(gw, "revocation")[1]["revocation"]
        for told in (learnt[0], row):
            assert told["serial"].upper() == serial(scene.peer_pem)
            assert told["subject"].startswith("CN = asked") and told["issuer"] and told["until"].startswith("20")
        assert (row["kind"], row["said"], row["about"], row["failed"]) == ("ocsp", "good", "theirs", "-")
        assert row["source"] == f"http://127.0.0.1:{asked.port}/"
        assert "revocation" not in gw.events("connection_open")[0]
        assert ctl(gw, "status")[1]["revocations"]["revocation_good"] == 1


@pytest.mark.parametrize("failure", ["hard", "soft"])
def test_a_responder_that_says_revoked_is_believed(scene, asked, failure):
    """RFC 9325 7.5"""
    asked.revoke(scene.peer_pem)
    with asked.ocsp(asked.port), gateway(scene, f"revocation: ocsp, revocation_failure: {failure}") as gw:
        assert not is_let_in(scene)
        failed = gw.wait_event("connection_failed")[0]
        assert (failed["phase"], failed["reason"]) == ("identity", "revoked")
        assert not is_let_in(scene)
        assert gw.wait_event("connection_failed", count=2)[1]["reason"] == "revoked"


@pytest.mark.parametrize("failure, let_in", [("hard", False), ("soft", True)])
def test_a_responder_that_cannot_be_reached(scene, asked, failure, let_in):
    with gateway(scene, f"revocation: ocsp, revocation_failure: {failure}") as gw:
        assert is_let_in(scene) == let_in
        failed = gw.wait_event("revocation_failed")[0]
        assert failed["url"].endswith(f":{asked.port}/") and failed["serial"].upper() == serial(scene.peer_pem)
        row, = ctl(gw, "revocation")[1]["revocation"]
        assert (row["said"], row["failed_why"]) == ("failed", failed["why"]) and row["failed"] != "-"
        assert ctl(gw, "status")[1]["revocations"]["revocation_failed"] == 1
        if let_in:
            c = sip.tls(scene.outside, **scene.carrier_tls())
            assert gw.wait_event("connection_open", count=2)[1]["revocation"] == "unknown"
            assert ctl(gw, "connections", "carrier")[1]["connections"][0]["revocation"] == "unknown"
            c.close()
        if not let_in:
            assert reason(gw) == "revocation_unknown"


def test_what_names_nobody_to_ask_has_not_failed(scene):
    with gateway(scene, "revocation: ocsp") as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        assert gw.wait_event("connection_open")[0]["revocation"] == "unknown"
        assert ctl(gw, "status")[1]["revocations"]["revocation_failed"] == 0
        assert ctl(gw, "revocation") == (0, {"revocation": []})
        c.close()


@pytest.mark.parametrize("failure, let_in", [("hard", False), ("soft", True)])
def test_a_responder_that_does_not_answer_is_waited_for_so_long(scene, asked, failure, let_in):
    silent = sip.Server(port=asked.port)  # takes the connection and says nothing
    with gateway(scene, f"revocation: ocsp, revocation_failure: {failure}",
                 extra="limits: {revocation_wait: 500ms}"):
        assert is_let_in(scene) == let_in
    silent.close()


def test_a_responder_of_another_ca_is_not_believed(scene, asked, tmp_path):
    scene.pki.ca("other-ca")
    other = Register(scene.pki, tmp_path, "other-ca")
    other.index = asked.index
    with other.ocsp(asked.port), gateway(scene, "revocation: ocsp, revocation_failure: hard") as gw:
        assert not is_let_in(scene)
        assert gw.wait_event("revocation_failed")


def test_a_certificate_revoked_later_ends_its_connection(scene, asked):
    with asked.ocsp(asked.port), gateway(scene, "revocation: ocsp", extra=QUICK) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        asked.revoke(scene.peer_pem)
        assert c.wait_closed(timeout=10)
        assert "is revoked" in gw.wait_event("connection_closed", status="crypto_verify")[0]["why"]
        record, = ctl(gw, "failures")[1]["failures"]
        assert (record["phase"], record["reason"], record["peer"]) == ("identity", "revoked", "carrier")
        assert record["chain"][0]["verdict"] == "refused"
        assert not is_let_in(scene)


def test_the_record_of_a_connection_that_ends_later_says_what_was_agreed_on(scene, asked):
    """Its hello is not kept that long."""
    pem, key = scene.pki.domain("other", "other.test")
    more = f"identities:\n  - {{name: other, certificate: {pem}, key: {key}}}\n"
    gw = gateway(scene, "revocation: ocsp", extra=QUICK, outside="    sni: [other]\n")
    with open(gw.config, "r+", encoding="utf-8") as f:
        text = f.read().replace("identities:\n", more)
        f.seek(0)
        f.write(text)
    with asked.ocsp(asked.port), gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        asked.revoke(scene.peer_pem)
        assert c.wait_closed(timeout=10)
        record, = ctl(gw, "failures")[1]["failures"]
        assert record["server_name"] == "example.test"
        assert record["chosen"] == f"TLS 1.3: {c.sock.cipher()[0]}"
        assert record["identity_why"] == "the server name chose the identity"
        assert "offered_by_peer" not in record  # forgotten


# ---- stapled answers ----

def staple_server(scene, *more):
    """`openssl s_server` with the carrier's certificate; `more` such as -status_file with an answer to staple."""
    return subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{scene.carrier_port}", "-cert", scene.peer_pem, "-key",
         scene.peer_key, "-CAfile", scene.ca, "-Verify", "3", "-quiet", *more],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def dial(scene, gw):
    """What came of a connection to the carrier."""
    import time
    pbx = sip.Udp()
    end = time.monotonic() + 10
    while time.monotonic() < end:
        pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        for e in gw.events(direction="out", transport="tls"):
            if e["event"] == "connection_open" or e["event"] == "connection_failed" and e["phase"] != "tcp":
                return e
        time.sleep(0.1)
    raise AssertionError(gw.tail())


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("what", ["good", "revoked", "foreign", "old"])
def test_a_stapled_answer_is_checked(scene, asked, tmp_path, version, what):
    """Nobody can be asked: what is stapled decides. RFC 6066 8, RFC 9325 7.5"""
    about = scene.peer_pem
    if what == "revoked":
        asked.revoke(scene.peer_pem)
    if what == "foreign":
        about = scene.gateway_pem
        asked.good(about)
    answer = asked.answer(about, tmp_path / "answer.der")
    if what == "old":
        make_old(answer, asked.key)
    server = staple_server(scene, "-status_file", answer, version)
    try:
        with gateway(scene, "revocation: ocsp, revocation_failure: hard") as gw:
            said = dial(scene, gw)
            if what == "good":
                assert said["event"] == "connection_open"
                assert not gw.events("revocation_failed")
            else:
                assert said["reason"] == ("revoked" if what == "revoked" else "ocsp_staple")
                assert (said["alert"], said["alert_from"]) == ("bad_certificate_status_response", "us")
    finally:
        server.kill()
        server.wait()


def test_we_staple_what_our_ca_says(scene, register, tmp_path):
    port = free_port()
    pem, key = scene.pki.domain(f"stapled-{port}", "example.test",
                                extra=f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/")
    register.good(pem)
    chain = tmp_path / "chain.pem"
    with open(pem, encoding="ascii") as a, open(scene.ca, encoding="ascii") as b:
        chain.write_text(a.read() + b.read(), encoding="ascii")
    text = scene.config().replace(f"certificate: {scene.gateway_pem}, key: {scene.gateway_key}",
                                  f"certificate: {chain}, key: {key}, staple: true")
    gw = scene.gateway()
    with open(gw.config, "w", encoding="utf-8") as f:
        f.write(text + "\nlog: {level: debug, format: json}\n")
    with register.ocsp(port), gw:
        gw.wait_event("revocation_learnt", said="good")
        for version in ("-tls1_2", "-tls1_3"):
            out = subprocess.run(
                ["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", "-status", "-CAfile", scene.ca,
                 "-cert", scene.peer_pem, "-key", scene.peer_key, version],
                input="", capture_output=True, text=True, timeout=10, check=False).stdout
            assert "OCSP Response Status: successful" in out and "Cert Status: good" in out


# ---- lists from distribution points ----

@pytest.fixture
def published(scene, register, tmp_path):
    """The carrier's certificate names where its CA's list is."""
    port = free_port()
    scene.peer_pem, scene.peer_key = scene.pki.domain(
        f"published-{port}", "peer.test", extra=f"crlDistributionPoints=URI:http://127.0.0.1:{port}/ca.crl")
    register.folder = tmp_path / "web"
    register.folder.mkdir()
    register.port = port
    return register


@pytest.mark.parametrize("mode", ["crl", "any"])
def test_a_list_is_fetched_once(scene, published, mode):
    published.crl(published.folder / "ca.crl", der=True)
    with Web(published.folder, published.port) as web, \
            gateway(scene, f"revocation: {mode}, revocation_failure: hard") as gw:
        assert is_let_in(scene) and is_let_in(scene)
        assert web.asked == 1
        assert gw.events("revocation_learnt", kind="crl", said="list")[0]["issuer"]
        row, = (r for r in ctl(gw, "revocation")[1]["revocation"] if r["kind"] == "crl")
        assert (row["said"], row["serial"]) == ("list", "-") and row["issuer"] != "-" and row["until"] != "-"


def test_a_fetched_list_that_names_it_refuses(scene, published):
    published.revoke(scene.peer_pem)
    published.crl(published.folder / "ca.crl", der=True)
    with Web(published.folder, published.port), gateway(scene, "revocation: crl") as gw:
        assert not is_let_in(scene)
        assert reason(gw) == "revoked"


def test_a_list_fetched_later_ends_the_connection(scene, published):
    published.crl(published.folder / "ca.crl", der=True)
    with Web(published.folder, published.port), gateway(scene, "revocation: crl", extra=QUICK) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        published.revoke(scene.peer_pem)
        published.crl(published.folder / "ca.crl", der=True)
        assert c.wait_closed(timeout=10)
        assert "is revoked" in gw.wait_event("connection_closed", status="crypto_verify")[0]["why"]
        assert not is_let_in(scene)


@pytest.mark.parametrize("failure, let_in", [("hard", False), ("soft", True)])
def test_a_list_that_is_not_there(scene, published, failure, let_in):
    with Web(published.folder, published.port), \
            gateway(scene, f"revocation: crl, revocation_failure: {failure}") as gw:
        assert is_let_in(scene) == let_in
        assert "404" in gw.wait_event("revocation_failed")[0]["why"]


def test_a_fetched_list_of_another_ca_says_nothing(scene, published, tmp_path):
    scene.pki.ca("other-ca")
    Register(scene.pki, tmp_path, "other-ca").crl(published.folder / "ca.crl", der=True)
    with Web(published.folder, published.port), \
            gateway(scene, "revocation: crl, revocation_failure: hard") as gw:
        assert not is_let_in(scene)
        assert reason(gw) == "revocation_unknown"


def test_without_the_key_nothing_is_fetched(scene, published):
    published.crl(published.folder / "ca.crl", der=True)
    with Web(published.folder, published.port) as web, gateway(scene, "depth: 3"):
        assert is_let_in(scene)
        assert web.asked == 0
