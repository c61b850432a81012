"""Memory runs out in the running gateway: whatever fails, the process lives, connections that are not
concerned stay, and with memory again calls work and nothing of it is left."""

import concurrent.futures
import mmap
import os
import select
import signal
import ssl
import struct
import threading
import time

import pytest
from lab import gateway, sip

LIBRARY = os.path.join(os.path.dirname(gateway.BINARY), "tests", "libsipward-fault.so")
CHANCES = [50, 200, 1000, 10000, 300000, 1000000]  # in a million; a handshake asks some thousand times
SEED = int(os.environ.get("FAULT_SEED", "1"))

pytestmark = pytest.mark.skipif(not os.path.exists(LIBRARY), reason="built with -Dtests=true only")


class Fault:
    """struct order of tests/support/fault_preload.c"""

    def __init__(self, path):
        self.path = str(path)
        with open(self.path, "wb") as f:
            f.write(bytes(40))
        with open(self.path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 40)

    def on(self, chance, seed):
        struct.pack_into("=QQ", self.map, 8, chance, seed)
        struct.pack_into("=Q", self.map, 0, 1)

    def off(self):
        struct.pack_into("=Q", self.map, 0, 0)

    @property
    def failed(self):
        return struct.unpack_from("=Q", self.map, 32)[0]


class Answering(threading.Thread):
    """Answers each request 200, over UDP as the PBX and over TLS as the carrier."""

    def __init__(self, scene):
        super().__init__(daemon=True)
        self.udp = sip.Udp(scene.pbx_port)
        self.server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
        self.ended = False

    def run(self):
        streams = []
        while not self.ended:
            ready = select.select([self.udp.sock, self.server.listener, *[s.sock for s in streams]], [], [], 0.1)[0]
            if self.udp.sock in ready:
                self.answer(self.udp, self.udp.recv())
            if self.server.listener in ready:
                try:
                    streams.append(self.server.accept(2))
                except (OSError, ssl.SSLError):
                    pass
            for s in [s for s in streams if s.sock in ready]:
                s.data += s.recv_raw(0) or b""
                m, s.data = sip.cut(s.data)
                while m:
                    self.answer(s, m)
                    m, s.data = sip.cut(s.data)
            streams = [s for s in streams if not s.closed]

    def answer(self, end, m):
        if m.method and m.method != "ACK":
            try:
                end.send(sip.response(m, 200))
            except OSError:
                pass

    def stop(self):
        self.ended = True
        self.join()
        self.udp.close()
        self.server.close()


class Caller:
    """What comes from outside over TLS, and from inside over UDP."""

    def __init__(self, scene):
        self.scene = scene

    def connect(self):
        return sip.tls(self.scene.outside, **self.scene.carrier_tls())

    def over(self, c, timeout=5):
        """The final status of a request over an open connection."""
        text = sip.request("MESSAGE", "sip:bob@example.test", body="x" * 3000)
        c.send(text)
        return c.final(timeout).status

    def in_call(self, timeout=5):
        """An INVITE and its BYE over a connection of their own; their final statuses."""
        c = self.connect()
        c.sock.settimeout(timeout)
        try:
            invite = sip.request("INVITE", body="v=0\r\n")
            c.send(invite)
            ok = c.final(timeout)
            if ok.status != 200:
                return [ok.status]
            routes = sip.route_set(ok)
            uri = f"sip:bob@127.0.0.1:{self.scene.pbx_port}"
            for method, cseq in (("ACK", 1), ("BYE", 2)):
                c.send(sip.request(method, uri, headers=routes, call_id=ok["call-id"], cseq=cseq,
                                   to_tag=";tag=callee"))
            return [200, c.final(timeout).status]
        finally:
            c.close()

    def outward(self, timeout=5):
        """A request from inside, which the gateway sends over TLS to the carrier."""
        udp = sip.Udp()
        try:
            udp.send(sip.request("MESSAGE", "sip:+49123@example.test", "UDP", f"127.0.0.1:{udp.port}"),
                     self.scene.inside)
            return udp.final(timeout).status
        finally:
            udp.close()

    def try_one(self, i):
        """One attempt that may fail in any way that a peer can see."""
        try:
            if i % 3 == 2:
                self.outward(0.5)
            else:
                self.in_call(0.5)
            return True  # answered, whatever the answer
        except (OSError, ssl.SSLError, TimeoutError, ValueError):
            return False


