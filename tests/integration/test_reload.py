"""Another configuration while the gateway runs, and the questions of `sipward ctl`."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

from lab import gateway, sip
from lab.gateway import BINARY
from lab.revoke import Register


@pytest.fixture
def register_of(scene, tmp_path):
    """A file with the revocation list of the carriers' CA."""
    return Register(scene.pki, tmp_path).crl(tmp_path / "ca.crl")


def ctl(gw, *words):
    """Exit code and the JSON document of an answer."""
    out = subprocess.run([BINARY, "ctl", "-s", os.path.join(gw.folder, "sipward.sock"), "--json", *words],
                         capture_output=True, text=True, timeout=30, check=False)
    return out.returncode, json.loads(out.stdout) if out.stdout else out.stderr


def rewrite(gw, *changes):
    with open(gw.config, encoding="utf-8") as f:
        text = f.read()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with open(gw.config, "w", encoding="utf-8") as f:
        f.write(text)


def served(port, ca):
    """The certificate that a new handshake gets, as PEM."""
    out = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", ca], input="",
                         capture_output=True, text=True, timeout=10, check=False)
    return out.stdout


def call(c, pbx, **more):
    c.send(sip.request("MESSAGE", **more))
    m = pbx.recv()
    pbx.send(sip.response(m, 200))
    return c.final()


def test_reload_takes_up_a_route_and_keeps_the_connection(scene):
    with scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        assert call(c, pbx).status == 200
        rewrite(gw, ("  - {from: carrier, to: pbx}", "  - {from: carrier, reject: 486}"))
        code, answer = ctl(gw, "reload")
        assert code == 0 and answer["reload"]["result"] == "reloaded"
        c.send(sip.request("MESSAGE"))
        assert c.final().status == 486
        assert len(gw.events("connection_open")) == 1


def test_a_dialog_goes_on_over_a_reload(scene):
    """The key under which Record-Route is sealed stays when it is a random one."""
    with scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        invite = pbx.recv(want=lambda m: m.method == "INVITE")
        pbx.send(sip.response(invite, 200, headers="Contact: <sip:pbx@10.9.9.9>\r\n"))
        ok = c.final()
        assert ctl(gw, "reload")[0] == 0
        routes = sip.route_set(ok)
        c.send(sip.request("BYE", uri="sip:pbx@10.9.9.9", headers=routes, to_tag=";tag=callee", cseq=2,
                           call_id=ok["call-id"]))
        assert pbx.recv(want=lambda m: m.method == "BYE").method == "BYE"


def test_sighup_takes_up_a_new_certificate(scene):
    pem, key = scene.pki.domain("gateway-next", "example.test")
    with scene.gateway() as gw:
        before = served(scene.outside, scene.ca)
        rewrite(gw, (str(scene.gateway_pem), str(pem)), (str(scene.gateway_key), str(key)))
        gw.process.send_signal(signal.SIGHUP)
        gw.wait_event("reloaded")
        assert served(scene.outside, scene.ca).split("-----END")[0] != before.split("-----END")[0]


def fingerprint(pem):
    out = subprocess.run(["openssl", "x509", "-in", pem, "-noout", "-fingerprint", "-sha256"],
                         capture_output=True, text=True, check=True).stdout
    return out.strip().split("=")[1].replace(":", "").lower()


def test_the_log_tells_which_certificates_are_served(scene, tmp_path):
    """After a changed file and after SIGHUP; what did not change is not told."""
    pem, key = str(tmp_path / "own.pem"), str(tmp_path / "own.key")
    shutil.copy(scene.gateway_pem, pem)
    shutil.copy(scene.gateway_key, key)
    old_pem, old_key, scene.gateway_pem, scene.gateway_key = scene.gateway_pem, scene.gateway_key, pem, key
    new_pem, new_key = scene.pki.domain("gateway-renewed", "example.test")
    with scene.gateway(carrier="    identity: main\n") as gw:
        rewrite(gw, ("trust:\n", f"  - {{name: spare, certificate: {old_pem}, key: {old_key}}}\ntrust:\n"))
        gw.process.send_signal(signal.SIGHUP)
        gw.wait_event("reloaded")
        assert not gw.events("identity_served")  # nobody is shown the spare one
        shutil.copy(new_pem, pem)
        shutil.copy(new_key, key)
        gw.wait_event("reloaded", what="files")
        told = gw.events("identity_served")
        assert [(e["name"], e["used_by"], e["sha256"]) for e in told] == [
            ("main", "listener outside and 1 more", fingerprint(new_pem))]
        assert told[0]["not_after"].endswith("Z")
        rewrite(gw, ("    identity: main\n    trust: [partners]", "    identity: spare\n    trust: [partners]"))
        gw.process.send_signal(signal.SIGHUP)
        gw.wait_event("identity_served", count=2)
        last = gw.events("identity_served")[-1]
        assert (last["name"], last["used_by"]) == ("spare", "listener outside")
        assert last["sha256"] == fingerprint(old_pem)


