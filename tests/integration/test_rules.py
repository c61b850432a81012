"""Number and header rules on routes, and asserted identity by trust: docs/rules.md."""

import os
import re

import pytest
from lab import sip
from lab.gateway import free_port, run
from lab.peers import Kamailio, Sipp
from conftest import ROOT
from test_explain import explain, written
from test_reload import ctl, rewrite

E164 = r"""
  - from: carrier
    user_regex: "^\\+49(30[0-9]+)$"
    set: {user: "\\1", prefix: "0", host: pbx.example.test, add: ["X-Tenant: gold"], remove: [X-Internal, Subject]}
    to: pbx
  - {from: carrier, header: "X-Tenant: silver*", to: pbx, set: {strip: 2}}
  - {from: carrier, source: 192.0.2.0/24, to: pbx}
  - {from: carrier, user: "+1*", reject: 604}
  - from: pbx
    user_regex: "^0([1-9][0-9]+)$"
    set: {user: "+49\\1"}
    to: carrier
"""


def test_calls_of_real_peers_get_the_number_that_the_rules_make(scene):
    """sipp - Kamailio - TLS - gateway - sipp, which wants the new Request-URI and header."""
    caller, behind, udp = free_port(), free_port(), free_port()
    kamailio = Kamailio(scene.folder, scene.peer_pem, scene.peer_key, scene.ca, scene.carrier_port, udp, behind,
                        scene.outside)
    try:
        with scene.gateway(routes=E164):
            uas = Sipp(scene.folder, "uas-rules", scene.pbx_port, calls=10)
            uac = Sipp(scene.folder, "uac", caller, f"127.0.0.1:{udp}", calls=10, service="+4930123")
            uac.wait()
            uas.wait()
    finally:
        kamailio.stop()


def test_invite_its_ack_and_its_cancel_have_one_request_uri(scene):
    """RFC 3261 9.1, 17.1.1.3; what no rule names stays byte for byte (16.6)."""
    with scene.gateway(routes=E164):
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        wanted = "sip:030123@pbx.example.test SIP/2.0"
        c.send(sip.request("INVITE", "sip:+4930123@example.test", branch="z9hG4bKone", call_id="one@test",
                           headers="x-internal: 1\r\nX-Odd :  as\r\n it  came\r\ns: hello\r\nX-INTERNAL: 2\r\n"))
        invite = pbx.recv()
        assert invite.line == "INVITE " + wanted
        assert b"\r\nX-Odd :  as\r\n it  came\r\n" in invite.raw
        assert invite.all("x-tenant") == ["gold"] and not invite.all("x-internal") + invite.all("s")
        assert invite["to"] == "<sip:bob@example.test>"
        pbx.send(sip.response(invite, 180, "Ringing"))
        c.recv(want=lambda m: m.status == 180)
        c.send(sip.request("CANCEL", "sip:+4930123@example.test", branch="z9hG4bKone", call_id="one@test"))
        cancel = pbx.recv()
        assert cancel.line == "CANCEL " + wanted
        pbx.send(sip.response(cancel, 200))
        pbx.send(sip.response(invite, 487, "Request Terminated"))
        assert pbx.recv().line == "ACK " + wanted
        c.recv(want=lambda m: m.status == 487)


def test_each_condition_decides_which_route_it_is(scene):
    with scene.gateway(routes=E164):
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())

        def final(uri, headers=""):
            c.send(sip.request("OPTIONS", uri, headers=headers))
            return c.final().status

        assert final("sip:+15550100@example.test") == 604
        assert final("sip:%2b15550100@example.test") == 480  # %2B is not + (RFC 3261 19.1.4)
        assert final("sip:+%315550100@example.test") == 604  # but %31 is 1
        assert final("sip:+4940123@example.test") == 480     # no source, no header, another number
        c.send(sip.request("OPTIONS", "sip:+4940123@other.test", headers="X-TENANT: Silver Inc\r\n"))
        m = pbx.recv()
        assert m.line == "OPTIONS sip:940123@other.test SIP/2.0"
        pbx.send(sip.response(m, 200))
        assert c.final().status == 200
        c.send(sip.request("OPTIONS", "tel:+49-30-123"))
        m = pbx.recv()
        assert m.line == "OPTIONS sip:030123@pbx.example.test;user=phone SIP/2.0"  # RFC 3261 19.1.6
        pbx.send(sip.response(m, 200))
        assert c.final().status == 200
        assert final("sip:ab@example.test", "X-Tenant: silver\r\n") == 484  # nothing is left of it
        assert final(f"sip:{'1' * 300}@example.test") == 414


