"""What we show: pairs of certificates, encrypted keys, keys in a token, server names, and what check says of them."""

import ctypes
import os
import re
import shutil
import subprocess

import pytest
from lab import gateway as lab
from lab import sip

RSA, ECDSA = "rsa_pss_rsae_sha256:rsa_pkcs1_sha256", "ecdsa_secp256r1_sha256"


def openssl(*args, **more):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, text=True, timeout=60, **more).stdout


def middle(pki, name, ca="ca"):
    """An intermediate CA."""
    pem, key = pki.path(f"{name}.pem"), pki.path(f"{name}.key")
    if not os.path.exists(pem):
        pki.ca(ca)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                "-out", pem, "-days", "3000", "-subj", f"/CN=Test {name}", "-CA", pki.path(f"{ca}.pem"),
                "-CAkey", pki.path(f"{ca}.key"), "-addext", "basicConstraints=critical,CA:TRUE",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    return pem


def join(path, *files):
    with open(path, "w", encoding="ascii") as out:
        for name in files:
            with open(name, encoding="ascii") as f:
                out.write(f.read())
    return str(path)


def shown(port, scene, *options):
    """The subjects and issuers of the chain that a TLS client is shown, leaf first."""
    kind = "rsa" if any("rsa_pss" in x for x in options) else "ec"  # -sigalgs is also what the client signs with
    cert, key = scene.pki.domain(f"client-{kind}", "peer.test", kind=kind)
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-cert", cert, "-key", key,
                           "-CAfile", scene.ca, "-verify_return_error", *options],
                          input="", capture_output=True, text=True, timeout=30, check=False)
    assert "Verify return code: 0" in done.stdout, done.stdout + done.stderr
    return re.findall(r"^ *\d+ s:CN = (.*)\n +i:CN = (.*)$", done.stdout, re.M)


def config(scene, identity, outside="", carrier="", workers=1, domains="[example.test]"):
    """The usual configuration with other identities."""
    text = scene.config(outside=outside, carrier=carrier, workers=workers).replace("[example.test]", domains)
    return re.sub(r"identities:\n.*\n", lambda m: f"identities:\n{identity}\n", text)


def running(scene, *args, **more):
    return lab.Gateway(scene.folder, config(scene, *args, **more))


def check(scene, *args, strict=False, env=None, **more):
    path = os.path.join(str(scene.folder), "check.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(config(scene, *args, **more))
    return lab.run("check", "-c", path, *(["--strict"] if strict else []), **({"env": env} if env else {}))


def pair(scene):
    """An RSA and an ECDSA certificate of one name, each from an intermediate CA of its own."""
    middle(scene.pki, "subrsa")
    middle(scene.pki, "subec")
    rsa, rsa_key = scene.pki.domain("pair-rsa", "example.test", kind="rsa", ca="subrsa")
    ec, ec_key = scene.pki.domain("pair-ec", "example.test", ca="subec")
    a = join(scene.folder / "a.pem", rsa, scene.pki.path("subrsa.pem"))
    b = join(scene.folder / "b.pem", ec, scene.pki.path("subec.pem"))
    return f"  - {{name: main, certificate: [{a}, {b}], key: [{rsa_key}, {ec_key}]}}"


# ---- pairs ----

@pytest.mark.parametrize("options,leaf,issuer", [
    (["-tls1_3", "-sigalgs", RSA], "pair-rsa", "subrsa"),
    (["-tls1_3", "-sigalgs", ECDSA], "pair-ec", "subec"),
    (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "pair-rsa", "subrsa"),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "pair-ec", "subec"),
    (["-tls1_2", "-sigalgs", RSA], "pair-rsa", "subrsa"),
])
def test_each_client_gets_the_certificate_of_the_pair_that_it_can_do(scene, options, leaf, issuer):
    """RFC 8446 4.4.2.2, RFC 5246 7.4.2: a certificate that the client can verify, with its own chain."""
    with running(scene, pair(scene)) as gw:
        assert shown(scene.outside, scene, *options) == [(leaf, f"Test {issuer}"), (f"Test {issuer}", "Test ca")]
        assert gw.wait_event("connection_open")[0]["shown"] == "main"


