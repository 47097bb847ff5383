"""Figures of several runs: percentiles, medians and ranges, and the table that they make beside earlier ones."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

_SMALL = 10
_LARGE = 100


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all values do not exceed: a measured one, no average of two."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass
class Figures:
    """Each figure's unit, and its value in each run."""

    units: dict[str, str] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, unit: str, value: float) -> None:
        self.units[name] = unit
        self.values.setdefault(name, []).append(value)

    def as_json(self) -> dict[str, Any]:
        return {
            name: {"unit": self.units[name], "median": median(values), "runs": values}
            for name, values in self.values.items()
        }

    def as_markdown(self, before: Mapping[str, float]) -> str:
        """One row for each figure, with the earlier median of the same name and how many times that it is now."""
        rows = [("figure", "median", "lowest – highest", "runs", "before", "now / before", "unit"), *self._rows(before)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [_line(row, widths) for row in rows]
        ruler = "|".join(["", "-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:-1])])
        return "\n".join([lines[0], f"{ruler}|{'-' * (widths[-1] + 2)}|", *lines[1:]])

    def _rows(self, before: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
        for name, values in self.values.items():
            spread = f"{_short(min(values))} – {_short(max(values))}" if len(values) > 1 else ""
            earlier = before.get(name)
            beside = ("", "") if earlier is None else (_short(earlier), times(median(values), earlier))
            yield name, _short(median(values)), spread, str(len(values)), *beside, self.units[name]


def times(now: float, before: float) -> str:
    """How many times the earlier figure it is now; nothing where one of them says nothing."""
    return f"× {now / before:.2f}" if before and math.isfinite(before) and math.isfinite(now) else ""


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    name, *figures, unit = row
    aligned = [text.rjust(width) for text, width in zip(figures, widths[1:-1], strict=True)]
    return f"| {name.ljust(widths[0])} | {' | '.join(aligned)} | {unit.ljust(widths[-1])} |"


def _short(value: float) -> str:
    if not math.isfinite(value):
        return "never" if value > 0 else "-"
    if abs(value) < _SMALL:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < _LARGE else f"{value:,.0f}"
