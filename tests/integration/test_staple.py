"""Certificates that promise a stapled OCSP answer (RFC 7633): of servers that we connect to, and ours."""

import contextlib
import json
import re

import pytest
from lab.gateway import free_port, run
from lab.revoke import Register
from test_probe import arguments, last, probe
from test_reload import ctl
from test_revocation import dial, gateway, register, staple_server  # noqa: F401 (register is a fixture)

PROMISE = "tlsfeature=status_request"


@pytest.fixture
def promising(scene, register):  # noqa: F811
    """The carrier's certificate promises a staple; its CA's responder has a port where nobody is yet."""
    register.port = free_port()
    scene.peer_pem, scene.peer_key = scene.pki.domain(
        f"promises-{register.port}", "peer.test",
        extra=f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{register.port}/\n{PROMISE}")
    register.good(scene.peer_pem)
    return register


@contextlib.contextmanager
def running(server):
    try:
        yield
    finally:
        server.kill()
        server.wait()


def connected(scene, keys, *more):
    """What came of a connection to openssl s_server with the carrier's certificate."""
    with running(staple_server(scene, *more)), gateway(scene, keys) as gw:
        said = dial(scene, gw)
        assert not gw.events("revocation_failed")  # nobody was asked in vain
        return said


def assert_missing(said):
    assert (said["event"], said["phase"], said["reason"]) == ("connection_failed", "handshake", "staple_missing"), said
    assert (said["alert"], said["alert_from"]) == ("bad_certificate_status_response", "us")
    assert "RFC 7633" in said["why"] and "stapling" in said["help"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("mode, failure", [("ocsp", "soft"), ("any", "hard")])
def test_a_promised_staple_that_does_not_come_refuses(scene, promising, version, mode, failure):
    """RFC 7633 4.3.3: although the responder would say that it is good."""
    with promising.ocsp(promising.port):
        assert_missing(connected(scene, f"revocation: {mode}, revocation_failure: {failure}", version))


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("failure", ["soft", "hard"])
def test_a_promised_staple_that_comes_is_enough(scene, promising, tmp_path, version, failure):
    """RFC 7633 4.2.3.1: nobody is asked."""
    answer = promising.answer(scene.peer_pem, tmp_path / "answer.der")
    said = connected(scene, f"revocation: ocsp, revocation_failure: {failure}", "-status_file", answer, version)
    assert said["event"] == "connection_open", said


@pytest.mark.parametrize("keys", ["revocation: off", "revocation: crl", "depth: 4"])
def test_a_staple_that_was_not_asked_for_is_not_missed(scene, promising, keys):
    """RFC 7633 4.1: no client need ask for what a certificate promises."""
    assert connected(scene, keys)["event"] == "connection_open"


@pytest.mark.parametrize("stapled", [True, False])
def test_the_promise_of_a_ca_holds_for_its_servers(scene, tmp_path, stapled):
    """RFC 7633 4.2.2"""
    port = free_port()
    ca = scene.pki.intermediate("promising-ca", extra=PROMISE)
    scene.peer_pem, scene.peer_key = scene.pki.domain(
        f"below-{port}", "peer.test", ca="promising-ca",
        extra=f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/")
    below = Register(scene.pki, tmp_path, "promising-ca")
    below.good(scene.peer_pem)
    answer = below.answer(scene.peer_pem, tmp_path / "answer.der")
    said = connected(scene, "revocation: ocsp", "-cert_chain", ca, *(["-status_file", answer] if stapled else []))
    if stapled:
        assert said["event"] == "connection_open", said
    else:
        assert_missing(said)


# ---- of our own certificate ----

@pytest.fixture
def ours(scene, tmp_path):
    """Our certificate promises a staple: files of it alone, with its issuer, and of one without a responder."""
    port = free_port()
    cert, key = scene.pki.domain(f"ours-{port}", "example.test",
                                 extra=f"authorityInfoAccess=OCSP;URI:http://127.0.0.1:{port}/\n{PROMISE}")
    mute, mute_key = scene.pki.domain("mute", "example.test", extra=PROMISE)
    chain = tmp_path / "chain.pem"
    with open(cert, encoding="ascii") as a, open(scene.ca, encoding="ascii") as b:
        chain.write_text(a.read() + b.read(), encoding="ascii")
    return {"alone": (cert, key), "whole": (str(chain), key), "mute": (mute, mute_key)}


@pytest.mark.parametrize("which, staple, words", [
    ("whole", "true", None),
    ("whole", "false", "staple of the identity is false"),
    ("alone", "true", "its file lacks its issuer"),
    ("alone", "false", "its file lacks its issuer"),
    ("mute", "true", "it names no OCSP responder"),
])
def test_check_tells_of_a_promise_that_we_cannot_keep(scene, ours, tmp_path, which, staple, words):
    """RFC 7633 4.3.2"""
    cert, key = ours[which]
    path = tmp_path / "checked.yaml"
    path.write_text(scene.config().replace(f"certificate: {scene.gateway_pem}, key: {scene.gateway_key}",
                                           f"certificate: {cert}, key: {key}, staple: {staple}"), encoding="utf-8")
    out = run("check", "-c", str(path))
    assert out.returncode == 0, out.stderr
    assert ("promises a stapled OCSP answer" in out.stderr) == bool(words), out.stderr
    assert (words or "") in out.stderr


def test_commands_show_what_a_certificate_promises(scene, ours):
    cert, key = ours["alone"]
    shown, = json.loads(run("pki", "show", cert, "--json").stdout)
    assert shown["tls_features"] == "status_request"
    assert "TLS features status_request\n" in run("pki", "show", cert).stdout
    assert json.loads(run("pki", "show", scene.ca, "--json").stdout)[0]["tls_features"] == ""
    scene.gateway_pem, scene.gateway_key = cert, key
    with scene.gateway() as gw:
        rows = ctl(gw, "certificates")[1]["certificates"]
        assert [r["tls_features"] for r in rows] == ["status_request", ""]
        leaf = last(probe(*arguments(scene, scene.outside), code=0))["chain"][0]
        assert leaf["tls_features"] == ["status_request"]
        assert re.search(r"features +status_request\n", run("probe", *arguments(scene, scene.outside)).stdout)
