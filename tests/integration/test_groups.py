"""Peers as groups: choice, health and limits, as callers, peers and the operator see them. docs/groups.md"""

import itertools
import json
import socket
import time

import pytest

from lab import sip
from lab.gateway import Gateway, free_port, run
from lab.peers import Sipp
from test_reload import ctl, rewrite

NUMBERS = itertools.count(1)


def row(gw, name):
    return next(r for r in ctl(gw, "peers")[1]["peers"] if r["peer"] == name)


def wait_row(gw, name, seconds=5, **wanted):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        r = row(gw, name)
        if all(r[k] == v for k, v in wanted.items()):
            return r
        time.sleep(0.05)
    raise AssertionError(f"{name} is {r}, not {wanted}")


def pool(scene, route, peers=2, keys="timeout: 300ms", **more):
    """The usual scene with UDP peers p0, p1, ... that are the group for the carrier's calls."""
    ports = [free_port() for _ in range(peers)]
    text = "".join(f"  - {{name: p{i}, address: '127.0.0.1:{port}', transport: udp, ping: 0, {keys}}}\n"
                   for i, port in enumerate(ports))
    config = scene.config(routes=route, **more).replace("peers:\n", f"peers:\n{text}", 1)
    return config, [sip.Udp(port) for port in ports]


