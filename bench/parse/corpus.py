#!/usr/bin/env python3
"""Writes the messages that bench/parse reads: corpus.py FILE [COUNT]. The seed is fixed, so that every run measures the
same bytes. The first message is the INVITE of the goal: 1.1 kB, 15 header rows, SDP. In the file each message stands
behind a line with its length."""

import random
import sys

SEED = 20261121
COUNT = 260

COMPACT = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Contact": "m", "Content-Type": "c",
           "Content-Length": "l", "Supported": "k", "Subject": "s", "Event": "o", "Refer-To": "r",
           "Referred-By": "b", "Session-Expires": "x", "Allow-Events": "u"}
REQUESTS = ["INVITE"] * 5 + ["ACK", "BYE", "CANCEL", "REGISTER", "OPTIONS"] * 2 + [
    "SUBSCRIBE", "NOTIFY", "PUBLISH", "MESSAGE", "INFO", "UPDATE", "REFER", "PRACK"]
RESPONSES = [(100, "Trying"), (180, "Ringing"), (183, "Session Progress"), (200, "OK"), (200, "OK"), (200, "OK"),
             (202, "Accepted"), (302, "Moved Temporarily"), (401, "Unauthorized"), (404, "Not Found"),
             (407, "Proxy Authentication Required"), (408, "Request Timeout"), (486, "Busy Here"),
             (487, "Request Terminated"), (500, "Server Internal Error"), (503, "Service Unavailable"),
             (603, "Decline")]
AGENTS = ["Asterisk PBX 20.5.2", "FPBX-16.0.40(18.16.0)", "Yealink SIP-T46S 66.86.0.15", "PolycomVVX-VVX_411-UA/6.4.3",
          "Oracle SBC", "Cisco-SIPGateway/IOS-16.12.5", "Linphone/4.2.5 (belle-sip/4.4.0)", "snomD785/10.1.54.13",
          "MicroSIP/3.21.3", "Grandstream GXP2170 1.0.11.64", "kamailio (5.6.3 (x86_64/linux))"]
WORDS = "alpha bravo carrier delta edge foxtrot golf hotel india juliet kilo lima media north oscar proxy".split()
# Header rows that no proxy looks at, with the kind of value they have.
UNKNOWN = {
    "token": ["X-Account-Code", "X-Call-Trace", "X-Genesys-CallUUID", "Session-ID", "X-Customer", "P-Early-Media"],
    "params": ["P-Charging-Vector", "P-Access-Network-Info", "User-to-User", "X-Broadworks-Correlation-Info"],
    "address": ["History-Info", "Diversion", "Remote-Party-ID", "P-Preferred-Identity", "P-Called-Party-ID"],
    "text": ["X-FS-Support", "Organization", "X-Asterisk-HangupCause", "P-Visited-Network-ID", "X-Comment"],
    "Min-SE: 90": [], "Privacy: id": [], "Reason: Q.850;cause=16;text=\"Normal call clearing\"": [],
    "Accept-Language: en, de;q=0.8": [], "Call-Info: <http://www.example.com/alice/photo.jpg>;purpose=icon": [],
    "Accept: application/sdp, application/pidf+xml": [], "MIME-Version: 1.0": [],
}


def sdp(r, host, media=1):
    family = "IP6" if ":" in host else "IP4"
    text = ["v=0", f"o=- {r.randrange(10**9)} {r.randrange(10**9)} IN {family} {host}", "s=call",
            f"c=IN {family} {host}", "t=0 0"]
    for i in range(media):
        kind = "audio" if i == 0 else "video"
        text += [f"m={kind} {r.randrange(10000, 60000)} RTP/AVP 8 0 101", "a=rtpmap:8 PCMA/8000",
                 "a=rtpmap:0 PCMU/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16", "a=ptime:20",
                 "a=sendrecv"]
    return "\r\n".join(text) + "\r\n"


