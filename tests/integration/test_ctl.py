"""What `sipward ctl` tells of a running gateway: status, peers, connections, certificates."""

import calendar
import os
import subprocess
import time

from lab import sip
from lab.gateway import free_port, run
from test_failures import ask_out
from test_identities import pair, running
from test_reload import ctl, rewrite


def text(gw, *words):
    """The answer for people, line by line with single spaces."""
    out = run("ctl", "-s", os.path.join(gw.folder, "sipward.sock"), *words)
    assert out.returncode == 0, out.stderr
    return [" ".join(line.split()) for line in out.stdout.splitlines()]


def x509(pem, *options):
    return subprocess.run(["openssl", "x509", "-in", str(pem), "-noout", *options], capture_output=True, text=True,
                          check=True).stdout.strip().split("=", 1)[1].strip()


def seen(pem):
    """What openssl says of a certificate, in the words of ctl."""
    def date(option):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.strptime(x509(pem, option), "%b %d %H:%M:%S %Y GMT"))

    key = subprocess.run(f"openssl x509 -in {pem} -noout -pubkey | openssl pkey -pubin -outform DER | sha256sum",
                         shell=True, capture_output=True, text=True, check=True).stdout.split()[0]
    return {"sha256": x509(pem, "-fingerprint", "-sha256").replace(":", "").lower(), "key_sha256": key,
            "serial": x509(pem, "-serial").lower(), "not_before": date("-startdate"), "not_after": date("-enddate"),
            "subject": x509(pem, "-subject"), "issuer": x509(pem, "-issuer")}


