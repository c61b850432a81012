"""A throw-away CA and certificates as RFC 5922 wants them, made with openssl when the tests start."""

import os
import subprocess


def _run(*args):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


# Kinds of keys, as openssl req takes them.
KINDS = {
    "ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "p521": ["ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
    "rsa": ["rsa:2048"],
    "rsa-pss": ["rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["ed25519"],
    "ed448": ["ed448"],
}


class Pki:
    """A folder with CAs and leaf certificates; each is made once, when it is first asked for."""

    def __init__(self, folder):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def _stem(self, name, *content):
        """The files' name: another one for other content, so that tests may use the same names."""
        stem, n = name, 1
        while True:
            made = self.path(f"{stem}.made")
            if os.path.exists(made):
                with open(made, encoding="utf-8") as f:
                    if f.read() == repr(content):
                        return stem
            elif not os.path.exists(self.path(f"{stem}.pem")):  # that of a CA, or of a test's own
                with open(made, "w", encoding="utf-8") as f:
                    f.write(repr(content))
                return stem
            n += 1
            stem = f"{name}-{n}"

    def ca(self, name="ca"):
        pem, key = self.path(f"{name}.pem"), self.path(f"{name}.key")
        if not os.path.exists(pem):
            _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", key, "-out", pem, "-days", "3650", "-subj", f"/CN=Test {name}",
                 "-addext", "basicConstraints=critical,CA:TRUE",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        return pem

    def intermediate(self, name, ca="ca", extra=""):
        """A CA certificate under another CA, to be used as `ca` of leaves; its path. `extra`: more extensions."""
        pem, key, csr, ext = (self.path(f"{name}.{x}") for x in ("pem", "key", "csr", "ext"))
        if os.path.exists(pem):  # it is known by its name, as `ca`
            return pem
        self.ca(ca)
        _run("openssl", "req", "-newkey", *KINDS["ec"], "-nodes", "-keyout", key, "-out", csr, "-subj", f"/CN=Test {name}")
        with open(ext, "w", encoding="ascii") as f:
            f.write(f"basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n{extra}\n")
        _run("openssl", "x509", "-req", "-in", csr, "-CA", self.path(f"{ca}.pem"), "-CAkey", self.path(f"{ca}.key"),
             "-CAcreateserial", "-out", pem, "-days", "3650", "-extfile", ext)
        return pem

    def leaf(self, name, san=None, ca="ca", days="365", usage="serverAuth,clientAuth",
             subject=None, start=None, kind="ec", extra=""):
        """Certificate and key paths; `san` such as "URI:sip:a.test,DNS:a.test"; None: no SAN at all."""
        stem = self._stem(name, san, ca, days, usage, subject, start, kind, extra)
        pem, key = self.path(f"{stem}.pem"), self.path(f"{stem}.key")
        if os.path.exists(pem):
            return pem, key
        self.ca(ca)
        csr, ext = self.path(f"{stem}.csr"), self.path(f"{stem}.ext")
        _run("openssl", "req", "-newkey", *KINDS[kind], "-nodes", "-keyout", key, "-out", csr,
             "-subj", f"/CN={subject or name}")
        # static RSA decrypts with the key: RFC 5246 7.4.2
        key_usage = "digitalSignature,keyEncipherment" if kind.startswith("rsa") else "digitalSignature"
        with open(ext, "w", encoding="ascii") as f:
            if san:
                f.write(f"subjectAltName={san}\n")
            f.write(f"extendedKeyUsage={usage}\nkeyUsage={key_usage}\nbasicConstraints=CA:FALSE\n{extra}\n")
        dates = ["-days", days]
        _run("openssl", "x509", "-req", "-in", csr, "-CA", self.path(f"{ca}.pem"),
             "-CAkey", self.path(f"{ca}.key"), "-CAcreateserial", "-out", pem, "-extfile", ext, *dates)
        return pem, key

    def self_signed(self, name, san):
        stem = self._stem(name, san, "itself")
        pem, key = self.path(f"{stem}.pem"), self.path(f"{stem}.key")
        if not os.path.exists(pem):
            _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                 "-nodes", "-keyout", key, "-out", pem, "-days", "365", "-subj", f"/CN={name}",
                 "-addext", f"subjectAltName={san}")
        return pem, key

    def domain(self, name, domain, **more):
        return self.leaf(name, san=f"URI:sip:{domain},DNS:{domain},IP:127.0.0.1", **more)