def test_changed_files_are_noticed(scene, tmp_path):
    """A certificate and its key are replaced one after the other, as an ACME client does."""
    pem, key = str(tmp_path / "own.pem"), str(tmp_path / "own.key")
    shutil.copy(scene.gateway_pem, pem)
    shutil.copy(scene.gateway_key, key)
    scene.gateway_pem, scene.gateway_key = pem, key
    new_pem, new_key = scene.pki.domain("gateway-renewed", "example.test")
    with scene.gateway() as gw:
        for new, old in ((new_pem, pem), (new_key, key)):
            shutil.copy(new, old + ".new")
            os.rename(old + ".new", old)
        gw.wait_event("reloaded", timeout=10)
        assert not gw.events("reload_failed")
        code, answer = ctl(gw, "certificates")
        got = [x for x in answer["certificates"] if x["kind"] == "identity"][0]["sha256"]
        want = subprocess.run(["openssl", "x509", "-in", new_pem, "-noout", "-fingerprint", "-sha256"],
                              capture_output=True, text=True, check=True).stdout
        assert code == 0 and got.upper() == want.strip().split("=")[1].replace(":", "")


def test_an_edited_configuration_waits_until_somebody_asks(scene, tmp_path):
    """A renewed certificate is taken up with the text that runs, again and again."""
    pem = str(tmp_path / "own.pem")
    shutil.copy(scene.gateway_pem, pem)
    scene.gateway_pem = pem
    with scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        rewrite(gw, ("  - {from: carrier, to: pbx}", "  - {from: carrier, reject: 486}"))
        for n in (1, 2):
            os.utime(pem)
            gw.wait_event("reloaded", count=n, what="files")
            assert call(c, pbx).status == 200
        gw.process.send_signal(signal.SIGHUP)
        gw.wait_event("reloaded", what="configuration")
        c.send(sip.request("MESSAGE"))
        assert c.final().status == 486


def test_a_changed_file_is_taken_up_beside_a_broken_configuration(scene, tmp_path):
    pem, key = str(tmp_path / "own.pem"), str(tmp_path / "own.key")
    shutil.copy(scene.gateway_pem, pem)
    shutil.copy(scene.gateway_key, key)
    scene.gateway_pem, scene.gateway_key = pem, key
    new_pem, new_key = scene.pki.domain("gateway-renewed", "example.test")
    with scene.gateway() as gw:
        before = served(scene.outside, scene.ca)
        rewrite(gw, ("routes:", "routes: ["))
        for new, old in ((new_pem, pem), (new_key, key)):
            shutil.copy(new, old + ".new")
            os.rename(old + ".new", old)
        gw.wait_event("reloaded", timeout=10)
        assert served(scene.outside, scene.ca).split("-----END")[0] != before.split("-----END")[0]


@pytest.mark.parametrize("change, why", [
    (("to: pbx}", "to: nobody}"), 'there is no peer "nobody"'),
    (("name: inside", "name: within"), "restart to change"),
])
def test_a_reload_that_fails_keeps_the_old(scene, change, why):
    with scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        rewrite(gw, change)
        code, answer = ctl(gw, "reload")
        assert code == 1 and answer["reload"]["errors"] >= 1
        assert any(why in f["text"] and f["kind"] == "error" for f in answer["findings"])
        assert any(why in e["why"] for e in gw.events("reload_error"))
        assert gw.events("reload_failed")
        assert call(c, pbx).status == 200


def test_a_reload_that_fails_before_a_word_is_read(scene):
    with scene.gateway() as gw:
        os.rename(gw.config, gw.config + ".away")
        gw.process.send_signal(signal.SIGHUP)
        gw.wait_event("reload_failed")
        os.rename(gw.config + ".away", gw.config)
        assert ctl(gw, "reload")[0] == 0


def test_a_connection_whose_peer_is_gone_ends(scene):
    with scene.gateway() as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        rewrite(gw, ("name: carrier", "name: other"), ("to: carrier", "to: other"), ("from: carrier", "from: other"),
                ("domain: peer.test", "domain: other.test"))
        assert ctl(gw, "reload")[0] == 0
        c.send(sip.request("MESSAGE"))  # verified, but nobody's peer: no route for it
        assert c.final().status == 403


def test_a_connection_whose_trust_is_gone_ends(scene):
    """What a certificate proved is judged again under the new configuration."""
    other = scene.pki.ca("other-ca")
    with scene.gateway() as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        rewrite(gw, (f"ca: {scene.ca}", f"ca: {other}"))
        assert ctl(gw, "reload")[0] == 0
        assert c.wait_closed()
        closed = gw.wait_event("connection_closed")[0]
        assert closed["status"] == "crypto_verify" and "no trust entry" in closed["why"]


