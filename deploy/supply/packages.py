"""The packages of a lock, as they are installed: version, hashes, licence and its texts.

Standard library only: the image is built with it, before anything else is there.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

# What may be in the image. Another one is decided first: docs/decisions/0008-supply-chain.md.
ALLOWED = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "LGPL-2.1-only",  # pycountry: used unchanged, and as a package of its own that anybody can replace
        "MIT",
        "MIT-0",
        "MPL-2.0",  # orjson: used unchanged, its source is where it came from
        "PSF-2.0",
        "Unlicense",
    }
)
# Where the package's own words are no SPDX expression: what its licence files say.
_READ_BY_US = {
    "aiosignal": "Apache-2.0",
    "defusedxml": "PSF-2.0",
    "jinja2": "BSD-3-Clause",
    "uvloop": "MIT OR Apache-2.0",
}
_REQUIREMENT = re.compile(r"([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_LICENCE_FILE = re.compile(r"licen[cs]e|copying|notice|authors", re.IGNORECASE)


class LicenceUndecided(Exception):
    """Nobody has said yet whether this may be in the image."""


class NotAsLocked(Exception):
    """What is installed is not what the lock names."""


@dataclass(frozen=True)
class Locked:
    """One package of a lock."""

    name: str
    version: str
    sha256: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its name in lists of parts (Package URL)."""
        return f"pkg:pypi/{self.name}@{self.version}"

    @property
    def page(self) -> str:
        """Where its files are, and its source."""
        return f"https://pypi.org/project/{self.name}/{self.version}/"


@dataclass(frozen=True)
class Package:
    """A locked package as it is installed."""

    locked: Locked
    licence: str  # an SPDX expression
    texts: tuple[str, ...]


def read_lock(lock: Path) -> list[Locked]:
    """Every package that a lock names, in its order."""
    text = re.sub(r"^ *#.*\n", "", lock.read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", "").splitlines()
    matches = ((_REQUIREMENT.match(line), line) for line in lines)
    return [Locked(match[1], match[2], tuple(_HASH.findall(line))) for match, line in matches if match is not None]


def installed(locked: Sequence[Locked], site: Path) -> list[Package]:
    """The packages with their licences; NotAsLocked for another version, LicenceUndecided for a new licence."""
    there = {_normal(found.name): found for found in distributions(path=[str(site)])}
    return [_package(each, there.get(each.name)) for each in locked]


def licence_of(found: Distribution) -> str:
    """Its licence as an SPDX expression; LicenceUndecided where that cannot be told or is not allowed."""
    told = [told for field in ("License-Expression", "License") for told in found.metadata.get_all(field) or []]
    licence = _READ_BY_US.get(_normal(found.name)) or next(iter(told), "")
    named = set(re.findall(r"[A-Za-z0-9.+-]+", licence)) - {"AND", "OR"}
    if not named or not named <= ALLOWED:
        raise LicenceUndecided(f"{found.name} {found.version}: {licence[:80] or 'no licence'}")
    return licence


def _package(locked: Locked, found: Distribution | None) -> Package:
    if found is None or found.version != locked.version:
        raise NotAsLocked(f"{locked.name}: {locked.version} is locked, installed is {found and found.version}")
    return Package(locked, licence_of(found), tuple(_texts(found)))


def _texts(found: Distribution) -> Iterator[str]:
    for file in sorted(found.files or [], key=str):
        in_metadata = file.parts[0].endswith(".dist-info")
        if in_metadata and (_LICENCE_FILE.search(file.name) or "licenses" in file.parts[:-1]):
            yield file.read_text(encoding="utf-8")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
