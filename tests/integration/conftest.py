"""What the integration tests share: certificates, ports, a gateway between an outside and an inside."""

import os
import sys

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tools"))

from lab.gateway import Gateway, free_port  # noqa: E402
from lab.peers import Kamailio  # noqa: E402
from lab.pki import Pki  # noqa: E402


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


class Scene:
    """Ports and certificates of the usual scene, and its configuration as text."""

    def __init__(self, folder, certificates):
        self.folder = folder
        self.pki = certificates
        self.ca = certificates.ca()
        self.gateway_pem, self.gateway_key = certificates.domain("gateway", "example.test")
        self.peer_pem, self.peer_key = certificates.domain("peer", "peer.test")
        self.outside, self.inside = free_port(), free_port()
        self.carrier_port, self.pbx_port = free_port(), free_port(2)

    def config(self, workers=1, outside="", carrier="", pbx="", extra="", routes=None):
        """The configuration; the arguments add keys to the listener, the peers and the top."""
        routes = routes or "  - {from: carrier, to: pbx}\n  - {from: pbx, to: carrier}\n"
        return f"""
domains: [example.test]
workers: {workers}
identities:
  - {{name: main, certificate: {self.gateway_pem}, key: {self.gateway_key}}}
trust:
  - {{name: partners, ca: {self.ca}}}
listen:
  - name: outside
    address: 127.0.0.1:{self.outside}
    transport: tls
    identity: main
    trust: [partners]
{outside}
  - name: inside
    address: 127.0.0.1:{self.inside}
    transport: udp
peers:
  - name: carrier
    domain: peer.test
    address: 127.0.0.1:{self.carrier_port}
    transport: tls
    trust: partners
    ping: 0
{carrier}
  - name: pbx
    address: 127.0.0.1:{self.pbx_port}
    transport: udp
    source: [127.0.0.0/8]
    ping: 0
{pbx}
routes:
{routes}
{extra}
"""

    def gateway(self, name="gateway", **more):
        return Gateway(self.folder, self.config(**more), name=name)

    def carrier_tls(self):
        """What sip.tls and sip.Server want of the carrier."""
        return {"cert": self.peer_pem, "key": self.peer_key, "ca": self.ca}


@pytest.fixture
def scene(tmp_path, pki):
    return Scene(tmp_path, pki)


@pytest.fixture
def kamailio_scene(scene):
    """Kamailio as the carrier with sipp behind it, sipp as the PBX."""
    behind, caller, udp = free_port(), free_port(), free_port()
    k = Kamailio(scene.folder, scene.peer_pem, scene.peer_key, scene.ca, scene.carrier_port, udp, behind,
                 scene.outside)
    yield scene, behind, caller, udp
    k.stop()
