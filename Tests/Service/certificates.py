"""Certificates for a test, which OpenSSL makes in a directory."""
import os
import pathlib
import ssl
import subprocess

HOST = "localhost"


class Certificates:
    """Authorities, and certificates that they sign: NAME.pem with its key in NAME.pem.key."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()

    def path(self, name):
        return str(self.directory / f"{name}.pem")

    def key(self, name):
        return self.path(name) + ".key"

    def authority(self, name):
        self.make(name, f"/CN={name}", [])

    def server(self, name, authority, host=HOST):
        self.make(name, f"/CN={host}", ["-addext", f"subjectAltName=DNS:{host}"], authority)

    def client(self, name, authority):
        self.make(name, f"/CN={name}", ["-addext", "extendedKeyUsage=clientAuth"], authority)

    def make(self, name, subject, extensions, authority=None):
        signed = ["-CA", self.path(authority), "-CAkey", self.key(authority)] if authority else []
        if authority:
            extensions = [*extensions, "-addext", "basicConstraints=critical,CA:false"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", subject, *extensions, *signed, "-keyout", self.key(name),
                        "-out", self.path(name)], check=True, capture_output=True)
        os.chmod(self.key(name), 0o600)

    def context(self, authority, client=None):
        """For a client that trusts an authority, and may have a certificate itself."""
        context = ssl.create_default_context(cafile=self.path(authority))
        if client:
            context.load_cert_chain(self.path(client), self.key(client))
        return context
