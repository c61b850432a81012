"""A connection that was opened for one of our domains carries no requests of another one, also where both stand in
one certificate: RFC 5923 9.3, "P1 MUST NOT open a connection on behalf of one domain and reuse it to send a new
request on behalf of another domain"."""

import re
import time

import pytest

from lab import sip
from lab.gateway import Gateway, free_port, run

BOTH = "URI:sip:two.test,URI:sip:three.test"


class Virtual:
    """A gateway with two domains in one certificate, a user of both inside, and one.test outside."""

    def __init__(self, pki, folder, reverse="alias", peer="", san=BOTH):
        self.pki, self.folder = pki, folder
        self.port, self.inside = free_port(), free_port()
        self.user = sip.Udp(free_port())
        self.outside = sip.Server(*pki.domain("one", "one.test"), ca=pki.ca())
        pem, key = pki.leaf("both", san=san)
        self.config = f"""
domains: [two.test, three.test]
workers: 1
identities:
  - {{name: main, certificate: {pem}, key: {key}}}
trust:
  - {{name: partners, ca: {pki.ca()}}}
listen:
  - {{name: middle, address: "127.0.0.1:{self.port}", transport: tls, identity: main, trust: [partners]}}
  - {{name: inside, address: "127.0.0.1:{self.inside}", transport: udp}}
peers:
  - {{name: other, domain: one.test, address: "127.0.0.1:{self.outside.port}", transport: tls, trust: partners,
     identity: main, reverse: {reverse}, ping: 0{peer}}}
  - {{name: user, address: "127.0.0.1:{self.user.port}", transport: udp, source: [127.0.0.0/8], ping: 0}}
routes:
  - {{from: other, to: user}}
  - {{from: user, to: other}}
"""
        self.gateway = None

    def __enter__(self):
        self.gateway = Gateway(self.folder, self.config).__enter__()
        return self

    def __exit__(self, *error):
        self.gateway.__exit__(*error)
        self.user.close()
        self.outside.close()

    def ask(self, domain, method="MESSAGE", **more):
        """From the user, on behalf of that domain."""
        text = sip.request(method, "sip:bob@one.test", transport="UDP", sent_by=f"127.0.0.1:{self.user.port}",
                           from_uri=f"sip:alice@{domain}", **more)
        self.user.send(text, port=self.inside)
        return sip.Message(text.encode())

    def answered(self, connection, call_id):
        """The request comes over that connection."""
        m = connection.recv(want=lambda m: m["call-id"] == call_id)
        connection.send(sip.response(m, 200))
        assert self.user.final().status == 200
        return m

    def domains(self, domains):
        """A reload with these."""
        with open(self.gateway.config, encoding="utf-8") as f:
            text = f.read()
        with open(self.gateway.config, "w", encoding="utf-8") as f:
            f.write(re.sub(r"domains: \[.*\]", f"domains: {domains}", text, count=1))
        assert run("ctl", "-s", f"{self.gateway.folder}/sipward.sock", "reload").returncode == 0
        end = time.monotonic() + 20
        while '"configurations_in_use":1' not in run("ctl", "-s", f"{self.gateway.folder}/sipward.sock", "--json",
                                                     "status").stdout.replace(" ", ""):
            assert time.monotonic() < end
            time.sleep(0.02)

    def connect(self, server_name):
        """one.test opens a connection and wants requests over it."""
        pem, key = self.pki.domain("one", "one.test")
        stream = sip.tls(self.port, cert=pem, key=key, ca=self.pki.ca(), server_name=server_name)
        stream.send(sip.request("OPTIONS", "sip:two.test", sent_by=f"127.0.0.1:{self.outside.port};alias"))
        assert stream.final().status == 200
        self.gateway.wait_event("connection_alias", alias_port=self.outside.port)
        return stream


@pytest.mark.parametrize("reverse", ["alias", "flow"])
def test_each_domain_of_one_certificate_has_connections_of_its_own(pki, tmp_path, reverse):
    with Virtual(pki, tmp_path, reverse) as v:
        first = v.ask("two.test")
        two = v.outside.accept()
        v.answered(two, first["call-id"])
        second = v.ask("three.test")
        three = v.outside.accept()
        v.answered(three, second["call-id"])
        for _ in range(2):
            v.answered(three, v.ask("THREE.test.")["call-id"])
            v.answered(two, v.ask("two.test")["call-id"])
        v.answered(two, v.ask("elsewhere.test")["call-id"])  # for none of ours: the certificate's first one
        assert v.outside.idle()


def test_an_alias_is_for_the_domain_that_was_asked_for(pki, tmp_path):
    """Its server name says which of the virtual servers its client came for: RFC 5922 7.8."""
    with Virtual(pki, tmp_path) as v:
        came = v.connect("three.test")
        v.answered(came, v.ask("three.test")["call-id"])
        m = v.ask("two.test")
        dialled = v.outside.accept()
        v.answered(dialled, m["call-id"])
        v.answered(came, v.ask("three.test")["call-id"])
        assert v.outside.idle()