def goal():
    body = sdp(random.Random(1), "192.0.2.44") + "a=maxptime:150\r\na=rtcp:10001\r\n"
    rows = ["Via: SIP/2.0/TLS 198.51.100.23:5061;branch=z9hG4bK74bf9a0c61d2;rport;alias",
            "Max-Forwards: 69",
            "Route: <sip:gw.example.com:5061;transport=tls;lr>",
            "From: \"Alice Example\" <sip:+4930123456@carrier.example.net;user=phone>;tag=9fxced76sl",
            "To: <sip:+4989654321@gw.example.com;user=phone>;tag=314159a7",
            "Call-ID: 3848276298220188511@carrier.example.net",
            "CSeq: 31862 INVITE",
            "Contact: <sip:alice@198.51.100.23:5061;transport=tls>",
            "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, NOTIFY, REFER",
            "Supported: 100rel, timer, replaces, path",
            "User-Agent: Example Session Border Controller/7.2.1 (build 4711)",
            "Session-Expires: 1800;refresher=uac",
            "P-Asserted-Identity: \"Alice Example\" <sip:+4930123456@carrier.example.net>",
            "Content-Type: application/sdp",
            f"Content-Length: {len(body)}"]
    head = "INVITE sip:+4989654321@gw.example.com:5061;user=phone SIP/2.0\r\n" + "\r\n".join(rows) + "\r\n\r\n"
    message = (head + body).encode()
    assert len(rows) == 15 and len(message) == 1100, len(message)
    return message


class Maker:
    def __init__(self, r):
        self.r = r
        self.v6 = r.random() < 0.15
        self.compact = r.choice([0, 0, 0, 0, 1, 0.4])
        self.transport = r.choice(["UDP", "UDP", "TCP", "TLS"])

    def ip(self):
        r = self.r
        if self.v6:
            return f"2001:db8:{r.randrange(65536):x}::{r.randrange(65536):x}"
        return f"{r.choice(['192.0.2', '198.51.100', '203.0.113'])}.{r.randrange(1, 255)}"

    def host(self):
        r = self.r
        if r.random() < 0.5:
            return ".".join(r.sample(WORDS, r.randrange(1, 4)) + [r.choice(["example.com", "example.net"])])
        return f"[{self.ip()}]" if self.v6 else self.ip()

    def token(self, n):
        return "".join(self.r.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(n))

    def user(self):
        r = self.r
        return r.choice([f"+49{r.randrange(10**9, 10**10)}", f"{r.randrange(100, 9999)}", r.choice(WORDS),
                         f"{r.choice(WORDS)}.{r.choice(WORDS)}", f"{r.choice(WORDS)}%20{r.choice(WORDS)}",
                         f"{self.token(10)};phone-context=example.com"])

    def uri(self, lr=False, user=True):
        r = self.r
        u = r.choice(["sip:"] * 6 + ["sips:", "SIP:"])
        if user and not lr:
            u += self.user() + "@"
        u += self.host()
        if r.random() < 0.5:
            u += f":{r.choice([5060, 5061, 5080, r.randrange(1024, 65535)])}"
        if r.random() < 0.4:
            u += f";transport={r.choice(['udp', 'tcp', 'tls', 'TLS'])}"
        if lr:
            u += ";lr" if r.random() < 0.8 else ";lr=on"
            if r.random() < 0.4:
                u += f";{r.choice(['did', 'ftag', 'vsf', 'sw'])}={self.token(r.randrange(8, 90))}"
        elif r.random() < 0.2:
            u += ";user=phone"
        return u

    def display(self):
        r = self.r
        return r.choice(["", "", f"{r.choice(WORDS).title()} ", f'"{r.choice(WORDS).title()} {r.choice(WORDS).title()}" ',
                         f'"{r.randrange(100, 999)}" ', '"Caf\u00e9 M\u00fcller, Z\u00fcrich" ',
                         '"Bob \\"The Boss\\" <b@x>; Sales" '])

    def addr(self, tag):
        r = self.r
        tail = f";tag={self.token(r.randrange(6, 33))}" if tag else ""
        if r.random() < 0.08:
            return f"sip:{r.choice(WORDS)}@{self.host()}{tail}"
        if r.random() < 0.05:
            return f"<tel:+49{r.randrange(10**9, 10**10)}>{tail}"
        return f"{self.display()}<{self.uri()}>{tail}"

    def via(self, far):
        r = self.r
        port = f":{r.randrange(1024, 65535)}" if r.random() < 0.7 else ""
        parts = [f"branch=z9hG4bK{self.token(r.randrange(8, 50))}"]
        if r.random() < 0.6:
            parts.append(f"rport={r.randrange(1024, 65535)}" if far else "rport")
        if far and r.random() < 0.6:
            parts.append(f"received={r.choice(['192.0.2', '203.0.113'])}.{r.randrange(1, 255)}")
        if r.random() < 0.1:
            parts.append("alias")
        if r.random() < 0.3:
            r.shuffle(parts)
        sep = " ; " if r.random() < 0.04 else ";"
        return f"SIP/2.0/{self.transport} {self.host()}{port}" + "".join(sep + x for x in parts)

    def unknown(self):
        r = self.r
        kind = r.choice(list(UNKNOWN))
        if not UNKNOWN[kind]:
            return tuple(kind.split(": ", 1))
        value = {"token": lambda: self.token(r.randrange(4, 40)),
                 "params": lambda: ";".join(f"{r.choice(WORDS)}={self.token(r.randrange(2, 20))}" for _ in range(4)),
                 "address": lambda: f"{self.display()}<{self.uri()}>;counter={r.randrange(9)}",
                 "text": lambda: " ".join(r.sample(WORDS, 5))}[kind]()
        return r.choice(UNKNOWN[kind]), value

    def credentials(self):
        return (f'Digest realm="example.com", nonce="{self.token(32)}", algorithm=MD5, opaque="{self.token(16)}", '
                f'qop="auth"')


