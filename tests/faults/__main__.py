"""`python -m tests.faults [names…]`: the fault runs, their counters, and the controls that must turn red."""

import argparse
import asyncio
import sys
import time
from pathlib import Path

from tests.faults.controls import CONTROLS, patched
from tests.faults.runs import RUNS, Result, carry_out

_COLUMNS = ("attempt", "acknowledged", "ok", "lost", "unexpected", "duplicated", "recovered")
_DEFAULT_RATE = 20.0
_SHORTEST_LOAD_S = 25.0
_CONTROL_CASES = 500
_CONTROL_REST_WITHIN_S = 45.0  # longer than the longest that anything waits after a single fault


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def show(result: Result) -> None:
    """The schedule, the counters, and why it is red."""
    for line in result.schedule:
        say(f"  {line}")
    say(f"  {'':12}" + "".join(f"{name:>14}" for name in _COLUMNS))
    for chain, counters in result.verdict.chains.items():
        say(f"  {chain:12}" + "".join(f"{getattr(counters, name):>14}" for name in _COLUMNS))
    verdict = result.verdict
    say(
        f"  answers {result.statuses}, slowest {result.slowest_s} s, recovery {result.recovery_s} s,"
        f" create to mail p50 {result.create_to_mail_p50_s} s, took {result.took_s} s"
    )
    say(
        f"  unknown outcomes {verdict.unknown_outcomes}, mails repeated in that window {verdict.repeated_mails},"
        f" cuts {result.cuts}, opted out {result.choices} times, mails suppressed {verdict.suppressed},"
        f" under way when it was answered {len(verdict.under_way)}"
        + (f" (at most {max(verdict.under_way) * 1000:.0f} ms later)" if verdict.under_way else "")
    )
    for reason in verdict.red:
        say(f"  RED: {reason}")
    for counters in verdict.chains.values():
        for example in counters.examples:
            say(f"    {example}")
    for wrong in result.wrong_answers:
        say(f"    {wrong}")
    say(f"{result.name}: {'green' if verdict.is_green else 'RED'}")


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(RUNS)}; all when none is given")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=_DEFAULT_RATE, help="cases per second")
    parser.add_argument("--results", type=Path, default=Path("var/faults"), help="where the JSON and the logs go")
    parser.add_argument("--controls", action="store_true", help="with a guard taken out: each must turn red")
    given = parser.parse_args()
    if given.cases / given.rate < _SHORTEST_LOAD_S:
        parser.error(f"faults need a load of {_SHORTEST_LOAD_S:g} s: more --cases, or a lower --rate")
    if unknown := set(given.names) - set(RUNS):
        parser.error(f"there is no run called {', '.join(sorted(unknown))}")
    names = given.names or list(RUNS)
    outcomes = [await (_control if given.controls else _run)(name, given) for name in names]
    say(f"{sum(outcomes)} of {len(outcomes)} as they should be")
    return 0 if all(outcomes) else 1


async def _run(name: str, given: argparse.Namespace) -> bool:
    say(f"{name}, seed {given.seed}, {given.cases} cases at {given.rate:g} a second")
    results = given.results / name
    result = await carry_out(RUNS[name], seed=given.seed, cases=given.cases, per_second=given.rate, results=results)
    show(result)
    return result.verdict.is_green


async def _control(name: str, given: argparse.Namespace) -> bool:
    """Whether each control of the run turned red, and by what it is for."""
    are_red = True
    for control in (control for control in CONTROLS if control.run == name):
        cases = min(given.cases, _CONTROL_CASES)
        say(f"{name}, control, seed {given.seed}, {cases} cases, without: {control.without}")
        with patched(control) as code:
            result = await carry_out(
                RUNS[name],
                seed=given.seed,
                cases=cases,
                per_second=given.rate,
                code=code,
                results=given.results / f"control-{name}-{control.slug}",
                rest_within_s=_CONTROL_REST_WITHIN_S,
            )
        show(result)
        is_red = any(control.shows in reason for reason in result.verdict.red)
        say(f"{name}, control: {'as it should be' if is_red else 'NOT CAUGHT'} ({control.shows.strip()})")
        are_red &= is_red
    return are_red


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
