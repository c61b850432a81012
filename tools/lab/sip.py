"""Endpoints that say exactly what a test wants them to say, over UDP, TCP or TLS."""

import itertools
import re
import select
import socket
import ssl
import time

_numbers = itertools.count(1)


class Message:
    """A received message; headers by name, the first value; `all` for every one."""

    def __init__(self, raw):
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n")
        self.line = lines[0].decode("utf-8", "replace")
        self.headers = []
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            self.headers.append((name.decode().strip().lower(), value.decode("utf-8", "replace").strip()))

    @property
    def status(self):
        return int(self.line.split()[1]) if self.line.startswith("SIP/2.0") else None

    @property
    def method(self):
        return None if self.line.startswith("SIP/2.0") else self.line.split()[0]

    def __getitem__(self, name):
        return next(v for n, v in self.headers if n == name.lower())

    def all(self, name):
        return [v for n, v in self.headers if n == name.lower()]

    def __repr__(self):
        return f"<{self.line}>"


def cut(data):
    """Splits off the first whole message of a stream: (message or None, rest)."""
    while data.startswith(b"\r\n"):
        data = data[2:]
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None, data
    found = re.search(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d+)", data[:end])
    total = end + 4 + (int(found.group(1)) if found else 0)
    if len(data) < total:
        return None, data
    return Message(data[:total]), data[total:]


class Stream:
    """One end of a TCP or TLS connection."""

    def __init__(self, sock):
        self.sock = sock
        self.data = b""
        self.closed = False

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def _take(self):
        """What is there; None if that was no data, such as a session ticket of TLS 1.3."""
        usual = self.sock.gettimeout()
        self.sock.settimeout(0)
        try:
            return self.sock.recv(65536)
        except ssl.SSLWantReadError:
            return None
        finally:
            self.sock.settimeout(usual)

    def recv_raw(self, timeout=5):
        """Whatever comes next; b"" at the end of the connection; None after the timeout."""
        end = time.monotonic() + timeout
        try:
            data = None
            while data is None:
                pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
                if not pending and not select.select([self.sock], [], [], max(0, end - time.monotonic()))[0]:
                    return None
                data = self._take()
        except (ConnectionResetError, ssl.SSLError, BrokenPipeError):
            data = b""
        if not data:
            self.closed = True
        return data

    def recv(self, timeout=5, want=None):
        """The next message (for which `want` holds); others are passed over."""
        end = time.monotonic() + timeout
        while True:
            m, self.data = cut(self.data)
            if m and (want is None or want(m)):
                return m
            if m:
                continue
            left = end - time.monotonic()
            if left <= 0 or self.closed:
                raise TimeoutError(f"nothing came: closed={self.closed} {self.data[:200]!r}")
            self.data += self.recv_raw(left) or b""

    def final(self, timeout=5):
        return self.recv(timeout, lambda m: m.status and m.status >= 200)

    def silent(self, timeout=0.3):
        """True if nothing comes for a while and the connection stays."""
        return self.recv_raw(timeout) is None

    def wait_closed(self, timeout=5):
        end = time.monotonic() + timeout
        while not self.closed and time.monotonic() < end:
            self.data += self.recv_raw(0.1) or b""
        return self.closed

    def close(self):
        self.sock.close()


def client_context(ca=None, cert=None, key=None, version=None):
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname = False
    c.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        c.load_verify_locations(ca)
    if cert:
        c.load_cert_chain(cert, key)
    if version:
        c.minimum_version = c.maximum_version = version
    return c


def tcp(port, host="127.0.0.1"):
    return Stream(socket.create_connection((host, port), timeout=5))


def tls(port, ca=None, cert=None, key=None, server_name="example.test", version=None, host="127.0.0.1", timeout=5):
    """A TLS connection whose handshake has been completed on this side."""
    raw = socket.create_connection((host, port), timeout=timeout)
    return Stream(client_context(ca, cert, key, version).wrap_socket(raw, server_hostname=server_name))


class Server:
    """Accepts TCP or TLS connections on a port of 127.0.0.1, or of another address."""

    def __init__(self, cert=None, key=None, ca=None, port=0, host="127.0.0.1"):
        self.listener = socket.create_server((host, port))
        self.port = self.listener.getsockname()[1]
        self.context = None
        if cert:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(cert, key)
            if ca:
                self.context.load_verify_locations(ca)
                self.context.verify_mode = ssl.CERT_REQUIRED

    def accept(self, timeout=5):
        """The next connection, after its handshake; ssl.SSLError if that failed."""
        self.listener.settimeout(timeout)
        sock, _ = self.listener.accept()
        sock.settimeout(timeout)
        if self.context:
            sock = self.context.wrap_socket(sock, server_side=True)
        return Stream(sock)

    def idle(self, timeout=0.3):
        """True if nobody connects."""
        return not select.select([self.listener], [], [], timeout)[0]

    def close(self):
        self.listener.close()


class Udp:
    """A datagram endpoint on a port of 127.0.0.1."""

    def __init__(self, port=0, host="127.0.0.1"):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_DGRAM)
        self.sock.bind((host, port))
        self.port = self.sock.getsockname()[1]
        self.peer = None

    def send(self, data, port=None, host="127.0.0.1"):
        self.sock.sendto(data if isinstance(data, bytes) else data.encode(),
                         (host, port) if port else self.peer)

    def recv(self, timeout=5, want=None):
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                raise TimeoutError("no datagram came")
            data, self.peer = self.sock.recvfrom(65536)
            m = Message(data)
            if want is None or want(m):
                return m

    def final(self, timeout=5):
        return self.recv(timeout, lambda m: m.status and m.status >= 200)

    def silent(self, timeout=0.3):
        return not select.select([self.sock], [], [], timeout)[0]

    def close(self):
        self.sock.close()


def request(method="OPTIONS", uri="sip:bob@example.test", transport="TLS", sent_by="127.0.0.1:5099",
            headers="", body="", cseq=1, call_id=None, branch=None, to_tag="", contact=None,
            from_uri="sip:alice@peer.test"):
    """A request; each has a branch and a Call-ID of its own unless they are given."""
    n = next(_numbers)
    branch = branch or f"z9hG4bKtest{n}"
    call_id = call_id or f"call{n}@test"
    contact = contact or f"<sip:alice@{sent_by}>"
    return (f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {sent_by};branch={branch};rport\r\n"
            f"Max-Forwards: 70\r\n{headers}From: <{from_uri}>;tag=t1\r\n"
            f"To: <sip:bob@example.test>{to_tag}\r\n"
            f"Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: {contact}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}")


def route_set(ok):
    """The Route lines of the caller, by the response that made its dialog: RFC 3261 12.1.2."""
    return "".join(f"Route: {v}\r\n" for v in reversed(ok.all("record-route")))


def response(m, status, reason="OK", headers="", body="", tag="callee"):
    """A response to a received request, with its Via, Record-Route, From, To, Call-ID and CSeq."""
    out = [f"SIP/2.0 {status} {reason}"]
    for name in ("via", "record-route"):
        out += [f"{name.title()}: {v}" for v in m.all(name)]
    to = m["to"]
    if status > 100 and ";tag=" not in to:
        to += f";tag={tag}"
    out += [f"From: {m['from']}", f"To: {to}", f"Call-ID: {m['call-id']}", f"CSeq: {m['cseq']}"]
    out += [h for h in headers.split("\r\n") if h]
    out += [f"Content-Length: {len(body)}", "", body]
    return "\r\n".join(out)