def listed(r, name, values):
    """One row each, or some in one row."""
    if len(values) > 1 and r.random() < 0.3:
        return [(name, ", ".join(values))]
    return [(name, v) for v in values]


def fields(k, method, status):
    r = k.r
    response, dialog = status > 0, r.random() < 0.5
    vias = [k.via(i > 0 or response) for i in range(r.choice([1, 1, 1, 2, 2, 3, 4, 6, 8]))]
    top, rest = listed(r, "Via", vias), []
    if not response:
        rest.append(("Max-Forwards", str(r.randrange(1, 71))))
        routes = r.choice([0, 0, 1, 1, 2, 4]) if method != "REGISTER" else r.choice([0, 1])
        rest += listed(r, "Route", [f"<{k.uri(lr=True)}>" for _ in range(routes)])
    if method == "INVITE" and status != 100:
        rest += listed(r, "Record-Route", [f"<{k.uri(lr=True)}>" for _ in range(r.choice([0, 1, 2, 3]))])
    rest.append(("From", k.addr(True)))
    rest.append(("To", k.addr(status > 100 or (dialog and method not in ("REGISTER", "PUBLISH")))))
    rest.append(("Call-ID", k.token(r.randrange(10, 40)) + r.choice(["", "@" + k.ip()])))
    rest.append(("CSeq", f"{r.randrange(1, 2**31)} {method}"))
    if method in ("INVITE", "REGISTER", "SUBSCRIBE", "NOTIFY", "UPDATE", "REFER", "OPTIONS"):
        n = r.choice([1, 1, 2]) if method == "REGISTER" and response else 1
        rest += listed(r, "Contact", [f"<{k.uri()}>" + r.choice(["", ";expires=3600", ";q=0.7;expires=600"])
                                      for _ in range(n)])
    if method in ("REGISTER", "SUBSCRIBE", "PUBLISH"):
        rest.append(("Expires", r.choice(["0", "600", "3600"])))
    if method in ("SUBSCRIBE", "NOTIFY", "PUBLISH", "REFER") and not response:
        rest.append(("Event", r.choice(["presence", "message-summary", "dialog;id=7", "refer"])))
    if method == "NOTIFY":
        rest.append(("Subscription-State", "active;expires=599"))
    if method == "REFER":
        rest += [("Refer-To", f"<{k.uri()}>"), ("Referred-By", f"<{k.uri()}>")]
    if method == "PRACK":
        rest.append(("RAck", f"{r.randrange(1, 9999)} {r.randrange(1, 9999)} INVITE"))
    if status in (401, 407):
        rest.append(("WWW-Authenticate" if status == 401 else "Proxy-Authenticate", k.credentials()))
    elif not response and r.random() < 0.3:
        rest.append((r.choice(["Authorization", "Proxy-Authorization"]),
                     f'Digest username="{k.token(6)}", realm="example.com", nonce="{k.token(32)}", '
                     f'uri="{k.uri()}", response="{k.token(32)}", algorithm=MD5, qop=auth, nc=00000001, '
                     f'cnonce="{k.token(8)}"'))
    if r.random() < 0.6:
        rest.append(("Allow", ", ".join(r.sample(["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REFER", "INFO",
                                                  "NOTIFY", "PRACK", "UPDATE", "MESSAGE"], r.randrange(4, 11)))))
    if r.random() < 0.5:
        rest.append(("Supported", ", ".join(r.sample(["100rel", "timer", "replaces", "path", "outbound", "gruu"], 3))))
    if method == "INVITE" and r.random() < 0.4:
        rest.append(("Session-Expires", "1800;refresher=uac"))
    if r.random() < 0.8:
        rest.append(("Server" if response else "User-Agent", r.choice(AGENTS)))
    rest += dict(k.unknown() for _ in range(r.choice([0, 0, 1, 2, 3, 5, 8, 16, 40]))).items()
    if r.random() < 0.25:
        r.shuffle(rest)
    return top + rest


