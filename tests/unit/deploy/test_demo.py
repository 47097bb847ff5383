"""The demo's cases are believable: in every state, over three weeks, in two languages, with files that open."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from deploy.local import demo
from deploy.local.demo_cases import STORIES
from deploy.local.demo_data import AGENTS, COMPANIES, HUGO, PRODUCTS, TOM, VENDOR, Person
from deploy.local.demo_lumiere import LUMIERE
from deploy.local.demo_stories import File, Story
from services.cases.attachments.domain.file_types import KINDS
from services.cases.settings import CasesSettings

_NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
_FILES = {file.name: file for story in STORIES for file in (*story.files, *(f for s in story.steps for f in s.files))}


def _customers(story: Story) -> set[Person]:
    return {story.by, *(step.by for step in story.steps if step.by not in AGENTS)} | {story.second or story.by}


def test_no_entry_is_of_the_future_and_each_is_later_than_the_one_before() -> None:
    for story in STORIES:
        times = story.times(_NOW)
        assert times == sorted(set(times)), story.title
        assert times[-1] < _NOW, story.title


def test_cases_are_written_oldest_first_over_three_weeks() -> None:
    begun = [story.times(_NOW)[0] for story in STORIES]
    assert begun == sorted(begun)
    assert (_NOW - begun[0], _NOW - begun[-1]) > (timedelta(days=20), timedelta(hours=1))
    assert _NOW - begun[-1] < timedelta(hours=12)


def test_twenty_cases_have_every_severity_site_and_way_to_begin_and_a_title_of_their_own() -> None:
    assert len(STORIES) >= 20
    assert len({story.title for story in STORIES}) == len(STORIES)
    assert {story.severity for story in STORIES} == {1, 2, 3, 4}
    assert {story.site for story in STORIES} == {site.name for company in COMPANIES for site in company.sites}
    assert {way for story in STORIES for way in story.about} == {"serial", "said", "product_number"}
    assert sum(bool(story.more.get("confidential")) for story in STORIES) == 1


def test_each_case_is_of_people_and_things_of_one_company() -> None:
    for story in STORIES:
        (company,) = (company for company in COMPANIES if story.by in company.people)
        serials = {serial for site in company.sites for serial, _ in site.devices}
        saids = {agreement.said for agreement in company.agreements}
        products = {product["product_number"] for product in PRODUCTS if not product["has_serials"]}
        assert _customers(story) <= set(company.people), story.title
        assert story.site in {site.name for site in company.sites}, story.title
        assert set(story.about.values()) <= serials | saids | products, story.title


def test_covers_end_soon_and_have_ended() -> None:
    last = Counter(
        "ended" if agreement.ends < 0 else "soon" if agreement.ends <= 70 else "later"
        for company in COMPANIES
        for agreement in company.agreements
    )
    assert min(last["ended"], last["soon"], last["later"]) >= 2


@pytest.mark.parametrize("file", _FILES.values(), ids=_FILES)
def test_a_file_is_what_its_name_says(file: File) -> None:
    content = file.content()
    assert KINDS[file.name.rpartition(".")[2]].agrees(content)
    assert len(content) < 150_000


def test_what_an_agent_writes_fits_into_one_minute() -> None:
    per_person = Counter(step.by.email for story in STORIES for step in story.steps)
    assert max(per_person.values()) <= CasesSettings.model_fields["entries_per_user"].default


def test_french_texts_have_the_spaces_and_marks_of_french() -> None:
    for story in LUMIERE:
        steps = [step.body for step in story.steps if step.body["action"] != "note"]
        said = [str(body[name]) for body in steps for name in ("text", "reason", "resolution") if name in body]
        for text in (story.title, story.description, *said):
            assert not re.search(r"[ \w][?!;:»](?!/)|« |'", text), text


def test_the_sign_ins_say_in_columns_what_somebody_of_each_kind_finds_and_name_everybody_else() -> None:
    _, *lines, others = demo._sign_ins("a-password")
    columns = [line.index(" / a-password   ") for line in lines]
    assert len(set(columns)) == 1
    for person in (VENDOR, AGENTS[0], TOM, HUGO):
        (line,) = (line for line in lines if person.email in line)
        assert line.endswith(person.sees)
    everybody = {*AGENTS, *(person for company in COMPANIES for person in company.people)}
    assert {person.email for person in everybody if not person.sees} == set(others.split(": ")[1].split(", "))
