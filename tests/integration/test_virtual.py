"""Virtual addresses: two nodes with one configuration, keepalived moves their addresses between them."""

import socket
import struct
import threading

import pytest

from lab import netns, sip
from lab.gateway import Gateway, run

CARRIER_PORT, PBX_PORT = 7061, 6061

needs_namespaces = pytest.mark.usefixtures("permitted")


@pytest.fixture(scope="module", name="permitted")
def fixture_permitted():
    reason = netns.why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture(name="network")
def fixture_network(permitted):  # pylint: disable=unused-argument
    with netns.Network() as network:
        yield network


def config(pki, folder, extra="", carrier=netns.HUB4):
    """One file for both nodes: a TLS side on IPv4 and a UDP side on IPv6."""
    pem, key = pki.domain("gateway", "example.test")
    (folder / "seal.key").write_bytes(b"0123456789abcdef0123456789abcdef")
    return f"""
domains: [example.test]
workers: 2
seal_key: {folder}/seal.key
identities:
  - {{name: main, certificate: {pem}, key: {key}}}
trust:
  - {{name: partners, ca: {pki.ca()}}}
listen:
  - name: outside
    address: {netns.VIRTUAL4}:5061
    transport: tls
    identity: main
    trust: [partners]
    freebind: true
  - name: inside
    address: "[{netns.VIRTUAL6}]:5060"
    transport: udp
    freebind: true
peers:
  - name: carrier
    domain: peer.test
    address: {carrier}:{CARRIER_PORT}
    transport: tls
    trust: partners
    ping: 0
  - name: pbx
    address: "[{netns.HUB6}]:{PBX_PORT}"
    transport: udp
    source: ["{netns.HUB6}"]
    ping: 1h
routes:
  - {{from: carrier, to: pbx}}
  - {{from: pbx, to: carrier}}
{extra}
"""


class Nodes:
    """Gateways and keepalived on both nodes, and their peers in the hub."""

    def __init__(self, network, pki, folder):
        self.network = network
        self.keepalived = {n: netns.Keepalived(network, n, folder) for n in (1, 2)}
        self.gateway = {}
        for n in (1, 2):
            (folder / str(n)).mkdir()
            self.gateway[n] = Gateway(folder / str(n), config(pki, folder), prefix=network.enter(n))
        pem, key = pki.domain("peer", "peer.test")
        self.tls = {"cert": pem, "key": key, "ca": pki.ca()}
        with network.inside():
            self.server = sip.Server(**self.tls, port=CARRIER_PORT, host=netns.HUB4)
            self.pbx = sip.Udp(PBX_PORT, host=netns.HUB6)

    def __enter__(self):
        try:
            for gateway in self.gateway.values():
                gateway.__enter__()
            self.keepalived[2].start()
            self.keepalived[1].start()
            self.wait_on(1)
        except BaseException as e:
            self.__exit__(type(e), e, None)
            raise
        return self

    def __exit__(self, *error):
        for keepalived in self.keepalived.values():
            keepalived.stop()
        self.server.close()
        self.pbx.close()
        for gateway in self.gateway.values():
            gateway.__exit__(*error)

    def wait_on(self, node, count=1):
        """The address is on that node alone, and its gateway knows; which pinged the PBX at once."""
        self.keepalived[node].wait_address()
        self.keepalived[3 - node].wait_address(here=False)
        for listener in ("outside", "inside"):
            self.gateway[node].wait_event("listener_here", listener=listener, count=count)
        ping = self.pbx.recv(want=lambda m: m.method == "OPTIONS")
        self.pbx.send(sip.response(ping, 200))
        assert self.pbx.peer[:2] == (netns.VIRTUAL6, 5060)

    def connect(self):
        """The carrier comes to the virtual address."""
        with self.network.inside():
            return sip.tls(5061, **self.tls, host=netns.VIRTUAL4)


def routes(values, reverse=False):
    return "".join(f"Route: {v}\r\n" for v in (reversed(values) if reverse else values))


