"""Throw-away certificates for tests, made with the openssl program: an authority and
server certificates of it, good and bad."""

import base64
import hashlib
import os
import subprocess

_AUTHORITY = """
[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
serial = {folder}/serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""


def _openssl(*arguments):
    done = subprocess.run(("openssl", *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stdout.decode(errors='replace')}")


def pin_of(certificate):
    """The pin of a certificate's key, as curl writes it."""
    key = subprocess.run(("openssl", "x509", "-in", certificate, "-noout", "-pubkey"), stdout=subprocess.PIPE, check=True)
    der = subprocess.run(("openssl", "pkey", "-pubin", "-outform", "der"), input=key.stdout, stdout=subprocess.PIPE,
                         check=True).stdout
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


class Authority:
    """A certificate authority in a folder of its own; `file` is what clients are to trust."""

    def __init__(self, folder, name="test authority"):
        os.makedirs(folder, exist_ok=True)
        self.folder = folder
        self.file = os.path.join(folder, "ca.pem")
        self._key = os.path.join(folder, "ca.key")
        self._conf = os.path.join(folder, "ca.conf")
        self._write("ca.conf", _AUTHORITY.format(folder=folder))
        self._write("index.txt", "")
        self._write("serial", "1000\n")
        self._new_key(self._key)
        _openssl("req", "-x509", "-new", "-key", self._key, "-days", "30", "-subj", f"/CN={name}",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-out", self.file)

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
        return path

    @staticmethod
    def _new_key(path, rsa=False):
        if rsa:
            _openssl("genrsa", "-out", path, "2048")
        else:
            _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)
        os.chmod(path, 0o600)

    def issue(self, name, *, alternatives="DNS:localhost,IP:127.0.0.1,IP:::1",
              valid=("20240101000000Z", "20480101000000Z"), rsa=False, usage="serverAuth"):
        """Makes a server's certificate; with usage clientAuth, a client's. Returns the paths of the certificate and of its key."""
        base = os.path.join(self.folder, name)
        certificate, key, request = base + ".pem", base + ".key", base + ".csr"
        extensions = self._write(name + ".ext", f"subjectAltName={alternatives}\nextendedKeyUsage={usage}\n")
        self._new_key(key, rsa)
        _openssl("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        _openssl("ca", "-batch", "-notext", "-config", self._conf, "-cert", self.file, "-keyfile", self._key,
                 "-startdate", valid[0], "-enddate", valid[1], "-extfile", extensions, "-in", request, "-out", certificate)
        return certificate, key

    def issue_expired(self, name="expired"):
        return self.issue(name, valid=("20200101000000Z", "20200201000000Z"))

    def issue_premature(self, name="premature"):
        return self.issue(name, valid=("20470101000000Z", "20480101000000Z"))

    def issue_other_name(self, name="other-name"):
        """For a host that no test connects to."""
        return self.issue(name, alternatives="DNS:elsewhere.example.org")
