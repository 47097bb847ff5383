"""`make abuse`: what one person can do to all others, measured; a table, and the same as JSON under `var/abuse`."""

import argparse
import asyncio
import json
import multiprocessing
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from tests.abuse.attacks import ABUSES, Abuse, carry_out
from tests.abuse.others import Served, Span
from tests.abuse.report import Memory, Result, as_json, table
from tests.abuse.world import World, running

_REPOSITORY = Path(__file__).resolve().parents[2]
_RESULTS = _REPOSITORY / "var" / "abuse"
_PAGE = _REPOSITORY / "docs" / "abuse.md"
_TABLE = re.compile(r"(?<=<!-- abuse -->\n).*(?=<!-- /abuse -->)", re.DOTALL)
_IDLE_S = 10.0
_SETTLE_S, _IDLE_BETWEEN_S = 1.0, 2.0


def main() -> int:
    options = _parser().parse_args()
    known = {abuse.name for abuse in ABUSES}
    if unknown := set(options.names) - known:
        _parser().error(f"there is no abuse called {', '.join(sorted(unknown))}")
    chosen = [abuse for abuse in ABUSES if not options.names or abuse.name in options.names]
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="portico-abuse-", ignore_cleanup_errors=True) as folder:
        idle, results, holds = asyncio.run(_run(Path(folder), chosen, options))
    about = {
        "began": began.isoformat(timespec="seconds"),
        "took_s": round((datetime.now(UTC) - began).total_seconds()),
        "commit": _commit(options.checkout),
        "cases": options.cases,
        "memory_is_bounded": holds,
    }
    _RESULTS.mkdir(parents=True, exist_ok=True)
    file = _RESULTS / f"{began:%Y%m%dT%H%M%S}.json"
    file.write_text(json.dumps(as_json(idle, results, **about), indent=1) + "\n", encoding="utf-8")
    red = sum(bool(result.faults(idle)) for result in results)
    told = (
        f"Measured {about['began']} in {about['took_s']} s at commit {about['commit']}, {options.cases:,} cases: "
        f"{len(results) - red} of {len(results)} green.\n\n{table(idle, results, holds=holds)}\n"
    )
    sys.stdout.write(f"{told}\nAs JSON: {file}\n")
    if options.markdown:
        _PAGE.write_text(_TABLE.sub(lambda _: told, _PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 1 if red else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.abuse", description=__doc__)
    names = ", ".join(abuse.name for abuse in ABUSES)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {names}; all when none is given")
    parser.add_argument("--cases", type=int, default=3000, help="how many there are before it begins")
    parser.add_argument("--checkout", type=Path, default=_REPOSITORY, help="the tree that the services run from")
    parser.add_argument("--markdown", action="store_true", help="put the table into docs/abuse.md")
    return parser


def _commit(checkout: Path) -> str:
    words = ("git", "-C", str(checkout), "describe", "--always", "--dirty")
    return subprocess.run(words, check=False, capture_output=True, text=True).stdout.strip() or "?"


async def _run(folder: Path, chosen: list[Abuse], options: argparse.Namespace) -> tuple[Served, list[Result], bool]:
    code = options.checkout.resolve()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as attackers:
        async with running(folder, code=code, cases=options.cases) as world:
            await world.recovered()
            quiet = [await _while_nobody_attacks(_IDLE_S)]
            results = []
            for abuse in chosen:
                results.append(await _measure(world, abuse, attackers))
                await asyncio.sleep(_SETTLE_S)
                quiet.append(await _while_nobody_attacks(_IDLE_BETWEEN_S))
            # All of these together: what else the machine does changes while this runs.
            idle = await world.others.served(*quiet)
    return idle, results, all(cage.holds for cage in world.stack.cages.values())


async def _while_nobody_attacks(seconds: float) -> Span:
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return Span(began, time.monotonic())


async def _measure(world: World, abuse: Abuse, attackers: ProcessPoolExecutor) -> Result:
    _say(abuse.what)
    stack, since = world.stack, time.monotonic()
    stack.ended.clear()
    unhandled = stack.unhandled()
    for cage in stack.cages.values():
        cage.begin()
    answers = await asyncio.get_running_loop().run_in_executor(attackers, carry_out, abuse.name, world.target)
    attacked = Span(since, time.monotonic())
    recovered_s = await world.recovered()
    others = await world.others.served(attacked)
    return Result(
        name=abuse.name,
        what=abuse.what,
        answers=dict(answers),
        seconds=round(attacked.ended - attacked.began, 1),
        others=others,
        memory={
            name: Memory(cage.peak_mib, cage.resident_mib, cage.limit // 2**20, cage.kills)
            for name, cage in stack.cages.items()
        },
        ended=tuple(stack.ended),
        unhandled=stack.unhandled() - unhandled,
        recovered_s=recovered_s,
    )


def _say(what: str) -> None:
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what} …\n")


if __name__ == "__main__":
    sys.exit(main())
