"""Hostile TLS: each client of this kind gets the best answer there is, leaves a record with the right code, is
bounded, and does not disturb a connection beside it."""

import hmac
import json
import os
import socket
import ssl
import subprocess

import pytest
from lab import sip
from lab.gateway import run

ALERT, HANDSHAKE, DATA = 21, 22, 23


class Running:
    """A gateway and a neighbour whose connection is open before and after."""

    def __init__(self, scene, gw):
        self.scene, self.gw = scene, gw
        self.witness = sip.tls(scene.outside, **scene.carrier_tls())
        self.number = 0
        self.neighbour_lives()

    def neighbour_lives(self):
        self.number += 1
        call_id = f"witness{self.number}@test"
        self.witness.send(sip.request("OPTIONS", "sip:example.test", call_id=call_id))
        assert self.witness.recv(want=lambda m: m["call-id"] == call_id).status == 200

    def records(self):
        out = run("ctl", "-s", str(self.scene.folder / "sipward.sock"), "--json", "failures")
        assert out.returncode == 0, out.stderr
        return json.loads(out.stdout)["failures"]

    def expect(self, reason, **fields):
        """One record, with this code, and the neighbour does not know of it."""
        said = self.gw.wait_event("connection_failed", reason=reason)
        assert all(said[0].get(k) == v for k, v in fields.items()), said
        found = [r for r in self.records() if r["reason"] == reason]
        assert len(found) == 1, self.records()
        assert found[0]["why"] and found[0]["help"]
        self.neighbour_lives()
        return found[0]


@pytest.fixture
def running(scene):
    with scene.gateway() as gw:
        yield Running(scene, gw)
        assert gw.alive()


@pytest.fixture
def impatient(scene):
    with scene.gateway(extra="limits: {handshake: 500ms, handshakes_per_source: 3}") as gw:
        yield Running(scene, gw)
        assert gw.alive()


def record(kind, body, version=b"\3\3"):
    return bytes([kind]) + version + len(body).to_bytes(2, "big") + body


def message(kind, body):
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def vector(body, size):
    return len(body).to_bytes(size, "big") + body


def extension(kind, body):
    return kind.to_bytes(2, "big") + vector(body, 2)


def hello(version=0x0304, suites=(0x1301, 0xC02B), padding=0):
    """A ClientHello that this gateway goes on with. RFC 8446 4.1.2, RFC 5246 7.4.1.2"""
    extensions = [extension(10, vector(b"\0\x1d\0\x17", 2)), extension(11, b"\1\0"),
                  extension(13, vector(b"\4\3\x08\4", 2)), extension(0xFF01, b"\0")]
    if version == 0x0304:
        extensions += [extension(43, b"\2\3\4"), extension(51, vector(b"\0\x1d" + vector(bytes(range(32)), 2), 2))]
    if padding:
        extensions.append(extension(21, bytes(padding)))
    body = b"\3\3" + bytes(range(32)) + b"\0" + vector(b"".join(s.to_bytes(2, "big") for s in suites), 2) + b"\1\0" \
        + vector(b"".join(extensions), 2)
    return message(1, body)


def read_records(c, until):
    """Reads records of the gateway until `until` is in one, or the end."""
    data = b""
    while until not in data:
        got = c.recv_raw()
        if not got:
            break
        data += got
    return data


# ---- what is no TLS ----

def test_plain_sip_on_the_tls_port_is_answered_in_plain_sip(running):
    c = sip.tcp(running.scene.outside)
    c.send(sip.request("OPTIONS", "sip:example.test", transport="TCP", call_id="plain@test"))
    answer = c.final()
    assert answer.status == 400 and "This Port Speaks TLS" in answer.line and answer["call-id"] == "plain@test"
    assert c.wait_closed()
    running.expect("plain_sip", phase="handshake", status="peer_protocol")


