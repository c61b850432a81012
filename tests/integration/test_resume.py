"""Sessions that are resumed, and each reason not to, with openssl's own client and server."""

import datetime
import os
import re
import shutil
import subprocess
import threading
import time

import pytest

from lab import sip
from lab.gateway import free_port
from test_reload import ctl, rewrite

VERSIONS = ["-tls1_2", "-tls1_3"]
CERTIFICATE = [True, False]
NO_CERTIFICATE = "    client_certificate: none\n    unknown: reject\n"


def text_of(path):
    return open(path, encoding="utf-8").read() if os.path.exists(path) else ""


class Client:
    """openssl s_client with a session file: each connection takes the session of the one before."""

    def __init__(self, scene, version, certificate=True, cert=None, key=None, name="example.test", env=None):
        self.file = str(scene.folder / "session.pem")
        self.version, self.ca, self.name = version, scene.ca, name
        self.env = dict(os.environ, **(env or {}))
        self.cert = ["-cert", cert or scene.peer_pem, "-key", key or scene.peer_key] if certificate else []

    def connect(self, port, name=None, options=()):
        """What s_client says of the session: "New" or "Reused"; None: the gateway refused."""
        new = self.file + ".new"
        args = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", self.ca, self.version,
                "-servername", name or self.name, "-sess_out", new, *self.cert, *options]
        if os.path.exists(self.file):
            args += ["-sess_in", self.file]
        with open(self.file + ".log", "w+", encoding="utf-8") as log:
            p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=self.env)
            # TLS 1.3 gives its session after the handshake
            done = (lambda: "END SSL" in text_of(new)) if self.version == "-tls1_3" else \
                (lambda: "Extended master secret" in text_of(log.name))
            end = time.monotonic() + 10
            while p.poll() is None and not done():
                assert time.monotonic() < end, text_of(log.name)
                time.sleep(0.01)
            p.stdin.close()
            p.wait(timeout=10)
            said = text_of(log.name)
        if os.path.exists(new):
            os.rename(new, self.file)
        found = re.search(r"^(New|Reused), TLS", said, re.M)
        return found.group(1) if found and "alert" not in said else None


def opened(gw, count):
    """What the gateway's log says of its connections, in order."""
    return [e["resumed"] for e in gw.wait_event("connection_open", count=count)]


@pytest.mark.parametrize("certificate", CERTIFICATE)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_session_is_resumed_and_keeps_who_it_is(scene, version, certificate, workers):
    """With two workers the connection goes to the one that keeps the session, or all read the ticket."""
    with scene.gateway(workers=workers, outside="" if certificate else NO_CERTIFICATE) as gw:
        c = Client(scene, version, certificate)
        got = [c.connect(scene.outside) for _ in range(6)]
        assert got == ["New"] + 5 * ["Reused"], gw.tail()
        assert opened(gw, 6) == ["no"] + 5 * ["yes"]
        for e in gw.events("connection_open"):
            assert e["peer"] == ("carrier" if certificate else "nobody")
            assert e["names"] == ("URI:sip:peer.test DNS:peer.test IP:127.0.0.1" if certificate else "")
        assert not gw.events("connection_failed")


