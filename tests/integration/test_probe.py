"""sipward probe: against the gateway, against openssl s_server, and against what is no SIP peer at all."""

import json
import os
import pty
import socket
import subprocess
import threading

import pytest
from lab import sip
from lab.gateway import BINARY, Gateway, free_port, run

PHASES = ["dns", "tcp", "handshake", "identity", "options"]
RESULTS = {"passed", "unconfirmed", "failed", "skipped", "not reached"}
TEXT = (str, type(None))

# Every field of --json, and its type.
SCHEMA = {"uri": str, "transport": str, "wanted": TEXT, "server_name": TEXT, "shown": TEXT, "believed": TEXT,
          "policy": TEXT, "resolver": str, "dns": TEXT, "addresses": list, "attempts": list, "ok": bool}
ATTEMPT = {"remote": TEXT, "local": TEXT, "phases": list, "messages": list, "version": TEXT, "suite": TEXT,
           "group": TEXT, "confirmed": bool, "chain": list, "verdict": TEXT, "identity": TEXT,
           "options": (dict, type(None)), "failure": (dict, type(None))}
MESSAGE = {"name": str, "from": str, "encrypted": bool, "bytes": int, "carries": TEXT, "lists": list, "ms": float}
CERT = {"subject": str, "issuer": str, "serial": str, "key": str, "not_before": str, "not_after": str,
        "days_left": int, "is_ca": bool, "self_issued": bool, "purposes": list, "tls_features": list,
        "names": list, "identities": list}
OPTIONS = {"status": int, "reason": TEXT, "server": TEXT, "allow": TEXT, "supported": TEXT, "contact": TEXT,
           "warning": TEXT}
FAILURE = {"phase": str, "status": str, "why": str, "wanted": TEXT, "came": TEXT, "certificate": TEXT,
           "alert": TEXT, "alert_from": TEXT, "help": str}


def check(value, schema):
    assert set(value) == set(schema), set(value) ^ set(schema)
    for name, kind in schema.items():
        assert isinstance(value[name], kind), (name, value[name])


def probe(*args, code):
    """Runs a probe with --json; its object, checked against the schema."""
    done = run("probe", "--json", *args)
    assert done.returncode == code, done.stdout + done.stderr
    assert not done.stderr, done.stderr
    report = json.loads(done.stdout)
    check(report, SCHEMA)
    assert report["ok"] == (code == 0) and report["attempts"]
    for a in report["attempts"]:
        check(a, ATTEMPT)
        assert [p["name"] for p in a["phases"]] == PHASES
        assert all(p["result"] in RESULTS and p["ms"] >= 0 for p in a["phases"])
        for x in a["messages"]:
            check(x, MESSAGE)
        for x in a["chain"]:
            check(x, CERT)
        if a["options"]:
            check(a["options"], OPTIONS)
        if a["failure"]:
            check(a["failure"], FAILURE)
    return report


def last(report):
    return report["attempts"][-1]


def results(attempt):
    return {p["name"]: p["result"] for p in attempt["phases"]}


def messages(attempt):
    return [("> " if m["from"] == "us" else "< ") + m["name"] for m in attempt["messages"]]


def failed(report, phase, status):
    f = last(report)["failure"]
    assert (f["phase"], f["status"]) == (phase, status), f
    assert f["why"] and f["help"]
    assert results(last(report))[phase] == "failed"
    return f


def arguments(scene, port, *more):
    return ["sip:example.test", "--via", f"127.0.0.1:{port}", "--ca", scene.ca, "--cert", scene.peer_pem,
            "--key", scene.peer_key, *more]


class OpenSsl:
    """openssl s_server, which knows no SIP."""

    def __init__(self, cert, key, *more):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", cert, "-key", key, *more],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        while not self.process.stdout.readline().startswith(b"ACCEPT"):
            assert self.process.poll() is None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.kill()
        self.process.communicate()


# ---- the gateway ----

