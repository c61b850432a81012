"""Revocation lists of the configuration that runs: they are taken up whatever else is wrong."""

import os
import shutil
import signal

import pytest
from lab import sip
from test_reload import ctl, rewrite
from test_revocation import Register, gateway, is_let_in, reason

BROKEN = "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"


@pytest.fixture
def register(scene, tmp_path):
    return Register(scene.pki, tmp_path)


def write(path, text):
    with open(str(path) + ".new", "w", encoding="ascii") as f:
        f.write(text)
    os.rename(str(path) + ".new", path)


def own_files(scene, tmp_path):
    """The gateway's certificate and key, and its CA, where a test may change them."""
    for name in ("gateway_pem", "gateway_key", "ca"):
        path = str(tmp_path / ("own-" + name))
        shutil.copy(getattr(scene, name), path)
        os.chmod(path, 0o600)
        setattr(scene, name, path)


def break_yaml(scene, gw):
    with open(gw.config, "a", encoding="utf-8") as f:
        f.write("\nlimits: [this is: no limit\n")


def change_policy(scene, gw):
    rewrite(gw, ("to: pbx}", "to: nobody}"))


def hide_key(scene, gw):
    os.rename(scene.gateway_key, scene.gateway_key + ".away")


def hide_certificate(scene, gw):
    os.rename(scene.gateway_pem, scene.gateway_pem + ".away")


def break_ca(scene, gw):
    write(scene.ca, "no certificate\n")


@pytest.mark.parametrize("wrong", [break_yaml, change_policy, hide_key, hide_certificate, break_ca])
def test_a_list_is_taken_up_whatever_else_is_wrong(scene, register, tmp_path, wrong):
    crl = register.crl(tmp_path / "ca.crl")
    ca = scene.ca
    own_files(scene, tmp_path)
    with gateway(scene, f"crl: {crl}") as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        assert is_let_in(scene)
        wrong(scene, gw)
        scene.ca = ca
        register.revoke(scene.peer_pem)
        register.crl(crl)
        assert c.wait_closed(timeout=10)
        assert "is revoked" in gw.wait_event("connection_closed", status="crypto_verify")[0]["why"]
        assert gw.wait_event("reloaded", what="lists")
        assert not is_let_in(scene)
        assert reason(gw) == "revoked"


def test_a_reload_that_is_refused_reads_the_lists(scene, register, tmp_path):
    """Also where the system tells of no changed file."""
    crl = register.crl(tmp_path / "ca.crl")
    with gateway(scene, f"crl: {crl}") as gw:
        break_yaml(scene, gw)
        register.revoke(scene.peer_pem)
        register.crl(crl)
        code, answer = ctl(gw, "reload")
        assert code == 1 and "refused" in answer["reload"]["result"]
        gw.wait_event("reloaded", what="lists")
        assert not is_let_in(scene)


def test_a_list_that_is_taken_up_leaves_all_else(scene, register, tmp_path):
    """What it named is let in again; the policy that was edited waits until somebody asks."""
    register.revoke(scene.peer_pem)
    crl = register.crl(tmp_path / "ca.crl")
    (tmp_path / "fresh").mkdir()
    fresh = Register(scene.pki, tmp_path / "fresh")
    with gateway(scene, f"crl: {crl}") as gw:
        assert not is_let_in(scene)
        rewrite(gw, ("trust: [partners]", "trust: []"))
        before = ctl(gw, "certificates")[1]["certificates"]
        fresh.crl(crl)
        gw.wait_event("reloaded", what="lists")
        assert is_let_in(scene)
        assert ctl(gw, "certificates")[1]["certificates"] == before
        for _ in range(3):
            fresh.crl(crl)
            count = len(gw.events("reloaded"))
            gw.wait_event("reloaded", count=count + 1, what="lists")
        assert is_let_in(scene)


