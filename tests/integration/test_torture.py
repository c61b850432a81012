"""The torture collection over real TLS, byte by byte: each message gets its verdict, the process lives, and others
do not notice. tests/torture/README.md says what the files mean."""

import glob
import os
import select
import socket
import ssl

from conftest import ROOT
from lab import sip
from lab.gateway import Gateway

MESSAGES = os.path.join(ROOT, "tests", "torture", "messages")
OURS = b"z9hG4bK-ours"  # in answers to an INVITE, which only the simulation sends
ANSWERED = (b"via", b"v", b"from", b"f", b"to", b"t", b"call-id", b"i", b"cseq")


def collection(folder):
    """(name, bytes, verdict on a stream as a list) of each message in a folder."""
    found = []
    for path in sorted(glob.glob(os.path.join(MESSAGES, folder, "*.sip"))):
        with open(path, "rb") as f, open(path[:-4] + ".verdict", encoding="utf-8") as v:
            lines = dict(line.rstrip("\n").split(": ", 1) for line in v)
            data, verdict = f.read(), (lines.get("stream") or lines["verdict"]).split(", ")
            if OURS in data:  # here they answer nothing
                verdict = [v for v in verdict if v == "close"]
            found.append((f"{folder}/{os.path.basename(path)[:-4]}", data, [v for v in verdict if v != "drop"]))
    return found


def split(head):
    """Header rows with their folded lines: (name, whole row)."""
    rows = []
    for line in head.split(b"\r\n")[1:]:
        if line[:1] in (b" ", b"\t") and rows:
            rows[-1] = (rows[-1][0], rows[-1][1] + b"\r\n" + line)
        else:
            rows.append((line.partition(b":")[0].strip().lower(), line))
    return rows


class Pbx:
    """The inside: counts new requests, and answers them so that their transactions end."""

    def __init__(self, port):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.branches = set()

    def take(self):
        """How many requests came since the last call; repeats and the ACKs of our own answers do not count."""
        new = 0
        while True:
            try:
                data, source = self.sock.recvfrom(1 << 17)
            except BlockingIOError:
                return new
            rows = split(data.partition(b"\r\n\r\n")[0])
            via = next(row for name, row in rows if name in (b"via", b"v"))
            assert b"branch=z9hG4bK" in via  # that of the gateway
            if via in self.branches:
                continue
            self.branches.add(via)
            new += 1
            if not data.startswith(b"ACK "):
                line = b"SIP/2.0 486 Busy" if data.startswith(b"INVITE ") else b"SIP/2.0 200 OK"
                echo = [row for name, row in rows if name in ANSWERED]
                self.sock.sendto(b"\r\n".join([line, *echo, b"Content-Length: 0", b"", b""]), source)

    def close(self):
        self.sock.close()


class Carrier:
    """A TLS connection whose every record carries one byte; many records go in one write."""

    def __init__(self, port, context):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="example.test")
        self.data = b""
        self.closed = False
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                self.incoming.write(self.sock.recv(65536))
        self.flush()

    def flush(self):
        if self.outgoing.pending:
            try:
                self.sock.sendall(self.outgoing.read())
            except (BrokenPipeError, ConnectionResetError):
                pass  # the gateway has had enough; what it said before is still to be read

    def send(self, data, piece=1):
        for at in range(0, len(data), piece):
            self.tls.write(data[at:at + piece])
        self.flush()

    def read(self, timeout):
        """Reads what is there, waiting for it; False if nothing came in time."""
        if self.closed or not select.select([self.sock], [], [], timeout)[0]:
            return False
        try:
            raw = self.sock.recv(1 << 17)
        except ConnectionResetError:
            raw = b""
        if raw:
            self.incoming.write(raw)
        else:
            self.closed = True
        try:
            while True:
                more = self.tls.read(1 << 17)
                if not more:
                    self.closed = True
                    break
                self.data += more
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.closed = True
        return True

    def close(self):
        self.sock.close()


def refusals(data, fence):
    """Codes of the answers that the gateway gave itself, and whether that to the fence is among them."""
    codes = []
    while True:
        m, data = sip.cut(data)
        if m is None:
            return codes, False
        if ("call-id", fence) in m.headers:
            return codes, True
        if m.status not in (100, 200, 486):  # these are of the PBX, perhaps for a connection that is gone
            codes.append(m.status)


def seen(c, pbx, fence):
    """What the gateway did up to the fence or the end, in the words of the verdicts."""
    while True:
        codes, fenced = refusals(c.data, fence)
        if fenced or c.closed:
            break
        if not c.read(10):
            return ["neither an answer nor an end"]
    return ["accept"] * pbx.take() + [f"reject {code}" for code in codes] + ["close"] * c.closed


class Bench:
    """A gateway with a PBX behind it, and a neighbour that must not notice anything."""

    def __init__(self, scene, gw):
        self.gw, self.port, self.count, self.wrong, self.waiting = gw, scene.outside, 0, [], []
        self.context = sip.client_context(scene.ca, scene.peer_pem, scene.peer_key)
        self.pbx = Pbx(scene.pbx_port)
        self.witness = sip.tls(scene.outside, **scene.carrier_tls())

    def options(self):
        self.count += 1
        call_id = f"fence{self.count}@test"
        return call_id, sip.request("OPTIONS", "sip:example.test", call_id=call_id).encode()

    def neighbour(self):
        call_id, text = self.options()
        self.witness.send(text)
        assert self.witness.recv(want=lambda m: ("call-id", call_id) in m.headers).status == 200
        assert self.gw.alive(), self.gw.tail()

    def compare(self, name, c, fence, verdict):
        got = seen(c, self.pbx, fence)
        if sorted(got) != sorted(verdict):
            self.wrong.append(f"{name}: {', '.join(got) or 'drop'}, but should be: {', '.join(verdict) or 'drop'}")
        c.close()

    def judge(self, name, data, verdict):
        c = Carrier(self.port, self.context)
        c.send(data)
        call_id = None
        if verdict[-1:] != ["close"]:
            call_id, text = self.options()
            c.send(text, len(text))
        if verdict == ["close"]:
            self.waiting.append((name, c, verdict))  # perhaps only after the limit "message": meanwhile the next
        else:
            self.compare(name, c, call_id, verdict)
        self.neighbour()

    def finish(self):
        for name, c, verdict in self.waiting:
            self.compare(name, c, None, verdict)
        self.neighbour()
        self.witness.close()
        self.pbx.close()


def test_each_message_in_single_bytes_over_tls_gets_its_verdict(scene):
    """RFC 3261 18.3: what a stream is cut into does not matter."""
    messages = collection("valid") + collection("invalid") + collection("hostile")
    messages.sort(key=lambda m: m[2] != ["close"])  # those that may wait for the limit "message" begin
    assert len(messages) >= 170
    with Gateway(scene.folder, scene.config(extra="limits: {message: 5s}"), log_level="info") as gw:
        bench = Bench(scene, gw)
        for name, data, verdict in messages:
            bench.judge(name, data, verdict)
        bench.finish()
    assert not bench.wrong, "\n".join(bench.wrong)