def test_a_pair_takes_no_two_keys_of_one_kind_and_a_key_for_each(scene):
    cert, key = scene.gateway_pem, scene.gateway_key
    out = check(scene, f"  - {{name: main, certificate: [{cert}, {cert}], key: [{key}, {key}]}}")
    assert out.returncode == 2 and "two keys of one identity are of one kind" in out.stderr
    out = check(scene, f"  - {{name: main, certificate: [{cert}, {cert}], key: {key}}}")
    assert out.returncode == 2 and "2 certificates and 1 keys" in out.stderr


# ---- encrypted keys ----

def sealed(scene, how, passphrase="se cret"):
    path = str(scene.folder / f"{how}.key")
    if how == "pkcs8":
        openssl("pkcs8", "-topk8", "-in", scene.gateway_key, "-v2", "aes-256-cbc", "-passout",
                f"pass:{passphrase}", "-out", path)
    else:
        openssl("ec", "-in", scene.gateway_key, "-aes256", "-passout", f"pass:{passphrase}", "-out", path)
    os.chmod(path, 0o600)
    return path


def secret(path, text="se cret\n", mode=0o600):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, mode)
    return str(path)


@pytest.mark.parametrize("how", ["pkcs8", "traditional"])
def test_an_encrypted_key_is_opened_with_the_passphrase_of_a_file(scene, how):
    key, word = sealed(scene, how), secret(scene.folder / "word")
    with running(scene, f"  - {{name: main, certificate: {scene.gateway_pem}, key: {key}, passphrase: {word}}}"):
        assert shown(scene.outside, scene)[0][0] == "gateway"


