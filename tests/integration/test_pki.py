"""`sipward pki`: what it makes is used by the gateway and read by OpenSSL, and wrong uses are told."""

import json
import os
import pty
import re
import resource
import signal
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lab import sip
from lab.gateway import BINARY, SANITIZERS, Gateway, run


def pki(*args, code=0, **more):
    out = run("pki", *args, **more)
    assert out.returncode == code, out.stdout + out.stderr
    return out.stderr if code else out.stdout


def openssl(*args, code=0):
    out = subprocess.run(["openssl", *args], capture_output=True, text=True, check=False, timeout=30)
    assert (out.returncode == 0) == (code == 0), out.stdout + out.stderr
    return out.stdout + out.stderr


@pytest.fixture
def ca(tmp_path):
    folder = str(tmp_path / "ca")
    pki("init", folder)
    return folder


def issue(ca, name, *domains, more=()):
    return pki("issue", ca, name, *(a for d in domains for a in ("--domain", d)), *more)


def listed(ca):
    return json.loads(pki("list", ca, "--json"))


def show(path):
    return json.loads(pki("show", str(path), "--json"))


def files(folder):
    """Names and contents, to see that nothing changed."""
    found = {}
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            found[name] = f.read()
    return found


# ---- with a running gateway ----


def use(scene, ca):
    """Puts certificates of this CA in the place of the scene's."""
    issue(ca, "gateway", "example.test")
    issue(ca, "peer", "peer.test")
    scene.ca = f"{ca}/ca.pem"
    scene.gateway_pem, scene.gateway_key = f"{ca}/gateway.pem", f"{ca}/gateway.key"
    scene.peer_pem, scene.peer_key = f"{ca}/peer.pem", f"{ca}/peer.key"
    return scene.config().replace(f"ca: {scene.ca}}}", f"ca: {scene.ca}, crl: {ca}/ca.crl}}", 1)


def test_made_files_carry_a_call_in_both_directions(scene, ca):
    config = use(scene, ca)
    server = sip.Server(**scene.carrier_tls(), port=scene.carrier_port)
    with Gateway(scene.folder, config) as gw:
        pbx = sip.Udp(scene.pbx_port)
        c = sip.tls(scene.outside, **scene.carrier_tls())
        c.send(sip.request("MESSAGE"))
        pbx.send(sip.response(pbx.recv(), 200))
        assert c.final().status == 200
        c.close()
        gw.wait_event("connection_closed")
        pbx.send(sip.request("MESSAGE", "sip:alice@peer.test", "UDP", f"127.0.0.1:{pbx.port}"),
                 scene.inside)
        s = server.accept()
        s.send(sip.response(s.recv(), 200))
        assert pbx.final().status == 200
        assert gw.events("connection_open", peer="carrier", direction="in", identity="peer.test")
        assert gw.events("connection_open", peer="carrier", direction="out", identity="peer.test")


def refused(scene, config):
    """The log line of a carrier that is refused."""
    with Gateway(scene.folder, config) as gw:
        try:
            c = sip.tls(scene.outside, **scene.carrier_tls())
            c.wait_closed()
        except OSError:
            pass  # TLS 1.3 tells a client of its refusal late
        return gw.wait_event("connection_failed", phase="handshake")[0]["why"]


def test_revoked_certificate_is_refused_by_the_gateway(scene, ca):
    config = use(scene, ca)
    pki("revoke", ca, "peer")
    assert "revoked" in refused(scene, config)


def test_sip_domain_purpose_suffices_in_both_roles(scene, ca):
    """RFC 5924 5: id-kp-sipDomain is acceptable whatever else the extension names."""
    config = use(scene, ca)
    issue(ca, "peer", "peer.test", more=["--renew", "--server"])
    with Gateway(scene.folder, config) as gw:
        sip.tls(scene.outside, **scene.carrier_tls())
        assert gw.wait_event("connection_open")[0]["peer"] == "carrier"


def test_printed_lines_are_a_configuration(scene, ca):
    text = issue(ca, "main", "example.test")
    lines = re.findall(r"^  .*\n", text, re.M)
    assert [line.strip() for line in lines if line.rstrip().endswith(":")] == ["identities:", "trust:"]
    config = scene.config(outside="    advertise: example.test")
    config = config[:config.index("identities:")] + "".join(line[2:] for line in lines) \
        + config[config.index("listen:"):]
    path = scene.folder / "printed.yaml"
    path.write_text(config.replace("partners", "private"), encoding="utf-8")
    out = run("check", "-c", str(path))
    weak = [line for line in out.stderr.splitlines() if "warning:" in line and "clock" not in line]
    assert out.returncode == 0 and not weak, out.stderr


