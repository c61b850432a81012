"""Certificates that were revoked: lists in files, and what each policy makes of what is not known."""

import os
import ssl

import pytest
from lab import sip
from lab.revoke import Register
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


def gateway(scene, keys):
    gw = scene.gateway()
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


def reason(gw):
    return gw.wait_event("connection_failed")[-1]["reason"]


@pytest.mark.parametrize("failure, let_in", [("hard", False), ("soft", True)])
def test_a_list_past_its_next_update(scene, register, tmp_path, failure, let_in):
    crl = register.crl(tmp_path / "ca.crl", *STALE)
    with gateway(scene, f"crl: {crl}, revocation_failure: {failure}") as gw:
        assert gw.wait_event("certificate_ends", kind="crl")[0]["why"] == "it has expired"
        assert is_let_in(scene) == let_in
        if not let_in:
            assert reason(gw) == "crl_stale"


@pytest.mark.parametrize("failure, let_in", [("hard", False), ("soft", True)])
def test_no_list_of_the_issuer(scene, tmp_path, failure, let_in):
    scene.pki.ca("other-ca")
    crl = Register(scene.pki, tmp_path, "other-ca").crl(tmp_path / "other.crl")
    with gateway(scene, f"crl: {crl}, revocation_failure: {failure}") as gw:
        assert is_let_in(scene) == let_in
        if not let_in:
            assert reason(gw) == "revocation_unknown"


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
        gw.wait_event("reload_failed")
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
    from lab.gateway import run
    crl = register.crl(tmp_path / "ca.crl")
    path = tmp_path / "checked.yaml"
    path.write_text(with_trust(scene, keys.format(crl=crl)), encoding="utf-8")
    out = run("check", "-c", str(path))
    assert why in out.stderr, out.stderr
