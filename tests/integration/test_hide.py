"""Topology hiding with the real gateway: what a peer sees, what comes back, keys that change, and real peers."""

import signal

import pytest
from lab import sip
from lab.gateway import Gateway, free_port, run
from lab.peers import Baresip, Sipp

INSIDE_VIA = "Via: SIP/2.0/TCP core.inside;branch=z9hG4bKcore;received=10.9.8.7\r\n"
INSIDE_ROUTES = "Record-Route: <sip:10.9.8.7;lr>\r\nRecord-Route: <sip:core.inside;lr;x=1>\r\n"
HIDE = "    hide_inside: true\n"


def keys(scene, *names):
    for n, name in enumerate(names):
        (scene.folder / name).write_bytes(bytes([65 + n]) * 32 + name.encode())
    return f"seal_key: [{', '.join(str(scene.folder / n) for n in names)}]\n"


def shows_nothing(scene, m):
    text = m.raw.decode()
    for name in ("core.inside", "10.9.8.7", f":{scene.pbx_port}", f":{scene.inside}"):
        assert name not in text, text
    return m


class Call:
    """From inside to the carrier, answered; `target` and `route` are what the carrier learned."""

    def __init__(self, scene):
        self.scene = scene
        self.pbx = sip.Udp(scene.pbx_port)
        self.server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
        self.carrier = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pbx.close()
        self.server.close()

    def establish(self):
        self.pbx.send(sip.request("INVITE", "sip:far@peer.test", "UDP", f"127.0.0.1:{self.scene.pbx_port}",
                                  headers=INSIDE_VIA + INSIDE_ROUTES, contact="<sip:bob@10.9.8.7:5099;ob>;q=0.7",
                                  from_uri="sip:bob@example.test"), self.scene.inside)
        self.carrier = self.server.accept()
        invite = shows_nothing(self.scene, self.carrier.recv())
        assert len(invite.all("via")) == 1 and len(invite.all("record-route")) == 1
        assert invite["contact"].endswith(">;q=0.7")
        self.id = invite["call-id"]
        self.target = invite["contact"].partition(">")[0].lstrip("<")
        self.route = f"Route: {invite['record-route']}\r\n"
        self.carrier.send(sip.response(invite, 200, headers="Contact: <sip:far@192.0.2.1>"))
        ok = self.pbx.final()
        assert ok.status == 200
        assert ok.all("via")[1] == INSIDE_VIA[5:-2]
        assert ok.all("record-route")[-2:] == ["<sip:10.9.8.7;lr>", "<sip:core.inside;lr;x=1>"]
        return self

    def bye(self, target=None, cseq=9, stream=None):
        stream = stream or self.carrier
        stream.send(sip.request("BYE", target or self.target, headers=self.route, call_id=self.id, cseq=cseq,
                                to_tag=";tag=t1", from_uri="sip:far@peer.test"))

    def bye_arrives(self):
        bye = self.pbx.recv(want=lambda m: m.method == "BYE")
        assert bye.line == "BYE sip:bob@10.9.8.7:5099;ob SIP/2.0"
        assert bye.all("route") == ["<sip:10.9.8.7;lr>", "<sip:core.inside;lr;x=1>"]
        self.pbx.send(sip.response(bye, 200))
        assert shows_nothing(self.scene, self.carrier.final()).status == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_call_from_inside_is_hidden_and_comes_back(scene, workers):
    with scene.gateway(workers=workers, carrier=HIDE, extra=keys(scene, "k")), Call(scene) as call:
        call.establish().bye()
        call.bye_arrives()


def test_forged_contact_gets_404_and_is_logged(scene):
    with scene.gateway(carrier=HIDE, extra=keys(scene, "k")) as gw, Call(scene) as call:
        call.establish()
        letter = "B" if call.target[-20] == "A" else "A"
        call.bye(call.target[:-20] + letter + call.target[-19:])
        assert call.carrier.final().status == 404
        refused = gw.wait_event("request_refused", status=404)[0]
        assert "sealed Contact" in refused["why"] and "seal_key" in refused["help"]


def test_key_that_is_replaced_by_a_reload_opens_what_it_sealed(scene):
    with scene.gateway(carrier=HIDE, extra=keys(scene, "old")) as gw, Call(scene) as call:
        call.establish()
        for n in (1, 2):  # further reloads do not forget it
            with open(gw.config, "w", encoding="utf-8") as f:
                f.write(scene.config(carrier=HIDE, extra=keys(scene, f"new{n}")))
            gw.process.send_signal(signal.SIGHUP)
            gw.wait_event("reloaded", count=n)
        call.bye()
        call.bye_arrives()


