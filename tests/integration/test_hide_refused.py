"""What cannot be hidden does not leave, and the log says why: docs/hiding.md."""

import pytest
from lab import sip
from test_hide import HIDE, Call, keys


@pytest.mark.parametrize("target", ["carrier", "pbx"])
def test_what_cannot_be_hidden_is_told_in_the_log(scene, target):
    """Over TLS and over UDP."""
    with scene.gateway(**{target: HIDE}, extra=keys(scene, "k")) as gw:
        broken = "Contact: <sip:a@core.inside\r\n"
        pbx = sip.Udp(scene.pbx_port)
        server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
        if target == "carrier":
            pbx.send(sip.request("MESSAGE", "sip:far@peer.test", "UDP", f"127.0.0.1:{pbx.port}", headers=broken),
                     scene.inside)
            stream = server.accept()
            answer = pbx.final()
            assert stream.silent()
        else:
            c = sip.tls(scene.outside, **scene.carrier_tls())
            c.send(sip.request("MESSAGE", headers=broken))
            answer = c.final()
            assert pbx.silent()
        assert answer.line == "SIP/2.0 500 Cannot Be Hidden"
        [lost] = gw.events("message_lost")
        assert (lost["what"], lost["peer"]) == ("request", target) and "cannot be hidden" in lost["why"]


def test_nobody_has_a_contact_opened_by_calling_with_it(scene):
    """The carrier writes the sealed Contact of somebody inside into its own: who hangs up sends his BYE there, and to
    the carrier by the route set (RFC 3261 12.2.1.1). It would be told what the Contact stands for."""
    with scene.gateway(carrier=HIDE, extra=keys(scene, "k")) as gw, Call(scene) as call:
        call.establish()
        call.carrier.send(sip.request("INVITE", contact=f"<{call.target}>", call_id="other@test"))
        invite = call.pbx.recv(want=lambda m: m.method == "INVITE")
        call.pbx.send(sip.response(invite, 200, headers=f"Contact: <sip:b@127.0.0.1:{call.pbx.port}>"))
        call.carrier.recv(want=lambda m: m.status == 200)
        routes = "".join(f"Route: {r}\r\n" for r in invite.all("record-route"))
        call.pbx.send(sip.request("BYE", call.target, "UDP", f"127.0.0.1:{call.pbx.port}", headers=routes,
                                  call_id="other@test", to_tag=";tag=t1"), scene.inside)
        assert call.pbx.final().line == "SIP/2.0 500 Cannot Be Hidden"
        assert "would be told to it" in gw.events("message_lost")[0]["why"]
        gw.stop()
        call.carrier.wait_closed()
        assert b"10.9.8.7" not in call.carrier.data and b"BYE" not in call.carrier.data


@pytest.mark.parametrize("rows", [48, 49], ids=["fits", "one too many"])
def test_response_that_needs_too_many_changes_is_told_in_the_log(scene, rows):
    """Its Via is one of the 48: docs/rules.md "What a route sets"."""
    with scene.gateway(carrier="    remove: [X-Inside]\n") as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("MESSAGE"))
        request = pbx.recv(want=lambda m: m.method == "MESSAGE")
        pbx.send(sip.response(request, 200, headers="X-Inside: 1\r\nX-Else: 2\r\n" * (rows - 1)))
        if rows == 48:
            assert c.final().line == "SIP/2.0 200 OK"
        else:
            [lost] = gw.wait_event("message_lost")
            assert (lost["status"], lost["peer"], lost["why"]) == (200, "carrier", "it would need too many changes")
