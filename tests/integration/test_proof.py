"""Before a configuration is taken up it shakes hands with itself, with each key that it shows."""

import os

from lab import gateway as lab
from test_identities import check, config, pair, running
from test_reload import ctl

ECDSA_ONLY = """
tls_policies:
  - {name: ecdsa, max_version: "1.2", ciphers: ECDHE-ECDSA-AES128-GCM-SHA256}
"""


def checked(scene, identity, outside):
    path = os.path.join(str(scene.folder), "proof.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(config(scene, identity, outside=outside) + ECDSA_ONLY)
    return lab.run("check", "-c", path)


def test_both_keys_of_a_pair_are_proved(scene):
    out = check(scene, pair(scene))
    assert out.returncode == 0 and "shake hands" not in out.stderr
    with running(scene, pair(scene)) as gw:
        assert ctl(gw, "reload")[1]["reload"]["proved"] == 2


def test_a_key_of_a_pair_that_the_policy_never_takes_is_warned_of(scene):
    out = checked(scene, pair(scene), "    policy: ecdsa")
    told = [line for line in out.stderr.splitlines() if "shake hands" in line]
    assert out.returncode == 0 and len(told) == 1
    assert 'warning: identity "main" (RSA 2048) cannot shake hands with itself under policy ecdsa' in told[0]


def test_an_identity_that_the_policy_never_takes_is_an_error_also_under_sni(scene):
    rsa, rsa_key = scene.pki.domain("proof-rsa", "other.test", kind="rsa")
    identities = (f"  - {{name: main, certificate: {scene.gateway_pem}, key: {scene.gateway_key}}}\n"
                  f"  - {{name: other, certificate: {rsa}, key: {rsa_key}}}")
    outside = "    policy: ecdsa\n    sni: [other]"
    out = checked(scene, identities, outside)
    told = [line for line in out.stderr.splitlines() if "shake hands" in line]
    assert out.returncode == 2 and len(told) == 1
    assert 'identity "other" (RSA 2048) cannot shake hands' in told[0] and "warning:" not in told[0]
    with open(os.path.join(str(scene.folder), "proof.yaml"), encoding="utf-8") as f:
        at = int(told[0].split(":")[1])
        assert f.read().splitlines()[at - 1] == "    sni: [other]"
