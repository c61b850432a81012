"""The real binary under test: a configuration, a process, its log."""

import collections
import json
import os
import random
import re
import signal
import socket
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("SIPWARD", os.path.join(ROOT, "build", "sipward"))

# Sanitizers end the process with this code; the default could be taken for a mere failure.
SANITIZERS = {
    "ASAN_OPTIONS": "exitcode=99:detect_leaks=1:abort_on_error=0",
    "UBSAN_OPTIONS": "halt_on_error=1:exitcode=99:print_stacktrace=1",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=0:suppressions="
                    + os.path.join(ROOT, "tests", "support", "tsan.supp"),
}


# Tests that run at the same time take their ports from ranges of their own: gw0, gw1, ...
RANGES = 12
_range = int("0" + re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", ""))) % RANGES
_given = collections.deque(maxlen=500)  # the last ones, not to be given again so soon


def _is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as a, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as b:
        try:
            a.bind(("127.0.0.1", port))
            b.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port(count=1):
    """The first of `count` ports in a row that are free for TCP and UDP on 127.0.0.1, below those that the system
    hands out itself."""
    while True:
        first = 16400 + 1300 * _range + random.randrange(1300 - count)
        ports = range(first, first + count)
        if not any(p in _given for p in ports) and all(_is_free(p) for p in ports):
            _given.extend(ports)
            return first


def run(*args, **more):
    """Runs a sub-command to its end."""
    env = dict(os.environ, **SANITIZERS)
    return subprocess.run([BINARY, *args], capture_output=True, text=True, timeout=60, env=env,
                          check=False, **more)


class Gateway:
    """A running gateway. Use as a context: leaving it stops it and asserts that it ended in good order."""

    def __init__(self, folder, config, name="gateway", log_level="debug", prefix=()):
        self.folder = str(folder)
        self.config = os.path.join(self.folder, f"{name}.yaml")
        self.log_path = os.path.join(self.folder, f"{name}.log")
        with open(self.config, "w", encoding="utf-8") as f:
            f.write(config)
            if "limits:" not in config:  # what a test leaves unanswered at its end is not waited for
                f.write("\nlimits: {drain: 1s}\n")
            if "\nlog:" not in config:
                f.write(f"\nlog: {{level: {log_level}, format: json}}\n")
        self.prefix = list(prefix)  # what starts it elsewhere: a command that becomes the gateway
        self.process = None
        self.exit_code = None

    def __enter__(self):
        env = dict(os.environ, **SANITIZERS)
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([*self.prefix, BINARY, "run", "-c", self.config], stderr=log, env=env)
        self.wait_event("ready", timeout=20)
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind is None:
            assert self.exit_code == 0, self.tail()

    def stop(self, how=signal.SIGTERM, timeout=30):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.exit_code = self.process.returncode
        return self.exit_code

    def alive(self):
        return self.process.poll() is None

    def tail(self, lines=40):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return "".join(f.readlines()[-lines:])

    def settle(self):
        """Waits for what the gateway has said so far: an answer of `ctl` comes after it is written."""
        if self.process.poll() is not None:
            return
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            try:
                s.connect(os.path.join(self.folder, "sipward.sock"))
                s.sendall(b"status\n")
                while s.recv(65536):
                    pass
            except OSError:
                pass  # it has no such socket, or it stands still

    def events(self, name=None, **fields):
        """Log lines of an event whose fields have these values, with all that was said until now."""
        self.settle()
        return self.said(name, **fields)

    def said(self, name=None, **fields):
        """The same of what is written already."""
        found = []
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            for line in f:
                try:
                    e = json.loads(line)
                except ValueError:
                    continue
                if name and e.get("event") != name:
                    continue
                if all(e.get(k) == v for k, v in fields.items()):
                    found.append(e)
        return found

    def wait_event(self, name, timeout=10, count=1, **fields):
        """Waits until the log has `count` such lines, and returns them."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            found = self.said(name, **fields)
            if len(found) >= count:
                return found
            if self.process.poll() is not None and name != "stopped":
                break
            time.sleep(0.02)
        raise AssertionError(f"no event={name} {fields} in the log:\n{self.tail()}")
