"""The resolver as an operator sees it in calls: the cache, a reload of `dns`, and stopping in the middle."""

from test_locating import HOSTER, Dns, Lab, carrier_zone, pytestmark, serve  # noqa: F401
from test_reload import ctl, rewrite

from lab import sip


def call(lab, stream):
    lab.send()
    stream.send(sip.response(stream.recv(), 200))
    assert lab.pbx.final().status == 200


def counters(lab):
    return ctl(lab.gw, "status")[1]["counters"]


def test_what_lives_is_not_asked_for_again(scene):
    carrier = serve(scene)
    with Lab(scene, {"peer.test": carrier_zone(scene, carrier.port), "hoster.test": HOSTER}) as lab:
        lab.send()
        stream = carrier.accept()
        stream.send(sip.response(stream.recv(), 200))
        assert lab.pbx.final().status == 200
        asked = counters(lab)["dns_asked"]
        lab.dns.silence()  # nobody has to ask it
        for _ in range(3):
            call(lab, stream)
        now = counters(lab)
        assert now["dns_asked"] == asked and now["dns_cached"] >= 3 * 2 and now["dns_failed"] == 0
        lab.dns.speak()


def test_a_reload_with_other_servers_forgets_what_the_old_ones_said(scene, tmp_path):
    before, after = serve(scene), serve(scene)
    zones = {"peer.test": carrier_zone(scene, after.port), "hoster.test": HOSTER}
    with Lab(scene, {"peer.test": carrier_zone(scene, before.port), "hoster.test": HOSTER}) as lab, \
            Dns(tmp_path, zones, name="other") as other:
        lab.send()
        stream = before.accept()
        stream.send(sip.response(stream.recv(), 200))
        assert lab.pbx.final().status == 200
        rewrite(lab.gw, (f"servers: [127.0.0.1:{lab.dns.port}]", f"servers: [127.0.0.1:{other.port}]"))
        assert ctl(lab.gw, "reload")[1]["reload"]["result"] == "reloaded"
        lab.send()
        stream = after.accept()
        stream.send(sip.response(stream.recv(), 200))
        assert lab.pbx.final().status == 200


def test_it_stops_in_good_order_while_a_question_is_in_flight(scene):
    with Lab(scene, {"peer.test": carrier_zone(scene, 7)}, extra="limits: {drain: 0}\n") as lab:
        lab.dns.silence()
        lab.send("INVITE")
        assert lab.pbx.recv().status == 100
        lab.gw.stop()
    assert not lab.gw.events("dns_answer_lost")