def test_asserted_identity_passes_between_trusted_peers_only(scene):
    """RFC 3325 5 to 7, in requests and responses; nobody is trusted who is not said to be."""
    pai = "P-Asserted-Identity: <sip:who@peer.test>\r\n"
    trust = "    asserted_identity: trust"
    for carrier, pbx_trust, passes in ((trust, trust, True), ("", trust, False), (trust, "", True), ("", "", False)):
        with scene.gateway(carrier=carrier, pbx=pbx_trust):
            pbx = sip.Udp(scene.pbx_port)
            c = sip.tls(scene.outside, **scene.carrier_tls())
            for privacy, kept in (("", passes), ("Privacy: id\r\n", passes and pbx_trust != "")):
                c.send(sip.request("MESSAGE", headers=pai + privacy + "P-Preferred-Identity: <sip:x@y>\r\n"))
                m = pbx.recv()
                assert bool(m.all("p-asserted-identity")) == kept
                assert bool(m.all("p-preferred-identity")) == bool(carrier and pbx_trust)
                pbx.send(sip.response(m, 200, headers=pai + privacy))
                back = bool(pbx_trust) and (not privacy or bool(carrier))
                assert bool(c.final().all("p-asserted-identity")) == back
            pbx.close()
            c.close()


def test_a_silenced_peer_is_told_of_once(scene):
    """The default is distrust: whoever forgot the key finds out why callers have no name."""
    pai = "P-Asserted-Identity: <sip:who@example.test>\r\n"
    for pbx_key, told in (("", ["pbx"]), ("    asserted_identity: distrust", []), ("    asserted_identity: trust", [])):
        carrier = sip.Server(port=scene.carrier_port, **scene.carrier_tls())
        with scene.gateway(f"gw{len(pbx_key)}", workers=2, pbx=pbx_key) as gw:
            pbx = sip.Udp(scene.pbx_port)
            s = None
            for headers in ("", pai, pai):
                pbx.send(sip.request("MESSAGE", "sip:bob@example.test", "UDP", f"127.0.0.1:{scene.pbx_port}",
                                     headers=headers), scene.inside)
                s = s or carrier.accept()
                s.send(sip.response(s.recv(), 200))
                assert pbx.final().status == 200
            lines = gw.events("identity_removed")
            assert [x["peer"] for x in lines] == told
            assert all("asserted_identity" in x["help"] for x in lines)
            pbx.close()
            s.close()
        carrier.close()


def test_what_a_peer_is_not_told_goes_in_dialogs_and_responses_too(scene):
    with scene.gateway(carrier="    remove: [X-Internal, Server]"):
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("INVITE", headers="X-Internal: 1\r\n"))
        invite = pbx.recv()
        assert invite.all("x-internal") == ["1"]
        pbx.send(sip.response(invite, 200, headers=f"Contact: <sip:b@127.0.0.1:{pbx.port}>\r\nServer: pbx 1.0\r\n"
                              "X-Internal: 2\r\nX-Other: 3"))
        ok = c.final()
        assert not ok.all("server") + ok.all("x-internal") and ok.all("x-other") == ["3"]
        routes = "".join(f"Route: {r}\r\n" for r in invite.all("record-route"))
        pbx.send(sip.request("BYE", "sip:alice@192.0.2.99:9;transport=tls", "UDP", f"127.0.0.1:{pbx.port}",
                             headers=routes + "X-Internal: 4\r\n", call_id=ok["call-id"], to_tag=";tag=t1"),
                 scene.inside)
        bye = c.recv(want=lambda m: m.method == "BYE")
        assert not bye.all("x-internal")


