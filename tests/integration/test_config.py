"""Commands, exit codes and what is said of a configuration: the contract, to the letter."""

import json
import re

import pytest
from lab.gateway import Gateway, run

EXAMPLE_KEYS = """
tls_policies:
  - name: old-pbx
    min_version: "1.0"
    ciphers: "AES128-SHA"
    ciphersuites: ""
    groups: ""
registrar: {enabled: false, realm: example.test, algorithms: [SHA-256, MD5], min_expires: 60s, max_expires: 1h}
dns: {servers: [], dnssec: opportunistic}
store: sqlite:sipward.db
admin: {address: 127.0.0.1:8061, socket: sipward.sock}
log: {level: info, format: text}
limits: {drain: 10s}
"""


def check(scene, text, *args):
    path = scene.folder / "checked.yaml"
    path.write_text(text, encoding="utf-8")
    return run("check", "-c", str(path), *args)


def contract_example(scene):
    """The example of the contract, with files and ports that exist here."""
    tls = scene.folder / "tls"
    tls.mkdir()
    branch, _ = scene.pki.self_signed("branch", "DNS:branch.test")
    crl = tls / "ca.crl"
    make_crl(scene, crl)
    for name, source in (("gateway.pem", scene.gateway_pem), ("gateway.key", scene.gateway_key),
                         ("ca.pem", scene.ca), ("branch.pem", branch)):
        (tls / name).write_text(open(source, encoding="ascii").read(), encoding="ascii")
    return f"""
domains: [example.test]            # *
workers: 0                         # 0: one per CPU

identities:
  - name: main
    certificate: tls/gateway.pem
    key: tls/gateway.key

trust:
  - name: partners
    ca: tls/ca.pem
    crl: tls/ca.crl
    depth: 4
  - name: branch-office
    pinned: tls/branch.pem

listen:
  - name: outside
    address: 127.0.0.1:{scene.outside}
    transport: tls
    identity: main
    sni: []
    trust: [partners]
    client_certificate: require
    policy: standard
    advertise: sip.example.test
    transport_tls: auto
    freebind: false
    unknown: drop
  - name: inside
    address: 127.0.0.1:{scene.inside}
    transport: udp

peers:
  - name: carrier
    domain: [peer.test]
    address: [127.0.0.1:7061]
    transport: tls
    identity: main
    trust: partners
    verify: domain
    policy: standard
    security: tls-only
    sips: allow
    listen: outside
    source: []
    without_certificate: refuse
    reverse: flow
    hide_inside: false
    ping: 30s
    timeout: 4s
  - name: pbx
    address: 127.0.0.1:6061
    transport: udp
    source: [127.0.0.0/8]

routes:
  - from: carrier
    to: pbx
  - from: pbx
    user: "+1*"
    to: [carrier]
  - from: any
    reject: 403
{EXAMPLE_KEYS}
"""


def make_crl(scene, path):
    import subprocess
    db = scene.folder / "crl.db"
    db.write_text("", encoding="ascii")
    conf = scene.folder / "crl.cnf"
    conf.write_text(f"[ca]\ndefault_ca=x\n[x]\ndatabase={db}\ndefault_md=sha256\ndefault_crl_days=30\n",
                    encoding="ascii")
    subprocess.run(["openssl", "ca", "-config", str(conf), "-gencrl", "-keyfile",
                    scene.pki.path("ca.key"), "-cert", scene.ca, "-out", str(path)],
                   check=True, capture_output=True)


def test_the_example_of_the_contract_runs_unchanged(scene):
    text = contract_example(scene)
    out = check(scene, text)
    assert out.returncode == 0, out.stderr
    for key in ("store", "admin"):
        assert re.search(rf"checked.yaml:\d+:\d+: note: {key}(.address)?: this version does not act on it", out.stderr)
    with Gateway(scene.folder, text.replace("format: text", "format: json")) as gw:
        assert gw.alive()


