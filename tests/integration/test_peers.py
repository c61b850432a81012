"""Calls between real programs through the real gateway."""

import contextlib

import pytest
from lab.gateway import Gateway, free_port
from lab.peers import Baresip, Sipp


@pytest.mark.parametrize("workers", [1, 2])
def test_calls_from_kamailio_over_tls_to_sipp_over_udp(kamailio_scene, workers):
    scene, _, caller, udp = kamailio_scene
    with scene.gateway(workers=workers) as gw:
        uas = Sipp(scene.folder, "uas", scene.pbx_port, calls=20)
        uac = Sipp(scene.folder, "uac", caller, f"127.0.0.1:{udp}", calls=20)
        uac.wait()
        uas.wait()
        assert gw.events("connection_open", peer="carrier", direction="in")


@pytest.mark.parametrize("workers", [1, 2])
def test_calls_from_sipp_over_udp_to_kamailio_over_tls(kamailio_scene, workers):
    scene, behind, _, _ = kamailio_scene
    with scene.gateway(workers=workers) as gw:
        uas = Sipp(scene.folder, "uas", behind, calls=20)
        uac = Sipp(scene.folder, "uac", scene.pbx_port, f"127.0.0.1:{scene.inside}", calls=20)
        uac.wait()
        uas.wait()
        opened = gw.events("connection_open", direction="out")
        assert opened and opened[0]["identity"] == "peer.test"


def test_callee_inside_hangs_up_over_the_connection_of_the_caller(kamailio_scene):
    scene, behind, _, _ = kamailio_scene
    with scene.gateway():
        uas = Sipp(scene.folder, "uas-bye", behind, calls=5)
        uac = Sipp(scene.folder, "uac-waits-bye", scene.pbx_port, f"127.0.0.1:{scene.inside}", calls=5)
        uac.wait()
        uas.wait()


def test_calls_from_sipp_over_tcp(kamailio_scene):
    scene, behind, _, _ = kamailio_scene
    config = scene.config(pbx="    source: [127.0.0.0/8]").replace(
        f"    address: 127.0.0.1:{scene.pbx_port}\n    transport: udp\n    source: [127.0.0.0/8]\n",
        f"    address: 127.0.0.1:{scene.pbx_port}\n    transport: [udp, tcp]\n", 1)
    with Gateway(scene.folder, config):
        uas = Sipp(scene.folder, "uas", behind, calls=10)
        uac = Sipp(scene.folder, "uac", scene.pbx_port, f"127.0.0.1:{scene.inside}", calls=10,
                   transport="t1")
        uac.wait()
        uas.wait()


@contextlib.contextmanager
def phones(scene, answer="auto"):
    """A phone outside over mutual TLS, and one inside over UDP."""
    both = scene.pki.path("phone.pem")
    with open(both, "w", encoding="ascii") as out:
        for part in (scene.peer_key, scene.peer_pem):
            with open(part, encoding="ascii") as f:
                out.write(f.read())
    outside = Baresip(
        scene.folder, "outside", free_port(2), free_port(),
        f'<sip:alice@peer.test;transport=tls>;outbound="sip:127.0.0.1:{scene.outside};transport=tls"'
        ";regint=0;answermode=auto", tls=f"sip_certificate {both}\nsip_cafile {scene.ca}", rtp=21000)
    inside = Baresip(
        scene.folder, "inside", scene.pbx_port, free_port(),
        f'<sip:bob@example.test;transport=udp>;outbound="sip:127.0.0.1:{scene.inside}"'
        f";regint=0;answermode={answer}", rtp=22000)
    try:
        yield outside, inside
    finally:
        outside.stop()
        inside.stop()


def test_baresip_over_tls_calls_baresip_inside(scene):
    with scene.gateway() as gw, phones(scene) as (outside, inside):
        outside.command("dial", "sip:bob@example.test")
        inside.wait_event("CALL_ESTABLISHED")
        outside.wait_event("CALL_ESTABLISHED")
        outside.command("hangup")
        inside.wait_event("CALL_CLOSED")
        assert gw.events("connection_open", peer="carrier", identity="peer.test")


def test_baresip_inside_hangs_up_a_call_from_outside(scene):
    """The BYE goes back over the connection that the caller opened: its Contact cannot be reached."""
    with scene.gateway() as gw, phones(scene) as (outside, inside):
        outside.command("dial", "sip:bob@example.test")
        inside.wait_event("CALL_ESTABLISHED")
        outside.wait_event("CALL_ESTABLISHED")
        inside.command("hangup")
        outside.wait_event("CALL_CLOSED")
        assert not gw.events("connection_open", direction="out")


def test_baresip_cancels_a_ringing_call(scene):
    with scene.gateway(), phones(scene, answer="manual") as (outside, inside):
        outside.command("dial", "sip:bob@example.test")
        inside.wait_event("CALL_INCOMING")
        outside.wait_event("CALL_RINGING")
        outside.command("hangup")
        inside.wait_event("CALL_CLOSED")