def test_explain_says_what_a_route_sets(scene):
    config = written(scene, routes=E164)
    code, x = explain(config, "sip:+4930123@example.test", "--from", "carrier")
    assert code == 0
    [route] = x["routes"]
    assert route["set"] == {"user": "\\1", "prefix": "0", "host": "pbx.example.test", "add": ["X-Tenant: gold"],
                            "remove": ["X-Internal", "Subject"]}
    assert x["targets"][0]["request_uri"] == "sip:030123@pbx.example.test"
    code, x = explain(config, "sip:+4940123@example.test", "--from", "carrier")
    assert [r.get("differs") for r in x["routes"]] == ["user_regex", "header", "source", "user", "from"]
    out = run("explain", "-c", config, "sip:+4930123@example.test", "--from", "carrier")
    assert "       sets user    \\1\n" in out.stdout and "sets add     X-Tenant: gold\n" in out.stdout


MISTAKES = [
    # keys of a route, in it the value that is wrong, what is said of it
    ('user_regex: "(a", to: pbx', '"(a"', "user_regex: at character 3: missing closing parenthesis"),
    ('user_regex: "((a{99}){99}){99}", to: pbx', '"((a', "user_regex: at character 18: regular expression is too large"),
    ('user_regex: "*", to: pbx', '"*"', "user_regex: at character "),
    ('header: "X Y: 1", to: pbx', '"X Y', 'header: "X Y" is no header name'),
    ('header: "X:", to: pbx', '"X:"', "header: nothing stands behind the colon"),
    ("source: [192.0.2.1/24], to: pbx", "192.0.2.1", 'source: "192.0.2.1/24" cannot be read'),
    ("set: {srtip: 1}, to: pbx", "srtip", 'unknown key "srtip" in set (the nearest known is "strip")'),
    ("set: {strip: 65}, to: pbx", "65", "set.strip: 65 (0 to 64)"),
    ("set: {strip: -1}, to: pbx", "-1", 'strip: "-1" cannot be read'),
    ('set: {prefix: "0 0"}, to: pbx', '"0 0"', 'set.prefix: "0 0" is no user part'),
    ('set: {user: "a@b"}, to: pbx', '"a@b"', 'set.user: "a@b" is no user part'),
    ('set: {user: "%4"}, to: pbx', '"%4"', 'set.user: "%4" is no user part'),
    (r'set: {user: "\\1"}, to: pbx', r'"\\1"', "set.user: \\1 names a group that is not there (the route has no"),
    (r'user_regex: "(a)", set: {user: "\\2"}, to: pbx', r'"\\2"', "set.user: \\2 names a group that is not there"),
    (r'user_regex: "(a)", set: {user: "\\x"}, to: pbx', r'"\\x"', "set.user: a backslash without digit"),
    ('set: {host: "sip:x"}, to: pbx', '"sip:x"', 'set.host: "sip:x" cannot be read (HOST or HOST:PORT)'),
    ("set: {host: 'x:0'}, to: pbx", "'x:0'", 'set.host: "x:0" cannot be read'),
    ("set: {strip: 1}, reject: 404", "{strip", "set stands in a route with reject"),
    ("set: {add: [X]}, to: pbx", "X]", 'set.add: "X" is no header (NAME: VALUE)'),
    (r'set: {add: ["X: 1\r\nVia: x"]}, to: pbx', '"X: 1', "set.add: a line end or another control character"),
    ('set: {add: ["Expires: 60"]}, to: pbx', '"Expires', "set.add: Expires may stand once in a message"),
    ('set: {add: ["Privacy: id"]}, to: pbx', '"Privacy', "set.add: Privacy is kept or removed by trust"),
    ('set: {remove: [p-asserted-identity]}, to: pbx', 'p-asserted', "set.remove: p-asserted-identity is kept or removed"),
] + [
    (f"set: {{remove: [{name}]}}, to: pbx", name + "]", f"set.remove: {name} is a header that the gateway or both ends")
    for name in ("Via", "v", "Route", "record-route", "From", "f", "To", "t", "Call-ID", "i", "CSeq", "Contact", "m",
                 "Max-Forwards", "Max-Breadth", "Content-Length", "l", "Content-Type", "c", "Content-Encoding", "e",
                 "Proxy-Require", "Require", "Unsupported", "Path", "Service-Route", "Event", "o", "RSeq", "rack",
                 "Subscription-State", "Content-Disposition", "MIME-version")]


