"""Every view, order, filter, count and queue, for each role: what one read waits for must not grow with the table."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.cases.cases.store.lists import SORTS
from tests.bench.figures import percentile
from tests.bench.measuring import Bench
from tests.bench.people import Person
from tests.bench.reading import time_of
from tests.bench.roles import each_role
from tests.bench.words import a_text

_READS = 25
_WARMED_UP_BY = 3
# What takes long is not asked for as often.
_LONG_ENOUGH_S, _AT_LEAST = 6.0, 8
_FAVOURITES = 30
_VIEWS = ("recent", "company", "site", "submitted", "favourites", "waiting")
_QUEUES = (*("unassigned", "mine", "open", "callbacks", "escalations", "first_answers", "replied", "waiting_parts"),)
_SIDES = {"vendor admin", "agent"}


async def measure_each_view(bench: Bench, scale: int) -> None:
    """One read after the other, p50 and p95; the first few do not count."""
    async for role, person in each_role(bench):
        await _mark_some(person)
        for kind, paths in (await _paths(bench, role, person)).items():
            took_s = await _times(person, paths)
            for share in (50, 95):
                figure = percentile(took_s, share / 100) * 1000
                bench.figures.add(f"{kind}, {role}, {scale:,} cases, p{share}", "ms", figure)


async def _times(person: Person, paths: Sequence[str]) -> list[float]:
    for n in range(_WARMED_UP_BY):
        await time_of(person, paths[n % len(paths)])
    took_s, began = list[float](), time.monotonic()
    while len(took_s) < _READS and (len(took_s) < _AT_LEAST or time.monotonic() - began < _LONG_ENOUGH_S):
        took_s.append(await time_of(person, paths[len(took_s) % len(paths)]))
    return took_s


async def _mark_some(person: Person) -> None:
    """The person's favourites: cases from the middle of their list, too."""
    for path in ("/cases?sort=title&limit=200", "/cases?limit=200"):
        rows = (await person.portal.get(path))["items"]
        for row in rows[:: max(1, len(rows) // (_FAVOURITES // 2))]:
            await person.portal.put(f"/cases/{row['number']}/favourite", {})


async def _paths(bench: Bench, role: str, person: Person) -> Mapping[str, Sequence[str]]:
    """What is asked for, by what it is called; where several stand under one name, they are asked in turn."""
    rng, api = bench.rng, "/api/v1/cases"
    rows = (await person.portal.get("/cases?limit=200"))["items"]
    site = next((row["site_id"] for row in rows if row["site_id"]), None)
    serials = [row["serial"] for row in rows if row["serial"]][:_READS]
    words = [a_text(rng, 1) for _ in range(_READS)]
    several = [a_text(rng, 3) for _ in range(_READS)]
    paths: dict[str, list[str]] = {
        **{f"view {view}": [f"{api}?view={view}"] for view in _VIEWS},
        **{f"sort {sort}": [f"{api}?sort={way}{sort}" for way in ("", "-")] for sort in sorted(SORTS)},
        "status open": [f"{api}?status=open"],
        "status waiting for the customer, most severe first": [f"{api}?status=waiting_customer&sort=severity"],
        "severity critical": [f"{api}?severity=1"],
        "created in a month": [f"{api}?created_from=2026-01-01&created_to=2026-01-31"],
        "created by me": [f"{api}?mine=true"],
        "serial number": [f"{api}?serial={serial}" for serial in serials],
        "beginning of a serial number": [f"{api}?q={serial[:5]}" for serial in serials],
        "search, one word": [f"{api}?q={word}" for word in words],
        "search, three words": [f"{api}?q={text.replace(' ', '+')}" for text in several],
        "facets": [f"{api}/facets"],
        "facets, created in a month": [f"{api}/facets?created_from=2026-01-01&created_to=2026-01-31"],
        "facets of a search": [f"{api}/facets?q={word}" for word in words],
        "facets, waiting": [f"{api}/facets?view=waiting"],
        "whose turn for how long, by site, one month": [
            f"{api}/turn-times?created_from=2026-01-01&created_to=2026-01-31"
        ],
        "page: start": ["/"],
        "page: cases": ["/cases"],
        **{f"page: cases, {view}": [f"/cases?view={view}"] for view in _VIEWS[1:]},
        "page: a case": [f"/cases/{row['number']}" for row in rows[:_READS]],
    }
    if site:
        paths |= {"site": [f"{api}?site_id={site}"], "facets, site": [f"{api}/facets?site_id={site}"]}
    if role in _SIDES:
        company = bench.people.customers[0].company_id
        agents = "/api/v1/agent/cases"
        paths |= {
            "of one company": [f"{api}?company_id={company}"],
            **{f"queue {queue}": [f"{agents}?queue={queue}"] for queue in _QUEUES},
            "queue open, of one company": [f"{agents}?queue=open&company_id={company}"],
            "queue open, whose turn": [f"{agents}?queue=open&turn={turn}" for turn in ("vendor", "customer")],
            "queue open, newest change first": [f"{agents}?queue=open&sort=-updated_at"],
            "view waiting, with those not taken, by turn": [f"{api}?view=waiting&untaken=1&sort=turn"],
            "queue open, search": [f"{agents}?queue=open&q={word}" for word in words],
            "counts of all queues": ["/api/v1/agent/queues"],
            "page: queue": ["/queue"],
        }
    return paths


def beside(figures: Mapping[str, Mapping[str, Any]], scales: Sequence[int]) -> str:
    """A table of what `make bench` wrote: what one read takes, by kind and role.

    A cell is `12 / 15 × 1.1`: p50 and p95 at the largest size in ms, and p50 beside that of the smallest size.
    """
    small, large = (f"{size:,} cases" for size in (min(scales), max(scales)))
    values: dict[str, dict[str, dict[tuple[str, str], float | None]]] = {}
    for name, row in figures.items():
        kind, _, rest = name.rpartition(f", {small}, ") if small in name else name.rpartition(f", {large}, ")
        if kind:
            what, role = _split(kind)
            size = small if small in name else large
            values.setdefault(what, {}).setdefault(role, {})[size, rest] = row["median"]
    roles = list(dict.fromkeys(role for by_role in values.values() for role in by_role))
    lines = [f"| | {' | '.join(roles)} |", f"| --- |{' --- |' * len(roles)}"]
    lines += [
        f"| {what} | {' | '.join(_cell(by_role.get(role, {}), small, large) for role in roles)} |"
        for what, by_role in values.items()
    ]
    return "\n".join(lines)


_ROLES = ("member, own cases only", "member of one site", "company admin", "vendor admin", "member", "agent")


def _split(kind: str) -> tuple[str, str]:
    role = next(role for role in _ROLES if kind.endswith(f", {role}"))
    return kind.removesuffix(f", {role}"), role


def _cell(values: Mapping[tuple[str, str], float | None], small: str, large: str) -> str:
    if (large, "p50") not in values:
        return ""
    p50, p95, before = values[large, "p50"], values[large, "p95"], values.get((small, "p50"))
    if p50 is None or p95 is None:
        return "refused"
    return f"{p50:.0f} / {p95:.0f}" + (f" × {p50 / before:.1f}" if before else "")


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123
        result = orjson.loads(file.read())
    sys.stdout.write(beside(result["figures"], result["options"]["scales"]) + "\n")
