"""Golden samples: what was once published can be read for ever. Samples are added, never edited."""

import json
from pathlib import Path

import pytest

from shared.events.base import Event, State
from shared.events.registry import EVENTS
from tests.published import events_page

SAMPLES = sorted(Path(__file__).parent.glob("*.json"))
SERVICES = Path(__file__).parents[2] / "services"


def test_every_event_type_has_a_sample_and_every_sample_a_type() -> None:
    assert {path.name.rsplit(".sample", 1)[0] for path in SAMPLES} == set(EVENTS)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_read_whole_and_says_the_same_again(path: Path) -> None:
    event = EVENTS[path.name.rsplit(".sample", 1)[0]]
    said = json.loads(path.read_text())
    again = json.loads(event.model_validate(said).model_dump_json())
    assert {name: again[name] for name in said} == said


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_reader_ignores_what_a_newer_writer_adds(path: Path) -> None:
    event = EVENTS[path.name.rsplit(".sample", 1)[0]]
    said = json.loads(path.read_text())
    assert event.model_validate({**said, "added_next_year": 1}) == event.model_validate(said)


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.type)
def test_types_are_named_by_service_noun_past_tense_and_major(event: type[Event]) -> None:
    service, noun, past, major = event.type.split(".")
    assert event.__module__ == f"shared.events.{service}"
    assert (noun.isidentifier(), major) == (True, "v1")
    assert past.endswith("ed")
    assert event.__doc__
    assert issubclass(event, State) == (past == "changed")


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.type)
def test_the_service_that_an_event_is_named_after_says_it_and_nobody_else_does(event: type[Event]) -> None:
    makers = {
        source.relative_to(SERVICES).parts[0]
        for source in SERVICES.rglob("*.py")
        if f"{event.__name__}(" in source.read_text(encoding="utf-8")
    }
    assert makers == {event.type.partition(".")[0]}


def test_the_page_of_events_is_as_it_would_be_written_now() -> None:
    assert events_page.PAGE.read_text(encoding="utf-8") == events_page.page(), "Run `make events`."