def test_an_encrypted_key_is_opened_with_a_systemd_credential(scene, monkeypatch):
    os.mkdir(scene.folder / "credentials")
    secret(scene.folder / "credentials" / "sip-key", "se cret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(scene.folder / "credentials"))
    key = sealed(scene, "pkcs8")
    identity = f'  - {{name: main, certificate: {scene.gateway_pem}, key: {key}, passphrase: "credential:%s"}}'
    with running(scene, identity % "sip-key"):
        assert shown(scene.outside, scene)[0][0] == "gateway"
    out = check(scene, identity % "missing")
    assert out.returncode == 2 and "No such file or directory" in out.stderr
    out = check(scene, identity % "../credentials/sip-key")
    assert out.returncode == 2 and "nor a path" in out.stderr
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    out = check(scene, identity % "sip-key")
    assert out.returncode == 2 and "$CREDENTIALS_DIRECTORY is not set" in out.stderr


@pytest.mark.parametrize("how", ["pkcs8", "traditional"])
def test_an_encrypted_key_without_the_right_passphrase_is_an_error_and_nobody_is_asked(scene, how):
    key = sealed(scene, how)
    identity = f"  - {{name: main, certificate: {scene.gateway_pem}, key: {key}%s}}"
    out = check(scene, identity % "")
    assert out.returncode == 2 and "encrypted, and no passphrase is given" in out.stderr
    for text, words in (("wrong", "the passphrase does not open the encrypted key"), ("\n", "no passphrase in it"),
                        ("x" * 1025, "longer than 1024 bytes")):
        word = secret(scene.folder / "word", text)
        out = check(scene, identity % f", passphrase: {word}")
        assert out.returncode == 2 and words in out.stderr, out.stderr
        assert "PEM pass phrase" not in out.stdout + out.stderr


# ---- keys in a token ----

class Token:
    """A SoftHSM token with the keys of some certificates."""

    def __init__(self, folder, label="sw", pin="1234"):
        self.folder, self.label, self.pin = folder, label, pin
        self.conf = str(folder / "softhsm2.conf")
        os.makedirs(folder / "tokens", exist_ok=True)
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = self.conf
        self.util("--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "5678")

    def util(self, *args):
        subprocess.run(["softhsm2-util", *args], check=True, capture_output=True, timeout=60)

    def add(self, key, label):
        plain = str(self.folder / f"{label}.p8")
        openssl("pkcs8", "-topk8", "-nocrypt", "-in", key, "-out", plain)
        self.util("--import", plain, "--token", self.label, "--label", label, "--id", label.encode().hex(),
                  "--pin", self.pin)
        return f"pkcs11:token={self.label};object={label};type=private"

    def lose(self):
        shutil.rmtree(self.folder / "tokens")


@pytest.fixture
def token(tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTHSM2_CONF", "")
    return Token(tmp_path)


def in_token(scene, token, more=""):
    rsa, rsa_key = scene.pki.domain("token-rsa", "example.test", kind="rsa")
    ec, ec_key = scene.pki.domain("token-ec", "example.test")
    pin = secret(scene.folder / "pin", "1234\n")
    a, b = token.add(rsa_key, "rsa"), token.add(ec_key, "ec")
    return f'  - {{name: main, certificate: [{rsa}, {ec}], key: ["{a}{more}", "{b}{more}"], passphrase: {pin}}}'


def workers(opened):
    return {e["conn"].split(".")[0] for e in opened}


def test_keys_in_a_token_sign_for_every_worker(scene, token):
    """Each worker has a library context of its own; the key was made in the default one."""
    with running(scene, in_token(scene, token), workers=2) as gw:
        for options, leaf in ((["-tls1_3", "-sigalgs", RSA], "token-rsa"), (["-tls1_3", "-sigalgs", ECDSA], "token-ec"),
                              (["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "token-rsa"),
                              (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"], "token-ec")):
            before, kept = len(gw.events("connection_open")), []
            while workers(gw.events("connection_open")[before::2]) != {"0", "1"}:  # the fewest has the next
                assert len(kept) < 40, options
                n = len(kept)
                assert shown(scene.outside, scene, *options)[0][0] == leaf
                gw.wait_event("connection_open", count=before + 2 * n + 1)
                kept.append(sip.tls(scene.outside, **scene.carrier_tls()))
                gw.wait_event("connection_open", count=before + 2 * n + 2)
            for c in kept:
                c.send(sip.request("OPTIONS", "sip:example.test"))
                assert c.final().status == 200
                c.close()


def test_a_key_in_a_token_signs_as_client(scene, token):
    text = config(scene, in_token(scene, token)).replace("partners\n    ping: 0", "partners\n    ping: 1s")
    carrier = sip.Server(port=scene.carrier_port, **scene.carrier_tls())
    with lab.Gateway(scene.folder, text) as gw:
        conn = carrier.accept()
        opened = gw.wait_event("connection_open", direction="out")[0]
        assert opened["shown"] == "main"
        conn.close()


def test_a_token_that_is_lost_fails_handshakes_with_the_reason_and_nothing_else(scene, token):
    with running(scene, in_token(scene, token), workers=2) as gw:
        assert shown(scene.outside, scene)
        token.lose()
        subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}"], input="", capture_output=True,
                       timeout=30, check=False)
        failed = gw.wait_event("connection_failed")[0]
        assert "our own key" in failed["why"] and "token" in failed["help"], failed
        assert gw.alive()


def test_a_token_without_its_pin_or_with_a_wrong_one_is_an_error(scene, token):
    identity = in_token(scene, token)
    module = "/usr/lib/softhsm/libsofthsm2.so"
    assert check(scene, identity).returncode == 0
    assert check(scene, in_token_module(identity, module)).returncode == 0
    out = check(scene, in_token_module(identity, "/usr/lib/missing.so"))
    assert out.returncode == 2 and "the library of its module-path cannot be read" in out.stderr
    out = check(scene, re.sub(", passphrase: [^}]*", "", identity))
    assert out.returncode == 2 and "no passphrase (the token's PIN) is given" in out.stderr
    assert "pkcs11:token" not in out.stderr
    secret(scene.folder / "pin", "9999")
    out = check(scene, identity)
    assert out.returncode == 2 and "the token does not give the key" in out.stderr
    out = check(scene, identity.replace("object=ec", "object=nothing"))
    assert out.returncode == 2 and "the token does not give the key" in out.stderr


def in_token_module(identity, module):
    return identity.replace("type=private", f"type=private?module-path={module}")


# ---- client and server ----

def test_client_and_server_may_show_different_identities(scene):
    out_pem, out_key = scene.pki.domain("trunk", "trunk.example.test", usage="clientAuth")
    identity = (f"  - {{name: main, certificate: {scene.gateway_pem}, key: {scene.gateway_key}}}\n"
                f"  - {{name: trunk, certificate: {out_pem}, key: {out_key}}}")
    text = config(scene, identity, carrier="    identity: trunk").replace("partners\n    ping: 0", "partners\n    ping: 1s")
    carrier = sip.Server(port=scene.carrier_port, **scene.carrier_tls())
    with lab.Gateway(scene.folder, text) as gw:
        conn = carrier.accept()
        names = conn.sock.getpeercert()["subjectAltName"]
        assert ("DNS", "trunk.example.test") in names and ("DNS", "example.test") not in names
        assert gw.wait_event("connection_open", direction="out")[0]["shown"] == "trunk"
        assert shown(scene.outside, scene)[0][0] == "gateway"
        assert gw.wait_event("connection_open", direction="in")[0]["shown"] == "main"


# ---- server names ----

def named(scene):
    one, one_key = scene.pki.leaf("one", san="DNS:one.test,URI:sip:alias.test")
    wild, wild_key = scene.pki.leaf("wild", san="DNS:*.wild.test")
    return (f"  - {{name: main, certificate: {scene.gateway_pem}, key: {scene.gateway_key}}}\n"
            f"  - {{name: one, certificate: {one}, key: {one_key}}}\n"
            f"  - {{name: wild, certificate: {wild}, key: {wild_key}}}")


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_the_server_name_chooses_the_identity(scene, version):
    """RFC 6066 3, RFC 9325 3.7: by exact name, without case; a wildcard only where the certificate has it."""
    with running(scene, named(scene), outside="    sni: [one, wild]") as gw:
        for name, leaf, identity in (("one.test", "one", "one"), ("ONE.test", "one", "one"), ("alias.test", "one", "one"),
                                     ("example.test", "gateway", "main"), ("a.wild.test", "wild", "wild"),
                                     ("a.b.wild.test", "gateway", "main"), ("wild.test", "gateway", "main"),
                                     ("x.one.test", "gateway", "main"), ("unknown.test", "gateway", "main")):
            assert shown(scene.outside, scene, version, "-servername", name)[0][0] == leaf, name
            assert gw.wait_event("connection_open", server_name=name)[0]["shown"] == identity
        assert shown(scene.outside, scene, version, "-noservername")[0][0] == "gateway"
        unknown = gw.events("server_name_unknown")
        assert len(unknown) == 1  # four within ten seconds
        assert unknown[0]["server_name"] == "a.b.wild.test" and unknown[0]["shown"] == "main"


def test_a_known_server_name_is_acknowledged_and_an_unknown_one_is_not(scene):
    """RFC 6066 3: a server that used the name sends the extension back; no warning alert otherwise."""
    with running(scene, named(scene), outside="    sni: [one]"):
        for name, acknowledged in (("one.test", True), ("example.test", True), ("unknown.test", False)):
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", "-tls1_2",
                                   "-servername", name, "-tlsextdebug", "-cert", scene.peer_pem, "-key", scene.peer_key],
                                  input="", capture_output=True, text=True, timeout=30, check=False)
            assert ('TLS server extension "server name"' in done.stdout) == acknowledged
            assert "unrecognized" not in done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_an_unknown_server_name_is_refused_where_that_is_wished(scene, version):
    """RFC 9325 3.7: fatal unrecognized_name; without a name, and with a known one, it goes on."""
    with running(scene, named(scene), outside="    sni: [one]\n    sni_unknown: refuse") as gw:
        assert shown(scene.outside, scene, version, "-servername", "one.test")[0][0] == "one"
        assert shown(scene.outside, scene, version, "-servername", "example.test")[0][0] == "gateway"
        assert shown(scene.outside, scene, version, "-noservername")[0][0] == "gateway"
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{scene.outside}", version,
                               "-servername", "unknown.test", "-cert", scene.peer_pem, "-key", scene.peer_key],
                              input="", capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode != 0 and "alert number 112" in done.stderr, done.stderr
        failed = gw.wait_event("connection_failed")[0]
        assert (failed["alert"], failed["alert_from"], failed["reason"]) == ("unrecognized_name", "us",
                                                                             "unknown_server_name"), failed
        assert failed["server_name"] == "unknown.test" and "sni" in failed["help"], failed
        assert not gw.events("server_name_unknown")


def test_a_name_of_two_identities_stays_with_the_first_and_is_reported(scene):
    twin, twin_key = scene.pki.domain("twin", "example.test")
    identity = (f"  - {{name: main, certificate: {scene.gateway_pem}, key: {scene.gateway_key}}}\n"
                f"  - {{name: twin, certificate: {twin}, key: {twin_key}}}")
    out = check(scene, identity, outside="    sni: [twin]")
    assert out.returncode == 0
    assert 'identities "main" and "twin" both have the name example.test: the first is shown' in out.stderr
    with running(scene, identity, outside="    sni: [twin]"):
        assert shown(scene.outside, scene, "-servername", "example.test")[0][0] == "gateway"


# ---- what ends ----

def test_what_ends_within_30_days_is_warned_of_at_the_start_and_in_check(scene):
    soon, key = scene.pki.domain("soon", "example.test", days="10")
    later, later_key = scene.pki.domain("later", "example.test", days="32")
    identity = f"  - {{name: main, certificate: {soon}, key: {key}}}"
    out = check(scene, identity, strict=True)
    assert out.returncode == 1
    assert re.search(r"certificate: CN = soon expires on .*, in (9|10) days \(used by listener outside and 1 more;", out.stderr)
    with running(scene, identity) as gw:
        ends = gw.events("certificate_ends")
        assert len(ends) == 1 and ends[0]["days_left"] in (9, 10) and ends[0]["entry"] == "main"
        assert ends[0]["used_by"] == "listener outside and 1 more" and ends[0]["subject"] == "CN = soon"
    assert " expire" not in check(scene, f"  - {{name: main, certificate: {later}, key: {later_key}}}").stderr
    unused = f"{identity.replace('main', 'unused')}\n  - {{name: main, certificate: {later}, key: {later_key}}}"
    assert " expire" not in check(scene, unused).stderr


# ---- what check says ----

def usual(scene, certificate, key=None):
    return f"  - {{name: main, certificate: {certificate}, key: {key or scene.gateway_key}}}"


def test_check_of_what_is_in_order_says_nothing_of_identities(scene):
    out = check(scene, pair(scene), strict=True)
    said = [x for x in out.stderr.splitlines() if "clock is not synchronised" not in x]
    assert not [x for x in said if "certificate" in x or 'key "' in x or "domains" in x], said


def test_check_tells_each_weakness_of_a_chain_in_words_of_its_own(scene):
    middle(scene.pki, "top", ca="elsewhere")
    middle(scene.pki, "low", ca="top")
    leaf, key = scene.pki.domain("chained", "example.test", ca="low")
    top, low, root = (scene.pki.path(f"{n}.pem") for n in ("top", "low", "elsewhere"))
    said = {
        (leaf,): "CN = chained, and its issuer CN = Test low is neither",
        (leaf, low): "CN = Test low, and its issuer CN = Test top is neither",
        (leaf, top, low): "out of order: CN = chained must be followed by CN = Test low",
        (leaf, low, root, top): "out of order: CN = Test low must be followed by CN = Test top",
        (leaf, top): "CN = Test top did not issue CN = chained",
        (leaf, low, scene.peer_pem): "CN = peer did not issue CN = Test low",
        (leaf, low, top, root): None,
    }
    for files, words in said.items():
        out = check(scene, usual(scene, join(scene.folder / "chain.pem", *files), key))
        assert out.returncode == 0
        found = [x for x in out.stderr.splitlines() if "warning: certificate" in x]
        assert words in found[0] and len(found) == 1 if words else not found, (files, out.stderr)
        assert all(re.match(r".*check\.yaml:\d+:\d+: warning: ", x) for x in found)


def test_check_takes_an_anchor_that_is_known_for_the_end_of_a_chain(scene):
    assert "neither in the file" not in check(scene, usual(scene, scene.gateway_pem)).stderr  # leaf of a CA in trust


def test_check_minds_an_intermediate_that_only_we_believe(scene):
    """It stands in a trust entry for what peers show; what we show them lacks it."""
    middle(scene.pki, "between")
    leaf, key = scene.pki.domain("far", "example.test", ca="between")
    bundle = join(scene.folder / "bundle.pem", scene.ca, scene.pki.path("between.pem"))
    path = scene.folder / "check.yaml"
    for files, warned in (((leaf,), True), ((leaf, scene.pki.path("between.pem")), False)):
        text = config(scene, usual(scene, join(scene.folder / "chain.pem", *files), key))
        path.write_text(text.replace(f"ca: {scene.ca}}}", f"ca: {bundle}}}"), encoding="utf-8")
        out = lab.run("check", "-c", str(path))
        found = [x for x in out.stderr.splitlines() if "warning: certificate" in x]
        assert out.returncode == 0 and len(found) == warned
        assert not warned or "CN = far, and its issuer CN = Test between is an intermediate" in found[0]


def test_check_tells_of_keys_that_others_may_read(scene):
    key, word = str(scene.folder / "open.key"), secret(scene.folder / "word", mode=0o644)
    for mode, words in ((0o644, "lets everybody on this machine use it"), (0o604, "everybody"), (0o660, "its group change it"),
                        (0o640, None), (0o600, None)):
        shutil.copy(scene.gateway_key, key)
        os.chmod(key, mode)
        out = check(scene, usual(scene, scene.gateway_pem, key))
        assert out.returncode == 0
        assert (f'key "{key}": mode {mode:04o}' in out.stderr) == bool(words) and (words or "") in out.stderr
    identity = f"  - {{name: main, certificate: {scene.gateway_pem}, key: {sealed(scene, 'pkcs8')}, passphrase: {word}}}"
    assert f'passphrase "{word}": mode 0644' in check(scene, identity).stderr


def test_check_tells_of_a_clock_that_the_kernel_calls_unsynchronised(scene):
    """adjtimex(2): TIME_ERROR is 5."""
    asked = ctypes.create_string_buffer(512)  # struct timex, modes 0: only asked
    unsynchronised = ctypes.CDLL(None).adjtimex(asked) == 5
    out = check(scene, usual(scene, scene.gateway_pem))
    assert ("clock is not synchronised" in out.stderr) == unsynchronised
    strict = check(scene, usual(scene, scene.gateway_pem), strict=True)
    assert strict.returncode == (1 if "warning:" in strict.stderr else 0)


@pytest.mark.parametrize("advertise,proved", [("example.test", True), ("other.test", False)])
def test_check_tells_of_an_advertised_host_that_no_identity_proves(scene, advertise, proved):
    """RFC 5922 7.5: the host of our Record-Route must stand in a certificate of ours."""
    out = check(scene, usual(scene, scene.gateway_pem), outside=f"    advertise: {advertise}")
    assert out.returncode == 0, out.stderr
    assert ('no identity of listener "outside" proves the host that it advertises' in out.stderr) != proved, out.stderr


def test_check_tells_of_names_that_do_not_match_the_domains(scene):
    """RFC 5922 6"""
    out = check(scene, usual(scene, scene.gateway_pem), domains="[example.test, second.test]")
    assert "no identity in use proves second.test" in out.stderr and "proves none" not in out.stderr
    other, key = scene.pki.domain("elsewhere-leaf", "elsewhere.test")
    out = check(scene, usual(scene, other, key))
    assert 'certificate of "main" proves none of `domains`' in out.stderr
    assert "no identity in use proves example.test" in out.stderr


@pytest.mark.parametrize("usage,words", [
    ("serverAuth", ["lacks clientAuth, and it is shown as client"]),
    ("clientAuth", ["lacks serverAuth, and it is shown as server"]),
    ("codeSigning", ["lacks clientAuth", "lacks serverAuth"]),
    ("serverAuth,clientAuth", []),
    ("anyExtendedKeyUsage", []),
])
def test_check_tells_of_purposes_that_a_certificate_lacks(scene, usage, words):
    """RFC 5280 4.2.1.12"""
    cert, key = scene.pki.domain("usage-" + usage.replace(",", "-"), "example.test", usage=usage)
    out = check(scene, usual(scene, cert, key))
    assert out.returncode == 0 and out.stderr.count("extendedKeyUsage lacks") == len(words)
    for w in words:
        assert w in out.stderr