def test_a_plain_keep_alive_or_response_on_the_tls_port_is_recorded(running):
    for data in (b"\r\n\r\n\r\n\r\n", b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;branch=z9hG4bKx\r\n\r\n", b"INVIT"):
        c = sip.tcp(running.scene.outside)
        c.send(data)
        assert c.wait_closed() and not c.data.startswith(b"SIP/2.0 2")
    running.expect("plain_sip")


def test_a_plain_request_is_never_obeyed_on_the_tls_port(running):
    """RFC 9325 3.2"""
    pbx = sip.Udp(running.scene.pbx_port)
    c = sip.tcp(running.scene.outside)
    c.send(sip.request("INVITE", transport="TCP"))
    assert c.final().status == 400
    assert pbx.silent()
    running.expect("plain_sip")


def test_http_on_the_tls_port_is_answered_in_http(running):
    c = sip.tcp(running.scene.outside)
    c.send("GET / HTTP/1.1\r\nHost: example.test\r\n\r\n")
    assert c.wait_closed()
    head, _, body = c.data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ") and f"Content-Length: {len(body)}".encode() in head
    running.expect("http", phase="handshake")


@pytest.mark.parametrize("junk", [b"\0" * 64, b"\xff" * 64, b"SSH-2.0-x\r\n", b"\x16\x09\1\0\5hello"])
def test_garbage_before_the_handshake_is_recorded(running, junk):
    c = sip.tcp(running.scene.outside)
    c.send(junk)
    assert c.wait_closed()
    running.expect("not_tls", phase="handshake")


def test_tls_on_the_plain_port_gets_an_alert(running):
    raw = socket.create_connection(("127.0.0.1", running.scene.inside), timeout=5)
    with pytest.raises(ssl.SSLError, match="(?i)handshake.failure"):
        sip.client_context().wrap_socket(raw)
    running.expect("tls_on_plain_port", phase="policy", transport="tcp", listener="inside")


# ---- half-open, slow, many ----

def test_a_handshake_that_never_begins_is_ended(impatient):
    c = sip.tcp(impatient.scene.outside)
    assert c.wait_closed()
    assert "offered_by_peer" not in impatient.expect("handshake_timeout", phase="handshake")


def test_a_handshake_that_stops_half_way_is_ended_and_its_hello_is_kept(impatient):
    c = sip.tcp(impatient.scene.outside)
    c.send(record(HANDSHAKE, hello()))
    assert c.wait_closed()
    r = impatient.expect("handshake_timeout", phase="handshake")
    assert r["offered_by_peer"].startswith("TLS 1.3: TLS_AES_128_GCM_SHA256")


def test_slow_bytes_gain_no_time(impatient):
    c = sip.tcp(impatient.scene.outside)
    sent = 0
    for byte in record(HANDSHAKE, hello(padding=2000)):
        try:
            c.send(bytes([byte]))
        except OSError:
            break
        sent += 1
        if c.recv_raw(0.02) == b"":
            break
    assert c.closed and sent < 200
    impatient.expect("handshake_timeout")


def test_handshakes_of_one_source_are_counted(impatient):
    """limits.handshakes_per_source: the fourth is refused, open connections do not count, and places become free."""
    port = impatient.scene.outside
    half = [sip.tcp(port) for _ in range(3)]
    many = sip.tcp(port)
    assert many.wait_closed(timeout=0.4) or many.wait_closed()
    r = impatient.expect("too_many_handshakes", phase="policy", status="limit")
    assert r["remote"].startswith("127.0.0.1:")
    for c in half:
        c.close()
    impatient.gw.wait_event("connection_failed", count=4)
    for _ in range(4):
        c = sip.tls(port, **impatient.scene.carrier_tls())
        c.send(sip.request("OPTIONS", "sip:example.test"))
        assert c.final().status == 200


# ---- bad messages ----

def test_a_hello_that_announces_too_much_is_refused_before_it_comes(running):
    c = sip.tcp(running.scene.outside)
    c.send(record(HANDSHAKE, b"\1\1\xff\xff" + b"x" * 100))
    assert c.recv_raw() == bytes([ALERT, 3, 1, 0, 2, 2, 47])
    assert c.wait_closed()
    running.expect("message_too_large", alert="illegal_parameter", alert_from="us")


@pytest.mark.parametrize("bytes_,reason", [
    (record(HANDSHAKE, message(99, b"x" * 20)), "bad_message"),                 # no such message
    (record(HANDSHAKE, message(1, b"\3\3" + b"x" * 10)), "bad_message"),        # a hello cut short
    (record(HANDSHAKE, message(20, b"x" * 12)), "bad_message"),                 # Finished first
    (record(DATA, b"INVITE"), "bad_message"),                                   # data before all else
    (bytes([HANDSHAKE, 3, 3, 0xFF, 0xFF]) + b"x" * 100, "bad_record"),          # a record that is too long
    (record(ALERT, b"\2\x28"), "bad_message"),                                  # a fatal alert first
    (record(ALERT, b"\1\x5a") * 20, "bad_message"),                             # many warnings
    (record(ALERT, b"\7\7"), "bad_message"),                                    # no such level
])
def test_garbage_as_a_first_message_is_recorded(running, bytes_, reason):
    c = sip.tcp(running.scene.outside)
    c.send(bytes_)
    assert c.wait_closed()
    running.expect(reason, phase="handshake")


@pytest.mark.parametrize("bytes_,reason", [
    (record(DATA, bytes(range(64))), "bad_record"),                               # cannot be decrypted
    (record(ALERT, b"\2\x28"), "alert_received"),
    (record(ALERT, b"\1\0"), "closed_in_handshake"),                            # close_notify
    (record(HANDSHAKE, hello()), "bad_message"),                                # a second hello
])
def test_garbage_in_the_middle_of_a_handshake_is_recorded(running, bytes_, reason):
    c = sip.tcp(running.scene.outside)
    c.send(record(HANDSHAKE, hello()))
    assert read_records(c, b"\x17\3\3")  # its encrypted part has begun
    c.send(bytes_)
    assert c.wait_closed()
    r = running.expect(reason, phase="handshake")
    assert r["chosen"] == "TLS 1.3: TLS_AES_128_GCM_SHA256"


def test_garbage_on_an_open_connection_is_recorded(running):
    c = sip.tls(running.scene.outside, **running.scene.carrier_tls())
    c.send(sip.request("OPTIONS", "sip:example.test"))
    assert c.final().status == 200
    with socket.socket(fileno=os.dup(c.sock.fileno())) as raw:
        raw.sendall(record(DATA, bytes(range(64))))
    assert c.wait_closed()
    running.expect("bad_record", peer="carrier", phase="open")


def test_a_renegotiation_is_refused_and_recorded(running):
    """RFC 5746 5, RFC 9325 3.5: a warning, and the connection of the others goes on."""
    scene = running.scene
    subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", "-tls1_2", "-CAfile", scene.ca,
                    "-cert", scene.peer_pem, "-key", scene.peer_key],
                   input=b"R\n", capture_output=True, timeout=20, check=False)
    running.expect("renegotiation", phase="policy", alert="no_renegotiation", alert_from="us", peer="carrier")
    # OpenSSL's client does not go on without: RFC 5246 7.2.2. The connection was open, so suites are not to blame.
    ended = running.expect("alert_received", phase="open", alert="handshake_failure", alert_from="peer")
    assert "renegotiation was turned down" in ended["why"] and "suite" not in ended["help"], ended