def test_probe_passes_all_phases_against_the_gateway(scene):
    with scene.gateway() as gw:
        report = probe(*arguments(scene, scene.outside), code=0)
        assert gw.wait_event("connection_closed")[0]["messages_in"] == 1
    a = last(report)
    assert results(a) == dict(zip(PHASES, ["skipped", "passed", "passed", "passed", "passed"]))
    assert messages(a) == [
        "> ClientHello", "< ServerHello", "< EncryptedExtensions", "< CertificateRequest", "< Certificate",
        "< CertificateVerify", "< Finished", "> ChangeCipherSpec", "> Certificate", "> CertificateVerify",
        "> Finished", "> OPTIONS", "< NewSessionTicket", "< 200", "> close_notify", "< close_notify"]
    clear = {m["name"] for m in a["messages"] if not m["encrypted"]}
    assert clear == {"ClientHello", "ServerHello", "ChangeCipherSpec"}  # RFC 8446 2
    hello = a["messages"][0]
    assert "TLS 1.3, TLS 1.2" in hello["carries"] and "server_name example.test" in hello["carries"]
    assert any(x.startswith("suites: TLS_AES_128_GCM_SHA256, ") for x in hello["lists"])
    assert a["version"] == "TLSv1.3" and a["confirmed"] and a["identity"] == "example.test"
    leaf = a["chain"][0]
    assert leaf["names"] == ["URI:sip:example.test", "DNS:example.test", "IP:127.0.0.1"]
    assert leaf["identities"] == ["example.test"] and leaf["purposes"] == ["serverAuth", "clientAuth"]
    assert leaf["issuer"] == "CN = Test ca" and 363 <= leaf["days_left"] <= 365
    assert a["options"]["status"] == 200 and "INVITE" in a["options"]["allow"]


def test_probe_draws_a_ladder_of_100_columns_without_colour(scene):
    with scene.gateway():
        done = run("probe", *arguments(scene, scene.outside))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert "\033" not in done.stdout
    rungs = [x for x in lines if " ms |" in x]
    assert {x.index("|") for x in rungs} == {12} and {x.index("|", 13) for x in rungs} == {38}
    assert any("|------ ClientHello ----->|" in x for x in rungs)
    assert any("|<= EncryptedExtensions ==|" in x for x in rungs)
    for words in ("phase 1: TCP", "phase 2: TLS handshake", "phase 3: identity (RFC 5922)", "OPTIONS",
                  "passed: all phases"):
        assert any(x.startswith(words) for x in lines), words


def test_probe_has_colour_on_a_terminal_only(scene):
    ours, theirs = pty.openpty()
    with scene.gateway():
        done = subprocess.run([BINARY, "probe", f"sip:127.0.0.1:{scene.inside};transport=udp"], stdout=theirs,
                              timeout=20, check=False, env={"TERM": "xterm"})
    assert done.returncode == 0
    assert b"\033[32mpassed" in os.read(ours, 65536)
    os.close(ours)
    os.close(theirs)


def test_probe_as_a_peer_of_a_configuration(scene):
    """-c FILE --peer NAME: its identity, trust, domain and address."""
    server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
    shown = []

    def serve():
        c = server.accept()
        shown.append(c.sock.getpeercert()["subjectAltName"])
        c.send(sip.response(c.recv(), 200, headers="Server: a \033[31mserver"))
        c.wait_closed()

    with scene.gateway() as gw:
        thread = threading.Thread(target=serve)
        thread.start()
        report = probe("-c", gw.config, "--peer", "carrier", code=0)
        thread.join()
    assert ("URI", "sip:example.test") in shown[0]
    assert report["uri"] == "sip:peer.test" and report["wanted"] == "peer.test"
    assert report["believed"] == "trust entry partners"
    assert last(report)["options"]["server"] == "a ?[31mserver"  # nothing for a terminal to obey


def test_probe_as_a_peer_that_is_pinned(scene, tmp_path):
    pinned, _ = mine = scene.pki.self_signed("branch", "DNS:whatever.test")
    stranger = scene.pki.self_signed("stand-in", "DNS:whatever.test")
    for cert, believed in ((mine, True), (stranger, False)):
        with OpenSsl(*cert) as server:
            path = tmp_path / "pinned.yaml"
            path.write_text(scene.config().replace(
                "trust:\n", f"trust:\n  - {{name: branch, pinned: {pinned}}}\n", 1).replace(
                "peers:\n", f"peers:\n  - {{name: branch, transport: tls, address: '127.0.0.1:{server.port}', "
                             "trust: branch}\n", 1))
            report = probe("-c", str(path), "--peer", "branch", "--timeout", "0.5", code=1)
        if believed:
            assert last(report)["verdict"] == "its pinned certificate"
            failed(report, "options", "peer_timeout")
        else:
            assert "(branch)" in failed(report, "handshake", "crypto_verify")["why"]


