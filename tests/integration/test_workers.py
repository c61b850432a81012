"""Several workers: what one call needs arrives over connections that different workers own. All of it
must come out as it does with one worker."""

import select
import time

import pytest
from lab import sip

WORKERS = pytest.mark.parametrize("workers", [1, 2, 4])


class Outside:
    """The carrier with several connections. Every message is kept until somebody asks for it."""

    def __init__(self, scene, gw, count, server=None):
        self.gw = gw
        self.server = server
        self.streams = [sip.tls(scene.outside, **scene.carrier_tls()) for _ in range(count)]
        self.kept = []
        # a connection's number in the log begins with its worker's
        ports = {f"127.0.0.1:{s.sock.getsockname()[1]}": i for i, s in enumerate(self.streams)}
        self.owner = [None] * count
        for e in gw.wait_event("connection_open", count=count, direction="in"):
            self.owner[ports[e["remote"]]] = int(e["conn"].split(".")[0])

    def other(self, i):
        """A connection that another worker owns; with one worker only another connection."""
        n = len(self.streams)
        order = [(i + k) % n for k in range(1, n)]
        return next((k for k in order if self.owner[k] != self.owner[i]), order[0])

    def _read(self, timeout):
        sockets = [s.sock for s in self.streams if not s.closed]
        if self.server:
            sockets.append(self.server.listener)
        if not any(s.sock.pending() for s in self.streams if not s.closed):
            ready = select.select(sockets, [], [], timeout)[0]
            if self.server and self.server.listener in ready:
                self.streams.append(self.server.accept())
        for i, s in enumerate(self.streams):
            if s.closed:
                continue
            while s.sock.pending() or select.select([s.sock], [], [], 0)[0]:
                s.data += s.recv_raw(0) or b""
                if s.closed:
                    break
            m, s.data = sip.cut(s.data)
            while m:
                self.kept.append((i, m))
                m, s.data = sip.cut(s.data)

    def recv(self, want, timeout=10):
        """(number of the connection, message): the first for which `want` holds."""
        end = time.monotonic() + timeout
        while True:
            for k, (i, m) in enumerate(self.kept):
                if want(m):
                    del self.kept[k]
                    return i, m
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"not among {self.kept}\n{self.gw.tail(30)}")
            self._read(left)

    def final(self, call_id, method="INVITE"):
        return self.recv(lambda m: m.status and m.status >= 200 and m["call-id"] == call_id
                         and m["cseq"].endswith(" " + method))

    def request(self, call_id, method):
        return self.recv(lambda m: m.method == method and m["call-id"] == call_id)

    def drain(self, seconds=0.0):
        """Takes what has come; then nothing may be left that nobody asked for, but 100 and 180."""
        end = time.monotonic() + seconds
        while True:
            self._read(max(0.0, end - time.monotonic()))
            if time.monotonic() >= end:
                break
        left = [(i, m) for i, m in self.kept if not (m.status and m.status < 200)]
        assert not left, left

    def send(self, i, text):
        self.streams[i].send(text)

    def close(self):
        for s in self.streams:
            s.close()
        if self.server:
            self.server.close()


class Pbx(sip.Udp):
    """The inside: repeats are sorted out by the branch, so that each message is seen once."""

    def __init__(self, port=0):
        super().__init__(port)
        self.seen = set()

    def next(self, method, timeout=10):
        def fresh(m):
            key = (m.line, m.all("via")[0], m["call-id"], m["cseq"])
            if m.method != method or key in self.seen:
                return False
            self.seen.add(key)
            return True
        return self.recv(timeout, fresh)


@pytest.fixture
def stage(scene):
    """start(workers, connections): a gateway, its outside, its inside; all end with the test."""
    made = []

    def start(workers, connections, listen=False):
        server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port) if listen else None
        gw = scene.gateway(workers=workers)
        made.append(gw)
        gw.__enter__()
        pbx = Pbx(scene.pbx_port)
        made.append(pbx)
        out = Outside(scene, gw, connections, server)
        made.append(out)
        if connections >= workers:
            assert set(out.owner) == set(range(workers)), "the connections are not spread"
        return gw, out, pbx

    yield start
    for x in reversed(made[1:]):
        x.close()
    made[0].__exit__(None, None, None)