# ---- with OpenSSL ----


@pytest.mark.parametrize("kind", [[], ["--rsa", "2048"]])
def test_openssl_verifies_and_reads_what_is_made(tmp_path, kind):
    ca = str(tmp_path / "ca")
    pki("init", ca, *kind)
    issue(ca, "gw", "SIP.Example.test", "b.test", more=["--ip", "192.0.2.1", "--ip", "2001:db8::1", *kind])
    for purpose in ("sslserver", "sslclient"):
        openssl("verify", "-x509_strict", "-crl_check", "-purpose", purpose, "-CAfile", f"{ca}/ca.pem",
                "-CRLfile", f"{ca}/ca.crl", f"{ca}/gw.pem")
    text = openssl("x509", "-in", f"{ca}/gw.pem", "-noout", "-text")
    # RFC 5922 7.1: sip URIs, and DNS names for those who know no other
    assert "URI:sip:sip.example.test, DNS:sip.example.test, URI:sip:b.test, DNS:b.test, " \
        "IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1" in text
    # RFC 5924 4: id-kp-sipDomain beside what TLS asks for
    assert "TLS Web Server Authentication, TLS Web Client Authentication, 1.3.6.1.5.5.7.3.20" in text
    assert "CA:FALSE" in text and "sha256" in text.lower()
    usage = re.search(r"Key Usage: critical\n\s*(.*)", text).group(1)
    assert usage == ("Digital Signature, Key Encipherment" if kind else "Digital Signature")
    top = openssl("x509", "-in", f"{ca}/ca.pem", "-noout", "-text")
    assert "CA:TRUE, pathlen:0" in top and "Certificate Sign, CRL Sign" in top
    key = re.search(r"Authority Key Identifier: \n\s*(\S+)", text).group(1)
    assert key == re.search(r"Subject Key Identifier: \n\s*(\S+)", top).group(1)
    openssl("pkey", "-in", f"{ca}/gw.key", "-check", "-noout")


def test_revocation_list_as_openssl_reads_it(ca):
    issue(ca, "a", "a.test")
    issue(ca, "b", "b.test")
    first = show(f"{ca}/ca.crl")[0]
    pki("revoke", ca, "a")
    text = openssl("crl", "-in", f"{ca}/ca.crl", "-CAfile", f"{ca}/ca.pem", "-noout", "-text")
    assert "verify OK" in text and "Version 2" in text and "X509v3 CRL Number" in text
    assert "Authority Key Identifier" in text
    rows = {r["name"]: r for r in listed(ca)}
    assert re.findall(r"Serial Number: (\w+)", text) == [rows["a"]["serial"].upper()]
    check = ["verify", "-crl_check", "-CAfile", f"{ca}/ca.pem", "-CRLfile", f"{ca}/ca.crl"]
    assert "revoked" in openssl(*check, f"{ca}/a.pem", code=1)
    openssl(*check, f"{ca}/b.pem")
    second = show(f"{ca}/ca.crl")[0]
    assert (first["revoked"], second["revoked"]) == (0, 1)
    assert int(second["number"], 16) > int(first["number"], 16)  # RFC 5280 5.2.3


def test_renewed_revocation_list_keeps_rows_and_length(ca):
    issue(ca, "a", "a.test")
    pki("crl", ca, "--crl-days", "7")
    assert show(f"{ca}/ca.crl")[0]["days_left"] in (6, 7)
    pki("revoke", ca, "a")
    before = show(f"{ca}/ca.crl")[0]
    assert before["days_left"] in (6, 7) and before["revoked"] == 1
    os.unlink(f"{ca}/ca.crl")  # the index alone is enough
    pki("crl", ca)
    after = show(f"{ca}/ca.crl")[0]
    assert after["revoked"] == 1 and int(after["number"], 16) > int(before["number"], 16)


# ---- files ----


def test_keys_are_for_their_owner_alone(ca):
    issue(ca, "a", "a.test")
    for name in ("ca.key", "a.key"):
        assert stat.S_IMODE(os.stat(f"{ca}/{name}").st_mode) == 0o600
    os.chmod(f"{ca}/a.key", 0o644)
    assert any("chmod" in w for w in show(f"{ca}/a.key")[0]["warnings"])