def test_probe_over_udp_and_tcp_has_no_handshake(scene):
    pbx = "    transport: [udp, tcp]\n"
    config = scene.config().replace("    transport: udp\n    source", pbx + "    source")
    with Gateway(scene.folder, config):
        for transport, first in (("udp", "skipped"), ("tcp", "passed")):
            report = probe(f"sip:127.0.0.1:{scene.inside};transport={transport}", code=0)
            assert results(last(report)) == dict(zip(PHASES, ["skipped", first, "skipped", "skipped", "passed"]))
            assert last(report)["messages"][0]["encrypted"] is False


def test_probe_repeats_a_request_over_udp(scene):
    """RFC 3261 17.1.2.2: Timer E."""
    peer = sip.Udp()

    def serve():
        first, second = peer.recv(), peer.recv()
        assert first.raw == second.raw
        peer.send(sip.response(second, 200))

    thread = threading.Thread(target=serve)
    thread.start()
    report = probe(f"sip:127.0.0.1:{peer.port};transport=udp", code=0)
    thread.join()
    assert messages(last(report)) == ["> OPTIONS", "> OPTIONS", "< 200"]


# ---- who the server is ----

def test_probe_names_the_wrong_domain(scene):
    with scene.gateway() as gw:
        report = probe("sip:example.test", *arguments(scene, scene.outside, "--domain", "other.test")[1:], code=1)
        assert gw.wait_event("connection_closed")[0]["messages_in"] == 0  # RFC 5922 7.3: nothing was sent
    f = failed(report, "identity", "denied_identity")
    assert f["why"] == "the certificate proves another name" and f["wanted"] == "other.test"
    assert "URI:sip:example.test" in f["came"]
    # the gateway had no reason to say that it accepted us: RFC 8446 4.4.2.4
    assert results(last(report))["handshake"] == "unconfirmed" and results(last(report))["options"] == "not reached"


def test_probe_of_an_address_wants_that_address(scene):
    with scene.gateway():
        report = probe(f"127.0.0.1:{scene.outside}", *arguments(scene, scene.outside)[3:], code=0)
        assert report["server_name"] is None  # RFC 6066 3: no literal addresses
    with OpenSsl(*scene.pki.leaf("no-address", san="DNS:example.test")) as server:
        failed(probe(f"127.0.0.1:{server.port}", "--ca", scene.ca, code=1), "identity", "denied_identity")


def test_probe_names_an_unknown_ca(scene):
    cert, key = scene.pki.domain("forged", "example.test", ca="rogue")
    with OpenSsl(cert, key) as server:
        report = probe(*arguments(scene, server.port), code=1)
        f = failed(report, "handshake", "crypto_verify")
        assert "has the CA that issued the certificate: CN = Test rogue" in f["why"]
        assert (f["alert"], f["alert_from"], f["certificate"]) == ("unknown_ca", "us", "CN = forged")
        assert last(report)["chain"][0]["issuer"] == "CN = Test rogue"
        assert "> Alert" in messages(last(report))


def test_probe_without_ca_believes_the_systems_store(scene):
    with OpenSsl(scene.gateway_pem, scene.gateway_key) as server:
        report = probe("example.test", "--via", f"127.0.0.1:{server.port}", code=1)
        assert "/etc/ssl/certs" in report["believed"]
        failed(report, "handshake", "crypto_verify")


@pytest.mark.parametrize("name,make,why", [
    ("expired", lambda p: p.domain("expired", "example.test", days="-1"), "the certificate expired on "),
    ("self-signed", lambda p: p.self_signed("alone", "DNS:example.test"), "pins this self-signed certificate"),
])
def test_probe_names_what_is_wrong_with_a_certificate(scene, name, make, why):
    with OpenSsl(*make(scene.pki)) as server:
        f = failed(probe(*arguments(scene, server.port), code=1), "handshake", "crypto_verify")
        assert why in f["why"], name
        assert f["alert_from"] == "us"


def test_probe_names_a_certificate_that_is_no_servers(scene):
    with OpenSsl(*scene.pki.domain("clientonly", "example.test", usage="clientAuth")) as server:
        f = failed(probe(*arguments(scene, server.port), code=1), "identity", "denied_purpose")
        assert "extendedKeyUsage lacks serverAuth" in f["why"]


# ---- who we are ----

