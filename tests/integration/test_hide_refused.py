"""What cannot be hidden does not leave, and the log says why: docs/hiding.md."""

import pytest
from lab import sip
from test_hide import HIDE, keys


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
