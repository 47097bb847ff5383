"""`python -m deploy.supply.papers`: licences and notices of the locked packages, and the list of them (CycloneDX)."""

import argparse
import json
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from deploy.supply.packages import Package, installed, read_lock

_NOTICES, _PARTS = "THIRD-PARTY-NOTICES", "sbom.cdx.json"
_LINE = "=" * 100
_HEAD = """\
What Portico's image holds of others

Portico itself is under the Apache License 2.0 (LICENSE). It uses these packages as they were published, unchanged;
each can be replaced by another version of it, and its source is at the address that stands with it. The licences of
Python and of the operating system are in the image where those put them: /usr/local/lib/python*/LICENSE.txt and
/usr/share/doc/*/copyright.
"""


def notices(packages: Sequence[Package]) -> str:
    """One text with the licence of each package, and what it asks to be handed on."""
    return "\n".join([_HEAD, *(_notice(package) for package in packages)])


def _notice(package: Package) -> str:
    locked = package.locked
    head = f"{_LINE}\n{locked.name} {locked.version}\nLicence: {package.licence}\nSource: {locked.page}\n{_LINE}\n"
    return "\n".join([head, *(text.strip() + "\n" for text in package.texts)])


def parts_list(packages: Sequence[Package]) -> dict[str, Any]:
    """The software bill of materials, CycloneDX 1.6; the same packages give the same."""
    components = [_component(package) for package in packages]
    contents = json.dumps(components, sort_keys=True)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, contents)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "portico",
                "name": "portico",
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": components,
    }


def _component(package: Package) -> dict[str, Any]:
    locked = package.locked
    # Of each file that the lock allows: which of them was installed depends on the machine.
    hashes = [{"alg": "SHA-256", "content": digest} for digest in locked.sha256]
    return {
        "type": "library",
        "bom-ref": locked.purl,
        "name": locked.name,
        "version": locked.version,
        "purl": locked.purl,
        "licenses": [{"expression": package.licence}],
        "externalReferences": [{"type": "distribution", "url": locked.page, "hashes": hashes}],
    }


def main(words: Sequence[str] | None = None) -> int:
    """Write both files into a folder."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply.papers", description=__doc__)
    parser.add_argument("--lock", type=Path, default=Path("requirements-runtime.lock"))
    parser.add_argument(
        "--site", type=Path, default=Path(sysconfig.get_path("purelib")), help="where they are installed"
    )
    parser.add_argument("--to", type=Path, default=Path("var/supply"))
    given = parser.parse_args(words)
    packages = installed(read_lock(given.lock), given.site)
    given.to.mkdir(parents=True, exist_ok=True)
    (given.to / _NOTICES).write_text(notices(packages), encoding="utf-8")
    (given.to / _PARTS).write_text(json.dumps(parts_list(packages), indent=1) + "\n", encoding="utf-8")
    print(f"{len(packages)} packages: {given.to / _NOTICES}, {given.to / _PARTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