def eventually(what, want, timeout=20):
    """Until it is as wanted: a call that was under way without memory may still stand in the way."""
    end, seen = time.monotonic() + timeout, None
    while time.monotonic() < end:
        try:
            seen = what()
            if seen == want:
                return
        except (OSError, ssl.SSLError, TimeoutError) as e:
            seen = e
    raise AssertionError(f"{seen} and not {want}")


def rss_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def sanitized():
    with open(gateway.BINARY, "rb") as f:
        return b"__asan_init" in f.read()


@pytest.fixture
def short(scene, tmp_path, monkeypatch):
    """A gateway whose memory can fail: (gateway, fault, caller)."""
    fault = Fault(tmp_path / "fault")
    sanitizers = gateway.SANITIZERS["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
    answering = Answering(scene)
    with monkeypatch.context() as m:
        m.setitem(gateway.SANITIZERS, "ASAN_OPTIONS", sanitizers)
        m.setenv("LD_PRELOAD", LIBRARY)
        m.setenv("SIPWARD_FAULT", fault.path)
        gw = scene.gateway(workers=2, extra="limits: {recheck: 300ms}\n")
        gw.__enter__()
    answering.start()
    yield gw, fault, Caller(scene)
    fault.off()
    answering.stop()
    gw.__exit__(None, None, None)


def shake(gw, fault, caller, chance, seed):
    """Peers come and go while memory fails; then calls work again."""
    before = fault.failed
    fault.on(chance, seed)
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answered = sum(pool.map(caller.try_one, range(48)))
    fault.off()
    print(f"{chance} of a million: {fault.failed - before} requests failed, {answered} of 48 were answered")
    assert gw.alive(), gw.tail()
    eventually(caller.in_call, [200, 200])
    eventually(caller.outward, 200)


def test_memory_that_fails_from_the_start_leaves_nothing_out(short):
    """What the TLS library makes when it is first asked for must not be missing ever after."""
    gw, fault, caller = short
    print(f"FAULT_SEED={SEED}")
    for n, chance in enumerate((3000, 30000, 300000)):
        shake(gw, fault, caller, chance, SEED + n)
    assert fault.failed > 20
    for _ in range(5):
        assert caller.in_call() == [200, 200]
        assert caller.outward() == 200


def test_memory_fails_and_the_gateway_goes_on(short):
    gw, fault, caller = short
    print(f"FAULT_SEED={SEED}")
    steady = caller.connect()
    assert caller.over(steady) == 200
    sizes = []
    for n, chance in enumerate(CHANCES * 2):
        shake(gw, fault, caller, chance, SEED + n)
        assert caller.over(steady) == 200  # a connection that asked for nothing meanwhile
        sizes.append(rss_kb(gw.process.pid))
    assert fault.failed > 100
    print("resident kB", sizes)
    if not sanitized():  # a sanitizer keeps what is freed, and looks for leaks at the end
        assert sizes[-1] - sizes[len(CHANCES)] < 6000, sizes
    steady.close()


def reloads(gw):
    """Those of the configuration; one that is refused is followed by one of the revocation lists."""
    asked = {"what": "configuration"}
    return len(gw.events("reloaded", **asked)), len(gw.events("reload_failed", **asked))


@pytest.mark.parametrize("more", [0, 1])  # 1: a CA's key was left out without a word
def test_a_reload_without_memory_is_refused_and_the_old_goes_on(short, more):
    """The loader says so and returns: the process lives, and what ran before answers."""
    gw, fault, caller = short
    steady = caller.connect()
    assert caller.over(steady) == 200
    for n, chance in enumerate((1000, 10000, 100000, 1000000)):
        ended = sum(reloads(gw))
        fault.on(chance, SEED + n + more)
        gw.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 20
        while sum(reloads(gw)) == ended and gw.alive() and time.monotonic() < end:
            select.select([], [], [], 0.02)
        fault.off()
        assert gw.alive() and sum(reloads(gw)) == ended + 1, gw.tail()
        assert caller.over(steady) == 200
        eventually(caller.in_call, [200, 200])
    assert reloads(gw)[1] >= 2  # of a million each, and of a hundred thousand
    done = reloads(gw)[0]
    gw.process.send_signal(signal.SIGHUP)
    gw.wait_event("reloaded", count=done + 1, what="configuration")
    assert caller.over(steady) == 200
    steady.close()