class Call:
    """From the carrier to the PBX, answered."""

    def __init__(self, carrier, pbx):
        invite = sip.request("INVITE", "sip:bob@example.test", sent_by=f"{netns.HUB4}:{CARRIER_PORT}")
        carrier.send(invite)
        self.id = sip.Message(invite.encode())["call-id"]
        inside = pbx.recv(want=lambda m: m.method == "INVITE")
        self.at_pbx = inside.all("record-route")
        self.from_uri, self.to_uri = inside["from"], inside["to"]
        self.contact = inside["contact"].strip("<>")
        contact = f"Contact: <sip:bob@[{netns.HUB6}]:{PBX_PORT}>"
        pbx.send(sip.response(inside, 200, headers=contact))
        ok = carrier.final()
        assert ok.status == 200
        self.at_carrier = ok.all("record-route")
        self.remote = ok["contact"].strip("<>")
        carrier.send(self.from_carrier("ACK"))
        assert pbx.recv(want=lambda m: m.method == "ACK")["call-id"] == self.id

    def from_carrier(self, method, cseq=1):
        return sip.request(method, self.remote, sent_by=f"{netns.HUB4}:{CARRIER_PORT}", call_id=self.id, cseq=cseq,
                           to_tag=";tag=callee", headers=routes(self.at_carrier, True))

    def from_pbx(self, method):
        """Its From is the callee's: RFC 3261 12.2.1.1"""
        text = sip.request(method, self.contact, transport="UDP", sent_by=f"[{netns.HUB6}]:{PBX_PORT}",
                           call_id=self.id, headers=routes(self.at_pbx), contact=f"<sip:bob@[{netns.HUB6}]:{PBX_PORT}>")
        head, _, rest = text.partition("From: ")
        rest = rest.partition("\r\n")[2].partition("\r\n")[2]
        return f"{head}From: {self.to_uri};tag=callee\r\nTo: {self.from_uri}\r\n{rest}"


class Listening:
    """What leaves a node: UDP and TCP that carry SIP, seen where its cable ends."""

    def __init__(self, network, node):
        with network.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            self.sock.bind((f"to{node}", 0))
        self.sock.settimeout(0.1)
        self.seen, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self):
        while not self.ended.is_set():
            try:
                frame, (_, _, kind, _, _) = self.sock.recvfrom(65536)
            except TimeoutError:
                continue
            if kind == socket.PACKET_OUTGOING:
                continue
            ether = struct.unpack("!H", frame[12:14])[0]
            upper = frame[14 + 9] if ether == 0x0800 else frame[14 + 6] if ether == 0x86dd else None
            if upper in (socket.IPPROTO_UDP, socket.IPPROTO_TCP):
                self.seen.append(frame)

    def end(self):
        self.ended.set()
        self.thread.join()
        self.sock.close()
        return self.seen


def test_virtual_address_that_is_not_here_is_a_start_error_that_helps(tmp_path):
    """192.0.2.0/24 is for documentation: no machine has it."""
    text = "domains: [example.test]\nlisten: [{name: inside, address: '192.0.2.1:5060', transport: udp%s}]\n" \
           "routes: [{reject: 403}]\nlog: {format: json}\n"
    (tmp_path / "fixed.yaml").write_text(text % "")
    done = run("run", "-c", str(tmp_path / "fixed.yaml"))
    assert done.returncode == 1
    assert '"event":"listen_failed"' in done.stderr and "192.0.2.1:5060" in done.stderr
    assert "no interface has the address" in done.stderr and "freebind: true" in done.stderr
    with Gateway(tmp_path, text % ", freebind: true") as gw:
        away = gw.wait_event("listener_away", listener="inside")
        assert away[0]["level"] == "info"