@pytest.mark.parametrize("hello", [
    b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"\x07\x00\xc0" * 7 + bytes(16),
    b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + b"\x00\x00\x2f" * 7 + bytes(16),
], ids=["ssl2", "tls1"])
def test_a_hello_of_ssl_2_is_told_as_such(running, hello):
    """RFC 6176, RFC 5246 E.2"""
    c = sip.tcp(running.scene.outside)
    c.send(hello)
    assert c.wait_closed()
    r = running.expect("ssl2_hello", phase="handshake")
    assert "SSL 2.0" in r["why"] and "updated" in r["help"]


@pytest.mark.parametrize("word", [b"K\n", b"k\n"], ids=["asked", "only told"])
def test_a_flood_of_key_updates_ends_the_connection(running, word):
    """RFC 8446 4.6.3: each costs a derivation, and with update_requested an answer."""
    scene = running.scene
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", "-tls1_3", "-CAfile",
                               scene.ca, "-cert", scene.peer_pem, "-key", scene.peer_key],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    running.gw.wait_event("connection_open", count=2)
    sent = 0
    try:
        while sent < 102:  # each is said by the client before the next
            client.stdin.write(word)
            client.stdin.flush()
            line = client.stderr.readline()
            while line and b"KEYUPDATE" not in line:
                line = client.stderr.readline()
            if not line:
                break
            sent += 1
            if sent == 100:
                assert not running.gw.events("connection_failed")
    except BrokenPipeError:
        pass
    assert sent >= 100
    r = running.expect("key_updates", phase="open", peer="carrier")
    assert "more than 100 times in a minute" in r["why"]
    client.stdin.close()
    client.wait(timeout=10)
    client.stderr.close()


