"""The table of views: the largest size beside the smallest, by kind and role."""

from tests.bench.views import beside

FIGURES = {
    f"{kind}, {role}, {size} cases, {share}": {"median": value}
    for kind, role, size, share, value in (
        ("view recent", "agent", "10,000", "p50", 10.0),
        ("view recent", "agent", "10,000", "p95", 12.0),
        ("view recent", "agent", "1,000,000", "p50", 15.0),
        ("view recent", "agent", "1,000,000", "p95", 20.4),
        ("facets, created in a month", "member, own cases only", "10,000", "p50", 4.0),
        ("facets, created in a month", "member, own cases only", "1,000,000", "p50", None),
        ("facets, created in a month", "member, own cases only", "1,000,000", "p95", None),
        ("view recent", "member", "1,000,000", "p50", 7.0),
        ("view recent", "member", "1,000,000", "p95", 8.0),
    )
}


def test_each_kind_of_read_is_a_line_and_each_role_a_column() -> None:
    assert beside(FIGURES, [10_000, 1_000_000]).splitlines() == [
        "| | agent | member | member, own cases only |",
        "| --- | --- | --- | --- |",
        "| view recent | 15 / 20 × 1.5 | 7 / 8 |  |",
        "| facets, created in a month |  |  | refused |",
    ]


def test_sizes_that_were_not_measured_leave_the_table_empty() -> None:
    assert beside(FIGURES, [5_000]).splitlines()[2:] == []
