"""The resolver against a real name server (nsd, zones signed with ldns): what comes of each kind of question."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

from lab.dns import Dns
from lab.gateway import BINARY, SANITIZERS, free_port, run
from test_reload import ctl, rewrite

ASK = os.path.join(os.path.dirname(os.path.abspath(BINARY)), "tests", "support-ask")

pytestmark = pytest.mark.skipif(not shutil.which("nsd", path=os.environ["PATH"] + ":/usr/sbin") or
                                not shutil.which("ldns-signzone"), reason="nsd and ldns are not here")

ZONE = """@ A 192.0.2.1
@ A 192.0.2.3
@ AAAA 2001:db8::1
@ NAPTR 10 20 "s" "SIPS+D2T" "" _sips._tcp
_sips._tcp SRV 1 2 5061 gw
_sip._udp SRV 0 0 0 .
gw A 192.0.2.2
_5061._tcp.gw TLSA 3 1 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
alias CNAME middle
middle CNAME gw
far CNAME www.plain.test.
lost CNAME nothing
loop CNAME pool
pool CNAME loop
broken A 192.0.2.9
naked A 192.0.2.10
*.many A 192.0.2.20
"""


class Asker:
    """The program tests/support/ask.c."""

    def __init__(self, dns, dnssec="off", anchor=None, timeout_ms=5000, questions=1000, server=None):
        server = server or f"127.0.0.1:{dns.port}"
        self.process = subprocess.Popen([ASK, server, dnssec, anchor or "-", str(timeout_ms), str(questions)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True, env=dict(os.environ, **SANITIZERS))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Ends it; also with questions in flight it must end soon and leave nothing behind."""
        try:
            out, err = self.process.communicate(timeout=20)
        finally:
            self.process.kill()
        assert self.process.returncode == 0 and not err, err[-3000:]
        return out

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines))
        self.process.stdin.flush()

    def taken(self):
        """All that was asked before is in flight: what the resolver knows by itself is answered."""
        self.say("localhost A")
        assert " localhost A " in self.process.stdout.readline()

    def answers(self, *questions):
        """What comes of questions that are asked at once: (name, type) to (status, how, secure, ttl, records)."""
        self.say(*questions, "wait")
        rows = []
        for line in iter(self.process.stdout.readline, "waited\n"):
            assert line, self.process.stderr.read()
            head, *records = line.strip().split("|")
            _, name, kind, status, how, secure, ttl, _ = head.split()
            rows.append(((name, kind), (status, how, secure == "secure", int(ttl), sorted(records))))
        assert len(rows) == len(questions)
        return rows

    def answer(self, question):
        return self.answers(question)[0][1]