def test_a_resumed_connection_carries_calls_and_is_listed_as_such(scene):
    """RFC 3261 over a resumed session; `ctl connections` says that it is one."""
    with scene.gateway() as gw:
        context = sip.client_context(scene.ca, scene.peer_pem, scene.peer_key)
        session = None
        for expected in ("no", "yes"):
            raw = sip.socket.create_connection(("127.0.0.1", scene.outside), timeout=5)
            c = sip.Stream(context.wrap_socket(raw, server_hostname="example.test", session=session))
            c.send(sip.request("OPTIONS", "sip:example.test"))
            assert c.final().status == 200
            rows = ctl(gw, "connections")[1]["connections"]
            assert [(r["peer"], r["resumed"]) for r in rows if r["state"] == "open"] == [("carrier", expected)]
            session = c.sock.session
            c.sock.unwrap()
            c.close()
            gw.wait_event("connection_closed", count=1 if expected == "no" else 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_is_resumed_when_it_is_switched_off(scene, version):
    with scene.gateway(extra="limits: {resumption: 0s}") as gw:
        c = Client(scene, version)
        if version == "-tls1_2":
            assert [c.connect(scene.outside) for _ in range(2)] == ["New", "New"]
        else:  # there is no ticket to wait for
            for _ in range(2):
                context = sip.client_context(scene.ca, scene.peer_pem, scene.peer_key)
                raw = sip.socket.create_connection(("127.0.0.1", scene.outside), timeout=5)
                s = sip.Stream(context.wrap_socket(raw, server_hostname="example.test"))
                s.send(sip.request("OPTIONS", "sip:example.test"))
                assert s.final().status == 200 and not s.sock.session.has_ticket
                s.close()
        assert opened(gw, 2) == ["no", "no"]


@pytest.mark.parametrize("certificate", CERTIFICATE)
def test_a_resumed_session_has_a_key_exchange_of_its_own(scene, certificate):
    """RFC 9325 3.4: psk_dhe_ke with key_share; a client that would do without, and has no group of ours, is refused."""
    with scene.gateway(outside="" if certificate else NO_CERTIFICATE) as gw:
        c = Client(scene, "-tls1_3", certificate)
        assert [c.connect(scene.outside, options=["-allow_no_dhe_kex"]) for _ in range(2)] == ["New", "Reused"]
        assert "Server Temp Key: X25519" in text_of(c.file + ".log"), text_of(c.file + ".log")
        assert [e["group"] for e in gw.events("connection_open")] == ["x25519", "x25519"]
        assert c.connect(scene.outside, options=["-allow_no_dhe_kex", "-groups", "P-521"]) is None


def test_no_early_data_is_offered(scene):
    """RFC 9325 3.10: no 0-RTT."""
    with scene.gateway() as gw:
        c = Client(scene, "-tls1_3")
        assert c.connect(scene.outside) == "New"
        said = subprocess.run(["openssl", "sess_id", "-in", c.file, "-noout", "-text"], capture_output=True,
                              text=True, check=True).stdout
        assert "Max Early Data: 0" in said
        assert gw.alive()


# ---- each reason not to ----

def short_lived(scene, seconds):
    """A certificate that ends soon, which `openssl x509` cannot make; and when it ends."""
    folder = scene.folder / "short"
    folder.mkdir()
    (folder / "index").write_text("")
    (folder / "conf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={folder}/index\nnew_certs_dir={folder}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=p\nx509_extensions=x\n[p]\ncommonName=supplied\n"
        "[x]\nsubjectAltName=URI:sip:peer.test\nextendedKeyUsage=clientAuth\n")
    pem, key, csr = (str(folder / f"short.{x}") for x in ("pem", "key", "csr"))
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                    "-out", csr, "-subj", "/CN=short"], check=True, capture_output=True)
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    subprocess.run(["openssl", "ca", "-batch", "-notext", "-config", str(folder / "conf"), "-cert", scene.ca, "-keyfile",
                    scene.ca.replace(".pem", ".key"), "-in", csr, "-out", pem, "-enddate",
                    end.strftime("%Y%m%d%H%M%SZ")], check=True, capture_output=True)
    return pem, key, end.timestamp()


@pytest.mark.parametrize("version", VERSIONS)
def test_not_past_the_end_of_the_certificate(scene, version):
    pem, key, end = short_lived(scene, 8)
    with scene.gateway() as gw:
        c = Client(scene, version, cert=pem, key=key)
        assert c.connect(scene.outside) == "New"
        assert c.connect(scene.outside) == "Reused"
        while time.time() < end + 1:
            time.sleep(0.1)
        assert c.connect(scene.outside) is None
        assert gw.wait_event("connection_failed")[0]["reason"] == "expired"


@pytest.mark.parametrize("version", VERSIONS)
def test_not_after_the_certificate_was_revoked(scene, version):
    pem, key = scene.pki.domain("to-be-revoked", "peer.test")
    index = scene.folder / "index"
    index.write_text("")
    (scene.folder / "conf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={index}\ndefault_md=sha256\n")
    base = ["openssl", "ca", "-config", str(scene.folder / "conf"), "-cert", scene.ca, "-keyfile",
            scene.ca.replace(".pem", ".key")]
    crl = str(scene.folder / "list.crl")
    with scene.gateway() as gw:
        c = Client(scene, version, cert=pem, key=key)
        assert c.connect(scene.outside) == "New"
        assert c.connect(scene.outside) == "Reused"
        subprocess.run([*base, "-revoke", pem], check=True, capture_output=True)
        subprocess.run([*base, "-gencrl", "-crldays", "7", "-out", crl], check=True, capture_output=True)
        rewrite(gw, (f"ca: {scene.ca}", f"ca: {scene.ca}, crl: {crl}"))
        assert ctl(gw, "reload")[0] == 0
        assert c.connect(scene.outside) is None
        assert gw.wait_event("connection_failed")[0]["reason"] == "revoked"