def test_serials_are_long_and_differ(ca):
    for i in range(4):
        issue(ca, f"n{i}", "a.test")
    serials = {r["serial"] for r in listed(ca)}
    assert len(serials) == 4 and all(re.fullmatch("[4-7][0-9a-f]{31}", s) for s in serials)


def test_a_ca_is_never_overwritten(ca):
    before = files(ca)
    assert "never overwritten" in pki("init", ca, code=1)
    assert files(ca) == before


def test_a_name_is_given_once_and_renewed_when_asked(ca):
    issue(ca, "a", "a.test")
    before = files(ca)
    assert "has a certificate already" in pki("issue", ca, "a", "--domain", "a.test", code=1)
    assert files(ca) == before
    serial = listed(ca)[0]["serial"]
    issue(ca, "a", "a.test", more=["--renew"])
    after = files(ca)
    assert after[f"a.{serial}.pem"] == before["a.pem"] and after[f"a.{serial}.key"] == before["a.key"]
    assert after["a.pem"] != before["a.pem"]
    assert "no certificate" in pki("issue", ca, "b", "--domain", "b.test", "--renew", code=1)
    # the name stands for both, a serial for one
    pki("revoke", ca, "a", "--serial", serial)
    assert [r["status"] for r in listed(ca)] == ["revoked", "valid"]
    pki("revoke", ca, "a")
    assert [r["status"] for r in listed(ca)] == ["revoked", "revoked"]
    assert "was revoked on" in pki("issue", ca, "a", "--domain", "a.test", code=1)


def test_files_of_others_are_not_overwritten(ca):
    for name in ("x.pem", "x.key"):
        path = os.path.join(ca, name)
        with open(path, "w", encoding="ascii") as f:
            f.write("mine")
        before = files(ca)
        assert "there already" in pki("issue", ca, "x", "--domain", "a.test", code=1)
        assert files(ca) == before
        os.unlink(path)


def limit(size):
    """What a child process does first: files it writes end at `size` bytes, as on a full disk."""
    def set_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return set_limit


@pytest.mark.parametrize("size", [0, 300, 500])
def test_disk_that_is_full_changes_nothing(tmp_path, ca, size):
    issue(ca, "a", "a.test")
    before = files(ca)
    commands = [["issue", ca, "b", "--domain", "b.test"], ["issue", ca, "a", "--domain", "b.test", "--renew"]]
    if size < 400:  # index and CRL are smaller than a certificate
        commands.append(["revoke", ca, "a"])
    for args in commands:
        out = pki(*args, code=1, preexec_fn=limit(size))
        assert "cannot write" in out and "nothing was changed" in out
        left = {k: v for k, v in files(ca).items() if not re.match(r"a\.\w{32}\.", k)}
        assert left == before
    new = str(tmp_path / "new")
    assert "cannot write" in pki("init", new, code=1, preexec_fn=limit(size))
    assert os.listdir(new) == []
    pki("init", new)


def test_directory_that_cannot_be_written_in(tmp_path):
    assert "cannot write in" in pki("init", "/proc", code=1)
    (tmp_path / "file").write_text("")
    assert "cannot open" in pki("init", str(tmp_path / "file"), code=1)
    assert "cannot make the directory" in pki("init", str(tmp_path / "no" / "such"), code=1)


def test_leftovers_of_an_interrupted_command_do_no_harm(ca):
    for name in (".index.new", ".a.key.new", ".ca.crl.new"):
        with open(os.path.join(ca, name), "w", encoding="ascii") as f:
            f.write("half")
    issue(ca, "a", "a.test")
    pki("revoke", ca, "a")
    assert not [n for n in os.listdir(ca) if n.endswith(".new")]
    # the index may be ahead of the files: it can be revoked, and the name renewed
    issue(ca, "b", "b.test")
    os.unlink(f"{ca}/b.pem")
    os.unlink(f"{ca}/b.key")
    issue(ca, "b", "b.test", more=["--renew"])
    openssl("verify", "-CAfile", f"{ca}/ca.pem", f"{ca}/b.pem")
    assert [r["name"] for r in listed(ca)] == ["a", "b", "b"]


def test_commands_at_the_same_time_lose_nothing(ca):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: issue(ca, f"n{i}", "a.test"), range(8)))
    assert sorted(r["name"] for r in listed(ca)) == [f"n{i}" for i in range(8)]