@needs_namespaces
def test_virtual_calls_go_on_through_the_other_node(network, pki, tmp_path):
    with Nodes(network, pki, tmp_path) as nodes:
        pbx, carrier = nodes.pbx, nodes.connect()
        first, second = Call(carrier, pbx), Call(carrier, pbx)
        carrier.send(sip.request("INVITE", "sip:slow@example.test"))
        pbx.recv(want=lambda m: m.method == "INVITE")  # node 1 repeats it until it is answered

        nodes.keepalived[1].stop()
        nodes.wait_on(2)
        gone = nodes.gateway[1].wait_event("connection_closed", status="sys_away")
        assert len(gone) == 1 and gone[0]["peer"] == "carrier"
        nodes.gateway[1].wait_event("listener_away", listener="inside", count=2)
        listening = Listening(network, 1)

        # the carrier finds out when it sends, and comes again; its dialog is known there: RFC 3261 16.12
        carrier.send(first.from_carrier("BYE", 2))
        assert carrier.wait_closed()
        carrier = nodes.connect()
        carrier.send(first.from_carrier("BYE", 2))
        bye = pbx.recv(want=lambda m: m.method == "BYE")
        assert bye["call-id"] == first.id
        pbx.send(sip.response(bye, 200))
        assert carrier.final().status == 200

        # from the other side, over a connection that node 2 has of that carrier
        pbx.send(second.from_pbx("BYE"), 5060, netns.VIRTUAL6)
        bye = carrier.recv(want=lambda m: m.method == "BYE")
        assert bye["call-id"] == second.id
        carrier.send(sip.response(bye, 200))
        assert pbx.final().status == 200

        assert Call(carrier, pbx).id
        # meanwhile node 1 had an INVITE to repeat, and a refusal to send in the end
        nodes.gateway[1].wait_event("message_lost", what="response", status="sys_away")
        assert not listening.end()

        nodes.keepalived[1].start()
        nodes.wait_on(1, count=2)
        nodes.gateway[2].wait_event("connection_closed", status="sys_away")
        carrier.send(sip.request("OPTIONS", "sip:example.test"))
        assert carrier.wait_closed()
        carrier = nodes.connect()
        carrier.send(sip.request("OPTIONS", "sip:example.test"))
        assert carrier.final().status == 200
        assert len(nodes.gateway[1].events("connection_open", direction="in")) == 2


@needs_namespaces
def test_virtual_trunk_that_takes_nothing_is_noticed_and_dialled_again(network, pki, tmp_path):
    """The other side's address may move away as silently: RFC 5482, RFC 3261 18.4."""
    for address in (f"{netns.VIRTUAL4}/24", f"{netns.VIRTUAL6}/64"):
        network.ip(1, "addr", "add", address, "dev", "eth0", *(["nodad"] if ":" in address else []))
    trunk = "10.77.0.253"
    network.ip(0, "addr", "add", f"{trunk}/24", "dev", "br0")
    pem, key = pki.domain("peer", "peer.test")
    with network.inside():
        server = sip.Server(pem, key, pki.ca(), port=CARRIER_PORT, host=trunk)
        pbx = sip.Udp(PBX_PORT, host=netns.HUB6)

    def ask(method="MESSAGE"):
        pbx.send(sip.request(method, "sip:bob@peer.test", transport="UDP", sent_by=f"[{netns.HUB6}]:{PBX_PORT}"),
                 5060, netns.VIRTUAL6)

    def answer(connection):
        connection.send(sip.response(connection.recv(want=lambda m: m.method == "MESSAGE"), 200))
        assert pbx.recv(want=lambda m: m.status == 200)["cseq"] == "1 MESSAGE"

    text = config(pki, tmp_path, extra="limits: {unacknowledged: 500ms}", carrier=trunk)
    with Gateway(tmp_path, text, prefix=network.enter(1)) as gw:
        ask()
        connection = server.accept()
        assert connection.sock.getpeername()[0] == netns.VIRTUAL4  # the listener's address: RFC 3261 18.1.1
        answer(connection)
        network.ip(0, "addr", "del", f"{trunk}/24", "dev", "br0")
        ask("INVITE")
        closed = gw.wait_event("connection_closed", status="peer_timeout", peer="carrier")
        assert "unacknowledged" in closed[0]["why"]
        assert pbx.final().status == 500  # 16.9, 16.7 step 6: as after a 503; there is no other target
        network.ip(0, "addr", "add", f"{trunk}/24", "dev", "br0")
        ask()
        answer(server.accept())
    server.close()
    pbx.close()
