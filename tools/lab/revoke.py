"""What a CA tells of its certificates: revocation lists, and OCSP answers, made with openssl."""

import os
import subprocess


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
