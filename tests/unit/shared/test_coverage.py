"""The rule of coverage, by examples."""

from datetime import date

import pytest

from shared.coverage import NOT_COVERED, Coverage, Term, Verdict, coverage_on

TODAY = date(2026, 11, 22)


def term(start: str, end: str, level: str = "basic", kind: str = "base_warranty") -> Term:
    return Term(kind, level, date.fromisoformat(start), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("terms", "until", "level"),
    [
        ([term("2026-01-01", "2026-12-31")], "2026-12-31", "basic"),
        ([term("2026-11-22", "2026-11-22")], "2026-11-22", "basic"),
        ([term("2026-01-01", "2026-12-31"), term("2026-01-01", "2027-06-30", "gold")], "2027-06-30", "gold"),
        # The next one begins the day after: the run is unbroken, the level is today's.
        ([term("2026-01-01", "2026-12-31"), term("2027-01-01", "2027-12-31", "gold")], "2027-12-31", "basic"),
        # A day without cover ends the run.
        ([term("2026-01-01", "2026-12-31"), term("2027-01-02", "2027-12-31")], "2026-12-31", "basic"),
        # Overlaps chain, in whatever order they are given.
        (
            [term("2027-03-01", "2028-01-31"), term("2026-01-01", "2026-12-31"), term("2026-12-01", "2027-02-28")],
            "2028-01-31",
            "basic",
        ),
        # The last day there is: nothing can begin behind it.
        ([term("2026-01-01", "9999-12-31"), term("2027-01-01", "2027-12-31", "gold")], "9999-12-31", "basic"),
    ],
)
def test_covered_until_the_last_day_of_the_unbroken_run(terms: list[Term], until: str, level: str) -> None:
    assert coverage_on(TODAY, terms, owner=None) == Coverage(Verdict.COVERED, level, date.fromisoformat(until))


@pytest.mark.parametrize(
    "terms",
    [
        [],
        [term("2025-01-01", "2026-11-21")],
        [term("2026-11-23", "2027-01-01")],
        [term("2026-01-01", "2027-01-01", kind="promise")],
    ],
)
def test_not_covered_today(terms: list[Term]) -> None:
    assert coverage_on(TODAY, terms, owner=None) == NOT_COVERED


def test_an_unknown_kind_never_prolongs_the_run() -> None:
    terms = [term("2026-01-01", "2026-12-31"), term("2027-01-01", "2030-12-31", kind="promise")]
    assert coverage_on(TODAY, terms, owner=None).until == date(2026, 12, 31)