@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_probe_tells_that_a_certificate_is_demanded(scene, version):
    """RFC 8446 4.4.2.4: with TLS 1.3 the refusal comes after our Finished, so the handshake looked done."""
    with OpenSsl(scene.gateway_pem, scene.gateway_key, "-CAfile", scene.ca, "-Verify", "2", "-verify_return_error",
                 version) as server:
        report = probe("sip:example.test", "--via", f"127.0.0.1:{server.port}", "--ca", scene.ca, code=1)
    f = failed(report, "handshake", "crypto_alert")
    a = last(report)
    late = version == "-tls1_3"
    assert f["alert"] == ("certificate_required" if late else "handshake_failure") and f["alert_from"] == "peer"
    assert "no certificate" in f["wanted"]
    assert results(a)["identity"] == ("passed" if late else "not reached")
    assert a["confirmed"] is False and a["options"] is None
    request = next(m for m in a["messages"] if m["name"] == "CertificateRequest")
    assert "acceptable CA: CN = Test ca" in request["lists"]


def test_probe_tells_that_its_certificate_is_refused(scene):
    cert, key = scene.pki.domain("stranger", "peer.test", ca="rogue")
    with scene.gateway() as gw:
        report = probe("sip:example.test", "--via", f"127.0.0.1:{scene.outside}", "--ca", scene.ca, "--cert", cert,
                       "--key", key, code=1)
        assert gw.wait_event("connection_failed")[0]["status"] == "crypto_verify"
    f = failed(report, "handshake", "crypto_alert")
    assert f["alert"] == "unknown_ca" and "CN = stranger" in f["wanted"]
    text = run("probe", "sip:example.test", "--via", "127.0.0.1:1", "--cert", cert, "--key", scene.peer_key)
    assert text.returncode == 2 and "does not fit" in text.stderr


# ---- no SIP there, or nothing ----