def routes(m, from_callee):
    """The route set, as the caller sees it in a response or the callee in the request. RFC 3261 12.1"""
    values = m.all("record-route")
    return "".join(f"Route: {r}\r\n" for r in (values if from_callee else reversed(values)))


CONTACT = "<sip:alice@192.0.2.99:9;transport=tls>"


def in_dialog(pbx, method, route, call_id, cseq):
    return sip.request(method, f"sip:bob@127.0.0.1:{pbx.port}", headers=route, call_id=call_id,
                       to_tag=";tag=callee", cseq=cseq, contact=CONTACT)


def set_up(out, pbx, i, call_id, ack_over=None):
    """A call whose INVITE comes over connection `i`: the INVITE as the inside got it, and the 200."""
    out.send(i, sip.request("INVITE", call_id=call_id, contact=CONTACT))
    invite = pbx.next("INVITE")
    pbx.send(sip.response(invite, 180, reason="Ringing"))
    ringing, m = out.recv(lambda m: m.status == 180 and m["call-id"] == call_id)
    assert ringing == i and len(m.all("via")) == 1
    pbx.send(sip.response(invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{pbx.port}>"))
    answered, ok = out.final(call_id)
    assert (answered, ok.status) == (i, 200)
    out.send(i if ack_over is None else ack_over, in_dialog(pbx, "ACK", routes(ok, False), call_id, 1))
    ack = pbx.next("ACK")
    assert ack["call-id"] == call_id and not ack.all("route")
    return invite, ok


def from_outside(out, pbx, i, method, ok, cseq):
    """A request inside the dialog over connection `i`; its answer must come back there."""
    call_id = ok["call-id"]
    out.send(i, in_dialog(pbx, method, routes(ok, False), call_id, cseq))
    got = pbx.next(method)
    assert got["call-id"] == call_id and not got.all("route")
    pbx.send(sip.response(got, 200, headers=f"Contact: <sip:bob@127.0.0.1:{pbx.port}>"))
    at, final = out.final(call_id, method)
    assert (at, final.status) == (i, 200)


def inside_request(method, invite, port, cseq):
    return sip.request(method, "sip:alice@192.0.2.99:9;transport=tls", "UDP", f"127.0.0.1:{port}",
                       headers=routes(invite, True), call_id=invite["call-id"], to_tag=";tag=t1", cseq=cseq)


@WORKERS
def test_workers_share_a_call_over_all_connections_of_a_peer(stage, scene, workers):
    """ACK, re-INVITE and BYE come over connections of other workers than the INVITE."""
    _, out, pbx = stage(workers, 4)
    for i in range(4):
        other, third = out.other(i), out.other(out.other(i))
        _, ok = set_up(out, pbx, i, f"shared{i}@test", ack_over=other)
        from_outside(out, pbx, other, "INVITE", ok, cseq=2)
        out.send(third, in_dialog(pbx, "ACK", routes(ok, False), ok["call-id"], 2))
        assert pbx.next("ACK")["cseq"] == "2 ACK"
        from_outside(out, pbx, third, "INFO", ok, cseq=3)
        from_outside(out, pbx, other, "BYE", ok, cseq=4)
    out.drain()


@WORKERS
def test_workers_send_requests_from_inside_over_the_connection_of_the_dialog(stage, scene, workers):
    """Whichever worker got the datagram. Several sockets inside, so that each worker gets some."""
    _, out, pbx = stage(workers, 4)
    phones = [Pbx() for _ in range(6)]
    for i in range(4):
        invite, ok = set_up(out, pbx, i, f"inside{i}@test")
        for n, phone in enumerate(phones):
            method = "INVITE" if n % 2 else "INFO"
            phone.send(inside_request(method, invite, phone.port, cseq=10 + n), scene.inside)
            at, m = out.request(ok["call-id"], method)
            assert at == i and m.line.startswith(f"{method} sip:alice@192.0.2.99:9")
            out.send(at, sip.response(m, 200, headers=f"Contact: {CONTACT}"))
            assert phone.final().status == 200
            if method == "INVITE":
                phone.send(inside_request("ACK", invite, phone.port, cseq=10 + n), scene.inside)
                assert out.request(ok["call-id"], "ACK")[0] == i
        phones[i].send(inside_request("BYE", invite, phones[i].port, cseq=99), scene.inside)
        at, bye = out.request(ok["call-id"], "BYE")
        assert at == i
        out.send(at, sip.response(bye, 200))
        assert phones[i].final().status == 200
    for phone in phones:
        phone.close()
    out.drain()


@WORKERS
def test_workers_find_the_invite_of_a_cancel_on_another_connection(stage, scene, workers):
    """RFC 3261 9.2, 16.10: the branch decides, not the connection."""
    _, out, pbx = stage(workers, 4)
    for i in range(4):
        other, third = out.other(i), out.other(out.other(i))
        branch, call_id = f"z9hG4bKcancel{i}", f"cancel{i}@test"
        out.send(i, sip.request("INVITE", call_id=call_id, branch=branch))
        invite = pbx.next("INVITE")
        pbx.send(sip.response(invite, 180, reason="Ringing"))
        out.recv(lambda m: m.status == 180 and m["call-id"] == call_id)
        out.send(other, sip.request("CANCEL", call_id=call_id, branch=branch))
        at, final = out.final(call_id, "CANCEL")
        assert (at, final.status) == (other, 200)
        cancel = pbx.next("CANCEL")
        assert cancel.all("via") == invite.all("via")[:1]  # RFC 3261 9.1
        pbx.send(sip.response(cancel, 200))
        pbx.send(sip.response(invite, 487, reason="Request Terminated"))
        ack = pbx.next("ACK")
        assert ack.all("via") == invite.all("via")[:1]
        at, final = out.final(call_id)
        assert (at, final.status) == (i, 487)
        out.send(third, sip.request("ACK", call_id=call_id, branch=branch, to_tag=";tag=callee"))
    # a CANCEL that nobody has the INVITE of, on any worker
    out.send(0, sip.request("CANCEL", call_id="nowhere@test"))
    assert out.final("nowhere@test", "CANCEL")[1].status == 481
    out.drain()
    assert pbx.silent()


@WORKERS
def test_workers_take_a_repeated_invite_for_the_same_transaction(stage, scene, workers):
    """RFC 3261 17.2.3. A call from each of several sockets inside; each sends its INVITE three times."""
    _, out, _ = stage(workers, 0, listen=True)
    phones = [Pbx() for _ in range(8)]
    texts = [sip.request("INVITE", transport="UDP", sent_by=f"127.0.0.1:{p.port}",
                         call_id=f"again{n}@test", branch=f"z9hG4bKagain{n}") for n, p in enumerate(phones)]
    for p, text in zip(phones, texts):
        p.send(text, scene.inside)
        p.send(text, scene.inside)
    came = [out.request(f"again{n}@test", "INVITE") for n in range(8)]
    for p, text in zip(phones, texts):
        assert p.recv().status == 100
        p.send(text, scene.inside)
    assert len(out.streams) <= min(workers, 4)
    out.drain(0.1)  # no second INVITE for any
    for n, (at, m) in enumerate(came):
        out.send(at, sip.response(m, 486, reason="Busy Here"))
    for n, p in enumerate(phones):
        assert out.request(f"again{n}@test", "ACK")[0] == came[n][0]
        assert p.final().status == 486
        p.send(texts[n], scene.inside)  # it is Completed: the same answer again
        assert p.final().status == 486
    # the ACK may come from another port, at any worker: then the answer is repeated no more
    helper = Pbx()
    for n, p in enumerate(phones):
        ack = sip.request("ACK", transport="UDP", sent_by=f"127.0.0.1:{p.port}", call_id=f"again{n}@test",
                          branch=f"z9hG4bKagain{n}", to_tag=";tag=callee")
        helper.send(ack, scene.inside)
    for p in phones:
        while not p.silent(0):
            p.recv()
    end = time.monotonic() + 1.2  # T1 and more
    assert not select.select([p.sock for p in phones], [], [], end - time.monotonic())[0]
    for p in [*phones, helper]:
        p.close()
    out.drain()


@WORKERS
def test_workers_cancel_a_call_from_inside_from_another_port(stage, scene, workers):
    _, out, _ = stage(workers, 0, listen=True)
    phone, helpers = Pbx(), [Pbx() for _ in range(4)]
    for n, helper in enumerate(helpers):
        call_id, branch = f"gone{n}@test", f"z9hG4bKgone{n}"
        same = {"transport": "UDP", "sent_by": f"127.0.0.1:{phone.port}", "call_id": call_id, "branch": branch}
        phone.send(sip.request("INVITE", **same), scene.inside)
        at, invite = out.request(call_id, "INVITE")
        out.send(at, sip.response(invite, 180, reason="Ringing"))
        phone.recv(want=lambda m: m.status == 180)
        helper.send(sip.request("CANCEL", **same), scene.inside)
        assert helper.final().status == 200
        where, cancel = out.request(call_id, "CANCEL")
        assert where == at
        out.send(at, sip.response(cancel, 200))
        out.send(at, sip.response(invite, 487, reason="Request Terminated"))
        assert out.request(call_id, "ACK")[0] == at
        assert phone.final().status == 487
        helper.send(sip.request("ACK", to_tag=";tag=callee", **same), scene.inside)
    for p in [phone, *helpers]:
        p.close()
    out.drain()


@WORKERS
def test_workers_answer_over_another_connection_when_the_first_is_gone(stage, scene, workers):
    """RFC 3261 18.2.2: and so do requests inside the dialog."""
    gw, out, pbx = stage(workers, 4)
    out.send(0, sip.request("INVITE", call_id="lost@test", contact=CONTACT))
    invite = pbx.next("INVITE")
    out.streams[0].close()
    out.streams[0].closed = True
    gw.wait_event("connection_closed")
    pbx.send(sip.response(invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{pbx.port}>"))
    at, ok = out.final("lost@test")
    assert at != 0 and ok.status == 200
    out.send(at, in_dialog(pbx, "ACK", routes(ok, False), "lost@test", 1))
    pbx.next("ACK")
    pbx.send(inside_request("BYE", invite, pbx.port, cseq=2), scene.inside)
    at, bye = out.request("lost@test", "BYE")
    assert at != 0
    out.send(at, sip.response(bye, 200))
    assert pbx.final().status == 200
    out.drain()


def take(pbx, method, seen):
    """The next such request inside, answered if it is to be."""
    m = pbx.next(method)
    seen[method] += 1
    if method != "ACK":
        pbx.send(sip.response(m, 200, headers=f"Contact: <sip:bob@127.0.0.1:{pbx.port}>"))


@WORKERS
def test_workers_carry_a_hundred_short_calls_over_many_connections(stage, scene, workers):
    """Each message of a call over the next connection; ten calls at a time."""
    calls, at_once, n = 100, 10, 12
    _, out, pbx = stage(workers, n)
    seen = {"INVITE": 0, "ACK": 0, "BYE": 0}
    for first in range(0, calls, at_once):
        batch = [(k, f"short{k}@test") for k in range(first, first + at_once)]
        route = {}
        for k, call_id in batch:
            out.send(k % n, sip.request("INVITE", call_id=call_id, contact=CONTACT))
        for _ in batch:
            take(pbx, "INVITE", seen)
        for k, call_id in batch:
            at, ok = out.final(call_id)
            assert (at, ok.status) == (k % n, 200)
            route[call_id] = routes(ok, False)
            out.send((k + 1) % n, in_dialog(pbx, "ACK", route[call_id], call_id, 1))
        for _ in batch:
            take(pbx, "ACK", seen)
        for k, call_id in batch:
            out.send((k + 5) % n, in_dialog(pbx, "BYE", route[call_id], call_id, 2))
        for _ in batch:
            take(pbx, "BYE", seen)
        for k, call_id in batch:
            at, m = out.final(call_id, "BYE")
            assert (at, m.status) == ((k + 5) % n, 200)
    assert seen == {"INVITE": calls, "ACK": calls, "BYE": calls}
    out.drain()


@WORKERS
def test_workers_stop_soon_although_a_peer_keeps_its_connections(stage, scene, workers):
    gw, out, _ = stage(workers, 4)
    started = time.monotonic()
    assert gw.stop() == 0
    assert time.monotonic() - started < 3
    assert len(gw.events("connection_closed", why="we stop")) == 4
    assert gw.events("stopped")[0]["abandoned"] == 0
    assert len(out.streams) == 4
