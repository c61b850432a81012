"""Two nodes that share virtual addresses, each in a network namespace of its own, and a third one, the hub, with
their peers:

    node 1 ---+--- hub (a bridge) ---+--- node 2
    10.77.0.1      10.77.0.254           10.77.0.2        one of them has 10.77.0.10 and fd77::10
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import time

VIRTUAL4, VIRTUAL6 = "10.77.0.10", "fd77::10"
HUB4, HUB6 = "10.77.0.254", "fd77::254"
CLONE_NEWNET = 0x40000000


def _run(*args):
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(args)}: {done.stderr.strip()}")


def why_not():
    """Why there can be no namespaces here, or None."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [tool for tool in ("ip", "nsenter", "keepalived") if not shutil.which(tool, path=path)]
    if missing:
        return "not installed: " + ", ".join(missing)
    name = f"sw{os.getpid()}-try"
    try:
        _run("ip", "netns", "add", name)
    except OSError as e:
        return f"network namespaces are not permitted: {e}"
    try:
        _run("ip", "-n", name, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", name, "link", "add", "v0", "type", "veth", "peer", "name", "v1")
    except OSError as e:
        return f"the kernel has no bridge or veth: {e}"
    finally:
        _run("ip", "netns", "del", name)
    return None


class Network:
    """The namespaces. Use as a context: leaving it takes them away."""

    def __init__(self):
        self.prefix = f"sw{os.getpid()}"

    def name(self, node):
        """Of the namespace of node 1 or 2, or of the hub (0)."""
        return f"{self.prefix}-{node}"

    def ip(self, node, *args):
        _run("ip", "-n", self.name(node), *args)

    def __enter__(self):
        try:
            self._make()
        except OSError:
            self._take_away()
            raise
        return self

    def __exit__(self, *_):
        self._take_away()

    def _take_away(self):
        for node in (0, 1, 2):
            subprocess.run(["ip", "netns", "del", self.name(node)], capture_output=True, check=False)

    def _make(self):
        for node in (0, 1, 2):
            _run("ip", "netns", "add", self.name(node))
            self.ip(node, "link", "set", "lo", "up")
        self.ip(0, "link", "add", "br0", "type", "bridge")
        self.ip(0, "link", "set", "br0", "up")
        self.ip(0, "addr", "add", f"{HUB4}/24", "dev", "br0")
        self.ip(0, "addr", "add", f"{HUB6}/64", "dev", "br0", "nodad")
        for node in (1, 2):
            self.ip(0, "link", "add", f"to{node}", "type", "veth", "peer", "name", "eth0", "netns", self.name(node))
            self.ip(0, "link", "set", f"to{node}", "master", "br0", "up")
            self.ip(node, "addr", "add", f"10.77.0.{node}/24", "dev", "eth0")
            self.ip(node, "addr", "add", f"fd77::{node}/64", "dev", "eth0", "nodad")
            self.ip(node, "link", "set", "eth0", "up")

    def enter(self, node):
        """The start of a command line that runs there."""
        return ["nsenter", f"--net=/run/netns/{self.name(node)}"]

    @contextlib.contextmanager
    def inside(self, node=0):
        """Sockets that this thread opens meanwhile are there, and stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{self.name(node)}", os.O_RDONLY)
        try:
            if libc.setns(there, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            libc.setns(home, CLONE_NEWNET)
            os.close(home)
            os.close(there)


KEEPALIVED = """
global_defs {{
    router_id node{node}
    vrrp_version 3
}}
vrrp_instance sip {{
    state BACKUP
    interface eth0
    virtual_router_id 77
    priority {priority}
    advert_int {advert}
    unicast_src_ip 10.77.0.{node}
    unicast_peer {{
        10.77.0.{other}
    }}
    virtual_ipaddress {{
        10.77.0.10/24 dev eth0
    }}
    virtual_ipaddress_excluded {{
        fd77::10/64 dev eth0
    }}
}}
"""


class Keepalived:
    """keepalived on one node; node 1 is preferred. It misses the other one after three and some `advert`, in seconds:
    0.3 leaves room for a machine that is busy."""

    def __init__(self, network, node, folder, advert=0.3):
        self.network, self.node = network, node
        self.base = os.path.join(str(folder), f"keepalived{node}")
        self.process = None
        with open(self.base + ".conf", "w", encoding="ascii") as f:
            f.write(KEEPALIVED.format(node=node, other=3 - node, priority=150 if node == 1 else 100, advert=advert))

    def start(self):
        with open(self.base + ".log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.network.enter(self.node), "keepalived", "--vrrp", "--dont-fork", "--log-console",
                 "-f", self.base + ".conf", "-p", self.base + ".pid", "-r", self.base + ".vrrp.pid"],
                stdout=log, stderr=log)

    def stop(self):
        """It says goodbye, so that the other node takes over at once."""
        if self.process:
            self.process.terminate()
            self.process.wait(10)
        self.process = None

    def has_address(self):
        """Is the virtual address on this node?"""
        out = subprocess.run(["ip", "-n", self.network.name(self.node), "addr"], capture_output=True, text=True,
                             check=True).stdout
        return f"{VIRTUAL4}/" in out and f"{VIRTUAL6}/" in out

    def wait_address(self, timeout=10, here=True):
        end = time.monotonic() + timeout
        while self.has_address() != here:
            assert time.monotonic() < end, (f"keepalived of node {self.node} did not {'take' if here else 'leave'} "
                                            f"the address: {self.log()}")
            time.sleep(0.01)

    def log(self):
        with open(self.base + ".log", encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]
