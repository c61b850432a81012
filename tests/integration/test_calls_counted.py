"""`limits.calls_per_second` of a peer counts calls, however many of its servers one is tried at. docs/groups.md"""

import pytest

from lab import sip
from lab.gateway import Gateway, free_port
from test_groups import pool, row


@pytest.mark.parametrize("where", ["refused", "503"])
def test_a_call_that_is_tried_at_two_servers_is_one_call(scene, where):
    first, second = sip.Server(), sip.Server()
    dead = free_port() if where == "refused" else first.port
    config, p = pool(scene, "  - {from: p0, to: both}\n")
    config = config.replace("peers:\n", f"peers:\n  - {{name: both, transport: tcp, ping: 0, "
                            f"limits: {{calls_per_second: 1}}, "
                            f"address: ['127.0.0.1:{dead}', '127.0.0.1:{second.port}']}}\n", 1)
    with Gateway(scene.folder, config) as gw:
        p[0].send(sip.request("MESSAGE", transport="UDP", sent_by=f"127.0.0.1:{p[0].port}"), scene.inside)
        if where == "503":
            s = first.accept()
            s.send(sip.response(s.recv(), 503, "Service Unavailable"))
        s = second.accept()
        s.send(sip.response(s.recv(), 200))
        assert p[0].final().status == 200
        assert row(gw, "both")["out_requests"] == 1