@pytest.mark.parametrize("version", VERSIONS)
def test_not_after_the_trust_entry_believes_another_ca(scene, version):
    other = scene.pki.ca("other-ca")
    with scene.gateway() as gw:
        c = Client(scene, version)
        assert c.connect(scene.outside) == "New"
        rewrite(gw, (f"ca: {scene.ca}", f"ca: {other}"))
        assert ctl(gw, "reload")[0] == 0
        assert c.connect(scene.outside) is None
        assert gw.wait_event("connection_failed")[0]["reason"] == "issuer_unknown"


@pytest.mark.parametrize("certificate", CERTIFICATE)
@pytest.mark.parametrize("version", VERSIONS)
def test_not_after_the_trust_entry_was_removed(scene, version, certificate):
    """Another entry with the same CA vouches: the peer gets in, but by a full handshake."""
    with scene.gateway(outside="" if certificate else NO_CERTIFICATE) as gw:
        c = Client(scene, version, certificate)
        assert c.connect(scene.outside) == "New"
        assert c.connect(scene.outside) == "Reused"
        rewrite(gw, ("name: partners", "name: others"), ("[partners]", "[others]"), ("trust: partners", "trust: others"))
        assert ctl(gw, "reload")[0] == 0
        assert c.connect(scene.outside) == "New"
        assert c.connect(scene.outside) == "Reused"


@pytest.mark.parametrize("certificate", CERTIFICATE)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_reload_that_changes_none_of_it_keeps_the_session(scene, version, certificate):
    with scene.gateway(outside="" if certificate else NO_CERTIFICATE) as gw:
        c = Client(scene, version, certificate)
        assert c.connect(scene.outside) == "New"
        rewrite(gw, ("  - {from: carrier, to: pbx}", "  - {from: carrier, reject: 486}"))
        assert ctl(gw, "reload")[0] == 0
        assert c.connect(scene.outside) == "Reused"


@pytest.mark.parametrize("certificate", CERTIFICATE)
@pytest.mark.parametrize("version", VERSIONS)
def test_not_under_another_policy(scene, version, certificate):
    with scene.gateway(outside="" if certificate else NO_CERTIFICATE,
                       extra='tls_policies:\n  - {name: own, groups: "P-256"}\n') as gw:
        c = Client(scene, version, certificate)
        assert c.connect(scene.outside) == "New"
        rewrite(gw, ("    trust: [partners]\n", "    trust: [partners]\n    policy: own\n"))
        assert ctl(gw, "reload")[0] == 0
        assert c.connect(scene.outside) == "New"


@pytest.mark.parametrize("certificate", CERTIFICATE)
@pytest.mark.parametrize("version", VERSIONS)
def test_not_into_another_listener(scene, version, certificate):
    port = free_port()
    rule = "" if certificate else ", client_certificate: none"
    more = (f'  - {{name: second, address: "127.0.0.1:{port}", transport: tls, identity: main, trust: [partners]{rule}}}\n')
    with scene.gateway(outside=("" if certificate else NO_CERTIFICATE) + more) as gw:
        c = Client(scene, version, certificate)
        assert c.connect(scene.outside) == "New"
        shutil.copy(c.file, c.file + ".first")
        assert c.connect(port) == "New"
        shutil.copy(c.file + ".first", c.file)
        assert c.connect(scene.outside) == "Reused"  # where it was made it is still good
        assert gw.alive()


@pytest.mark.parametrize("certificate", CERTIFICATE)
@pytest.mark.parametrize("version", VERSIONS)
def test_not_under_another_server_name(scene, version, certificate):
    """RFC 6066 3: the server MUST NOT resume a session that was made for another name."""
    pem, key = scene.pki.domain("second-name", "second.test")
    listener = ("" if certificate else NO_CERTIFICATE) + "    sni: [second]\n"
    config = scene.config(outside=listener).replace(
        "trust:\n", f"  - {{name: second, certificate: {pem}, key: {key}}}\ntrust:\n", 1)
    scene.config = lambda **more: config
    with scene.gateway() as gw:
        c = Client(scene, version, certificate)
        assert c.connect(scene.outside, name="example.test") == "New"
        assert c.connect(scene.outside, name="second.test") == "New"
        assert c.connect(scene.outside, name="second.test") == "Reused"
        assert [e["shown"] for e in gw.wait_event("connection_open", count=3)] == ["main", "second", "second"]


@pytest.mark.parametrize("certificate", CERTIFICATE)
@pytest.mark.parametrize("version", VERSIONS)
def test_not_when_we_show_another_certificate(scene, version, certificate):
    pem, key = scene.pki.domain("gateway-next", "example.test")
    with scene.gateway(outside="" if certificate else NO_CERTIFICATE) as gw:
        c = Client(scene, version, certificate)
        assert c.connect(scene.outside) == "New"
        rewrite(gw, (str(scene.gateway_pem), str(pem)), (str(scene.gateway_key), str(key)))
        assert ctl(gw, "reload")[0] == 0
        assert c.connect(scene.outside) == "New"