def days_left(pem):
    """Whole days until the end, as they may have been within the last two minutes."""
    end = calendar.timegm(time.strptime(seen(pem)["not_after"], "%Y-%m-%dT%H:%M:%SZ"))
    return {(end - int(time.time()) + ago) // 86400 for ago in range(-1, 120)}


def told(row, pem):
    want = seen(pem)
    return {k: row[k].lower() if k == "serial" else row[k] for k in want} == want and \
        row["days_left"] in days_left(pem)


def test_ctl_certificates_tells_all_that_is_shown_and_believed(scene):
    """Each fact as openssl has it."""
    pinned, _ = scene.pki.self_signed("branch-both", "URI:sip:branch.test,URI:sip:me@other.test,DNS:third.test")
    branch = (f"  - {{name: branch, domain: branch.test, transport: tls, trust: branches, ping: 0, "
              f"address: '127.0.0.1:{free_port()}'}}")
    with scene.gateway() as gw:
        rewrite(gw, ("peers:\n", f"peers:\n{branch}\n"),
                ("listen:\n", f"  - name: branches\n    pinned: [{pinned}, 'spki:sha256:{'ab' * 32}']\nlisten:\n"),
                ("trust: [partners]", "trust: [partners, branches]"))
        assert ctl(gw, "reload")[0] == 0
        rows = ctl(gw, "certificates")[1]["certificates"]
        assert [(r["kind"], r["name"]) for r in rows] == [
            ("identity", "main"), ("trust", "partners"), ("pin", "branches"), ("pin", "branches")]
        shown, ca, pin, key_pin = rows
        assert told(shown, scene.gateway_pem) and told(ca, scene.ca) and told(pin, pinned)
        assert shown["names"].split()[0] == "URI:sip:example.test"
        # RFC 5922 7.1: a URI without user part; DNS names only without such a URI; no CA
        assert (shown["proves"], pin["proves"], ca["proves"]) == ("example.test", "branch.test", "-")
        assert shown["purposes"] == "serverAuth clientAuth" and shown["key"] == "EC P-256"
        assert sorted(shown["used_by"].split(", ")) == ["listener outside", "peer branch", "peer carrier"]
        assert sorted(ca["used_by"].split(", ")) == ["listener outside", "peer carrier"]
        assert sorted(pin["used_by"].split(", ")) == ["listener outside", "peer branch"]
        assert key_pin["key_sha256"] == "ab" * 32 and "sha256" not in key_pin
        lines = text(gw, "certificates")
        for name in ("subject", "names", "issuer", "not_after", "purposes", "sha256", "used_by"):
            assert f"{name} {shown[name]}" in lines, name


def test_ctl_certificates_tells_both_halves_of_a_pair_and_their_chains(scene):
    with running(scene, pair(scene)) as gw:
        rows = [r for r in ctl(gw, "certificates")[1]["certificates"] if r["name"] == "main"]
        assert [(r["kind"], r["subject"], r["key"]) for r in rows] == [
            ("identity", "CN = pair-rsa", "RSA 2048"), ("chain", "CN = Test subrsa", "EC P-256"),
            ("identity", "CN = pair-ec", "EC P-256"), ("chain", "CN = Test subec", "EC P-256")]
        assert told(rows[0], scene.pki.path("pair-rsa.pem")) and told(rows[2], scene.pki.path("pair-ec.pem"))
        assert told(rows[1], scene.pki.path("subrsa.pem")) and told(rows[3], scene.pki.path("subec.pem"))
        assert all(r["used_by"] == "peer carrier, listener outside" for r in rows)
        code, answer = ctl(gw, "reload")
        assert code == 0
        assert [r["sha256"] for r in answer["serves"]] == [rows[0]["sha256"], rows[2]["sha256"]]
        lines = text(gw, "certificates")
        assert f"sha256 {rows[0]['sha256']}" in lines and f"sha256 {rows[2]['sha256']}" in lines


def test_ctl_certificates_tells_of_server_names_of_nobody_and_of_lists(scene):
    """An identity under `sni` is its listener's; one that nobody uses is said to be that; a CRL has dates."""
    other, other_key = scene.pki.domain("other-name", "other.test")
    spare, spare_key = scene.pki.domain("spare-name", "spare.test", days="-1")
    made = scene.folder / "own"
    assert run("pki", "init", str(made)).returncode == 0
    identities = (f"  - {{name: main, certificate: {scene.gateway_pem}, key: {scene.gateway_key}}}\n"
                  f"  - {{name: other, certificate: {other}, key: {other_key}}}\n"
                  f"  - {{name: spare, certificate: {spare}, key: {spare_key}}}")
    with running(scene, identities, outside="    sni: [other]") as gw:
        rewrite(gw, ("trust:\n", f"trust:\n  - {{name: own, ca: {made}/ca.pem, crl: {made}/ca.crl}}\n"))
        assert ctl(gw, "reload")[0] == 0
        answer = ctl(gw, "certificates")[1]
        rows = {(r["kind"], r["name"]): r for r in answer["certificates"]}
        assert rows["identity", "other"]["used_by"] == "listener outside"
        spare_row = rows["identity", "spare"]
        assert spare_row["used_by"] == rows["trust", "own"]["used_by"] == "nobody"
        assert spare_row["days_left"] in days_left(spare) and spare_row["days_left"] < 0
        [crl] = answer["revocation_lists"]
        assert (crl["entry"], crl["state"], crl["from"]) == ("own", "current", f"{made}/ca.crl")
        assert crl["issuer"] == rows["trust", "own"]["subject"] and crl["days_left"] in (89, 90)


def test_ctl_connections_tells_what_each_has_proved_and_was_shown(scene):
    with scene.gateway() as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        plain = sip.tcp(scene.inside)
        gw.wait_event("connection_open", count=2)
        rows = {r["transport"]: r for r in ctl(gw, "connections")[1]["connections"]}
        row, want = rows["tls"], seen(scene.peer_pem)
        assert {k: row[k] for k in ("direction", "listener", "peer", "state", "version", "shown", "server_name",
                                    "verify", "sha256", "not_after", "local")} == {
            "direction": "in", "listener": "outside", "peer": "carrier", "state": "open", "version": "TLSv1.3",
            "shown": "main", "server_name": "example.test", "verify": "domain", "sha256": want["sha256"],
            "not_after": want["not_after"], "local": f"127.0.0.1:{scene.outside}"}
        assert row["suite"] and row["group"] and "URI:sip:peer.test" in row["names"].split()
        assert (rows["tcp"]["peer"], rows["tcp"]["sha256"], rows["tcp"]["not_after"]) == ("nobody", "", "-")
        pbx = sip.Udp(scene.pbx_port)
        c.send(sip.request("MESSAGE"))
        pbx.send(sip.response(pbx.recv(), 200))
        assert c.final().status == 200
        row = [r for r in ctl(gw, "connections")[1]["connections"] if r["transport"] == "tls"][0]
        assert (row["messages_in"], row["messages_out"]) == (1, 1)
        head, *lines = text(gw, "connections")
        assert head.split()[:5] == ["conn", "direction", "transport", "listener", "peer"] and len(lines) == 2
        plain.close()


def test_ctl_peers_tells_how_each_is_known_and_reached(scene):
    clear = f"    security: best-effort\n    clear_address: 127.0.0.1:{free_port()}\n    verify: wildcard\n    sips: deny"
    with scene.gateway(carrier=clear) as gw:
        carrier, pbx = ctl(gw, "peers")[1]["peers"]
        assert carrier == {
            "peer": "carrier", "health": "not asked", "since": "-",
            **{f"{way}_{what}": 0 for way in ("in", "out")
               for what in ("now", "per_second", "requests", "limited", "connections")}, "transport": "tls", "domain": "peer.test",
            "address": f"127.0.0.1:{scene.carrier_port}", "listener": "outside", "identity": "main",
            "trust": "partners", "policy": "standard", "verify": "wildcard", "purposes": "strict", "sips": "deny",
            "security": "best-effort", "without_certificate": "refuse", "spoke_tls": "-"}
        assert {k: pbx[k] for k in ("transport", "identity", "trust", "policy", "verify", "security", "domain")} == {
            "transport": "udp", "identity": "-", "trust": "-", "policy": "-", "verify": "-", "security": "-",
            "domain": "-"}
        before = time.time()
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        spoke = ctl(gw, "peers", "carrier")[1]["peers"][0]["spoke_tls"]
        at = time.mktime(time.strptime(spoke, "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        assert before - 3 <= at <= time.time() + 3
        c.close()
        assert text(gw, "peers", "pbx")[1].split()[0] == "pbx"


def test_ctl_knows_a_typing_error_from_a_peer_that_is_well(scene):
    with scene.gateway() as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        for question in ("peers", "connections", "failures"):
            code, answer = ctl(gw, question, "carier")
            assert code == 1 and 'is named "carier"' in answer["error"], question
            code, answer = ctl(gw, question, "carrier")
            assert code == 0 and len(answer[question]) == (question != "failures")
        assert ctl(gw, "connections", "pbx") == (0, {"connections": []})
        assert ctl(gw, "connections", "nobody") == (0, {"connections": []})
        c.close()


def test_ctl_failures_of_a_peer_that_was_removed_are_there(scene):
    with scene.gateway() as gw:
        ask_out(scene)
        gw.wait_event("connection_failed", peer="carrier")
        rewrite(gw, ("name: carrier", "name: other"), ("to: carrier", "to: other"), ("from: carrier", "from: other"))
        assert ctl(gw, "reload")[0] == 0
        code, answer = ctl(gw, "failures", "carrier")
        assert code == 0 and answer["failures"][0]["peer"] == "carrier"
        assert ctl(gw, "peers", "carrier")[0] == 1


def test_ctl_status_tells_what_runs(scene):
    clear = f"    security: best-effort\n    clear_address: 127.0.0.1:{free_port()}"
    with scene.gateway(carrier=clear, workers=2) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        gw.wait_event("connection_open")
        code, answer = ctl(gw, "status")
        status = answer["status"]
        assert code == 0 and {k: status[k] for k in (
            "state", "pid", "configuration", "reloads", "reloads_failed", "workers", "connections", "open_transactions",
            "identities", "trust_entries", "peers", "peers_down", "best_effort")} == {
            "state": "running", "pid": gw.process.pid, "configuration": gw.config, "reloads": 0, "reloads_failed": 0,
            "workers": 2, "connections": 1, "open_transactions": 0, "identities": 1, "trust_entries": 1, "peers": 2,
            "peers_down": 0, "best_effort": "carrier"}
        assert f"sipward {status['version']}\n" in run("version").stdout and status["tls"] in run("version").stdout
        assert answer["listeners"] == [
            {"listener": "outside", "transport": "tls", "address": f"127.0.0.1:{scene.outside}", "identity": "main",
             "policy": "standard", "client_certificate": "require"},
            {"listener": "inside", "transport": "udp", "address": f"127.0.0.1:{scene.inside}", "identity": "-",
             "policy": "-", "client_certificate": "-"}]
        assert answer["counters"]["connections_accepted"] == 1
        lines = text(gw, "status")
        assert f"pid {gw.process.pid}" in lines and "connections_accepted 1" in lines
        assert f"outside tls 127.0.0.1:{scene.outside} main standard require" in lines
        rewrite(gw, ("to: pbx}", "to: nobody}"))
        assert ctl(gw, "reload")[0] == 1
        assert ctl(gw, "status")[1]["status"]["reloads_failed"] == 1
        c.close()


def test_ctl_finds_nobody_where_the_socket_is_switched_off(scene):
    with scene.gateway(extra='admin: {socket: ""}\n') as gw:
        out = run("ctl", "-s", os.path.join(gw.folder, "sipward.sock"), "status")
        assert out.returncode == 1 and "no gateway answers" in out.stderr
        assert not os.path.exists(os.path.join(gw.folder, "sipward.sock")) and not gw.events("admin_failed")