@pytest.fixture(scope="module")
def dns(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dns")
    zones = {"example.test": ZONE, "plain.test": "www A 192.0.2.77", "sub.example.test": "@ A 192.0.2.5",
             "island.example.test": "@ A 192.0.2.6"}
    with Dns(folder, zones, signed=["example.test", "sub.example.test", "island.example.test"],
             islands=["island.example.test"]) as server:
        server.forge("example.test", "broken.example.test", "A", "192.0.2.9", "192.0.2.66")
        server.strip("example.test", "naked.example.test", "A")
        yield server


def test_each_type_of_record_comes_as_it_stands_in_the_zone(dns):
    with Asker(dns) as asker:
        got = dict(asker.answers("example.test A", "example.test AAAA", "example.test NAPTR",
                                 "_sips._tcp.example.test SRV", "_sip._udp.example.test SRV",
                                 "_5061._tcp.gw.example.test TLSA"))
    assert {k[1]: v[4] for k, v in got.items() if k[0] != "_sip._udp.example.test"} == {
        "A": ["192.0.2.1", "192.0.2.3"], "AAAA": ["2001:db8::1"],
        "NAPTR": ["10 20 s SIPS+D2T _sips._tcp.example.test"],
        "SRV": ["1 2 5061 gw.example.test"],
        "TLSA": ["3 1 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}
    assert got[("_sip._udp.example.test", "SRV")][4] == ["0 0 0"]  # RFC 2782: "." is no service
    assert all(v[0] == "ok" and v[1] == "ok" and not v[2] and 290 < v[3] <= 300 for v in got.values())


def test_names_and_types_that_are_not_there_are_told_apart(dns):
    """RFC 2308 2.1, 2.2: NXDOMAIN and no data, with the TTL of the SOA (section 5)"""
    with Asker(dns) as asker:
        got = [asker.answer(q) for q in ("nothing.example.test A", "gw.example.test AAAA", "lost.example.test A")]
    assert [x[0] for x in got] == ["peer_no_name", "ok", "peer_no_name"]
    assert all(x[1] == "ok" and 290 < x[3] <= 300 and not x[4] for x in got)


def test_aliases_are_followed_to_their_end(dns):
    """RFC 1034 3.6.2: chains, also into another zone; a loop is a failure and no hang"""
    with Asker(dns) as asker:
        assert asker.answer("alias.example.test A")[4] == ["192.0.2.2"]
        assert asker.answer("far.example.test A")[4] == ["192.0.2.77"]
        assert asker.answer("loop.example.test A")[4] == []


def test_signed_answers_are_secure_and_others_are_not(dns):
    """RFC 4035 4.3: secure with a chain from the anchor, insecure below an unsigned delegation"""
    with Asker(dns, "opportunistic", dns.anchor) as asker:
        got = {k[0]: v for k, v in asker.answers("example.test A", "alias.example.test A", "nothing.example.test A",
                                                 "gw.example.test AAAA", "sub.example.test A", "far.example.test A",
                                                 "island.example.test A", "www.plain.test A")}
    assert {name for name, v in got.items() if v[2]} == {
        "example.test", "alias.example.test", "nothing.example.test", "gw.example.test", "sub.example.test"}
    assert got["far.example.test"][4] == ["192.0.2.77"] and got["island.example.test"][4] == ["192.0.2.6"]


@pytest.mark.parametrize("mode", ["opportunistic", "require"])
def test_forged_answers_are_never_used(dns, mode):
    """RFC 4035 5.5: data that the signature does not cover, and data whose signature is gone"""
    with Asker(dns, mode, dns.anchor) as asker:
        for name in ("broken", "naked"):
            assert asker.answer(f"{name}.example.test A") == ("denied_bogus", "ok", False, 30, [])
        assert asker.answer("gw.example.test A")[:3] == ("ok", "ok", True)
    with Asker(dns) as asker:
        assert asker.answer("broken.example.test A")[4] == ["192.0.2.66"]


def test_require_uses_nothing_that_is_not_signed(dns):
    with Asker(dns, "require", dns.anchor) as asker:
        for question in ("www.plain.test A", "far.example.test A", "nope.plain.test A", "island.example.test A"):
            assert asker.answer(question)[0] == "denied_unsigned", question
        assert asker.answer("broken.example.test A")[0] == "denied_bogus"
        assert asker.answer("nothing.example.test A")[0] == "peer_no_name"


def test_without_an_anchor_nothing_is_secure(dns):
    with Asker(dns, "opportunistic") as asker:
        assert asker.answer("example.test A")[:3] == ("ok", "ok", False)
    with Asker(dns, "require") as asker:
        assert asker.answer("example.test A")[0] == "denied_unsigned"


def test_signatures_out_of_date_are_bogus(tmp_path):
    with Dns(tmp_path, {"old.test": "@ A 192.0.2.1"}, signed=["old.test"], valid_days=(-20, -10)) as dns, \
            Asker(dns, "opportunistic", dns.anchor) as asker:
        assert asker.answer("old.test A")[0] == "denied_bogus"


def test_an_anchor_that_does_not_fit_makes_all_bogus(dns, tmp_path):
    other = Dns(tmp_path, {"example.test": "@ A 192.0.2.1"}, signed=["example.test"])
    with Asker(dns, "opportunistic", other.anchor) as asker:
        assert asker.answer("example.test A")[0] == "denied_bogus"


def test_a_server_that_refuses_is_a_failure_at_once(dns):
    with Asker(dns, timeout_ms=20000) as asker:
        begin = time.monotonic()
        assert asker.answer("elsewhere.example A") == ("peer_dns", "ok", False, 5, [])
        assert time.monotonic() - begin < 5


def test_an_answer_that_is_used_up_is_asked_for_again(tmp_path):
    """RFC 1035 3.2.1: when the TTL of 1 s is over, what the zone says now comes"""
    with Dns(tmp_path, {"example.test": "short 1 A 192.0.2.8\nlong A 192.0.2.8"}) as dns, Asker(dns) as asker:
        assert [asker.answer(f"{n}.example.test A")[4] for n in ("short", "long")] == [["192.0.2.8"]] * 2
        dns.change("example.test", "short 1 A 192.0.2.9\nlong A 192.0.2.9")
        until = time.monotonic() + 20
        while asker.answer("short.example.test A")[4] != ["192.0.2.9"]:
            assert time.monotonic() < until
        assert asker.answer("long.example.test A")[4] == ["192.0.2.8"]


def test_many_questions_at_once_are_all_answered(dns):
    with Asker(dns, "opportunistic", dns.anchor, questions=2000, timeout_ms=20000) as asker:
        rows = asker.answers(*(f"n{i}.many.example.test A" for i in range(1500)))
    assert all(v[0] == "ok" and v[2] and v[4] == ["192.0.2.20"] for _, v in rows)


def test_equal_questions_in_flight_are_asked_once(tmp_path):
    """One question may be in flight, and two hundred ask it."""
    with Dns(tmp_path, {"example.test": ZONE}) as dns, Asker(dns, questions=1) as asker:
        dns.silence()
        asker.say(*["example.test A"] * 200)
        asker.taken()
        dns.speak()
        asker.say("wait")
        rows = list(iter(asker.process.stdout.readline, "waited\n"))
        assert len(rows) == 200 and all(" ok ok " in r for r in rows)


def test_a_silent_server_costs_each_asker_the_time_limit(tmp_path):
    with Dns(tmp_path, {"example.test": ZONE}) as dns, Asker(dns, timeout_ms=700, questions=5) as asker:
        dns.silence()
        begin = time.monotonic()
        rows = asker.answers(*(f"n{i}.many.example.test A" for i in range(8)))
        took = time.monotonic() - begin
        assert 0.6 < took < 5
        # 5 in flight wait in vain; the others are over the limit and are told so at once
        assert sorted(v[1] for _, v in rows) == ["limit"] * 3 + ["peer_timeout"] * 5
        assert [v[1] for _, v in rows[:3]] == ["limit"] * 3
        assert all(v[0] == "peer_dns" for _, v in rows)
        dns.speak()
        until = time.monotonic() + 30
        while asker.answer("gw.example.test A")[0] != "ok":
            assert time.monotonic() < until, "it does not come back"


@pytest.mark.parametrize("how", ["silent", "gone"])
def test_the_only_server_is_back_within_seconds_of_its_return(tmp_path, how):
    """Questions went on meanwhile, until it counted as down: then they fail at once, and that may not last."""
    with Dns(tmp_path, {"example.test": ZONE}) as dns, Asker(dns, timeout_ms=1000) as asker:
        numbers = iter(range(100000))

        def ask():
            status, came, *_ = asker.answer(f"n{next(numbers)}.many.example.test A")
            return status, came
        assert ask() == ("ok", "ok")
        if how == "silent":
            dns.silence()
        else:
            dns.stop()
        for _ in range(10):  # 1 s each
            assert ask()[0] == "peer_dns"
        if how == "silent":
            dns.speak()
        else:
            dns.start()
        until = time.monotonic() + 20
        while ask()[0] != "ok":
            assert time.monotonic() < until, "it does not come back"
            time.sleep(0.05)


class Relay(threading.Thread):
    """A forwarder before a name server that stays silent for some names, as one does whose own servers are."""

    def __init__(self, port, silent):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port, self.server, self.silent = self.socket.getsockname()[1], ("127.0.0.1", port), silent
        self.start()

    def run(self):
        while True:
            question, asker = self.socket.recvfrom(4096)
            if self.silent in question.lower():
                continue
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.settimeout(5)
                s.sendto(question, self.server)
                self.socket.sendto(s.recv(4096), asker)


def test_names_that_nobody_answers_take_no_others_along(tmp_path):
    """Whoever may ask for names of a silent domain would shut the gateway off from all others: for the library the one
    server that it has is down then."""
    with Dns(tmp_path, {"example.test": ZONE}) as dns:
        relay = Relay(dns.port, b"silence")
        with Asker(dns, server=f"127.0.0.1:{relay.port}", timeout_ms=1000) as asker:
            for i in range(12):  # 1 s each
                assert asker.answer(f"n{i}.silence.many.example.test A")[0] == "peer_dns"
            assert asker.answer("gw.example.test A")[0] == "ok"


def test_as_many_questions_as_may_be_in_flight_are_under_way(tmp_path):
    """limits.dns_questions: those that nobody answers keep none waiting as long as there are less of them."""
    with Dns(tmp_path, {"example.test": ZONE}) as dns:
        relay = Relay(dns.port, b"silence")
        with Asker(dns, server=f"127.0.0.1:{relay.port}", timeout_ms=1500, questions=1000) as asker:
            for n in range(3):
                rows = asker.answers(*(f"n{i}.{n}.silence.many.example.test A" for i in range(300)))
                assert [v[1] for _, v in rows] == ["peer_timeout"] * 300  # the library asks for them still
            assert asker.answer("gw.example.test A")[0] == "ok"


def test_a_server_that_answers_takes_the_place_of_silent_and_absent_ones(tmp_path):
    with Dns(tmp_path, {"example.test": ZONE}, name="one") as dns, Dns(tmp_path, {"example.test": ZONE}, name="two") as silent:
        silent.silence()
        servers = f"127.0.0.1:{silent.port},127.0.0.1:{free_port()},127.0.0.1:{dns.port}"
        with Asker(dns, server=servers) as asker:
            rows = asker.answers(*(f"n{i}.many.example.test A" for i in range(40)))
        assert all(v[0] == "ok" for _, v in rows), rows


def test_it_stops_at_once_while_questions_are_in_flight(tmp_path):
    with Dns(tmp_path, {"example.test": ZONE}, signed=["example.test"]) as dns:
        dns.silence()
        with Asker(dns, "opportunistic", dns.anchor, timeout_ms=60000) as asker:
            asker.say(*(f"n{i}.many.example.test A" for i in range(300)))
            asker.taken()
            begin = time.monotonic()
            asker.say("stop")
            assert asker.end() == "" and time.monotonic() - begin < 5


def test_another_configuration_counts_for_what_is_asked_from_then_on(dns, tmp_path):
    """And answers of before still come."""
    with Dns(tmp_path, {"example.test": "gw A 198.51.100.1"}) as other, Asker(dns, timeout_ms=20000) as asker:
        other.silence()
        asker.say(f"set 127.0.0.1:{other.port} off -", "gw.example.test A")
        asker.taken()
        asker.say(f"set 127.0.0.1:{dns.port} opportunistic {dns.anchor}", "gw.example.test A")
        line = asker.process.stdout.readline()
        assert re.fullmatch(r"\d+ gw.example.test A ok ok secure \d+ 3\|192.0.2.2\n", line)
        other.speak()
        line = asker.process.stdout.readline()
        assert re.fullmatch(r"\d+ gw.example.test A ok ok insecure \d+ 2\|198.51.100.1\n", line)


def test_an_anchor_that_cannot_be_read_answers_nothing(dns, tmp_path):
    bad = tmp_path / "anchor"
    bad.write_text("example.test. IN DS what is this\n", encoding="ascii")
    for anchor in (str(bad), str(tmp_path / "missing")):
        with Asker(dns, "opportunistic", anchor) as asker:
            assert asker.answer("example.test A")[0] == "peer_dns"


def test_large_answers_come_over_tcp_and_too_large_ones_are_none(tmp_path):
    """RFC 7766 5: what is cut in a datagram is asked for again; limit SW_DNS_ANSWER_MAX"""
    def records(name, count):
        return "\n".join(f"{name} SRV {i} 0 5061 server-{i}.with.a.name.of.some.length" for i in range(count))
    zone = f"{records('some', 200)}\n{records('many', 800)}"
    with Dns(tmp_path, {"example.test": zone}) as dns, Asker(dns) as asker:
        got = asker.answer("some.example.test SRV")
        assert got[:2] == ("ok", "ok") and len(got[4]) == 200
        assert asker.answer("many.example.test SRV") == ("peer_dns", "ok", False, 5, [])


SYSTEM = """
import os, subprocess, sys
sys.path.insert(0, sys.argv[1])
from lab.dns import Dns
from lab.gateway import SANITIZERS
folder, ask = sys.argv[2:]
def run(*args): subprocess.run(args, check=True)
run("ip", "link", "set", "lo", "up")
for name, text in (("resolv.conf", "nameserver 127.0.0.1\\n"), ("hosts", "192.0.2.99 here.example.test\\n")):
    path = os.path.join(folder, name)
    open(path, "w").write(text)
    run("mount", "--bind", path, "/etc/" + name)
with Dns(folder, {"example.test": "gw A 192.0.2.2"}, port=53):
    for mode in ("off", "opportunistic", "require"):
        questions = b"gw.example.test A\\nwait\\nhere.example.test A\\nwait\\n"
        subprocess.run([ask, "-", mode, "-", "5000", "10"], check=True, input=questions)
"""


def test_without_servers_those_of_the_system_are_asked_and_its_hosts_file(tmp_path):
    if subprocess.run(["unshare", "-rnm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("namespaces are not permitted")
    tools = os.path.join(os.path.dirname(__file__), "..", "..", "tools")
    out = subprocess.run(["unshare", "-rnm", sys.executable, "-c", SYSTEM, tools, str(tmp_path), ASK],
                         capture_output=True, text=True, timeout=60, check=False,
                         env=dict(os.environ, **SANITIZERS))
    assert out.returncode == 0 and not out.stderr, out.stderr
    found = re.findall(r"(\w+)\.example\.test A (\w+) .*?\|?([\d.]*)\n", out.stdout)
    used = [("gw", "ok", "192.0.2.2"), ("here", "ok", "192.0.2.99")]
    assert [x[:2] for x in found] == [x[:2] for x in used] * 2 + [("gw", "denied_unsigned"), ("here", "denied_unsigned")]
    assert all(f"|{x[2]}\n" in out.stdout for x in used)


# ---- the gateway's own keys

def check(scene, keys):
    path = scene.folder / "dns.yaml"
    path.write_text(scene.config() + f"dns: {keys}\n", encoding="utf-8")
    return run("check", "-c", str(path))


@pytest.mark.parametrize("text, message", [
    ("", "there is no DS or DNSKEY record in it (DS or DNSKEY records, one per line)"),
    ("; a comment\n", "there is no DS or DNSKEY record in it (DS or DNSKEY records, one per line)"),
    ("example.test. IN DS what is this\n", "the trust anchor cannot be read (DS or DNSKEY records, one per line)"),
    ("-----BEGIN CERTIFICATE-----\nMIIDSA==\n", "the trust anchor cannot be read (DS or DNSKEY records, one per line)"),
])
def test_an_anchor_that_is_none_is_an_error_of_the_configuration(scene, text, message):
    anchor = scene.folder / "anchor"
    anchor.write_text(text, encoding="ascii")
    out = check(scene, f"{{anchor: {anchor}}}")
    line = len(scene.config().splitlines()) + 1
    assert out.returncode == 2
    assert f'dns.yaml:{line}:15: dns.anchor "{anchor}": {message}\n' in out.stderr


def test_an_anchor_that_holds_is_taken(scene, dns):
    out = check(scene, f"{{dnssec: require, anchor: {dns.anchor}, servers: ['127.0.0.1:{dns.port}', '[::1]:53', 192.0.2.1]}}")
    assert out.returncode == 0 and ": dns" not in out.stderr, out.stderr
    out = check(scene, f"{{dnssec: off, anchor: {dns.anchor}}}")
    assert out.returncode == 0 and "note: dns.anchor has no effect with dnssec: off" in out.stderr


@pytest.mark.skipif(any(map(os.path.exists, ("/usr/share/dns/root.key", "/var/lib/unbound/root.key",
                                             "/etc/unbound/root.key"))), reason="the root's anchor is here")
def test_without_any_anchor_it_is_said_what_that_means(scene):
    assert "note: dns: there is no trust anchor, nothing is validated" in check(scene, "{timeout: 1s}").stderr
    out = check(scene, "{dnssec: require}")
    assert out.returncode == 2 and "dnssec: require without a trust anchor believes nothing" in out.stderr
    assert ": dns" not in check(scene, "{dnssec: off}").stderr


def test_a_reload_takes_up_another_resolver_and_another_anchor(scene, dns):
    """And a gateway whose resolver thread runs ends in good order."""
    extra = f"dns: {{servers: ['127.0.0.1:{dns.port}'], dnssec: opportunistic, anchor: {dns.anchor}}}\n"
    with scene.gateway(workers=2, extra=extra) as gw:
        for old, new in (("opportunistic", "require"), ("dnssec: require, ", "dnssec: off, timeout: 1s, ")):
            rewrite(gw, (old, new))
            code, answer = ctl(gw, "reload")
            assert code == 0 and answer["reload"]["result"] == "reloaded"
        rewrite(gw, (dns.anchor, dns.anchor + ".missing"), ("dnssec: off", "dnssec: require"))
        code, answer = ctl(gw, "reload")
        assert code == 1 and "No such file or directory" in str(answer)
