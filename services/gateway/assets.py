"""What is served to everybody below `/static`: a body in memory, whose address is made of its content."""

import hashlib
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Asset:
    """A file of the portal or of the vendor's brand."""

    name: str
    body: bytes
    content_type: str

    @cached_property
    def version(self) -> str:
        """Of the content."""
        return hashlib.sha256(self.body).hexdigest()[:12]

    @property
    def url(self) -> str:
        """Its address: another content, another address."""
        return f"/static/{self.name}?v={self.version}"