@pytest.mark.parametrize("second", [["old"], ["new", "old"]])
def test_another_node_with_the_key_serves_the_call(scene, second):
    """High availability, and a restart with a new key before the old one."""
    for name in ("old", "new"):
        (scene.folder / name).write_bytes(name.encode() * 16)

    def named(names):
        return f"seal_key: [{', '.join(str(scene.folder / n) for n in names)}]\n"

    with Call(scene) as call:
        with scene.gateway(carrier=HIDE, extra=named(["old"])):
            call.establish()
        with scene.gateway("second", carrier=HIDE, extra=named(second)):
            call.carrier = sip.tls(scene.outside, **scene.carrier_tls())
            call.bye()
            call.bye_arrives()


def test_without_its_key_a_call_ends_with_403(scene):
    with Call(scene) as call:
        with scene.gateway(carrier=HIDE, extra=keys(scene, "one")):
            call.establish()
        with scene.gateway("second", carrier=HIDE, extra=keys(scene, "other")):
            call.carrier = sip.tls(scene.outside, **scene.carrier_tls())
            call.bye()
            assert call.carrier.final().status == 403


def test_check_says_what_is_wrong_with_the_keys(scene):
    path = scene.folder / "checked.yaml"

    def check(**more):
        path.write_text(scene.config(**more), encoding="utf-8")
        return run("check", "-c", str(path))

    out = check(carrier=HIDE)
    assert out.returncode == 0 and "what is hidden cannot be found again after a restart (give a seal_key)" in out.stderr
    out = check(carrier=HIDE, extra=keys(scene, "a", "b"))
    assert out.returncode == 0 and "hide_inside" not in out.stderr
    out = check(extra=keys(scene, "a", "b", "c", "d", "e"))
    assert out.returncode == 2 and "seal_key has 5 files (4 at most" in out.stderr
    out = check(extra=keys(scene, "a") .replace("]", ", nowhere]"))
    assert out.returncode == 2 and 'nowhere": No such file or directory (a file of random bytes)' in out.stderr
    out = check(carrier="    hide_inside: perhaps\n")
    assert out.returncode == 2 and 'hide_inside: "perhaps" cannot be read (true or false)' in out.stderr


# ---- real peers ----


@pytest.mark.parametrize("uac,uas", [("uac", "uas"), ("uac-waits-bye", "uas-bye")])
def test_calls_from_sipp_inside_through_kamailio(kamailio_scene, uac, uas):
    scene, behind, _, _ = kamailio_scene
    with scene.gateway(workers=2, carrier=HIDE, extra=keys(scene, "k")):
        callee = Sipp(scene.folder, uas, behind, calls=10)
        caller = Sipp(scene.folder, uac, scene.pbx_port, f"127.0.0.1:{scene.inside}", calls=10)
        caller.wait()
        callee.wait()


def test_calls_from_kamailio_to_sipp_inside(kamailio_scene):
    scene, _, caller, udp = kamailio_scene
    with scene.gateway(carrier=HIDE, extra=keys(scene, "k")):
        uas = Sipp(scene.folder, "uas", scene.pbx_port, calls=10)
        uac = Sipp(scene.folder, "uac", caller, f"127.0.0.1:{udp}", calls=10)
        uac.wait()
        uas.wait()


@pytest.mark.parametrize("who", ["outside", "inside"])
def test_baresip_outside_calls_and_either_hangs_up(scene, who):
    both = scene.pki.path("phone.pem")
    with open(both, "w", encoding="ascii") as out:
        for part in (scene.peer_key, scene.peer_pem):
            with open(part, encoding="ascii") as f:
                out.write(f.read())
    with Gateway(scene.folder, scene.config(carrier=HIDE, extra=keys(scene, "k"))):
        phones = {
            "outside": Baresip(
                scene.folder, "outside", free_port(2), free_port(),
                f'<sip:alice@peer.test;transport=tls>;outbound="sip:127.0.0.1:{scene.outside};transport=tls"'
                ";regint=0;answermode=auto", tls=f"sip_certificate {both}\nsip_cafile {scene.ca}", rtp=21000),
            "inside": Baresip(
                scene.folder, "inside", scene.pbx_port, free_port(),
                f'<sip:bob@example.test;transport=udp>;outbound="sip:127.0.0.1:{scene.inside}"'
                ";regint=0;answermode=auto", rtp=22000)}
        try:
            phones["outside"].command("dial", "sip:bob@example.test")
            for phone in phones.values():
                phone.wait_event("CALL_ESTABLISHED")
            phones[who].command("hangup")
            phones["inside" if who == "outside" else "outside"].wait_event("CALL_CLOSED")
        finally:
            for phone in phones.values():
                phone.stop()
