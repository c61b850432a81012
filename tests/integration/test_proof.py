"""Before a configuration is taken up it shakes hands with itself, with each key that it shows."""

import os

from lab import gateway as lab
from test_identities import check, config, pair, running
from test_reload import ctl, rewrite

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


def two(scene, other, other_key):
    return (f"  - {{name: main, certificate: {scene.gateway_pem}, key: {scene.gateway_key}}}\n"
            f"  - {{name: other, certificate: {other}, key: {other_key}}}")


def test_the_choice_by_server_name_is_proved(scene):
    """Two identities by themselves, and the one that a name chooses."""
    pem, key = scene.pki.domain("proof-other", "other.test")
    out = checked(scene, two(scene, pem, key), "    sni: [other]")
    assert out.returncode == 0 and "sni:" not in out.stderr
    with running(scene, two(scene, pem, key), outside="    sni: [other]") as gw:
        assert ctl(gw, "reload")[1]["reload"]["proved"] == 3


def test_a_wildcard_is_asked_for_by_a_name_that_it_covers(scene):
    pem, key = scene.pki.leaf("proof-wild", san="DNS:*.wild.test")
    out = checked(scene, two(scene, pem, key), "    sni: [other]")
    assert out.returncode == 0 and "sni:" not in out.stderr


def test_an_identity_that_no_name_chooses_is_warned_of(scene):
    pem, key = scene.pki.domain("proof-same", "example.test")
    out = checked(scene, two(scene, pem, key), "    sni: [other]")
    assert out.returncode == 0 and 'sni: identity "other" is never shown' in out.stderr


RSA_ONLY = """
tls_policies:
  - {name: rsa, signature_algorithms: "rsa_pss_rsae_sha256:rsa_pkcs1_sha256"}
"""


def test_a_policy_that_cannot_verify_the_trust_entry_is_told(scene):
    """The CA and the pinned certificate have EC keys."""
    rsa, rsa_key = scene.pki.domain("proof-main-rsa", "example.test", kind="rsa")
    identity = f"  - {{name: main, certificate: {rsa}, key: {rsa_key}}}"
    with running(scene, identity) as gw:
        rewrite(gw, ("    trust: [partners]", "    trust: [partners]\n    policy: rsa"),
                (f"ca: {scene.ca}}}", f"ca: {scene.ca}, pinned: {scene.peer_pem}}}"))
        with open(gw.config, "a", encoding="utf-8") as f:
            f.write(RSA_ONLY)
        code, answer = ctl(gw, "reload")
        told = [x["text"] for x in answer["findings"] if "takes no signature" in x["text"]]
        assert code == 0 and len(told) == 2, answer
        assert 'policy rsa takes no signature of a CA of trust entry "partners"' in told[0] and "EC P-256" in told[0]
        assert "pinned" in told[1] and "listener \"outside\"" in told[1]
        rewrite(gw, ("rsa_pkcs1_sha256", "ecdsa_secp256r1_sha256"))
        _, answer = ctl(gw, "reload")
        assert not [x for x in answer["findings"] if "takes no signature" in x["text"]]
