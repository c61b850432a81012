"""What a CA tells of its certificates: revocation lists, and OCSP answers, made with openssl."""

import http.server
import os
import re
import subprocess
import threading


class Register:
    """The index of a CA of lab.pki: which of its certificates are good and which are revoked."""

    def __init__(self, pki, folder, ca="ca"):
        self.pem, self.key = pki.path(f"{ca}.pem"), pki.path(f"{ca}.key")
        self.index = os.path.join(str(folder), f"{ca}.index")
        self.conf = os.path.join(str(folder), f"{ca}.cnf")
        with open(self.index, "w", encoding="ascii"):
            pass
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f"[ca]\ndefault_ca=x\n[x]\ndatabase={self.index}\ndefault_md=sha256\ndefault_crl_days=7\n")

    def _ca(self, *args):
        subprocess.run(["openssl", "ca", "-config", self.conf, "-cert", self.pem, "-keyfile", self.key, *args],
                       check=True, capture_output=True)

    def good(self, *certificates):
        for pem in certificates:
            self._ca("-valid", pem)

    def revoke(self, *certificates):
        for pem in certificates:
            self._ca("-revoke", pem)

    def crl(self, path, *args, der=False):
        """A list of what is revoked, put in place at once; `args` such as -crl_nextupdate."""
        path = str(path)
        self._ca("-gencrl", "-out", path + ".new", *args)
        if der:
            subprocess.run(["openssl", "crl", "-in", path + ".new", "-outform", "DER", "-out", path + ".new"],
                           check=True, capture_output=True)
        os.rename(path + ".new", path)
        return path

    def ocsp(self, port):
        """A responder on 127.0.0.1 that tells what the index has; use as a context."""
        return Responder(self, port)

    def answer(self, pem, path):
        """One OCSP answer about a certificate, in a file, as a server staples it."""
        subprocess.run(["openssl", "ocsp", "-index", self.index, "-rsigner", self.pem, "-rkey", self.key,
                        "-CA", self.pem, "-issuer", self.pem, "-cert", pem, "-respout", str(path), "-no_nonce",
                        "-noverify", "-ndays", "1"], check=True, capture_output=True)
        return str(path)


def element(der, at):
    """Where the content of a DER element begins and ends."""
    n, at = der[at + 1], at + 2
    if n & 128:
        n, at = int.from_bytes(der[at:at + (n & 127)], "big"), at + (n & 127)
    return at, at + n


def make_old(path, key):
    """Moves the dates of an OCSP answer to 2020, and signs it again: openssl ocsp knows the time of now only."""
    with open(path, "rb") as f:
        der = f.read()
    der = re.sub(rb"20\d{12}Z", lambda m: b"2020" + m[0][4:], der)
    octets = der.index(bytes.fromhex("06092b0601050507300101")) + 11
    tbs = element(der, element(der, octets)[0])[0]
    end = element(der, tbs)[1]
    begin, past = element(der, element(der, end)[1])
    begin += 1  # no unused bits
    sig = b""
    while len(sig) != past - begin:  # of an EC key it is not always as long
        sig = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=der[tbs:end], check=True,
                             capture_output=True).stdout
    with open(path, "wb") as f:
        f.write(der[:begin] + sig + der[past:])


class Responder:
    """`openssl ocsp` as a server."""

    def __init__(self, register, port):
        self.args = ["openssl", "ocsp", "-index", register.index, "-port", str(port), "-rsigner", register.pem,
                     "-rkey", register.key, "-CA", register.pem, "-nmin", "60"]
        self.process = None

    def __enter__(self):
        # a connection without a request, to see whether it listens, would keep it busy for good
        self.process = subprocess.Popen(self.args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "waiting" in line:
                return self
        raise AssertionError("openssl ocsp does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.process.stderr.close()


class Web:
    """The files of a folder over HTTP on 127.0.0.1; `asked` counts requests."""

    def __init__(self, folder, port):
        web = self
        self.asked = 0

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args, **more):
                super().__init__(*args, directory=str(folder), **more)

            def do_GET(self):
                web.asked += 1
                super().do_GET()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