def test_domains_share_connections_where_a_peer_says_so(pki, tmp_path):
    shared = Virtual(pki, tmp_path, peer=", local_domains: shared")
    with shared as v:
        came = v.connect("three.test")
        for domain in ("two.test", "three.test", "elsewhere.test"):
            v.answered(came, v.ask(domain)["call-id"])
        assert v.outside.idle()
    checked = run("check", "-c", v.gateway.config)
    assert checked.returncode == 0 and "local_domains: shared" in checked.stderr + checked.stdout
    for old, new, code, said in (
            ("shared", "together", 2, 'local_domains: "together" is not known (separate|shared)'),
            ("transport: udp, source", "transport: udp, local_domains: shared, source", 0, "has no effect on a peer")):
        path = tmp_path / "wrong.yaml"
        path.write_text(shared.config.replace(old, new, 1), encoding="utf-8")
        checked = run("check", "-c", str(path))
        assert checked.returncode == code and said in checked.stderr + checked.stdout


def test_a_limit_of_connections_has_room_for_each_domain_or_check_says_so(pki, tmp_path):
    """The domain that comes second is refused, as long as the connection of the first one stays."""
    narrow = Virtual(pki, tmp_path, peer=", limits: {connections: 1}")
    with narrow as v:
        m = v.ask("two.test")
        two = v.outside.accept()
        v.answered(two, m["call-id"])
        v.ask("three.test")
        assert v.user.final().status in (500, 503)
        for domain, said in (("two", "this open one is used"), ("three", "limits.connections of the peer is reached")):
            x = run("explain", "-c", v.gateway.config, "--from", "user", "sip:bob@one.test", "--header",
                    f"From: <sip:alice@{domain}.test>")
            assert said in x.stdout, x.stdout
    for old, new, warned in (("", "", True), ("connections: 1", "connections: 2", False),
                             ("limits:", "local_domains: shared, limits:", False)):
        path = tmp_path / "narrow.yaml"
        path.write_text(narrow.config.replace(old, new, 1), encoding="utf-8")
        checked = run("check", "-c", str(path))
        assert checked.returncode == 0
        assert ("limits.connections: 1 on peer \"other\" is less than" in checked.stderr + checked.stdout) == warned


def test_a_dialog_stays_on_its_connection(pki, tmp_path):
    """What is asked inside it is no new request, whatever domain its callee has."""
    with Virtual(pki, tmp_path) as v:
        came = v.connect("two.test")
        at = f"127.0.0.1:{v.outside.port}"
        came.send(sip.request("INVITE", "sip:bob@three.test", sent_by=at, contact=f"<sip:alice@{at};transport=tls>"))
        invite = v.user.recv(want=lambda m: m.method == "INVITE")
        v.user.send(sip.response(invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{v.user.port}>"))
        assert came.final().status == 200
        route = "".join(f"Route: {r}\r\n" for r in invite.all("record-route"))
        bye = sip.request("BYE", invite["contact"].strip("<>"), transport="UDP", headers=route,
                          sent_by=f"127.0.0.1:{v.user.port}", call_id=invite["call-id"],
                          from_uri="sip:bob@three.test", to_tag=";tag=t1")
        v.user.send(bye, port=v.inside)
        v.answered(came, invite["call-id"])
        assert v.outside.idle()


def test_a_cancel_whose_connection_is_gone_opens_one_for_the_same_domain(pki, tmp_path):
    """RFC 5923 8.1"""
    with Virtual(pki, tmp_path) as v:
        m = v.ask("two.test")
        two = v.outside.accept()
        v.answered(two, m["call-id"])
        invite = v.ask("three.test", "INVITE")
        three = v.outside.accept()
        ringing = three.recv(want=lambda m: m.method == "INVITE")
        three.send(sip.response(ringing, 180))
        v.user.recv(want=lambda m: m.status == 180)
        three.close()
        again = v.outside.accept()
        cancel = again.recv(want=lambda m: m.method == "CANCEL")
        assert cancel["call-id"] == invite["call-id"]
        assert two.silent()


@pytest.mark.parametrize("before, after", [("two three", "first three two"), ("three", "two three")])
def test_a_domain_that_is_added_gets_no_connection_of_another(pki, tmp_path, before, after):
    """What is open stays for the domain that it was opened for, and goes on for that one."""
    def names(text):
        return [f"{x}.test" for x in text.split()]
    with Virtual(pki, tmp_path, san=f"URI:sip:first.test,{BOTH}") as v:
        opened = {}
        for domains in (before, after):
            v.domains(f"[{', '.join(names(domains))}]")
            for domain in names(domains):
                m = v.ask(domain)
                if domain not in opened:
                    opened[domain] = v.outside.accept()
                v.answered(opened[domain], m["call-id"])
        assert v.outside.idle()