MISTAKES = [
    # what is replaced, by what, the message at the end of "FILE:LINE:COLUMN: "
    ("  - name: inside", "  - nmae: inside", 'unknown key "nmae" in a listener (the nearest known is "name")'),
    ("    transport: udp\n    source", "    transport: udp\n    security: tls-only\n    source",
     "security: tls-only on a peer without TLS: it would get everything in the clear (transport: tls, or no security)"),
    ("    identity: main", "    identity: mian", 'identity: there is no identity "mian" (the nearest known is "main")'),
    ("    trust: [partners]", "    trust: [partner]", 'trust: there is no trust entry "partner" (the nearest known is "partners")'),
    ("to: pbx}", "to: pbxx}", 'to: there is no peer "pbxx" (the nearest known is "pbx")'),
    ("{from: carrier", "{from: carier", 'from: there is no peer "carier" (the nearest known is "carrier")'),
    ("    transport: tls\n    identity", "    transport: tsl\n    identity", 'transport: "tsl" is not known (udp|tcp|tls)'),
    # RFC 9325 3.1.2: there is no DTLS, of any version
    ("    transport: tls\n    identity", "    transport: dtls\n    identity", 'transport: "dtls" is not known (udp|tcp|tls)'),
    ("to: pbx}", "to: pbx;q=1.5}", 'to: "pbx;q=1.5" cannot be read (NAME or NAME;q=0.7: 0 to 1, three decimals)'),
    ("to: pbx}", "to: pbx;w=1}", 'to: "pbx;w=1" cannot be read (NAME or NAME;q=0.7: 0 to 1, three decimals)'),
    ("to: pbx}", "to: [pbxx;q=0.5]}", 'to: there is no peer "pbxx" (the nearest known is "pbx")'),
    ("to: pbx}", "to: dns;q=0.5}", "to: dns has no q (peers have)"),
    # docs/groups.md
    ("to: pbx}", "to: [{peer: pbx, wieght: 3}]}", 'unknown key "wieght" in an entry of to (the nearest known is "weight")'),
    ("to: pbx}", "to: [{weight: 3}]}", 'an entry of to lacks "peer" (it must be given)'),
    ("to: pbx}", "to: {peer: pbxx}}", 'to: there is no peer "pbxx" (the nearest known is "pbx")'),
    ("to: pbx}", "to: [{peer: pbx, weight: 65536}]}", "to: weight 65536 is too large (0 to 65535)"),
    ("to: pbx}", "to: [{peer: pbx, order: 65536}]}", "to: order 65536 is too large (0 to 65535)"),
    ("to: pbx}", "to: [{peer: pbx, order: -1}]}", 'order: "-1" cannot be read (a whole number)'),
    ("to: pbx}", "to: [{peer: pbx, q: 2}]}", 'to: q "2" cannot be read (0 to 1, three decimals)'),
    ("to: pbx}", "to: [{peer: dns, weight: 2}]}", "to: dns has no weight (peers have)"),
    ("to: pbx}", "to: [pbx, carrier], choose: random}", 'choose: "random" is not known (order|weight|least-loaded|hash)'),
    ("to: pbx}", "to: [pbx, carrier], choose: hash, fork: parallel}", "choose does not go with fork: parallel"),
    ("to: pbx}", "to: [{peer: pbx, order: 2}, carrier], fork: parallel}", "order does not go with fork: parallel"),
    ("to: pbx}", "to: [{peer: pbx, order: 2}, carrier;q=0.5]}", "to: q does not go with order (order: the lower first)"),
    ("to: pbx}", "to: [pbx, carrier;q=0.5], choose: weight}", "to: q does not go with choose"),
    ("    source: [127", "    fail_after: 1001\n    source: [127", "fail_after: 1001 is too large (0, never, to 1000)"),
    ("    source: [127", "    retry_after: 0\n    source: [127", "retry_after: is out of range (1s to 1h)"),
    ("    source: [127", "    retry_after: 61m\n    source: [127", "retry_after: is out of range (1s to 1h)"),
    ("    source: [127", "    limits: {connection: 3}\n    source: [127", 'unknown key "connection" in the limits of a peer (the nearest known is "connections")'),
    ("    source: [127", "    limits: {calls_per_second: 1000001}\n    source: [127", "calls_per_second: 1000001 is too large (0, any number, to 1000000)"),
    ("    source: [127", "    limits: {transactions: 10000001}\n    source: [127", "transactions: 10000001 is too large (0, any number, to 10000000)"),
    ("    source: [127", "    limits: 5\n    source: [127", "the limits of a peer is not a mapping"),
    ("to: pbx}", "to: [dns, pbx]}", "to: dns stands alone or not at all"),
    ("to: pbx}", "to: [pbx, enum]}",
     "to: enum goes first, and once (the peers behind it are for the numbers that are not in ENUM)"),
    ("to: pbx}", "to: [enum, pbx], fork: parallel}",
     "fork: parallel does not go with to: enum, which is asked before the peers (order or serial)"),
    ("to: pbx}", "to: dns, listen: outsid}",
     'listen: there is no listener "outsid" (the nearest known is "outside")'),
    ("to: pbx}", "to: dns, listen: inside}",
     'listen: "inside" has no TLS, or no trust (a route that leads to strangers goes over TLS only, and believes whom '
     "the listener believes)"),
    ("to: pbx}", "to: pbx, listen: outside}",
     "listen: goes with to: dns and to: enum (a peer has a listen of its own)"),
    ("to: pbx}", "to: dns, suffix: e164.arpa}", "suffix: goes with to: enum"),
    ("to: pbx}", "to: enum, suffix: a..b}",
     'suffix: "a..b" is no domain name (e164.arpa, or that of a private tree)'),
    ("workers: 1", "workers: 1\nlimits: {avoid: 2h}", "7200000 is out of range (0 to 3600000)"),
    ("workers: 1", "workers: 1\nlimits: {uri_bytes: 100}", "100 is out of range (512 to 65536)"),
    ("workers: 1", "workers: 1\nlimits: {resumption: 25h}", "90000000 is out of range (0 to 86400000)"),
    ("workers: 1", "workers: 1\nlimits: {sessions: 0}", "0 is out of range (1 to 10000000)"),
    ("workers: 1", "workers: 1\nlimits: {branches: 65}", "65 is out of range (1 to 64)"),
    ("workers: 1", "workers: 1\ndns: {servers: [resolver.test]}",
     'dns.servers: "resolver.test" cannot be read (IP, IP:PORT or [IPv6]:PORT)'),
    ("workers: 1", "workers: 1\ndns: {servers: ['192.0.2.1:0']}",
     'dns.servers: "192.0.2.1:0" cannot be read (IP, IP:PORT or [IPv6]:PORT)'),
    ("workers: 1", "workers: 1\ndns: {servers: [" + ", ".join(f"192.0.2.{i}" for i in range(1, 10)) + "]}",
     "dns.servers: more than 8"),
    ("workers: 1", "workers: 1\ndns: {dnssec: strict}",
     'dnssec: "strict" is not known (off|opportunistic|require)'),
    ("workers: 1", "workers: 1\ndns: {timeout: 61s}", "61000 is out of range (100 to 60000)"),
    ("workers: 1", "workers: 1\nlimits: {dns_questions: 0}", "0 is out of range (1 to 4000)"),
    ("workers: 1", "workers: 1\nlimits: {dns_cache: 1000001}", "1000001 is out of range (0 to 1000000)"),
    ("workers: 1", "workers: 1\ndns: {dnssec: require, anchor: nowhere.key}",
     'nowhere.key": No such file or directory (a file of DS or DNSKEY records)'),
    ("workers: 1", "workers: 1\nlimits: {headers: 513}", "513 is out of range (32 to 512)"),
    ("workers: 1", "workers: many", 'workers: "many" cannot be read (a whole number)'),
    ("    transport: udp\n    source", "    timeout: 4 seconds\n    transport: udp\n    source", 'timeout: "4 seconds" cannot be read (a time such as 30s, 5m or 1h, at most 24d)'),
    ("    transport: udp\n    source", "    hide_inside: perhaps\n    transport: udp\n    source", 'hide_inside: "perhaps" cannot be read (true or false)'),
    ("workers: 1", "workers: 1\ndomain_key: nowhere", 'nowhere": No such file or directory (a file of random bytes)'),
    ("workers: 1", "workers: 1\nseal_key: [a, b, c, d, e]", "seal_key has 5 files (4 at most: the first seals, all of them open)"),
    ("source: [127.0.0.0/8]", "source: [127.0.0.1/8]", 'source: "127.0.0.1/8" cannot be read'),
    ("    domain: peer.test\n", "", 'a tls peer lacks "domain"'),
    ("    identity: main\n    trust", "    trust", 'a tls listener lacks "identity" (it must be given)'),
]


