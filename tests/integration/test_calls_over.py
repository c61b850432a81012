"""`sipward ctl calls`: a call is over when its BYE passes, whatever worker has the record."""

import json
import os
import subprocess

import pytest

from lab import sip
from lab.gateway import BINARY

CONNECTIONS = 8  # of a carrier, so that several workers have some


def calls(gw):
    out = subprocess.run([BINARY, "ctl", "-s", os.path.join(gw.folder, "sipward.sock"), "--json", "calls"],
                         capture_output=True, text=True, timeout=30, check=True)
    return json.loads(out.stdout)["calls"]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_bye_over_any_connection_ends_the_record(scene, workers):
    with scene.gateway(workers=workers) as gw:
        pbx = sip.Udp(scene.pbx_port)
        invites, callers = [], []
        for _ in range(CONNECTIONS):
            c = sip.tls(scene.outside, **scene.carrier_tls())
            c.send(sip.request("INVITE"))
            invite = pbx.recv(want=lambda m: m.method == "INVITE")
            pbx.send(sip.response(invite, 200, headers=f"Contact: <sip:pbx@127.0.0.1:{scene.pbx_port}>\r\n"))
            assert c.final().status == 200
            callers.append(c)
            invites.append(invite)
        assert len(calls(gw)) == CONNECTIONS
        for n, (c, invite) in enumerate(zip(callers, invites), 1):  # datagrams of the PBX are one worker's
            routes = "".join(f"Route: {r}\r\n" for r in invite.all("record-route"))
            pbx.send(sip.request("BYE", "sip:alice@peer.test", "UDP", f"127.0.0.1:{scene.pbx_port}", headers=routes,
                                 call_id=invite["call-id"], to_tag=";tag=callee"), scene.inside)
            bye = c.recv(want=lambda m: m.method == "BYE")
            c.send(sip.response(bye, 200))
            assert len(calls(gw)) == CONNECTIONS - n
        pbx.close()
