"""Strangers, proved domains that are no peers, stay who they are in a call while seal keys change: docs/hiding.md."""

import json
import os
import subprocess

import pytest

from lab import sip
from lab.gateway import BINARY

VERIFIED = "  - {from: verified, to: pbx}\n"


def keys(scene, *names):
    for name in names:
        (scene.folder / name).write_bytes(name.encode() * 16)
    return f"seal_key: [{', '.join(str(scene.folder / n) for n in names)}]\n"


def reload(scene, gw, extra):
    with open(gw.config, "w", encoding="utf-8") as f:
        f.write(scene.config(routes=VERIFIED, extra=extra))
    out = subprocess.run([BINARY, "ctl", "-s", os.path.join(gw.folder, "sipward.sock"), "--json", "reload"],
                         capture_output=True, text=True, timeout=30, check=False)
    assert json.loads(out.stdout)["reload"]["result"] == "reloaded", out.stdout


class Call:
    """A stranger's call to the PBX; its BYE comes over another connection."""

    def __init__(self, scene):
        self.scene = scene
        pem, key = scene.pki.domain("other", "other.test")
        self.tls = {"cert": pem, "key": key, "ca": scene.ca}
        self.pbx = sip.Udp(scene.pbx_port)
        self.s = self.ok = None

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.pbx.close()

    def establish(self):
        self.s = sip.tls(self.scene.outside, **self.tls)
        self.s.send(sip.request("INVITE", contact="<sip:alice@other.test>", from_uri="sip:alice@other.test"))
        invite = self.pbx.recv(want=lambda m: m.method == "INVITE")
        self.pbx.send(sip.response(invite, 200, headers=f"Contact: <sip:bob@127.0.0.1:{self.pbx.port}>"))
        self.ok = self.s.final()
        assert self.ok.status == 200

    def inside(self, method, cseq, s=None):
        routes = "".join(f"Route: {r}\r\n" for r in reversed(self.ok.all("record-route")))
        (s or self.s).send(sip.request(method, f"sip:bob@127.0.0.1:{self.pbx.port}", headers=routes, cseq=cseq,
                                       call_id=self.ok["call-id"], to_tag=";tag=callee"))

    def goes_on(self, cseq=2):
        """The same connection and another one are the stranger's."""
        for s in (self.s, sip.tls(self.scene.outside, **self.tls)):
            self.inside("INFO", cseq, s)
            m = self.pbx.recv(want=lambda m: m.method == "INFO")
            self.pbx.send(sip.response(m, 200))
            assert s.final().status == 200
            cseq += 1


def test_a_stranger_stays_who_it_is_while_keys_are_changed(scene):
    """The procedure of docs/hiding.md, and a further reload that takes the oldest key out."""
    with scene.gateway(routes=VERIFIED, extra=keys(scene, "one")) as gw, Call(scene) as call:
        call.establish()
        cseq = 2
        for names in (["one", "two"], ["two", "one"], ["two"]):
            reload(scene, gw, keys(scene, *names))
            call.goes_on(cseq)
            cseq += 2


def test_a_call_outlives_more_keys_than_are_kept(scene):
    """Its seal is of the newest key but three; the oldest, which strangers had been known by, is gone."""
    with scene.gateway(routes=VERIFIED, extra=keys(scene, "k0")) as gw, Call(scene) as call:
        reload(scene, gw, keys(scene, "k1"))
        call.establish()
        for n in range(2, 5):
            reload(scene, gw, keys(scene, f"k{n}"))
        call.goes_on()


@pytest.mark.parametrize("named", [True, False])
def test_another_node_knows_strangers_by_the_domain_key(scene, named):
    """A restart, or another node, with other seal keys; without domain_key the call is lost, as documented."""
    (scene.folder / "domains").write_bytes(b"d" * 32)
    more = f"domain_key: {scene.folder}/domains\n" if named else ""
    with Call(scene) as call:
        with scene.gateway(routes=VERIFIED, extra=keys(scene, "one", "two") + more):
            call.establish()
        with scene.gateway("second", routes=VERIFIED, extra=keys(scene, "two", "one") + more):
            s = sip.tls(scene.outside, **call.tls)
            call.inside("BYE", 2, s)
            if named:
                bye = call.pbx.recv(want=lambda m: m.method == "BYE")
                call.pbx.send(sip.response(bye, 200))
            assert s.final().status == (200 if named else 403)