@pytest.mark.parametrize("version,name", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_probe_names_a_server_without_sip(scene, version, name):
    with OpenSsl(scene.gateway_pem, scene.gateway_key, "-CAfile", scene.ca, "-Verify", "2", version) as server:
        report = probe(*arguments(scene, server.port, "--timeout", "0.7"), code=1)
    f = failed(report, "options", "peer_timeout")
    a = last(report)
    assert f["why"] == "no answer to OPTIONS" and "0.7 s" in f["wanted"]
    assert a["version"] == name and a["confirmed"]
    assert results(a)["handshake"] == results(a)["identity"] == "passed"
    assert name == "TLSv1.2" or "< NewSessionTicket" in messages(a)
    if name == "TLSv1.2":  # RFC 5246 7.3: only what follows ChangeCipherSpec is encrypted
        sealed = {m["name"] for m in a["messages"] if m["encrypted"]}
        assert sealed == {"Finished", "OPTIONS", "close_notify"}


def test_probe_is_not_held_by_a_server_that_never_stops_sending(scene):
    server = sip.Server(scene.gateway_pem, scene.gateway_key)

    def serve():
        c = server.accept()
        try:
            while True:
                c.send(b"\r\n\r\n" * 256)
        except OSError:
            c.close()

    thread = threading.Thread(target=serve)
    thread.start()
    f = failed(probe(*arguments(scene, server.port, "--timeout", "0.5"), code=1), "options", "peer_timeout")
    thread.join()
    assert f["why"] == "no final answer to OPTIONS"


def test_probe_names_plain_sip_on_the_port(scene):
    server = sip.Server()

    def serve():
        c = server.accept()
        c.send("SIP/2.0 400 Bad Request\r\n\r\n")
        c.wait_closed()

    thread = threading.Thread(target=serve)
    thread.start()
    f = failed(probe(*arguments(scene, server.port), code=1), "handshake", "peer_protocol")
    thread.join()
    assert "what came is not TLS" in f["why"] and f["came"] == '"SIP/2.0 400 Bad Request"'


def test_probe_names_a_closed_port(scene):
    f = failed(probe(*arguments(scene, free_port()), code=1), "tcp", "peer_refused")
    assert f["why"] == "TCP was not connected"
    f = failed(probe(f"sip:127.0.0.1:{free_port()};transport=udp", code=1), "options", "peer_refused")
    assert f["why"] == "nobody listens on the port"


def test_probe_names_a_port_that_never_answers_tcp(scene):
    """A listener whose queue is full drops each SYN, as a firewall does."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        full = [socket.socket() for _ in range(4)]
        for s in full:
            s.setblocking(False)
            s.connect_ex(listener.getsockname())
        report = probe(*arguments(scene, listener.getsockname()[1], "--timeout", "0.5"), code=1)
        for s in full:
            s.close()
    f = failed(report, "tcp", "peer_timeout")
    assert f["why"] == "limit connect: no answer to TCP" and f["came"] == "nothing"


def test_probe_names_a_port_that_never_answers_tls(scene):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        report = probe(*arguments(scene, listener.getsockname()[1], "--timeout", "0.5"), code=1)
    assert failed(report, "handshake", "peer_timeout")["why"] == "limit handshake: it took too long"
    assert messages(last(report)) == ["> ClientHello"]


def test_probe_names_a_server_that_closes_during_the_handshake(scene):
    server = sip.Server()

    def serve():
        c = server.accept()
        c.recv_raw()
        c.close()

    thread = threading.Thread(target=serve)
    thread.start()
    f = failed(probe(*arguments(scene, server.port), code=1), "handshake", "peer_closed")
    thread.join()
    assert f["why"] == "the peer closed during the handshake"


@pytest.mark.parametrize("status,code", [(403, 0), (408, 1), (486, 0), (503, 1)])
def test_probe_takes_any_final_answer_but_408_and_503_as_up(scene, status, code):
    server = sip.Server(scene.gateway_pem, scene.gateway_key)

    def serve():
        c = server.accept()
        m = c.recv()
        c.send(sip.response(m, 100, "Trying"))
        c.send(sip.response(m, status, "Reason"))
        c.wait_closed()

    thread = threading.Thread(target=serve)
    thread.start()
    report = probe(*arguments(scene, server.port), code=code)
    thread.join()
    assert last(report)["options"]["status"] == status
    assert messages(last(report)).count("< 100") == 1


def test_probe_with_no_version_in_common(scene):
    with OpenSsl(scene.gateway_pem, scene.gateway_key, "-tls1_2") as server:
        report = probe(*arguments(scene, server.port, "--policy", "modern"), code=1)
    f = failed(report, "handshake", "crypto_alert")
    assert f["alert"] == "protocol_version" and f["wanted"] == "TLS by policy modern (TLS 1.3)"


# ---- names and arguments ----

def test_probe_tries_each_address_of_a_name_in_order(scene):
    """localhost has one or two addresses here; the gateway listens on the IPv4 one."""
    with scene.gateway():
        report = probe(f"sip:localhost:{scene.outside}", "--domain", "example.test",
                       *arguments(scene, scene.outside)[3:], code=0)
    assert report["resolver"] == "dns" and "A localhost: 1 record" in report["dns"]
    assert [a["remote"] for a in report["attempts"]] == report["addresses"][:len(report["attempts"])]
    assert last(report)["remote"] == f"127.0.0.1:{scene.outside}"
    assert results(last(report))["dns"] == "passed"


def test_probe_names_a_name_without_address():
    f = failed(probe("sip:host.invalid", "--timeout", "1", code=1), "dns", "sys_unreachable")
    assert f["wanted"] == "an address of host.invalid"


@pytest.mark.parametrize("args,words", [
    ([], "the URI is missing"),
    (["sip:a.test", "--nonsense", "x"], "not known"),
    (["sip:a.test", "--timeout", "0"], "not known, or lacks its value"),
    (["sip:a.test", "--timeout"], "lacks its value"),
    (["tel:+4930"], "is no sip: or sips: URI"),
    (["sip:a.test;transport=sctp"], "transport=sctp"),
    (["sips:a.test;transport=udp"], "never reached over UDP"),
    (["sip:a.test", "--policy", "best"], "--policy"),
    (["sip:a.test", "--ca", "/nonexistent"], "--ca"),
    (["sip:a.test", "--key", "/nonexistent"], "--key without --cert"),
    (["sip:a.test", "--via", "a b"], "--via"),
    (["sip:a.test", "--domain", "a/b"], "--domain"),
    (["sip:a.test", "-c", "x.yaml"], "go together"),
    (["-c", "/nonexistent", "--peer", "a"], "has errors"),
])
def test_probe_says_which_argument_is_wrong(args, words):
    done = run("probe", *args)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert not done.stdout


def test_probe_with_a_peer_that_is_not_there(scene, tmp_path):
    path = tmp_path / "gateway.yaml"
    path.write_text(scene.config())
    done = run("probe", "-c", str(path), "--peer", "nobody")
    assert done.returncode == 2 and 'no peer "nobody"' in done.stderr
    done = run("probe", "-c", str(path), "--peer", "carrier", "--ca", scene.ca)
    assert done.returncode == 2 and "do not go with it" in done.stderr