def test_a_broken_list_is_told_and_the_other_taken_up(scene, register, tmp_path):
    first, second = register.crl(tmp_path / "a.crl"), register.crl(tmp_path / "b.crl")
    with gateway(scene, f"crl: [{first}, {second}]") as gw:
        assert is_let_in(scene)
        write(first, BROKEN)
        kept = gw.wait_event("crl_kept")[0]
        assert kept["file"] == first and kept["entry"] == "partners" and "broken" in kept["why"]
        since = kept["since"]
        register.revoke(scene.peer_pem)
        register.crl(second)
        again = gw.wait_event("crl_kept", count=2)[1]
        assert again["since"] == since and again["file"] == first
        assert not is_let_in(scene)
        rows = ctl(gw, "certificates")[1]["revocation_lists"]
        assert sorted(r["from"] for r in rows) == sorted([first, second])
        register.crl(first)
        count = len(gw.events("reloaded"))
        gw.wait_event("reloaded", count=count + 1)
        assert [r["revoked"] for r in ctl(gw, "certificates")[1]["revocation_lists"]] == [1, 1]


def test_a_broken_list_in_a_folder_keeps_what_it_had(scene, register, tmp_path):
    folder = tmp_path / "lists"
    folder.mkdir()
    register.crl(folder / "good.crl")
    register.revoke(scene.peer_pem)
    register.crl(folder / "a.crl")
    with gateway(scene, f"crl: {folder}") as gw:
        assert not is_let_in(scene)
        write(folder / "a.crl", BROKEN)
        write(folder / "new.crl", BROKEN)
        gw.wait_event("crl_kept", file=str(folder / "a.crl"), lists=1)
        gw.wait_event("crl_kept", file=str(folder / "new.crl"), lists=0)
        assert not is_let_in(scene)
        os.unlink(folder / "a.crl")  # taken away, it says nothing any more
        os.unlink(folder / "new.crl")
        gw.wait_event("reloaded", count=2, what="lists")
        assert is_let_in(scene)


def test_a_list_that_is_gone_is_kept(scene, register, tmp_path):
    register.revoke(scene.peer_pem)
    crl = register.crl(tmp_path / "ca.crl")
    with gateway(scene, f"crl: {crl}") as gw:
        os.unlink(crl)
        gw.wait_event("crl_kept")
        assert not is_let_in(scene)
        gw.process.send_signal(signal.SIGHUP)  # who asks is told that the configuration cannot be read whole
        gw.wait_event("reload_failed")
        assert not is_let_in(scene)


def test_a_certificate_is_taken_up_while_a_list_is_broken(scene, register, tmp_path):
    crl = register.crl(tmp_path / "ca.crl")
    own_files(scene, tmp_path)
    pem, key = scene.pki.domain("gateway-next", "example.test")
    with gateway(scene, f"crl: {crl}") as gw:
        write(crl, BROKEN)
        gw.wait_event("crl_kept")
        for new, old in ((pem, scene.gateway_pem), (key, scene.gateway_key)):
            shutil.copy(new, old + ".new")
            os.rename(old + ".new", old)
        gw.wait_event("reloaded", what="files")
        assert not gw.events("reload_failed") and is_let_in(scene)


def test_a_dialog_goes_on_over_changed_lists(scene, register, tmp_path):
    """The random key under which Record-Route is sealed is shared with what ran."""
    crl = register.crl(tmp_path / "ca.crl")
    with gateway(scene, f"crl: {crl}") as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        invite = pbx.recv(want=lambda m: m.method == "INVITE")
        pbx.send(sip.response(invite, 200, headers="Contact: <sip:pbx@10.9.9.9>\r\n"))
        ok = c.final()
        for n in (1, 2):
            register.crl(crl)
            gw.wait_event("reloaded", count=n, what="lists")
        routes = "".join(f"Route: {v}\r\n" for v in reversed(ok.all("record-route")))
        c.send(sip.request("BYE", uri="sip:pbx@10.9.9.9", headers=routes, to_tag=";tag=callee", cseq=2,
                           call_id=ok["call-id"]))
        assert pbx.recv(want=lambda m: m.method == "BYE").method == "BYE"
