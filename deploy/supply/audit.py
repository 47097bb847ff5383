"""`make audit`: asks a database of advisories (OSV) about every package of both locks, in one request.

What does not concern us for now stands in `accepted-advisories.txt`, until a day and with the reason.

0: none is known, or all are accepted. 1: there are some, each is named. 3: no database was reached: nothing is known.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import aiohttp

from deploy.supply.packages import Locked, read_lock

_DATABASE = "https://api.osv.dev"
_LOCKS = (Path("requirements-runtime.lock"), Path("requirements.lock"))
_ACCEPTED = Path(__file__).with_name("accepted-advisories.txt")
_TIMEOUT = aiohttp.ClientTimeout(total=30, sock_connect=5)
_NONE_KNOWN, _SOME, _NOT_REACHED = 0, 1, 3


class NotReached(Exception):
    """There is no such database here, or it said something else."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """An advisory that does not concern us, the last day on which that holds, and why."""

    name: str
    until: date
    why: str

    @classmethod
    def of(cls, line: str) -> "Accepted":
        """SystemExit where one of the three is missing: nothing is accepted for ever, or without a reason."""
        try:
            name, until, why = line.split(maxsplit=2)
            return cls(name, date.fromisoformat(until), why)
        except ValueError:
            raise SystemExit(f"audit: not `ID YYYY-MM-DD reason`: {line}") from None


def read_accepted(file: Path) -> list[Accepted]:
    """One on each line; lines that begin with # are for people."""
    lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [Accepted.of(line) for line in lines if line and not line.startswith("#")]


def without_accepted(
    found: dict[str, list[str]], accepted: Sequence[Accepted], *, today: date
) -> tuple[dict[str, list[str]], list[str]]:
    """What is left of what was found, and a sentence about each line of the file that does nothing any more."""
    good = {each.name for each in accepted if each.until >= today}
    left = {purl: sorted(set(names) - good) for purl, names in found.items()}
    known = {name for names in found.values() for name in names}
    said = [f"{each.name} was accepted until {each.until} only" for each in accepted if each.until < today]
    said += [f"{each.name} is accepted, but known against nothing" for each in accepted if each.name not in known]
    return {purl: names for purl, names in left.items() if names}, said


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
    parser.add_argument("--accepted", type=Path, default=_ACCEPTED, metavar="FILE", help="what does not concern us")
    given = parser.parse_args(words)
    accepted = read_accepted(given.accepted)
    packages = list(dict.fromkeys(package for lock in _LOCKS for package in read_lock(lock)))
    try:
        found = asyncio.run(advisories(packages, given.database))
    except NotReached as why:
        print(f"audit: NOT CHECKED: no advisory database was reached ({why}); {len(packages)} packages are unchecked")
        return _NONE_KNOWN if given.if_reached else _NOT_REACHED
    found, said = without_accepted(found, accepted, today=datetime.now(UTC).date())
    for sentence in said:
        print(f"audit: {given.accepted.name}: {sentence}")
    for purl, names in found.items():
        print(f"audit: {purl}: {', '.join(f'https://osv.dev/{name}' for name in names)}")
    print(f"audit: {len(packages)} packages checked, something is known against {len(found)}")
    return _SOME if found else _NONE_KNOWN


if __name__ == "__main__":
    sys.exit(main())