def test_broken_index_is_named_by_its_line(ca):
    issue(ca, "a", "a.test")
    with open(f"{ca}/index", "a", encoding="ascii") as f:
        f.write("valid\thalf")
    before = files(ca)
    for args in (["issue", ca, "b", "--domain", "b.test"], ["revoke", ca, "a"], ["crl", ca], ["list", ca]):
        assert "index:3: not a line" in pki(*args, code=1)
    assert files(ca) == before


# ---- the passphrase ----


@pytest.fixture
def locked(tmp_path):
    folder, secret = str(tmp_path / "locked"), tmp_path / "secret"
    secret.write_text("correct horse battery\nmore\n")
    pki("init", folder, "--encrypt", "--passphrase-file", str(secret))
    return folder, str(secret)


def test_encrypted_key_needs_its_passphrase(tmp_path, locked):
    ca, secret = locked
    assert "ENCRYPTED PRIVATE KEY" in files(ca)["ca.key"].decode()
    assert show(f"{ca}/ca.key")[0]["kind"] == "encrypted private key"
    openssl("pkey", "-in", f"{ca}/ca.key", "-passin", "pass:correct horse battery", "-noout")
    issue(ca, "a", "a.test", more=["--passphrase-file", secret])
    pki("revoke", ca, "a", "--passphrase-file", secret)
    wrong = tmp_path / "wrong"
    wrong.write_text("another\n")
    before = files(ca)
    assert "does not open" in pki("crl", ca, "--passphrase-file", str(wrong), code=1)
    assert "--passphrase-file" in pki("crl", ca, code=1, start_new_session=True)
    assert files(ca) == before
    assert "too short" in pki("init", str(tmp_path / "n"), "--encrypt", "--passphrase-file", str(wrong), code=1)


