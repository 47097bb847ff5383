"""What came out, as a table for people and as JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.abuse.others import Served

_PATIENCE = 2.0  # others may wait so many times as long as when nobody attacks


@dataclass(frozen=True)
class Memory:
    """Of one service during one abuse, in MiB."""

    peak: int  # with what the kernel caches of its files
    resident: int  # without
    limit: int
    kills: int


@dataclass(frozen=True)
class Result:
    """One abuse: what the attacker got, how the others fared, what the services took."""

    name: str
    what: str
    answers: Mapping[str, int]
    seconds: float
    others: Served
    memory: Mapping[str, Memory]
    ended: Sequence[str]  # services that died or hung
    unhandled: int
    recovered_s: float | None
    notes: list[str] = field(default_factory=list)

    def faults(self, idle: Served) -> list[str]:
        """Why it is red; nothing when it is as it should be."""
        red = [f"{name} was killed for its memory" for name, memory in self.memory.items() if memory.kills]
        red += [f"{name} took all of its memory" for name, memory in self.memory.items() if memory.peak >= memory.limit]
        if not self.others.p50_ms <= _PATIENCE * idle.p50_ms:
            red.append("others waited")
        if failures := sum(self.others.failures.values()):
            red.append(f"{failures} × not served")
        if self.ended:
            red.append("; ".join(self.ended))
        if self.unhandled:
            red.append(f"{self.unhandled} errors of ours in the logs")
        if self.recovered_s is None:
            red.append("it did not recover by itself")
        return red


def table(idle: Served, results: Sequence[Result], *, holds: bool) -> str:
    """Markdown; one row for each abuse."""
    names = list(results[0].memory) if results else []
    limits = {name: results[0].memory[name].limit for name in names}
    memory = "peak memory, MiB" if holds else "peak memory (not bounded here), MiB"
    heads = [f"{name} (of {limits[name]})" for name in names]
    lines = [
        f"Nobody attacks: p50 {_ms(idle.p50_ms)}, p99 {_ms(idle.p99_ms)}, {_failures(idle)} of {idle.asked}. {memory}.",
        "",
        "| abuse | answers | others' p50 | × idle | others' p99 | others not served | "
        + " | ".join(heads)
        + " | ended | well again after | |",
        "| --- | --- | ---: | ---: | ---: | --- | " + "---: | " * len(heads) + "--- | ---: | --- |",
    ]
    return "\n".join([*lines, *(_row(idle, result) for result in results)])


def _row(idle: Served, result: Result) -> str:
    others = result.others
    cells = [
        result.what,
        ", ".join(f"{count} × {answer}" for answer, count in sorted(result.answers.items())),
        _ms(others.p50_ms),
        _number(others.p50_ms / idle.p50_ms),
        _ms(others.p99_ms),
        f"{_failures(others)} of {others.asked}",
        *(f"{memory.peak}{' killed' if memory.kills else ''}" for memory in result.memory.values()),
        "; ".join(result.ended) or "–",
        "not by itself" if result.recovered_s is None else f"{result.recovered_s:g} s",
        "RED: " + ", ".join(red) if (red := result.faults(idle)) else "green",
    ]
    return f"| {' | '.join(cells)} |"


def _failures(served: Served) -> str:
    total = sum(served.failures.values())
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(served.failures.items()))
    return f"{total} ({kinds})" if total else "0"


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if math.isfinite(value) else "not served"


def _number(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "–"


def as_json(idle: Served, results: Sequence[Result], **about: Any) -> dict[str, Any]:
    """All of it; what is infinite becomes null."""
    told = {"about": about, "idle": asdict(idle), "results": [asdict(r) | {"red": r.faults(idle)} for r in results]}
    finite: dict[str, Any] = _finite(told)
    return finite


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
