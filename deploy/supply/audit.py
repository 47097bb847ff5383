"""`make audit`: asks a database of advisories (OSV) about every package of both locks, in one request.

0: none is known. 1: there are some, each is named. 3: no database was reached, and nothing is known.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from deploy.supply.packages import Locked, read_lock

_DATABASE = "https://api.osv.dev"
_LOCKS = (Path("requirements-runtime.lock"), Path("requirements.lock"))
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
_NONE_KNOWN, _SOME, _NOT_REACHED = 0, 1, 3


class NotReached(Exception):
    """There is no such database here, or it said something else."""


async def advisories(packages: Sequence[Locked], database: str = _DATABASE) -> dict[str, list[str]]:
    """Package URL → the names of what is known against this version; NotReached when nobody could say."""
    queries = {"queries": [{"package": {"purl": package.purl}} for package in packages]}
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as http,
            http.post(f"{database}/v1/querybatch", json=queries, raise_for_status=True) as answer,
        ):
            results = (await answer.json())["results"]
            named = [[vulnerability["id"] for vulnerability in result.get("vulns", [])] for result in results]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotReached(f"{type(error).__name__} at {database}") from error
    if len(named) != len(packages):
        raise NotReached(f"{database} answered about {len(named)} of {len(packages)} packages")
    return {package.purl: names for package, names in zip(packages, named, strict=True) if names}


def main(words: Sequence[str] | None = None) -> int:
    """What is known, one line each."""
    parser = argparse.ArgumentParser(prog="python -m deploy.supply.audit", description=__doc__)
    parser.add_argument("--database", default=_DATABASE, help="one that speaks OSV's API")
    parser.add_argument("--if-reached", action="store_true", help="0 also where no database was reached")
    parser.add_argument("--accept", action="append", default=[], metavar="ID", help="one that does not concern us")
    given = parser.parse_args(words)
    packages = list(dict.fromkeys(package for lock in _LOCKS for package in read_lock(lock)))
    try:
        found = asyncio.run(advisories(packages, given.database))
    except NotReached as why:
        print(f"audit: NOT CHECKED: no advisory database was reached ({why}); {len(packages)} packages are unchecked")
        return _NONE_KNOWN if given.if_reached else _NOT_REACHED
    found = {purl: left for purl, names in found.items() if (left := sorted(set(names) - set(given.accept)))}
    for purl, names in found.items():
        print(f"audit: {purl}: {', '.join(f'https://osv.dev/{name}' for name in names)}")
    print(f"audit: {len(packages)} packages checked, something is known against {len(found)}")
    return _SOME if found else _NONE_KNOWN


if __name__ == "__main__":
    sys.exit(main())