def test_ctl_tells_what_there_is(scene):
    with scene.gateway(workers=2) as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE"))
        pbx.recv(want=lambda m: m.method == "INVITE")
        code, answer = ctl(gw, "status")
        assert code == 0 and answer["status"]["workers"] == 2 and answer["status"]["open_transactions"] == 1
        connections = ctl(gw, "connections")[1]["connections"]
        assert [(x["peer"], x["names"], x["state"]) for x in connections] == [
            ("carrier", "URI:sip:peer.test DNS:peer.test", "open")] or connections[0]["peer"] == "carrier"
        transactions = ctl(gw, "transactions")[1]["transactions"]
        assert transactions[0]["method"] == "INVITE" and transactions[0]["peer"] == "carrier"
        peers = ctl(gw, "peers", "pbx")[1]["peers"]
        assert [p["peer"] for p in peers] == ["pbx"]


def test_ctl_lays_out_a_table(scene):
    with scene.gateway() as gw:
        out = subprocess.run([BINARY, "ctl", "-s", os.path.join(gw.folder, "sipward.sock"), "peers"],
                             capture_output=True, text=True, timeout=10, check=True)
        lines = out.stdout.splitlines()
        assert lines[0].split()[:2] == ["peer", "health"] and lines[1].split()[0] == "carrier"


def test_ctl_without_a_gateway_says_so(tmp_path):
    out = subprocess.run([BINARY, "ctl", "-s", str(tmp_path / "none.sock"), "status"],
                         capture_output=True, text=True, timeout=10, check=False)
    assert out.returncode == 1 and "no gateway answers" in out.stderr


def test_drain_stops_as_sigterm_does(scene):
    with scene.gateway() as gw:
        assert ctl(gw, "drain")[0] == 0
        assert gw.process.wait(timeout=10) == 0


def test_many_reloads_under_load(scene):
    """Nothing is lost and memory stays flat; bench/reload.py does ten thousand."""
    with scene.gateway(workers=2) as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        for _ in range(50):
            assert ctl(gw, "reload")[0] == 0
            assert call(c, pbx).status == 200
        deadline = time.monotonic() + 10
        while ctl(gw, "status")[1]["status"]["configurations_in_use"] != 1:
            assert time.monotonic() < deadline
        assert len(gw.events("connection_open")) == 1 and not gw.events("connection_closed")


def test_a_connection_outlives_what_it_was_made_with(scene):
    """Its identity and its policy are told of by name after the configuration that had them is gone."""
    with scene.gateway(outside="    policy: own\n", extra="tls_policies: [{name: own}]") as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        rewrite(gw, ("name: main", "name: other"), ("identity: main", "identity: other"), ("name: own", "name: mine"),
                ("policy: own", "policy: mine"))
        assert ctl(gw, "reload")[0] == 0 and ctl(gw, "reload")[0] == 0
        assert [x["shown"] for x in ctl(gw, "connections")[1]["connections"]] == ["main"]
        with socket.socket(fileno=os.dup(c.sock.fileno())) as raw:
            raw.sendall(b"\x17\x03\x03\x00\x40" + bytes(64))
        assert gw.wait_event("connection_failed", reason="bad_record")[0]["policy"] == "own"


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def reload_often(gw, times):
    """So many reloads without waiting in between, and resident kB once only the last configuration is there."""
    path = os.path.join(gw.folder, "sipward.sock")
    for _ in range(times):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(30)
            s.connect(path)
            s.sendall(b"reload\n")
            while s.recv(65536):
                pass
    deadline = time.monotonic() + 10
    while ctl(gw, "status")[1]["status"]["configurations_in_use"] != 1:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return rss_kb(gw.process.pid)


WARM, MORE, ROUNDS, MOST_KB = 60, 40, 3, 2.0


@pytest.mark.parametrize("refused", [False, True], ids=["taken up", "refused"])
def test_memory_stays_flat_over_reloads(scene, register_of, monkeypatch, refused):
    """No load, some hundred reloads: what each adds is below the size of one configuration. One that is refused reads
    the revocation lists alone. A sanitizer is told not to keep what is freed."""
    plain = "quarantine_size_mb=0:thread_local_quarantine_size_kb=0:malloc_context_size=0"
    monkeypatch.setitem(gateway.SANITIZERS, "ASAN_OPTIONS", gateway.SANITIZERS["ASAN_OPTIONS"] + ":" + plain)
    with scene.gateway() as gw:
        rewrite(gw, (f"ca: {scene.ca}}}", f"ca: {scene.ca}, crl: {register_of}}}"), ("level: debug", "level: error"))
        assert ctl(gw, "reload")[0] == 0
        if refused:
            rewrite(gw, ("routes:", "routes: ["))
        sizes = [reload_often(gw, WARM)]
        for _ in range(ROUNDS):
            sizes.append(reload_often(gw, MORE))
        print("resident kB", sizes)
        growth = [(b - a) / MORE for a, b in zip(sizes, sizes[1:])]
        assert min(growth) < MOST_KB, sizes  # what leaks, leaks in each round
