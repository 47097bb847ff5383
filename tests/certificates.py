"""Certificates for tests, made by the openssl program: an authority, and what it signs for servers."""

import ssl
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """Signs certificates; whoever trusts `certificate` (PEM) trusts them."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._name = name
        where = ("-keyout", f"{name}.key", "-out", f"{name}.pem")
        self._openssl("req", "-x509", *_KEY, *where, "-subj", f"/CN={name}", "-days", "2")

    @property
    def file(self) -> Path:
        return self._folder / f"{self._name}.pem"

    @property
    def certificate(self) -> str:
        return self.file.read_text()

    def server(self, host: str = "localhost", *, expired: bool = False) -> ssl.SSLContext:
        """What a server of this name says."""
        made = f"{host}{'-expired' if expired else ''}"
        alternative = ("-addext", f"subjectAltName=DNS:{host}")
        self._openssl(
            "req", *_KEY, "-keyout", f"{made}.key", "-out", f"{made}.csr", "-subj", f"/CN={host}", *alternative
        )
        signer = ("-CA", f"{self._name}.pem", "-CAkey", f"{self._name}.key", "-CAcreateserial")
        days = ("-days", "-1" if expired else "2")
        self._openssl(
            "x509", "-req", "-in", f"{made}.csr", "-out", f"{made}.pem", *signer, *days, "-copy_extensions", "copy"
        )
        return self._context(made)

    def itself(self) -> ssl.SSLContext:
        """What a server says whose certificate nobody else has signed."""
        return self._context(self._name)

    def _context(self, made: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._folder / f"{made}.pem", self._folder / f"{made}.key")
        return context

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._folder, check=True, capture_output=True)  # noqa: S607