def body_of(k, method, status):
    r = k.r
    if method == "INVITE" and status in (0, 183, 200) or (method == "ACK" and r.random() < 0.1):
        return "application/sdp", sdp(r, k.ip(), r.choice([1, 1, 1, 2]))
    if status:
        return None, ""
    if method == "MESSAGE":
        return "text/plain", "Hello, is this the party to whom I am speaking?"
    if method in ("NOTIFY", "PUBLISH"):
        return "application/pidf+xml", f'<?xml version="1.0"?>\n<presence entity="{k.uri()}"/>\n'
    if method == "INFO":
        return "application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"
    return None, ""


def folded(r, value):
    """Some line ends where a space or a comma is."""
    at = value.find(", ")
    if at < 0 or '"' in value:
        return value
    return value[:at + 1] + "\r\n" + r.choice([" ", "\t", "    "]) + value[at + 2:]


def message(k):
    r = k.r
    method, status, reason = r.choice(REQUESTS), 0, ""
    if r.random() < 0.42:
        method = "INVITE" if method == "ACK" else method
        status, reason = r.choice(RESPONSES)
    kind, body = body_of(k, method, status)
    rows = fields(k, method, status)
    data = body.encode()
    if kind:
        rows.append(("Content-Type", kind))
    rows.append(("Content-Length", str(len(data))))
    uri = k.uri(user=method != "REGISTER") if r.random() < 0.95 else f"tel:+49{r.randrange(10**9, 10**10)}"
    lines = [f"SIP/2.0 {status} {reason}" if status else f"{method} {uri} SIP/2.0"]
    fold, colon = r.random() < 0.12, r.choice([": "] * 12 + [":", " : "])
    for name, value in rows:
        if name in COMPACT and r.random() < k.compact:
            name = COMPACT[name]
        elif r.random() < 0.01:
            name = name.upper()
        lines.append(name + colon + (folded(r, value) if fold else value))
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


def main():
    r = random.Random(SEED)
    count = int(sys.argv[2]) if len(sys.argv) > 2 else COUNT
    messages = [goal()] + [message(Maker(r)) for _ in range(count - 1)]
    with open(sys.argv[1], "wb") as f:
        for m in messages:
            f.write(b"%d\n" % len(m) + m)


if __name__ == "__main__":
    main()