def typed(args, *answers):
    """Runs a command on a terminal; gives what it showed and its exit code."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(BINARY, [BINARY, "pki", *args], dict(os.environ, **SANITIZERS))
    shown, asked, end = b"", 0, time.monotonic() + 120
    while time.monotonic() < end:
        try:
            more = os.read(fd, 4096)
        except OSError:
            break
        if not more:
            break
        shown += more
        if asked < len(answers) and shown.count(b": ") > asked and shown.endswith(b": "):
            os.write(fd, answers[asked].encode() + b"\n")
            asked += 1
    os.close(fd)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_passphrase_is_asked_for_and_not_shown(tmp_path):
    ca, secret = str(tmp_path / "typed"), "a long passphrase"
    shown, code = typed(["init", ca, "--encrypt"], secret, "another one")
    assert code == 1 and "differ" in shown and os.listdir(ca) == []
    shown, code = typed(["init", ca, "--encrypt"], secret + "\x03")  # interrupted
    assert code == -signal.SIGINT and os.listdir(ca) == []
    shown, code = typed(["init", ca, "--encrypt"], secret, secret)
    assert code == 0 and secret not in shown
    shown, code = typed(["issue", ca, "a", "--domain", "a.test"], secret)
    assert code == 0 and secret not in shown
    openssl("verify", "-CAfile", f"{ca}/ca.pem", f"{ca}/a.pem")


# ---- show ----


def test_show_finds_the_identities_and_digests(ca):
    issue(ca, "gw", "example.test", "b.test", more=["--ip", "192.0.2.1", "--days", "90"])
    c = show(f"{ca}/gw.pem")[0]
    assert c["identities"] == ["example.test", "b.test"] and c["warnings"] == []
    assert {"kind": "IP", "text": "192.0.2.1"} in c["names"]
    assert (c["key"], c["key_bits"]) == ("EC P-256", 256) and c["days_left"] in (89, 90)
    assert c["purposes"] == "serverAuth clientAuth sipDomain"
    digest = openssl("x509", "-in", f"{ca}/gw.pem", "-noout", "-fingerprint", "-sha256")
    assert digest.split("=")[1].strip().replace(":", "").lower() == c["sha256"]
    assert show(f"{ca}/gw.key")[0]["public_key_sha256"] == c["public_key_sha256"]
    text = pki("show", f"{ca}/gw.pem")
    assert re.search(r"proves +example\.test b\.test\n", text)
    assert "path_length" in show(f"{ca}/ca.pem")[0]


def self_signed(tmp_path, *more, subject="/CN=old.test", key="rsa:2048"):
    path = tmp_path / "made.pem"
    openssl("req", "-x509", "-newkey", key, "-nodes", "-keyout", str(tmp_path / "made.key"), "-out",
            str(path), "-subj", subject, "-addext", "basicConstraints=critical,CA:FALSE", *more)
    return path


@pytest.mark.parametrize("more,subject,key,words", [
    ([], "/CN=old.test", "rsa:2048", ["the CN only"]),
    ([], "/CN=Old Firm", "rsa:2048", ["proves no SIP domain"]),
    (["-addext", "subjectAltName=URI:sip:user@a.test"], "/CN=a.test", "rsa:2048", ["no SIP domain among"]),
    (["-addext", "subjectAltName=DNS:*.a.test"], "/CN=a", "rsa:2048", ["no SIP domain among", "wildcard"]),
    (["-addext", "subjectAltName=DNS:a.test", "-sha1"], "/CN=a", "rsa:2048", ["SHA-1"]),
    (["-addext", "subjectAltName=DNS:a.test"], "/CN=a", "rsa:1024", ["less than 2048"]),
    (["-addext", "subjectAltName=DNS:a.test", "-days", "5"], "/CN=a", "rsa:2048", ["within 30 days"]),
    (["-addext", "subjectAltName=DNS:a.test", "-addext", "extendedKeyUsage=serverAuth"], "/CN=a",
     "rsa:2048", ["no clientAuth"]),
    (["-addext", "subjectAltName=DNS:a.test", "-addext", "extendedKeyUsage=clientAuth"], "/CN=a",
     "rsa:2048", ["no serverAuth"]),
    (["-addext", "subjectAltName=DNS:a.test", "-days", "60"], "/CN=a", "rsa:2048", []),
])
def test_show_warns_in_words(tmp_path, more, subject, key, words):
    if "-days" not in more:
        more = [*more, "-days", "60"]
    found = show(self_signed(tmp_path, *more, subject=subject, key=key))[0]["warnings"]
    assert len(found) == len(words), found
    for word, warning in zip(words, found):
        assert word in warning


def test_show_warns_of_dates_that_are_past(tmp_path, ca):
    issue(ca, "gw", "example.test")
    csr, cnf, path = (str(tmp_path / n) for n in ("csr", "cnf", "old.pem"))
    openssl("req", "-new", "-key", f"{ca}/gw.key", "-subj", "/CN=a.test", "-out", csr)
    signer = ["-CA", f"{ca}/ca.pem", "-CAkey", f"{ca}/ca.key", "-CAcreateserial"]
    openssl("x509", "-req", "-in", csr, *signer, "-CAserial", str(tmp_path / "srl"), "-days", "-1", "-out", path)
    c = show(path)[0]
    assert any("expired" in w for w in c["warnings"]) and c["days_left"] in (-1, -2)
    with open(cnf, "w", encoding="ascii") as f:
        f.write(f"[ca]\ndefault_ca=own\n[own]\ndatabase={tmp_path}/db\ndefault_md=sha256\n")
    open(tmp_path / "db", "w", encoding="ascii").close()
    openssl("ca", "-config", cnf, "-cert", f"{ca}/ca.pem", "-keyfile", f"{ca}/ca.key", "-gencrl", "-out", path,
            "-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200201000000Z")
    crl = show(path)[0]
    assert any("to be replaced" in w for w in crl["warnings"])
    assert crl["next_update"] == "2020-02-01T00:00:00Z"


def test_show_escapes_what_a_name_holds(tmp_path):
    path = self_signed(tmp_path, "-addext", "subjectAltName=DNS:a\x1b[31m\\\"b", "-days", "60")
    assert "\x1b" not in pki("show", str(path))
    assert show(path)[0]["names"][0]["text"].startswith("a\x1b[31m")


def test_show_names_what_is_broken(tmp_path, ca):
    path = tmp_path / "two.pem"
    with open(f"{ca}/ca.pem", encoding="ascii") as f:
        whole = f.read()
    path.write_text(whole + whole[:200])
    out = run("pki", "show", str(path), "--json")
    assert out.returncode == 1 and "broken in 1 place" in out.stderr
    assert [i["kind"] for i in json.loads(out.stdout)] == ["certificate", "broken"]
    path.write_text("nothing of the kind")
    assert "no certificate" in pki("show", str(path), code=1)
    assert "No such file" in pki("show", str(tmp_path / "none.pem"), code=1)


# ---- wrong uses ----


@pytest.mark.parametrize("args,words", [
    (["init"], "DIR is missing"),
    (["issue"], "DIR is missing"),
    (["issue", "ca"], "NAME is missing"),
    (["issue", "ca", "a"], "--domain is missing"),
    (["show"], "FILE is missing"),
    (["init", "ca", "b"], "one argument too many"),
    (["issue", "ca", "a", "--domain"], "lacks its value"),
    (["issue", "ca", "a", "--domian", "a.test"], "is not an option"),
    (["list", "ca", "--days", "3"], "is not an option"),
    (["issue", "ca", "ca", "--domain", "a.test"], "is not a NAME"),
    (["issue", "ca", "../a", "--domain", "a.test"], "is not a NAME"),
    (["issue", "ca", "a" * 65, "--domain", "a.test"], "is not a NAME"),
    (["issue", "ca", "a", "--domain", "*.a.test"], "wildcard"),
    (["issue", "ca", "a", "--domain", "sip:a.test"], "without a scheme"),
    (["issue", "ca", "a", "--domain", "https://a.test"], "without a scheme"),
    (["issue", "ca", "a", "--domain", "a.test:5061"], "without a port"),
    (["issue", "ca", "a", "--domain", "bob@a.test"], "without a user"),
    (["issue", "ca", "a", "--domain", "192.0.2.1"], "--ip"),
    (["issue", "ca", "a", "--domain", "2001:db8::1"], "--ip"),
    (["issue", "ca", "a", "--domain", "a..test"], "not a host name"),
    (["issue", "ca", "a", "--domain", "a.test."], "not a host name"),
    (["issue", "ca", "a", "--domain", "-a.test"], "not a host name"),
    (["issue", "ca", "a", "--domain", "a.1"], "not a host name"),
    (["issue", "ca", "a", "--domain", "a" * 64 + ".test"], "not a host name"),
    (["issue", "ca", "a", "--domain", "a." * 126 + "bc"], "253"),
    (["issue", "ca", "a", "--domain", "b\u00fccher.test"], "xn--"),
    (["issue", "ca", "a", "--domain", ""], "not a host name"),
    (["issue", "ca", "a", "--domain", "a.test", "--domain", "A.test"], "given twice"),
    (["issue", "ca", "a", "--domain", "a.test", "--ip", "a.test"], "not an address"),
    (["issue", "ca", "a", "--domain", "a.test", "--days", "0"], "from 1 to"),
    (["issue", "ca", "a", "--domain", "a.test", "--rsa", "1024"], "from 2048 to"),
    (["init", "ca", "--passphrase-file", "f"], "--encrypt"),
    (["renew", "ca"], "no such command"),
    ([], "is missing"),
])
def test_wrong_arguments_are_told(tmp_path, args, words):
    error = pki(*args, code=2, cwd=tmp_path)
    assert words in error and "usage: sipward pki" in error
    assert os.listdir(tmp_path) == []


def test_wrong_directory_or_name_is_told(tmp_path, ca):
    none = str(tmp_path / "none")
    for args in (["issue", none, "a", "--domain", "a.test"], ["revoke", none, "a"], ["crl", none], ["list", none]):
        assert "pki init" in pki(*args, code=1)
    assert not os.path.exists(none)
    assert "no CA in" in pki("issue", str(tmp_path), "a", "--domain", "a.test", code=1)
    assert "there is no certificate \"a\"" in pki("revoke", ca, "a", code=1)
    issue(ca, "a", "a.test")
    pki("revoke", ca, "a")
    assert "already" in pki("revoke", ca, "a", code=1)
    assert "--days at most" in pki("issue", ca, "b", "--domain", "a.test", "--days", "3700", code=1)


def test_certificate_does_not_outlive_its_ca(tmp_path):
    ca = str(tmp_path / "short")
    pki("init", ca, "--days", "10")
    issue(ca, "a", "a.test")
    assert show(f"{ca}/a.pem")[0]["not_after"] == show(f"{ca}/ca.pem")[0]["not_after"]


@pytest.mark.parametrize("command", ["init", "issue", "revoke", "crl", "list", "show"])
def test_each_command_has_help(command):
    text = pki(command, "--help")
    assert text.startswith(f"usage: sipward pki {command} ") and "Exit:" in text
    assert run("help", "pki", command).stdout == text
    assert command in run("help", "pki").stdout
