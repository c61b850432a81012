"""Nobody gets around a rule by spelling: numbers with parameters, header values folded or in lists. docs/rules.md"""

import pytest
from lab import sip

ROUTES = r"""
  - {from: carrier, user_regex: "^\\+49800[0-9]*$", reject: 604}
  - {from: carrier, header: "Supported: timer", reject: 486}
  - {from: carrier, header: "X-Tenant: gold inc", reject: 487}
  - {from: carrier, user: "b*", to: pbx}
  - {from: carrier, set: {strip: 3, prefix: "0"}, to: pbx}
"""


@pytest.mark.parametrize("uri, headers, outcome", [
    ("sip:+49800123@example.test", "", 604),
    ("tel:+49-800.123;ext=1", "", 604),
    ("sip:+49-800.123;ext=1@example.test;user=phone", "", 604),  # RFC 3966 3: the same number
    ("sip:%2B49800123@example.test;user=phone", "", 604),        # no number has it escaped: RFC 3966 3
    ("sip:+49-40.123;ext=1-2@example.test;user=phone", "", "sip:040123;ext=1-2@"),
    ("sip:bob@example.test", "Supported: 100rel, timer\r\n", 486),  # RFC 3261 7.3.1
    ("sip:bob@example.test", "k: 100rel ,timer\r\n", 486),
    ("sip:bob@example.test", "Supported: timers\r\n", "sip:bob@"),
    ("sip:bob@example.test", "X-Tenant: gold\r\n   inc\r\n", 487),
    ("sip:bob@example.test", "X-Tenant: gold\tinc\r\n", 487),
    ("sip:bob@example.test", "X-Tenant: gold, inc\r\n", "sip:bob@"),
])
def test_spelling_leads_past_no_rule(scene, uri, headers, outcome):
    with scene.gateway(routes=ROUTES):
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("MESSAGE", uri, headers=headers))
        if isinstance(outcome, str):
            m = pbx.recv()
            assert m.line.startswith(f"MESSAGE {outcome}")
            pbx.send(sip.response(m, 200))
            outcome = 200
        assert c.final().status == outcome
