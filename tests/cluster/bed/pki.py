"""Who is who in the cluster: one authority, and certificates whose names RBAC knows."""

import base64
import json
import pathlib
import secrets
import subprocess

API = "https://10.77.0.1:6443"
API_NAMES = "IP:10.77.0.1,IP:10.96.0.1,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]


class Authority:
    """Makes certificates in a folder, as `NAME.crt` and `NAME.key`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def found(self):
        """Begins."""
        self.folder.mkdir(exist_ok=True)
        openssl("req", "-x509", *NEW_KEY, "-days", "30", "-subj", "/CN=cluster-ca",
                "-keyout", self.folder / "ca.key", "-out", self.folder / "ca.crt")
        openssl("genrsa", "-out", self.folder / "sa.key", "2048")

    def certify(self, name, subject, names=""):
        """A key and a certificate for it."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        openssl("req", *NEW_KEY, "-subj", subject, "-keyout", key, "-out", request)
        extension = self.folder / f"{name}.ext"
        extension.write_text(f"subjectAltName={names}\n" if names else "")
        openssl("x509", "-req", "-in", request, "-CA", self.folder / "ca.crt", "-CAkey", self.folder / "ca.key",
                "-set_serial", secrets.randbits(63), "-days", "30", "-out", certificate, "-extfile", extension)

    def kubeconfig(self, name, subject, file):
        """A file that lets its reader in as somebody."""
        self.certify(name, subject)
        encoded = {end: self.encoded(end) for end in ("ca.crt", f"{name}.crt", f"{name}.key")}
        cluster = {"server": API, "certificate-authority-data": encoded["ca.crt"]}
        user = {"client-certificate-data": encoded[f"{name}.crt"], "client-key-data": encoded[f"{name}.key"]}
        file.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
        }))

    def encoded(self, file):
        """As it stands in a kubeconfig."""
        return base64.b64encode((self.folder / file).read_bytes()).decode()


def openssl(*words):
    """Runs it; what it says is of interest only if it fails."""
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
