"""What `make abuse` says of its figures, and that each of its attacks is bounded."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.abuse.attacks import ABUSES, CUT_AFTER_S, LASTS_S
from tests.abuse.cages import Cage, limits
from tests.abuse.others import Asked, Served
from tests.abuse.report import Memory, Result, as_json, table

ROOT = Path(__file__).resolve().parents[3]
IDLE = Served(100, 20.0, 40.0, {})
GOOD = Result(
    name="lists",
    what="40 lists at once",
    answers={"200": 40},
    seconds=8.0,
    others=Served(80, 39.0, 90.0, {}),
    memory={"gateway": Memory(100, 90, 512, 0), "cases": Memory(300, 200, 1024, 0)},
    ended=(),
    unhandled=0,
    recovered_s=0.2,
)


def test_the_cages_have_what_compose_gives() -> None:
    given = limits((ROOT / "deploy" / "compose.yaml").read_text())
    mib = {name: limit // 2**20 for name, limit in given.items()}
    assert {mib[name] for name in ("gateway", "identity", "cases", "contracts", "notifications")} == {512}
    assert "mongo" not in given


def test_whoever_was_not_served_waited_for_ever() -> None:
    asked = [Asked("list", n, 0.01 * n, 200) for n in range(1, 5)]
    refused = [Asked("list", 5, 0.001, 503), Asked("page", 6, 10.0, 0)]
    served = Served.of([*asked, *refused])
    assert (served.asked, round(served.p50_ms), served.p99_ms) == (6, 30, math.inf)
    assert served.failures == {"list 503": 1, "page no answer": 1}
    assert Served.of([Asked("page", 1, 0.02, 303)]).failures == {}
    assert Served.of([]).asked == 0


@pytest.mark.parametrize(
    ("result", "red"),
    [
        (GOOD, []),
        (replace(GOOD, others=Served(80, 41.0, 90.0, {})), ["others waited"]),
        (replace(GOOD, others=Served(80, 20.0, 90.0, {"list 503": 1})), ["1 × not served"]),
        (
            replace(GOOD, others=Served(80, math.inf, math.inf, {"list 503": 60})),
            ["others waited", "60 × not served"],
        ),
        (replace(GOOD, others=Served(0, math.nan, math.nan, {})), ["others waited"]),
        (replace(GOOD, memory={"gateway": Memory(511, 500, 512, 1)}), ["gateway was killed for its memory"]),
        (replace(GOOD, memory={"gateway": Memory(512, 500, 512, 0)}), ["gateway took all of its memory"]),
        (replace(GOOD, ended=("identity ended with -9",)), ["identity ended with -9"]),
        (replace(GOOD, unhandled=50), ["50 errors of ours in the logs"]),
        (replace(GOOD, recovered_s=None), ["it did not recover by itself"]),
    ],
)
def test_what_is_not_as_it_should_be_is_red(result: Result, red: list[str]) -> None:
    assert result.faults(IDLE) == red
    row = table(IDLE, [result], holds=True).splitlines()[-1]
    assert ("RED" in row, "green" in row) == (bool(red), not red)


def test_every_row_of_the_table_has_a_cell_for_each_head() -> None:
    *_, heads, rule, row = table(IDLE, [GOOD], holds=True).splitlines()
    assert heads.count("|") == rule.count("|") == row.count("|")
    assert "gateway (of 512)" in heads
    assert "not bounded here" in table(IDLE, [GOOD], holds=False)


def test_the_json_has_everything_and_nothing_that_json_cannot_say() -> None:
    result = replace(GOOD, others=Served(80, math.inf, math.inf, {"list 503": 60}))
    told = json.loads(json.dumps(as_json(IDLE, [result], commit="abc"), allow_nan=False))
    assert told["about"] == {"commit": "abc"}
    assert told["results"][0]["others"]["p50_ms"] is None
    assert told["results"][0]["red"] == ["others waited", "60 × not served"]


def test_a_cage_that_cannot_be_made_only_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.abuse.cages._V1", tmp_path / "no")
    monkeypatch.setattr("tests.abuse.cages._V2", tmp_path / "none")
    cage = Cage("gateway", 2**20, run="test")
    assert not cage.holds
    cage.begin()
    assert (cage.peak_mib, cage.kills) == (0, 0)
    assert cage.words(["true"])[-1] == "true"


def test_all_of_them_end_within_minutes() -> None:
    names = [abuse.name for abuse in ABUSES]
    assert len(names) == len(set(names))
    assert LASTS_S < CUT_AFTER_S
    assert len(names) * CUT_AFTER_S < 6 * 60
    page = (ROOT / "docs" / "abuse.md").read_text()
    assert [name for name in names if f"`{name}`" not in page] == []