def handshake_records(scene, folder, count):
    """A TLS 1.2 client that sends handshake records which OpenSSL's own client would not: ECDHE-ECDSA-AES128-SHA with
    encrypt_then_mac, so that openssl enc and an HMAC will do. RFC 5246 6.3, RFC 7366 3"""
    context = sip.client_context(scene.ca, scene.peer_pem, scene.peer_key, ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA")
    context.keylog_filename = str(folder / "keys")
    came, went = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(came, went, server_hostname="example.test")
    raw = socket.create_connection(("127.0.0.1", scene.outside), timeout=5)
    sent, got = b"", b""
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            out = went.read()
            sent += out
            raw.sendall(out)
            data = raw.recv(65536)
            got += data
            came.write(data)
    raw.sendall(went.read())
    client, server = sent[11:43], got[11:43]  # the randoms: after the heads of record and message, and the version
    with open(folder / "keys", encoding="ascii") as f:
        master = bytes.fromhex(f.read().split()[-1])
    seed, block, a = b"key expansion" + server + client, b"", b"key expansion" + server + client
    while len(block) < 72:
        a = hmac.digest(master, a, "sha256")
        block += hmac.digest(master, a + seed, "sha256")
    for number in range(1, count + 1):
        body = b"\1\0\0\0"  # the head of a ClientHello is enough to be told no
        sealed = subprocess.run(["openssl", "enc", "-aes-128-cbc", "-nopad", "-K", block[40:56].hex(), "-iv", bytes(16).hex()],
                                input=body + 12 * b"\x0b", capture_output=True, check=True).stdout
        head = bytes([HANDSHAKE]) + b"\3\3"
        text = bytes(16) + sealed
        mac = hmac.digest(block[:20], number.to_bytes(8, "big") + head + vector(text, 2), "sha1")
        raw.sendall(head + vector(text + mac, 2))
    return raw


@pytest.mark.parametrize("count, ends", [(3, False), (4, True)])
def test_the_fourth_renegotiation_ends_the_connection(scene, tmp_path, count, ends):
    with scene.gateway(outside="    policy: legacy\n") as gw:
        raw = handshake_records(scene, tmp_path, count)
        told = gw.wait_event("connection_failed", reason="renegotiation")
        assert (told[0]["peer"], told[0]["alert"]) == ("carrier", "no_renegotiation")
        if ends:
            said = gw.wait_event("connection_closed")[0]
            assert (said["status"], said["why"]) == ("peer_protocol", "it asked for a renegotiation a fourth time")
            while raw.recv(4096):  # alerts, then the end
                pass
        else:
            record = None
            while not record or record["count"] < count:
                record, = json.loads(run("ctl", "-s", str(scene.folder / "sipward.sock"), "--json",
                                         "failures").stdout)["failures"]
            assert not gw.events("connection_closed")
        raw.close()


# ---- bad certificates ----

def show(running, cert, key):
    """A client shows a certificate; True if the gateway ended the connection without an answer."""
    try:
        c = sip.tls(running.scene.outside, ca=running.scene.ca, cert=cert, key=key)
        c.send(sip.request("OPTIONS", "sip:example.test"))
        return c.wait_closed() and b"SIP/2.0" not in c.data
    except (ssl.SSLError, OSError):
        return True


@pytest.mark.parametrize("der", [b"", b"\x30\x03\2\1\5", b"\x30\x84\xff\xff\xff\xff", b"garbage" * 20])
def test_a_certificate_that_is_no_der_is_recorded(running, der):
    """In TLS 1.2 a client's certificate is in the clear. RFC 5246 7.4.6"""
    c = sip.tcp(running.scene.outside)
    c.send(record(HANDSHAKE, hello(version=0x0303)))
    assert read_records(c, b"\x0e\0\0\0")  # ServerHelloDone
    c.send(record(HANDSHAKE, message(11, vector(vector(der, 3), 3))))
    assert c.wait_closed()
    running.expect("certificate_malformed", phase="handshake", alert_from="us")


def test_a_huge_chain_is_refused(running):
    pki = running.scene.pki
    cert, key = pki.domain("huge", "peer.test")
    with open(pki.ca(), encoding="ascii") as f:
        ca = f.read()
    path = pki.path("huge-chain.pem")
    with open(cert, encoding="ascii") as f, open(path, "w", encoding="ascii") as out:
        out.write(f.read() + ca * 250)
    assert show(running, path, key)
    running.expect("message_too_large", phase="handshake")


def test_a_long_chain_of_the_same_is_no_burden(running):
    """Below that limit what does not belong to the chain is ignored."""
    pki = running.scene.pki
    cert, key = pki.domain("long", "peer.test", ca="rogue")
    with open(pki.ca("rogue"), encoding="ascii") as f:
        ca = f.read()
    path = pki.path("long-chain.pem")
    with open(cert, encoding="ascii") as f, open(path, "w", encoding="ascii") as out:
        out.write(f.read() + ca * 60)
    assert show(running, path, key)
    r = running.expect("issuer_unknown", phase="handshake")
    assert r["certificates"] == 61 and len(r["chain"]) == 8


@pytest.mark.parametrize("count,reason", [(600, "too_many_names"), (5000, "message_too_large")])
def test_thousands_of_names_prove_nothing(running, count, reason):
    """Nor does such a certificate count as none, which might be let in by its address."""
    names = ",".join(f"DNS:name-{i}.test" for i in range(count)) + ",DNS:peer.test"
    cert, key = running.scene.pki.leaf(f"names{count}", san=names)
    assert show(running, cert, key)
    running.expect(reason, peer="nobody")


def general_names(*names):
    """subjectAltName of dNSNames with any bytes. RFC 5280 4.2.1.6"""
    body = b"".join(bytes([0x82, len(n)]) + n for n in names)
    return "DER:" + (bytes([0x30, len(body)]) + body).hex(":")


TRICKS = {
    "nul": b"peer.test\0.evil.test",
    "nul-end": b"peer.test\0",
    "utf8": "p\u0435er.test".encode(),       # a Cyrillic letter, which an IA5String cannot have
    "idn": b"xn--per-qdd.test",
    "space": b" peer.test",
    "dot": b".peer.test",
    "line": b"peer.test\r\nfake: line",
}


@pytest.mark.parametrize("trick", sorted(TRICKS))
def test_a_server_with_a_trick_in_its_name_is_refused(scene, trick):
    """RFC 5922 7.2, 7.3: the whole name, byte for byte; nothing is sent to another."""
    cert, key = scene.pki.leaf(f"trick-{trick}", san=general_names(TRICKS[trick]))
    server = sip.Server(cert, key, port=scene.carrier_port)
    with scene.gateway() as gw:
        pbx = sip.Udp()
        pbx.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{pbx.port}"), scene.inside)
        stream = server.accept()
        assert stream.wait_closed() and stream.data == b""
        assert pbx.final().status == 500
        failed = gw.wait_event("connection_failed", reason="denied_identity")[0]
        assert failed["phase"] == "identity" and failed["wanted"] == "peer.test" and failed["presented"]
        # a connection beside it
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("OPTIONS", "sip:example.test"))
        assert c.final().status == 200


@pytest.mark.parametrize("trick", sorted(TRICKS))
def test_a_client_with_a_trick_in_its_name_is_nobody(running, trick):
    cert, key = running.scene.pki.leaf(f"trick-{trick}", san=general_names(TRICKS[trick]))
    c = sip.tls(running.scene.outside, ca=running.scene.ca, cert=cert, key=key)
    c.send(sip.request("INVITE"))
    assert c.final().status == 403
    opened = running.gw.wait_event("connection_open", count=2)[-1]
    assert opened["peer"] in ("nobody", "verified") and opened["identity"] != "peer.test"
    running.neighbour_lives()