@pytest.mark.parametrize("certificate", CERTIFICATE)
def test_not_without_extended_master_secret(scene, certificate):
    """RFC 7627 5.4."""
    conf = scene.folder / "openssl.cnf"
    conf.write_text("openssl_conf=o\n[o]\nssl_conf=s\n[s]\nsystem_default=d\n[d]\nOptions=-ExtendedMasterSecret\n")
    with scene.gateway(outside="" if certificate else NO_CERTIFICATE) as gw:
        c = Client(scene, "-tls1_2", certificate, env={"OPENSSL_CONF": str(conf)})
        assert [c.connect(scene.outside) for _ in range(2)] == ["New", "New"]
        assert opened(gw, 2) == ["no", "no"]


# ---- the gateway as client ----

class Server:
    """openssl s_server as the carrier."""

    def __init__(self, scene, *options):
        self.process = subprocess.Popen(
            ["openssl", "s_server", "-accept", f"127.0.0.1:{scene.carrier_port}", "-cert", scene.peer_pem, "-key",
             scene.peer_key, "-CAfile", scene.ca, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert any(b"ACCEPT" in line for line in self.process.stdout)
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.kill()
        self.process.wait()

    def hang_up(self):
        """A line with q ends the connection, and the next one is waited for."""
        self.process.stdin.write(b"q\n")
        self.process.stdin.flush()


MUTUAL = ["-Verify", "3", "-verify_return_error"]


def dial(gw, scene, pbx):
    """A request from inside makes the gateway connect to the carrier: what became of it."""
    def outcome():
        return [e for e in gw.events() if e["event"] in ("connection_open", "connection_failed")
                and e.get("direction") == "out"]
    before = len(outcome())
    pbx.send(sip.request("MESSAGE", "sip:bob@peer.test", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"),
             port=scene.inside)
    end = time.monotonic() + 10
    while len(outcome()) == before:
        assert time.monotonic() < end, gw.tail()
        time.sleep(0.02)
    last = outcome()[-1]
    return last["resumed"] if last["event"] == "connection_open" else last["reason"]


def hang_up(gw, server):
    before = len(gw.events("connection_closed"))
    server.hang_up()
    gw.wait_event("connection_closed", count=before + 1)


@pytest.mark.parametrize("certificate", CERTIFICATE)
@pytest.mark.parametrize("version", VERSIONS)
def test_as_client_a_session_is_offered_again(scene, version, certificate):
    with Server(scene, version, *(MUTUAL if certificate else [])) as server, \
            scene.gateway(carrier="" if certificate else "    identity: none\n") as gw:
        pbx = sip.Udp(scene.pbx_port)
        got = []
        for _ in range(4):
            got.append(dial(gw, scene, pbx))
            hang_up(gw, server)
        assert got == ["no", "yes", "yes", "yes"]
        assert {e["identity"] for e in gw.events("connection_open", direction="out")} == {"peer.test"}


@pytest.mark.parametrize("version", VERSIONS)
def test_as_client_not_after_the_trust_entry_believes_another_ca(scene, version):
    other = scene.pki.ca("other-ca")
    with Server(scene, version, *MUTUAL) as server, scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        assert dial(gw, scene, pbx) == "no"
        hang_up(gw, server)
        rewrite(gw, (f"ca: {scene.ca}", f"ca: {other}"))
        assert ctl(gw, "reload")[0] == 0
        assert dial(gw, scene, pbx) == "issuer_unknown"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("what", ["our certificate", "policy", "the peer's name"])
def test_as_client_not_when_something_else_has_changed(scene, version, what):
    pem, key = scene.pki.domain("gateway-next", "example.test")
    change = {"our certificate": [(str(scene.gateway_pem), str(pem)), (str(scene.gateway_key), str(key))],
              "policy": [("    trust: partners\n", "    trust: partners\n    policy: legacy\n")],
              "the peer's name": [("name: carrier", "name: other"), ("to: carrier", "to: other"),
                                  ("from: carrier", "from: other")]}[what]
    with Server(scene, version, *MUTUAL) as server, scene.gateway() as gw:
        pbx = sip.Udp(scene.pbx_port)
        assert [dial(gw, scene, pbx), hang_up(gw, server), dial(gw, scene, pbx), hang_up(gw, server)][::2] == ["no", "yes"]
        rewrite(gw, *change)
        assert ctl(gw, "reload")[0] == 0
        assert dial(gw, scene, pbx) == "no"