@pytest.mark.parametrize("old,new,message", MISTAKES)
def test_each_mistake_is_told_with_its_place(scene, old, new, message):
    text = scene.config()
    assert old in text
    out = check(scene, text.replace(old, new, 1))
    assert out.returncode == 2
    found = [line for line in out.stderr.splitlines() if message in line and ": warning:" not in line]
    assert found, out.stderr
    assert re.match(r".*checked\.yaml:\d+:\d+: ", found[0])


def test_all_mistakes_are_told_in_one_run_and_nothing_starts(scene):
    text = scene.config()
    for old, new, _ in MISTAKES[:6]:
        text = text.replace(old, new, 1)
    out = check(scene, text)
    for _, _, message in MISTAKES[:6]:
        assert message in out.stderr, message
    path = scene.folder / "run.yaml"
    path.write_text(text, encoding="utf-8")
    out = run("run", "-c", str(path))
    assert out.returncode == 2 and "event=ready" not in out.stderr


def test_line_and_column_point_at_the_value(scene):
    text = "domains: [example.test]\nlisten:\n  - name: a\n    address: 127.0.0.1:5060\n    transport: udq\n"
    out = check(scene, text)
    assert 'checked.yaml:5:16: transport: "udq" is not known' in out.stderr


def test_a_syntax_error_ends_the_reading(scene):
    out = check(scene, "domains: [example.test\nlisten: 5\nnonsense: true\n")
    assert out.returncode == 2
    errors = [x for x in out.stderr.splitlines() if re.match(r".*checked\.yaml:\d+:\d+: ", x)]
    assert len(errors) == 1 and "YAML: " in errors[0]