def who_got(endpoints, call_id=None, timeout=3):
    """Which of them gets the next request, or the one of a call, and the request; repeats are passed over."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for i, e in enumerate(endpoints):
            if not e.silent(0.01):
                m = e.recv()
                if call_id in (None, m["call-id"]):
                    return i, m
    raise AssertionError("nobody got it")


def ask(c, endpoints, method="MESSAGE", call_id=None):
    """A request with a Call-ID of its own: who gets it, and it."""
    call_id = call_id or f"group{next(NUMBERS)}@test"
    c.send(sip.request(method, call_id=call_id))
    return who_got(endpoints, call_id)


def send(c, endpoints, call_id=None, status=200):
    """The same, with its answer by whoever gets it."""
    i, m = ask(c, endpoints, call_id=call_id)
    endpoints[i].send(sip.response(m, status))
    assert c.recv(want=lambda x: x.status == status and x["call-id"] == m["call-id"])
    return i


# ---- choice ----

def test_two_carriers_get_their_shares_of_real_calls(scene):
    """docs/groups.md, the first example: 70 to 30, with sipp on all sides; then nothing counts any more."""
    one, two, caller = free_port(), free_port(), free_port()
    peers = "".join(f"  - {{name: {n}, address: '127.0.0.1:{p}', transport: udp, ping: 0}}\n"
                    for n, p in (("one", one), ("two", two), ("caller", caller)))
    config = scene.config(workers=2, routes="  - from: caller\n    choose: weight\n    to:\n"
                          "      - {peer: one, weight: 70}\n      - {peer: two, weight: 30}\n").replace(
        "peers:\n", f"peers:\n{peers}", 1)
    with Gateway(scene.folder, config, log_level="info") as gw:
        uas = [Sipp(scene.folder, "uas", p, calls=1000) for p in (one, two)]
        try:
            Sipp(scene.folder, "uac", caller, target=f"127.0.0.1:{scene.inside}", calls=200, rate=100).wait()
        finally:
            for u in uas:
                u.kill()
        n = [row(gw, name)["out_requests"] for name in ("one", "two")]
        assert sum(n) == 200
        assert 110 <= n[0] <= 170  # 140 expected, sigma 6.5
        for name in ("one", "two", "caller"):
            assert wait_row(gw, name, in_now=0, out_now=0)["in_limited"] == 0
        assert row(gw, "caller")["in_requests"] == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_hash_keeps_a_call_id_on_its_peer_over_restarts_and_when_another_goes(scene, workers):
    config, p = pool(scene, "  - {from: carrier, choose: hash, to: [p0, p1, p2]}\n", peers=3, workers=workers,
                     keys="timeout: 300ms, fail_after: 1, retry_after: 1h")
    ids = [f"stable-{i}@test" for i in range(12)]
    with Gateway(scene.folder, config):
        c = sip.tls(scene.outside, **scene.carrier_tls())
        first = {i: send(c, p, call_id=i) for i in ids}
        assert len(set(first.values())) > 1
        c.close()
    with Gateway(scene.folder, config) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        assert {i: send(c, p, call_id=i) for i in ids} == first
        gone = first[ids[0]]
        c.send(sip.request("MESSAGE", call_id=ids[0]))  # it does not answer
        p[gone].recv()
        rest = [e for e in p if e is not p[gone]]
        i, m = who_got(rest)
        rest[i].send(sip.response(m, 200))
        assert c.final().status == 200
        gw.wait_event("peer_down", peer=f"p{gone}")
        for e in ids:
            now = send(c, [x for x in p if x is not p[gone]], call_id=e)
            now += now >= gone
            assert now == first[e] or first[e] == gone


def test_least_loaded_and_order_in_groups(scene):
    route = ("  - from: carrier\n    choose: least-loaded\n    to:\n      - p0\n      - {peer: p1}\n"
             "      - {peer: p2, order: 1}\n")
    config, p = pool(scene, route, peers=3, keys="timeout: 10s")
    with Gateway(scene.folder, config) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        held = []
        for _ in range(4):
            held.append(ask(c, p, "INVITE"))
        assert sorted(i for i, _ in held) == [0, 0, 1, 1]
        assert row(gw, "p0")["out_now"] == row(gw, "p1")["out_now"] == 2
        for i, m in held:
            p[i].send(sip.response(m, 486, "Busy Here"))
            c.final()
        wait_row(gw, "p0", out_now=0)


# ---- health ----

def test_silent_peer_is_passed_over_and_comes_back_with_its_first_answer(scene):
    config, p = pool(scene, "  - {from: carrier, to: [p0, p1]}\n",
                     keys="timeout: 200ms, fail_after: 2, retry_after: 2s")
    with Gateway(scene.folder, config) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        assert row(gw, "p0")["health"] == "not asked" and row(gw, "p0")["since"] == "-"
        for _ in range(2):
            c.send(sip.request("MESSAGE"))
            p[0].recv()
            p[1].send(sip.response(p[1].recv(), 200), scene.inside)
            assert c.final().status == 200
        down = gw.wait_event("peer_down", peer="p0")[0]
        assert down["failed"] == 2 and down["why"] == "it does not answer requests in time"
        r = row(gw, "p0")
        assert r["health"] == "down: 2 attempts in a row failed, the last: it does not answer requests in time"
        assert r["since"].startswith("20")
        assert ctl(gw, "status")[1]["status"]["peers_down"] == 1
        assert send(c, p) == 1
        end = time.monotonic() + 10
        while send(c, p) != 0:  # the first after two seconds
            assert time.monotonic() < end
            time.sleep(0.1)
        assert gw.wait_event("peer_up", peer="p0")[0]["why"] == "it answers again"
        assert row(gw, "p0")["health"] == "not asked"
        assert send(c, p) == 0
        assert len(gw.events("peer_down")) == len(gw.events("peer_up")) == 1


def test_tls_peer_that_refuses_is_known_after_three_and_a_reload_keeps_that(scene):
    config, p = pool(scene, "  - {from: p0, to: [carrier, p1]}\n", carrier="    retry_after: 1h")
    with Gateway(scene.folder, config) as gw:
        def relay():
            p[0].send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{p[0].port}"), scene.inside)
            p[1].send(sip.response(p[1].recv(), 200), scene.inside)
            assert p[0].final().status == 200
        for _ in range(5):
            relay()
        assert len(gw.events("target_unreachable", peer="carrier")) == 3
        assert gw.events("peer_down", peer="carrier")[0]["why"] == "Next Hop Unreachable"
        rewrite(gw, ("retry_after: 1h", "retry_after: 30m"))
        assert ctl(gw, "reload")[0] == 0
        relay()
        assert row(gw, "carrier")["health"].startswith("down: 3 attempts in a row failed")
        assert len(gw.events("target_unreachable", peer="carrier")) == 3


# ---- limits ----

def test_calls_per_second_of_a_peer(scene):
    """RFC 3261 21.5.4: 503 with Retry-After; one line in the log however many they are."""
    config, p = pool(scene, "  - {from: carrier, to: p0}\n", carrier="    limits: {calls_per_second: 2}",
                     keys="timeout: 4s")
    with Gateway(scene.folder, config) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        for _ in range(8):
            c.send(sip.request("MESSAGE"))
        finals, passed = [], 0
        while len(finals) + passed < 8:
            if not p[0].silent(0.05):
                p[0].recv()
                passed += 1
            else:
                finals.append(c.final())
        assert passed <= 3 and all(m.status == 503 and m["retry-after"] == "1" for m in finals)
        limited = gw.wait_event("peer_limited")
        assert len(limited) == 1
        assert (limited[0]["peer"], limited[0]["direction"], limited[0]["limit"], limited[0]["most"]) == (
            "carrier", "from", "calls_per_second", 2)
        r = row(gw, "carrier")
        assert r["in_limited"] == len(finals) and r["in_requests"] == passed
        assert ctl(gw, "status")[1]["counters"]["limit_peer_calls_per_second"] == len(finals)
        time.sleep(1)
        c.send(sip.request("MESSAGE", call_id="later@test"))
        m = p[0].recv(want=lambda x: x["call-id"] == "later@test")
        p[0].send(sip.response(m, 200))
        assert c.recv(want=lambda x: x["call-id"] == "later@test").status == 200


def test_peer_at_its_limit_of_transactions_is_passed_over_and_then_503(scene):
    config, p = pool(scene, "  - {from: carrier, to: [p0, p1]}\n", keys="timeout: 4s, limits: {transactions: 1}")
    with Gateway(scene.folder, config):
        c = sip.tls(scene.outside, **scene.carrier_tls())
        i, first = ask(c, p, "INVITE")
        assert (i, ask(c, p, "INVITE")[0]) == (0, 1)
        c.send(sip.request("INVITE"))
        refused = c.final()
        assert refused.status == 503 and refused["retry-after"] == "5"
        p[0].send(sip.response(first, 486, "Busy Here"))
        assert c.final().status == 486
        assert p[0].recv(want=lambda m: m.method == "ACK")
        assert ask(c, p, "INVITE")[0] == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_connections_that_a_peer_opens_are_limited(scene, workers):
    """What is too much is told so at its first request, and closed, with a record that says so; or without one in a
    while. RFC 3261 21.5.4"""
    config, p = pool(scene, "  - {from: carrier, to: p0}\n", carrier="    limits: {connections: 2}",
                     workers=workers)
    with Gateway(scene.folder, config) as gw:
        c = [sip.tls(scene.outside, **scene.carrier_tls()) for _ in range(2)]
        for x in c:
            assert send(x, p) == 0
        assert row(gw, "carrier")["in_connections"] == 2
        idle = sip.tls(scene.outside, **scene.carrier_tls())
        third = sip.tls(scene.outside, **scene.carrier_tls())
        third.send(sip.request("MESSAGE") + sip.request("MESSAGE"))
        busy = third.final()
        assert busy.status == 503 and busy["retry-after"] == "5"
        assert third.wait_closed() and not third.data
        assert idle.wait_closed(8)
        failed = gw.wait_event("connection_failed")[0]
        assert (failed["phase"], failed["reason"], failed["status"]) == ("policy", "too_many_of_peer", "limit_peer")
        assert failed["peer"] == "carrier" and "limits.connections" in failed["help"]
        assert ctl(gw, "failures")[1]["failures"][0]["reason"] == "too_many_of_peer"
        assert ctl(gw, "status")[1]["counters"]["limit_peer_connections"] == 2
        assert row(gw, "carrier")["in_connections"] == 2
        c[0].close()
        wait_row(gw, "carrier", in_connections=1)
        assert send(sip.tls(scene.outside, **scene.carrier_tls()), p) == 0
        rewrite(gw, ("connections: 2", "connections: 1"))
        assert ctl(gw, "reload")[0] == 0
        assert send(c[1], p) == 0  # what is open stays


def test_connections_to_a_peer_are_not_dialled_above_its_limit(scene):
    first, second = sip.Server(), sip.Server()
    config, p = pool(scene, "  - {from: p0, to: both}\n  - {from: p1, to: [both, p0]}\n")
    config = config.replace("peers:\n", f"peers:\n  - {{name: both, transport: tcp, ping: 0, limits: {{connections: 1}}, "
                            f"address: ['127.0.0.1:{first.port}', '127.0.0.1:{second.port}']}}\n", 1)
    with Gateway(scene.folder, config) as gw:
        def relay(e):
            e.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{e.port}"), scene.inside)
        relay(p[0])
        s = first.accept()
        s.send(sip.response(s.recv(), 503, "Service Unavailable"))  # then the second address
        m = p[0].final()
        assert m.status == 503 and m["retry-after"] == "5"
        assert second.idle()
        assert gw.wait_event("connection_failed", reason="too_many_of_peer")[0]["peer"] == "both"
        assert row(gw, "both")["out_connections"] == 1
        relay(p[1])
        s.send(sip.response(s.recv(), 503, "Service Unavailable"))
        p[0].send(sip.response(p[0].recv(), 200), scene.inside)
        assert p[1].final().status == 200
        assert not gw.events("peer_down")  # it is not to blame
        s.close()
        wait_row(gw, "both", out_connections=0)


@pytest.mark.parametrize("transport", ["tls", "tcp"])
def test_address_that_swallows_what_comes_is_avoided(scene, transport):
    """docs/groups.md, the first example: RFC 3263 4.3 for a list of addresses."""
    good = sip.Server(**scene.carrier_tls()) if transport == "tls" else sip.Server()
    with socket.create_server(("127.0.0.2", 0)) as dead:
        config = scene.config(routes="  - {from: pbx, to: two}\n").replace("peers:\n", f"""peers:
  - name: two
    address: ['127.0.0.2:{dead.getsockname()[1]}', '127.0.0.1:{good.port}']
    transport: {transport}
    {"domain: peer.test" if transport == "tls" else "source: [192.0.2.7]"}
    {"trust: partners" if transport == "tls" else ""}
    timeout: 1500ms
    ping: 0