@pytest.mark.parametrize("keys,value,message", MISTAKES)
def test_each_mistake_in_a_rule_is_told_with_its_place(scene, keys, value, message):
    path = scene.folder / "wrong.yaml"
    path.write_text(scene.config(routes=f"  - {{from: carrier, {keys}}}\n"), encoding="utf-8")
    out = run("check", "-c", str(path))
    assert out.returncode == 2
    [error] = [x for x in out.stderr.splitlines() if re.match(r".*wrong\.yaml:\d+:\d+: (?!warning|note)", x)]
    place, said = re.match(r".*wrong\.yaml:(\d+:\d+): (.*)", error).groups()
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next(i for i, x in enumerate(lines) if keys in x)
    assert said.startswith(message)
    assert place == f"{line + 1}:{lines[line].rindex(value) + 1}"


def test_mistakes_of_a_peer(scene):
    path = scene.folder / "wrong.yaml"
    path.write_text(scene.config(carrier="    asserted_identity: yes\n    remove: [To, X-Fine]\n"), encoding="utf-8")
    out = run("check", "-c", str(path))
    assert out.returncode == 2
    assert 'asserted_identity: "yes" is not known (distrust|trust|withhold)' in out.stderr
    assert "remove: To is a header that the gateway or both ends work by" in out.stderr and "X-Fine" not in out.stderr


def test_a_route_behind_one_with_rules_is_reached(scene):
    """A route that asks for something is not one that matches everything."""
    path = scene.folder / "two.yaml"
    path.write_text(scene.config(routes="  - {header: X-Emergency, to: pbx}\n  - {from: carrier, to: pbx}\n"),
                    encoding="utf-8")
    out = run("check", "-c", str(path))
    assert out.returncode == 0 and "never reached" not in out.stderr


def test_reload_takes_up_other_rules(scene):
    with scene.gateway(routes=E164) as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())

        def number():
            c.send(sip.request("OPTIONS", "sip:+4930123@other.test"))
            m = pbx.recv()
            pbx.send(sip.response(m, 200))
            assert c.final().status == 200
            return m.line.split("@")[0]

        assert number() == "OPTIONS sip:030123"
        rewrite(gw, ('prefix: "0"', 'prefix: "99"'))
        assert ctl(gw, "reload")[0] == 0
        assert number() == "OPTIONS sip:9930123"


def examples():
    """The worked examples of docs/rules.md that are routes alone."""
    with open(os.path.join(ROOT, "docs", "rules.md"), encoding="utf-8") as f:
        blocks = re.findall(r"```yaml\nroutes:\n(.*?)```", f.read(), re.S)
    assert len(blocks) == 3
    return blocks


@pytest.mark.parametrize("block,source,uri,becomes", [
    (0, "pbx", "sip:9030123@example.test", "sip:030123@peer.test"),
    (0, "pbx", "sip:112@example.test", "sip:112@peer.test"),
    (1, "pbx", "sip:0014155550100@example.test", "sip:+14155550100@peer.test"),
    (1, "pbx", "sip:030123456@example.test", "sip:+4930123456@peer.test"),
    (1, "pbx", "sip:12345@example.test", "sip:+493012345@peer.test"),
    (1, "pbx", "sip:+4912345@example.test", "sip:+4912345@peer.test"),
    (1, "carrier", "sip:+4930123@example.test", "sip:030123@"),
    (2, "carrier", "tel:+49-30-123", "sip:+49-30-123@pbx.example.test;user=phone"),
])
def test_worked_examples_do_what_the_text_says(scene, block, source, uri, becomes):
    code, x = explain(written(scene, routes=examples()[block]), uri, "--from", source)
    assert code == 0, x
    assert x["targets"][0]["request_uri"].startswith(becomes)
