import math
import random

import pytest

from tests.bench.figures import Figures, percentile, times
from tests.bench.load import Load
from tests.bench.rates import highest_sustained


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(1, 201)]
    random.Random(1).shuffle(values)
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 100, 198, 200]
    assert percentile([7.0], 0.99) == 7
    assert math.isnan(percentile([], 0.5))


def test_whoever_was_not_served_waited_for_ever() -> None:
    answered = [0.001] * 98
    served = Load(due=98, missed=0, refused={}, latencies_s=answered, span_s=1)
    assert served.all_answered
    assert served.latency_ms(0.99) == 1
    for load in (
        Load(due=100, missed=2, refused={}, latencies_s=answered, span_s=1),
        Load(due=100, missed=0, refused={"503": 2}, latencies_s=answered, span_s=1),
    ):
        assert not load.all_answered
        assert load.latency_ms(0.98) == 1
        assert load.latency_ms(0.99) == math.inf


def test_a_table_tells_median_and_range_of_all_runs_and_what_was_before() -> None:
    figures = Figures()
    for value in (30.0, 10.0, 1234.0):
        figures.add("reads", "1/s", value)
    figures.add("never came", "ms", math.inf)
    header, ruler, reads, never = figures.as_markdown({"reads": 15.0}).splitlines()
    assert _cells(reads) == ["reads", "30.0", "10.0 – 1,234", "3", "15.0", "× 2.00", "1/s"]
    assert _cells(never) == ["never came", "never", "", "1", "", "", "ms"]
    assert len({len(line) for line in (header, ruler, reads, never)}) == 1


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_has_no_measure_has_no_ratio() -> None:
    assert [times(6, 3), times(math.inf, 3), times(6, math.inf), times(6, 0)] == ["× 2.00", "", "", ""]


@pytest.mark.parametrize("first_guess", [10.0, 73.0, 75.0, 100.0, 140.0, 600.0])
async def test_the_highest_rate_is_found_within_a_tenth(first_guess: float) -> None:
    tried = []

    async def is_sustained(rate: float) -> bool:
        tried.append(rate)
        return rate <= 73

    found = await highest_sustained(is_sustained, first_guess)
    if first_guess == 10:
        # So far off that the steps ran out: what is told was sustained, and no more is claimed.
        assert found.rate == max(tried)
    else:
        assert 73 / 1.11 < found.rate <= 73
    assert found.steps == len(tried) <= 10


async def test_a_rate_that_nothing_sustains_is_none() -> None:
    async def never(_rate: float) -> bool:
        return False

    assert (await highest_sustained(never, 100)).rate == 0
    # The probe had no answer at all.
    assert (await highest_sustained(never, 0)).rate == 0
