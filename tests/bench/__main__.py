"""`make bench`: the real stack under load; a table, and the same as JSON under `var/bench`."""

import argparse
import asyncio
import re
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from deploy.local.stack import Borrowed, Stack
from shared.mongo import connect
from tests.bench import backlogs, creating, live, machine, measuring, processes, reading, reference, views
from tests.bench.archive import Archive
from tests.bench.figures import Figures, times
from tests.bench.measuring import Bench
from tests.bench.people import joined
from tests.bench.sink import Sink
from tests.unbounded import UNBOUNDED

_REPOSITORY = Path(__file__).resolve().parents[2]
_PAGE = _REPOSITORY / "docs" / "performance.md"
_RESULTS = _REPOSITORY / "var" / "bench"
_COMMITTED = _REPOSITORY / "docs" / "performance.json"
_OfAnArchive = Callable[[Bench, int], Awaitable[None]]
_OF_AN_ARCHIVE: dict[str, _OfAnArchive] = {
    "read": reading.measure_reads,
    "role": reading.measure_each_role,
    "view": views.measure_each_view,
    "live": live.measure_live,
    "export": reading.measure_exports,
}
_PARTS = ("create", "backlog", *_OF_AN_ARCHIVE, "process")
# Hundreds of figures, which are asked for by name.
_UNASKED = tuple(part for part in _PARTS if part != "view")
_BACKLOGS = {"events": 50_000, "mails": 10_000}
_SMALL_BACKLOGS = {"events": 5_000, "mails": 1_000}
_TABLE = re.compile(r"(?<=<!-- bench -->\n).*(?=<!-- /bench -->)", re.DOTALL)


def main() -> int:
    options = _parser().parse_args()
    began = datetime.now(UTC)
    committed = orjson.loads(_COMMITTED.read_bytes())
    result = asyncio.run(_run(options, {name: row["median"] for name, row in committed["figures"].items()}))
    result["options"] |= {"began": began.isoformat(timespec="seconds")}
    result["took_s"] = round((datetime.now(UTC) - began).total_seconds())
    _RESULTS.mkdir(parents=True, exist_ok=True)
    file = _RESULTS / f"{began:%Y%m%dT%H%M%S}.json"
    file.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2))
    told = f"{_headline(result, committed)}{_context(result)}\n\n{result['table']}\n"
    sys.stdout.write(f"{told}\nAs JSON: {file}\n")
    if options.markdown:
        _PAGE.write_text(_TABLE.sub(lambda _: told, _PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        kept = {key: result[key] for key in ("machine", "options", "figures")}
        _COMMITTED.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    return 0


def _headline(result: dict[str, Any], committed: dict[str, Any]) -> str:
    """The figure that says most, first: it moves with the machine far less than the others."""
    now, before = (each["figures"].get(creating.FLOOR_RATIO, {}).get("median") for each in (result, committed))
    if now is None:
        return ""
    earlier = f"; {before:.3f} at commit {committed['machine']['commit']}, {times(now, before)}" if before else ""
    return f"**{creating.FLOOR_RATIO}: {now:.3f}**{earlier}.\n\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short run at 5,000 cases: whether it works, not how fast"
    )
    parser.add_argument("--scale", default="10000,100000", help="how many cases to read from, in rising order")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=_PARTS, nargs="+", default=list(_UNASKED))
    parser.add_argument("--seed", default="", help="of arrivals and texts; without one, a new one that is told")
    parser.add_argument(
        "--data", type=Path, help="where the databases lie while it runs; else the folder for temporary files"
    )
    parser.add_argument("--peer", action="store_true", help="django-helpdesk on PostgreSQL, too; it is installed first")
    parser.add_argument("--markdown", action="store_true", help="put the table into docs/performance.md")
    return parser


async def _run(options: argparse.Namespace, before: Mapping[str, float]) -> dict[str, Any]:
    scales = [5_000] if options.quick else [int(scale) for scale in options.scale.split(",")]
    runs = 1 if options.quick else options.runs
    seed = options.seed or secrets.token_hex(4)
    with tempfile.TemporaryDirectory(prefix="portico-bench-", dir=options.data, ignore_cleanup_errors=True) as folder:
        about = machine.describe(Path(folder))
        async with _started(Path(folder), seed, measuring.QUICK if options.quick else measuring.FULL) as bench:
            await _measure(bench, options, scales=scales, runs=runs)
            return {
                "machine": about,
                "options": {"seed": seed, "runs": runs, "scales": scales, "quick": options.quick, "only": options.only},
                "figures": bench.figures.as_json(),
                "table": bench.figures.as_markdown(before),
            }


@asynccontextmanager
async def _started(folder: Path, seed: str, durations: measuring.Durations) -> AsyncIterator[Bench]:
    sink = Sink(folder)
    stack = Stack(folder, borrowed=Borrowed(smtp_url=sink.url), environment=UNBOUNDED)
    db = connect(stack.environment["MONGO_URL"], "cases")
    sink.start()
    try:
        await stack.start()
        async with joined(stack, seed) as people:
            yield Bench(stack, people, sink, db, Figures(), seed, durations)
    finally:
        await db.close()
        await stack.stop()
        await sink.child.stop()


async def _measure(bench: Bench, options: argparse.Namespace, *, scales: list[int], runs: int) -> None:
    only = set(options.only)
    if "process" in only:
        await processes.measure_idle(bench)
        for _ in range(runs):
            await processes.measure_start(bench)
    for run in range(runs if "create" in only else 0):
        _say(f"creating, run {run + 1} of {runs}")
        await creating.measure_creates(bench, await creating.measure_floor(bench))
        await creating.measure_saturation(bench)
        if options.peer:
            await reference.measure_reference(bench)
    if "backlog" in only:
        _say("working off backlogs")
        await backlogs.measure_backlogs(bench, **(_SMALL_BACKLOGS if options.quick else _BACKLOGS))
    if wanted := [measure for part, measure in _OF_AN_ARCHIVE.items() if part in only]:
        await _measure_archive(bench, wanted, scales=scales, runs=runs)
    if "process" in only:
        processes.measure_memory_after(bench)


async def _measure_archive(bench: Bench, wanted: Sequence[_OfAnArchive], *, scales: list[int], runs: int) -> None:
    archive = Archive(bench.db, bench.people, bench.seed)
    for scale in scales:
        _say(f"writing {scale:,} cases")
        await archive.grow_to(scale)
        for run in range(runs):
            _say(f"reading from {scale:,} cases, run {run + 1} of {runs}")
            for measure in wanted:
                await measure(bench, scale)


def _say(what: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what} …\n")


def _context(result: dict[str, Any]) -> str:
    about, options = result["machine"], result["options"]
    commit = about["commit"] + (" with uncommitted changes" if about["uncommitted_changes"] else "")
    libraries = ", ".join(f"{name} {number}" for name, number in about["libraries"].items())
    return (
        f"Measured {options['began']} in {result['took_s']} s at commit {commit}, seed {options['seed']}, "
        f"on {about['cores']} × {about['processor']}, {about['memory_gib']} GiB, Linux {about['kernel']}, "
        f"load before {about['load_before'][0]:.1f}, data on {about['data_on']}; Python {about['python']}, "
        f"MongoDB {about['mongod']}, RabbitMQ {about['rabbitmq']}, {libraries}."
    )


if __name__ == "__main__":
    sys.exit(main())
