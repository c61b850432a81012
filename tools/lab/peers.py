"""Real peers from Debian's packages: sipp, Kamailio, baresip."""

import json
import os
import re
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def wait_port(port, kind="tcp", timeout=10):
    """Waits until somebody listens on a port of 127.0.0.1."""
    table = "/proc/net/tcp" if kind == "tcp" else "/proc/net/udp"
    state = "0A" if kind == "tcp" else "07"
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        with open(table, encoding="ascii") as f:
            for line in f.readlines()[1:]:
                fields = line.split()
                if fields[1].endswith(f":{port:04X}") and fields[3] == state:
                    return
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens on {kind} port {port}")


class Sipp:
    """A sipp process with one of the scenarios of this folder."""

    def __init__(self, folder, scenario, port, target=None, calls=1, transport="u1", service="bob",
                 rate=50, extra=()):
        self.log = os.path.join(str(folder), f"sipp-{scenario}-{port}.log")
        args = ["sipp", "-sf", os.path.join(HERE, "sipp", f"{scenario}.xml"), "-i", "127.0.0.1", "-p",
                str(port), "-m", str(calls), "-r", str(rate), "-t", transport, "-s", service, "-nostdin",
                "-timeout", "40s", "-trace_err", "-error_file", self.log, *extra]
        if target:
            args.append(target)
        # sipp reserves media ports with lock files in its working directory
        self.process = subprocess.Popen(args, cwd=str(folder), stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)
        if not target:
            wait_port(port, "udp" if transport.startswith("u") else "tcp")

    def wait(self, timeout=45):
        """Waits for all calls; fails with sipp's own words unless every one succeeded."""
        try:
            out, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, _ = self.process.communicate()
        errors = ""
        if os.path.exists(self.log):
            with open(self.log, encoding="utf-8", errors="replace") as f:
                errors = f.read()
        assert self.process.returncode == 0, f"sipp: {self.process.returncode}\n{out[-3000:]}\n{errors}"

    def kill(self):
        self.process.kill()
        self.process.wait()


KAMAILIO = """
debug=0
log_stderror=yes
fork=yes
children=1
tcp_children=1
enable_tls=yes
listen=udp:127.0.0.1:{udp}
listen=tls:127.0.0.1:{tls}
alias="peer.test"
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/:/usr/lib/aarch64-linux-gnu/kamailio/modules/"
loadmodule "tls.so"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
modparam("tls", "config", "{folder}/kamailio-tls.cfg")
modparam("rr", "enable_double_rr", 1)
request_route {{
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ t_relay(); exit; }}
        if (is_method("ACK")) {{ if (t_check_trans()) t_relay(); exit; }}
        sl_send_reply("404", "Not Here");
        exit;
    }}
    t_check_trans();
    if (is_method("INVITE|SUBSCRIBE")) record_route();
    if ($pr == "tls") $du = "sip:127.0.0.1:{inside}";
    else $du = "sip:127.0.0.1:{gateway};transport=tls";
    t_relay();
}}
"""

KAMAILIO_TLS = """
[server:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {cert}
ca_list = {ca}
[client:default]
method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = {key}
certificate = {cert}
ca_list = {ca}
"""


class Kamailio:
    """Kamailio as the carrier: TLS towards the gateway, UDP behind it."""

    def __init__(self, folder, cert, key, ca, tls, udp, inside, gateway):
        folder = str(folder)
        with open(os.path.join(folder, "kamailio.cfg"), "w", encoding="ascii") as f:
            f.write(KAMAILIO.format(folder=folder, tls=tls, udp=udp, inside=inside, gateway=gateway))
        with open(os.path.join(folder, "kamailio-tls.cfg"), "w", encoding="ascii") as f:
            f.write(KAMAILIO_TLS.format(cert=cert, key=key, ca=ca))
        self.log = open(os.path.join(folder, "kamailio.log"), "w", encoding="utf-8")
        self.process = subprocess.Popen(
            ["kamailio", "-f", os.path.join(folder, "kamailio.cfg"), "-DD", "-E", "-m", "64", "-M", "8",
             "-Y", folder], stdout=self.log, stderr=self.log)
        wait_port(tls)
        wait_port(udp, "udp")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


BARESIP = """
poll_method epoll
sip_listen 127.0.0.1:{port}
{tls}
call_local_timeout 30
call_max_calls 4
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_level no
rtp_ports {rtp}-{rtp_end}
net_interface 127.0.0.1
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


class Baresip:
    """A baresip phone, driven over its control port (netstrings with JSON). It takes the port after `port` as well, for
    TLS: free_port(2)."""

    def __init__(self, folder, name, port, control, account, tls="", rtp=20000):
        self.folder = os.path.join(str(folder), name)
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, "config"), "w", encoding="ascii") as f:
            f.write(BARESIP.format(port=port, control=control, tls=tls, rtp=rtp, rtp_end=rtp + 100))
        with open(os.path.join(self.folder, "accounts"), "w", encoding="ascii") as f:
            f.write(account + "\n")
        open(os.path.join(self.folder, "contacts"), "w", encoding="ascii").close()
        self.log_path = os.path.join(self.folder, "log")
        self.log = open(self.log_path, "w", encoding="utf-8")
        self.process = subprocess.Popen(["baresip", "-f", self.folder, "-4", "-s"],
                                        stdin=subprocess.PIPE, stdout=self.log, stderr=self.log)
        wait_port(control, timeout=20)
        self.control = socket.create_connection(("127.0.0.1", control), timeout=10)
        self.data = b""
        self.events = []

    def command(self, command, params=""):
        text = json.dumps({"command": command, "params": params, "token": "t"}).encode()
        self.control.sendall(str(len(text)).encode() + b":" + text + b",")

    def _take(self):
        while True:
            found = re.match(rb"(\d+):", self.data)
            if not found:
                return
            n, at = int(found.group(1)), found.end()
            if len(self.data) < at + n + 1:
                return
            self.events.append(json.loads(self.data[at:at + n].decode("utf-8", "replace")))
            self.data = self.data[at + n + 1:]

    def wait_event(self, kind, timeout=15):
        """Waits for an event of this type; events are used up."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self._take()
            while self.events:
                e = self.events.pop(0)
                if e.get("type") == kind:
                    return e
            self.control.settimeout(max(0.05, end - time.monotonic()))
            try:
                more = self.control.recv(65536)
            except (TimeoutError, socket.timeout):
                break
            if not more:
                break
            self.data += more
        self.log.flush()
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            raise TimeoutError(f"no {kind} from baresip:\n{f.read()[-4000:]}")

    def stop(self):
        try:
            self.command("quit")
            self.process.wait(5)
        except (subprocess.TimeoutExpired, OSError):
            self.process.kill()
            self.process.wait()
        self.control.close()
        self.log.close()