def test_key_that_does_not_fit_its_certificate(scene):
    out = check(scene, scene.config().replace(scene.gateway_key, scene.peer_key))
    assert out.returncode == 2 and "does not fit certificate" in out.stderr


def test_unreadable_and_empty_files(scene):
    out = check(scene, scene.config().replace(scene.gateway_pem, "missing.pem"))
    assert out.returncode == 2 and 'missing.pem": No such file or directory' in out.stderr
    (scene.folder / "empty.pem").write_text("", encoding="ascii")
    out = check(scene, scene.config().replace(scene.ca, "empty.pem"))
    assert out.returncode == 2 and "no certificate in it" in out.stderr


def test_expired_certificate_warns_and_strict_says_so(scene):
    cert, key = scene.pki.domain("oldgateway", "example.test", days="-1")
    text = scene.config().replace(scene.gateway_pem, cert).replace(scene.gateway_key, key)
    out = check(scene, text)
    assert out.returncode == 0 and "warning: certificate: " in out.stderr and "expired on" in out.stderr
    assert check(scene, text, "--strict").returncode == 1


@pytest.mark.parametrize("surplus, warned", [("216s", True), ("217s", False)])
def test_surplus_below_the_longest_transaction_warns(scene, surplus, warned):
    """RFC 5923 8.3"""
    out = check(scene, scene.config() + f"limits:\n  surplus: {surplus}\n")
    assert out.returncode == 0 and ("surplus is shorter than a transaction can last" in out.stderr) == warned


@pytest.mark.parametrize("idle, warned", [("216s", True), ("217s", False)])
def test_idle_below_the_longest_transaction_warns(scene, idle, warned):
    """RFC 3261 18: Timer C and the 64*T1 after its CANCEL."""
    out = check(scene, scene.config() + f"limits:\n  idle: {idle}\n")
    assert out.returncode == 0 and ("idle is shorter than a transaction can last" in out.stderr) == warned


@pytest.mark.parametrize("old,new,message", [
    ("to: pbx}", "to: [pbx, {peer: carrier, weight: 2}]}", "to: weight has no effect with choose: order"),
    ("to: pbx}", "to: pbx, choose: hash}", "choose: has no effect with less than two peers"),
    ("    source: [127", "    limits: {connections: 5}\n    source: [127", "connections: has no effect on a peer with transport: udp"),
    ("to: pbx}", "to: [{peer: pbx, q: 0.5}, carrier;q=0.7], fork: serial}", None),
    ("to: pbx}", "to: [{peer: pbx, weight: 0, order: 65535}, carrier], choose: weight, fork: serial}", None),
])
def test_groups_that_have_no_effect_are_warned_of(scene, old, new, message):
    out = check(scene, scene.config().replace(old, new, 1))
    assert out.returncode == 0
    assert message in out.stderr if message else "to:" not in out.stderr and "choose" not in out.stderr, out.stderr


def test_ca_that_is_none_is_an_error(scene):
    out = check(scene, scene.config().replace(scene.ca, scene.peer_pem))
    assert out.returncode == 2 and "is no CA certificate" in out.stderr


def test_two_peers_that_match_are_warned_of(scene):
    text = scene.config().replace(
        "routes:\n", f"  - {{name: pbx2, address: 127.0.0.1:{scene.pbx_port}, transport: udp}}\nroutes:\n", 1)
    out = check(scene, text)
    assert out.returncode == 0
    assert 'peers "pbx" and "pbx2" can both match: what both match is "pbx"\'s' in out.stderr


