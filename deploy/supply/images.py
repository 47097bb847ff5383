"""`make pin`: writes beside each image's tag the digest that its registry has for it now.

The files keep the tag, so that one sees what is meant; engines take the digest. Where no registry can be reached,
nothing is changed.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

_FILES = (Path("deploy/compose.yaml"), Path("deploy/Dockerfile"))
_REGISTRY = "https://registry-1.docker.io"
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=10)
_IMAGE = re.compile(r"(?P<before>_IMAGE(?::-|=))(?P<image>[a-z0-9][a-z0-9./_-]*:[\w.-]+)(?:@sha256:[0-9a-f]{64})?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Of an index the digest holds for every kind of processor.
_KINDS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_UNAUTHORIZED = 401


class NotTold(Exception):
    """The registry did not say which digest a tag has."""


def images_of(text: str) -> list[str]:
    """The images that a file names by default, with their tags."""
    return [match["image"] for match in _IMAGE.finditer(text)]


def pinned(text: str, digests: Mapping[str, str]) -> str:
    """The same file with these digests."""
    return _IMAGE.sub(lambda match: f"{match['before']}{match['image']}@{digests[match['image']]}", text)


async def digest_of(http: aiohttp.ClientSession, image: str, registry: str = _REGISTRY) -> str:
    """What the registry has under this tag now; NotTold where it does not say."""
    name, _, tag = image.partition(":")
    url = f"{registry}/v2/{name if '/' in name else f'library/{name}'}/manifests/{tag}"
    headers = {"Accept": ", ".join(_KINDS)}
    try:
        async with http.head(url, headers=headers) as answer:
            status, challenge, digest = answer.status, answer.headers.get("WWW-Authenticate", ""), _digest(answer)
        if status == _UNAUTHORIZED:
            headers["Authorization"] = f"Bearer {await _token(http, challenge)}"
            async with http.head(url, headers=headers) as answer:
                status, digest = answer.status, _digest(answer)
    except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as error:
        raise NotTold(f"{type(error).__name__} at {registry}") from error
    if not digest:
        raise NotTold(f"{registry} answers {status} for {image}")
    return digest


async def _token(http: aiohttp.ClientSession, challenge: str) -> str:
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    where = {name: asked[name] for name in ("service", "scope") if name in asked}
    async with http.get(asked["realm"], params=where, raise_for_status=True) as answer:
        return str((await answer.json())["token"])


def _digest(answer: aiohttp.ClientResponse) -> str:
    told = answer.headers.get("Docker-Content-Digest", "")
    return told if answer.ok and _DIGEST.fullmatch(told) else ""


async def pin(files: Sequence[Path], registry: str = _REGISTRY) -> dict[str, str]:
    """Writes the digests into the files, all of them or none; image → digest."""
    texts = {file: file.read_text(encoding="utf-8") for file in files}
    images = dict.fromkeys(image for text in texts.values() for image in images_of(text))
    async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as http:
        digests = {image: await digest_of(http, image, registry) for image in images}
    for file, text in texts.items():
        file.write_text(pinned(text, digests), encoding="utf-8")
    return digests


def main(words: Sequence[str] | None = None) -> int:
    """One line for each image."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply.images", description=__doc__)
    parser.add_argument("--registry", default=_REGISTRY)
    parser.add_argument("files", nargs="*", type=Path, default=_FILES)
    given = parser.parse_args(words)
    try:
        digests = asyncio.run(pin(given.files, given.registry))
    except NotTold as why:
        print(f"pin: nothing was changed: {why}")
        return 1
    for image, digest in digests.items():
        print(f"pin: {image}@{digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
