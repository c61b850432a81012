"""What `sipward explain` tells of places that the running gateway avoids, and `ctl avoided`. RFC 3263 4.3"""

import json
import shutil
import os

import pytest

from lab import sip
from lab.gateway import run
from test_locating import CLOSED, HOSTER, Lab, TO_DNS, carrier_zone, serve
from test_reload import ctl

pytestmark = pytest.mark.skipif(not shutil.which("nsd", path=os.environ["PATH"] + ":/usr/sbin") or
                                not shutil.which("ldns-signzone"), reason="nsd and ldns are not here")


def explain(gw, *args):
    return json.loads(run("explain", "-c", gw.config, "--json", *args).stdout)


@pytest.mark.parametrize("stranger", [False, True])
def test_explain_tries_last_what_the_gateway_avoids(scene, stranger):
    """A peer's place, and one of a domain that is nobody's: its id is the process's own."""
    name = "other.test" if stranger else "peer.test"
    pem, key = scene.pki.domain("other", "other.test")
    server = serve(scene, {"cert": pem, "key": key, "ca": scene.ca} if stranger else None)
    uri = f"sip:bob@{name}"
    with Lab(scene, {name: carrier_zone(scene, CLOSED, server.port), "hoster.test": HOSTER}, TO_DNS) as lab:
        dead, alive = f"127.0.0.1:{CLOSED}", f"127.0.0.1:{server.port}"
        assert ctl(lab.gw, "avoided")[1] == {"avoided": []}
        x = explain(lab.gw, uri, "--from", "pbx")
        assert x["gateway_asked"] and [t["address"] for t in x["targets"]] == [dead, alive]
        lab.send(uri=uri)
        s = server.accept()
        s.send(sip.response(s.recv(), 200))
        assert lab.pbx.final().status == 200
        [row] = ctl(lab.gw, "avoided")[1]["avoided"]
        assert (row["peer"], row["transport"], row["address"]) == ("verified" if stranger else "carrier", "tls", dead)
        assert 0 < row["seconds"] <= 30 and row["until"].endswith("Z")
        assert len(ctl(lab.gw, "avoided", name if stranger else "carrier")[1]["avoided"]) == 1
        assert ctl(lab.gw, "avoided", "pbx")[1] == {"avoided": []}
        x = explain(lab.gw, uri, "--from", "pbx")
        assert [(t["address"], "avoided" in t) for t in x["targets"]] == [(alive, False), (dead, True)]
        assert "failed lately" in run("explain", "-c", lab.gw.config, uri, "--from", "pbx").stdout