def test_check_as_json(scene):
    out = check(scene, scene.config().replace("workers: 1", "workers: -1"), "--json")
    findings = json.loads(out.stdout)
    assert any(f["kind"] == "error" and f["line"] > 1 for f in findings)


@pytest.mark.parametrize("args,code", [
    ([], 2), (["help"], 0), (["help", "run"], 0), (["help", "nothing"], 2), (["--help"], 0),
    (["run", "--help"], 0), (["check", "--help"], 0), (["version", "--help"], 0), (["version"], 0),
    (["version", "--json"], 0), (["run"], 2), (["check"], 2), (["run", "-c"], 2), (["runn"], 2),
    (["run", "-c", "/nonexistent.yaml"], 2), (["check", "-c", "/nonexistent.yaml"], 2),
    (["check", "--nonsense"], 2),
])
def test_exit_codes(args, code):
    assert run(*args).returncode == code


def test_version_names_the_library():
    out = run("version")
    assert "OpenSSL 3" in out.stdout and out.stdout.startswith("sipward ")
    assert "OpenSSL" in json.loads(run("version", "--json").stdout)["tls"]


def test_address_in_use_says_so(scene):
    with scene.gateway():
        path = scene.folder / "second.yaml"
        path.write_text(scene.config(), encoding="utf-8")
        out = run("run", "-c", str(path))
        assert out.returncode == 1
        assert "event=listen_failed" in out.stderr and "another process has the address" in out.stderr


def test_log_in_text_form(scene):
    path = scene.folder / "text.yaml"
    path.write_text(scene.config(), encoding="utf-8")
    import signal
    import subprocess
    import time
    from lab.gateway import BINARY
    p = subprocess.Popen([BINARY, "run", "-c", str(path)], stderr=subprocess.PIPE, text=True)
    line = p.stderr.readline()
    while "event=ready" not in line and line:
        line = p.stderr.readline()
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info event=ready workers=1 ", line)
    p.send_signal(signal.SIGTERM)
    end = time.monotonic() + 20
    while p.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    assert p.returncode == 0
    p.stderr.close()


@pytest.mark.parametrize("ciphers,kind,message", [
    ("eNULL", "error", "never used"),
    ("ECDHE+AESGCM:aNULL", "error", "never used"),
    ("no-such-suite", "error", "does not know"),
    ("AES128-GCM-SHA256", "warning", "no forward secrecy"),
    ("ECDHE-ECDSA-AES128-SHA", "warning", "no AEAD"),
    ("ECDHE+AESGCM", None, ""),
])
def test_own_tls_policies_are_judged(scene, ciphers, kind, message):
    """RFC 9325 4.1 and 4.2."""
    text = scene.config() + f'tls_policies:\n  - name: mine\n    ciphers: "{ciphers}:@SECLEVEL=0"\n'
    out = check(scene, text)
    assert out.returncode == (2 if kind == "error" else 0), out.stderr
    found = [line for line in out.stderr.splitlines() if 'TLS policy "mine"' in line]
    assert bool(found) == bool(kind), out.stderr
    if kind:
        assert message in found[0] and (": warning:" in found[0]) == (kind == "warning")


@pytest.mark.parametrize("value,ok", [("24d", True), ("25d", False), ("99999999999999h", False)])
def test_times_have_an_end(scene, value, ok):
    out = check(scene, scene.config() + f"limits:\n  idle: {value}\n")
    assert ("cannot be read" not in out.stderr) == ok, out.stderr


@pytest.mark.parametrize("route,message", [
    ("{to: dns}", "to: dns lets whoever a trusted CA gave a certificate have requests relayed to every domain"),
    ("{from: verified, to: enum}", "to: enum lets whoever a trusted CA gave a certificate"),
    ("{from: pbx, to: dns}", None),
])
def test_an_open_relay_is_told(scene, route, message):
    out = check(scene, scene.config(routes=f"  - {route}\n"))
    assert out.returncode == 0, out.stderr
    assert (": warning: " + message in out.stderr) if message else "relayed" not in out.stderr


def test_a_peer_that_is_found_by_dns_needs_a_source_without_tls(scene):
    text = scene.config().replace(f"    address: 127.0.0.1:{scene.pbx_port}\n    transport: udp\n    source: [127.0.0.0/8]",
                                  "    domain: pbx.test\n    transport: udp", 1)
    out = check(scene, text)
    assert out.returncode == 0 and 'peer "pbx" has no address and no source' in out.stderr, out.stderr