""", 1).replace("    domain: peer.test\n    address: 127.0.0.1:", "    domain: other.test\n    address: 127.0.0.1:", 1)
        with Gateway(scene.folder, config):
            e, s, took = sip.Udp(scene.pbx_port), None, []
            for _ in range(2):
                began = time.monotonic()
                e.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{e.port}"), scene.inside)
                s = s or good.accept()
                s.send(sip.response(s.recv(), 200))
                assert e.final().status == 200
                took.append(time.monotonic() - began)
            assert took[0] >= 1.4 > 1 > took[1]


def test_peer_is_up_while_one_of_its_addresses_answers(scene):
    """docs/groups.md "Health": a ping asks the next address, and waits for no longer than `timeout`."""
    config, (p, good) = pool(scene, "  - {from: p0, to: p1}\n")
    closed = free_port()
    config = config.replace("peers:\n", f"peers:\n  - {{name: two, transport: udp, ping: 200ms, timeout: 300ms, "
                            f"address: ['127.0.0.1:{closed}', '127.0.0.1:{good.port}'], source: [192.0.2.7]}}\n", 1)
    with Gateway(scene.folder, config) as gw:
        for _ in range(3):
            m = good.recv()
            good.send(sip.response(m, 200), scene.inside)
        assert m.line.startswith("OPTIONS ") and ";transport" not in m["from"]
        assert row(gw, "two")["health"] == "up" and not gw.events("peer_down")
        began = time.monotonic()  # both are silent now: Timer F is 32 s
        assert gw.wait_event("peer_down", peer="two")[0]["status"] == 0
        assert time.monotonic() - began < 5
    assert p.silent(0)


@pytest.mark.parametrize("limit", [1, 2])
def test_one_that_is_being_dialled_is_waited_for_at_the_limit(scene, limit):
    """Workers that ask at the same time share it: nobody is refused for want of a second one."""
    server = sip.Server()
    config = scene.config(workers=2, routes="  - {from: pbx, to: only}\n").replace(
        "peers:\n", f"peers:\n  - {{name: only, transport: tcp, ping: 0, address: '127.0.0.1:{server.port}', "
        f"limits: {{connections: {limit}}}}}\n", 1)
    with Gateway(scene.folder, config) as gw:
        callers = [sip.Udp() for _ in range(12)]
        for e in callers:
            e.send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{e.port}"), scene.inside)
        answered, streams = 0, []
        end = time.monotonic() + 5
        while answered < len(callers) and time.monotonic() < end:
            if not server.idle(0.01):
                streams.append(server.accept())
            for s in streams:
                s.data += s.recv_raw(0.01) or b""
                m, s.data = sip.cut(s.data)
                if m:
                    s.send(sip.response(m, 200))
                    answered += 1
        assert all(e.final().status == 200 for e in callers)
        assert len(streams) <= limit and not gw.events("connection_failed")


def test_counts_go_on_over_a_reload_in_the_middle_of_calls(scene):
    config, p = pool(scene, "  - {from: carrier, to: p0}\n", keys="timeout: 10s, limits: {transactions: 9}", workers=2)
    with Gateway(scene.folder, config) as gw:
        c = sip.tls(scene.outside, **scene.carrier_tls())
        held = []
        for n in range(4):
            held.append(ask(c, p, "INVITE")[1])
            rewrite(gw, (f"transactions: {9 - n}", f"transactions: {8 - n}"))
            assert ctl(gw, "reload")[0] == 0
        wait_row(gw, "p0", out_now=4)
        assert row(gw, "carrier")["in_now"] == 4
        for m in held:
            p[0].send(sip.response(m, 486, "Busy Here"))
            c.final()
        wait_row(gw, "p0", out_now=0)
        wait_row(gw, "carrier", in_now=0)


def test_ctl_peers_for_people_has_each_column(scene):
    from test_ctl import text
    with scene.gateway() as gw:
        head = text(gw, "peers")[0].split()
        for column in ("health", "since", "in_now", "out_now", "in_per_second", "out_per_second", "in_requests",
                       "out_requests", "in_limited", "out_limited", "in_connections", "out_connections"):
            assert column in head


def test_explain_names_the_choice_and_passes_over_who_is_down(scene):
    config, p = pool(scene, "  - from: carrier\n    choose: weight\n    to: [{peer: p0, weight: 0}, {peer: p1, weight: 7}]\n",
                     keys="timeout: 200ms, fail_after: 1, retry_after: 1h")
    with Gateway(scene.folder, config) as gw:
        def explained(*args):
            return run("explain", "-c", gw.config, "sip:bob@example.test", "--from", "carrier", *args)
        x = json.loads(explained("--json").stdout)
        assert (x["routes"][0]["to"], x["routes"][0]["choose"]) == (["p0", "p1"], "weight")
        assert [t["peer"] for t in x["targets"]] == ["p1", "p0"]
        assert "to p0, p1 by weight, one draw of many: this one" in explained().stdout
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("MESSAGE"))
        assert who_got(p)[0] == 1
        i, m = who_got([p[0]])
        p[0].send(sip.response(m, 200))
        assert c.final().status == 200
        gw.wait_event("peer_down", peer="p1")
        assert [t["peer"] for t in json.loads(explained("--json").stdout)["targets"]] == ["p0"]
