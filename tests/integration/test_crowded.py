"""Connections over `limits.connections` of their peer do not stay by keep-alives. docs/config.md, "Limits of a peer\""""

import time

from lab import sip
from lab.gateway import Gateway
from test_groups import pool, row, send


def test_a_connection_over_the_limit_cannot_be_kept_with_keep_alives(scene):
    """RFC 5626 5.4: its pings are no request, and not answered either."""
    config, p = pool(scene, "  - {from: carrier, to: p0}\n", carrier="    limits: {connections: 1}",
                     extra="limits: {idle: 1s}")
    with Gateway(scene.folder, config) as gw:
        first, second = (sip.tls(scene.outside, **scene.carrier_tls()) for _ in range(2))
        gw.wait_event("connection_failed", reason="too_many_of_peer")
        end = time.monotonic() + 20
        while not second.closed and time.monotonic() < end:
            first.send("\r\n\r\n")  # this one may stay as long as it likes
            try:
                second.send("\r\n\r\n")
                second.recv_raw(0.2)
            except OSError:
                second.closed = True
        assert second.closed
        assert send(first, p) == 0
        assert row(gw, "carrier")["in_connections"] == 1
