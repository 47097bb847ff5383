"""How values look on pages."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.gateway.pages import looks
from shared.actor import Role
from shared.i18n import reading_in
from shared.schemas.identity import SessionUser


def a_user(time_zone: str, first_name: str = "Tom") -> SessionUser:
    return SessionUser(
        id=UUID(int=1),
        name="Tom Adeyemi",
        first_name=first_name,
        email="tom@example.com",
        role=Role.MEMBER,
        company_id=UUID(int=2),
        company_name="Birchfield",
        language="en",
        time_zone=time_zone,
        profile_complete=True,
    )


@pytest.mark.parametrize(
    ("time_zone", "english", "french"),
    [
        ("Europe/Paris", "Good morning, Tom", "Bonjour, Tom"),  # 5:59 in Greenwich is 6:59 there
        ("UTC", "Good morning, Tom", "Bonjour, Tom"),
        ("America/New_York", "Good evening, Tom", "Bonsoir, Tom"),
        ("Asia/Kolkata", "Good morning, Tom", "Bonjour, Tom"),  # 11:29
        ("Asia/Shanghai", "Good afternoon, Tom", "Bonjour, Tom"),
        ("Pacific/Auckland", "Good evening, Tom", "Bonsoir, Tom"),
    ],
)
def test_a_greeting_is_that_of_the_time_of_day_where_the_user_is(time_zone: str, english: str, french: str) -> None:
    now = datetime(2026, 12, 1, 5, 59, tzinfo=UTC)
    assert looks.greeting(a_user(time_zone), now) == english
    with reading_in("fr"):
        assert looks.greeting(a_user(time_zone), now) == french


def test_whoever_has_no_first_name_is_greeted_by_their_name() -> None:
    now = datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert looks.greeting(a_user("UTC", first_name=""), now) == "Good morning, Tom Adeyemi"


@pytest.mark.parametrize(
    ("at", "english", "french"),
    [
        ("2026-12-01T07:41:00Z", "07:41", "07:41"),
        ("2026-11-30T16:58:00Z", "Yesterday, 16:58", "Hier, 16:58"),
        ("2026-11-28T10:12:00Z", "Sat 28 Nov, 10:12", "sam. 28 nov., 10:12"),
        ("2026-11-20T10:12:00Z", "20 Nov, 10:12", "20 nov., 10:12"),
        ("2025-11-20T10:12:00Z", "20 Nov 2025, 10:12", "20 nov. 2025, 10:12"),
        ("2026-12-03T10:12:00Z", "3 Dec, 10:12", "3 déc., 10:12"),
    ],
)
def test_a_message_has_the_time_of_the_day_whatever_the_day(at: str, english: str, french: str) -> None:
    now = datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert looks.ago_at(at, ZoneInfo("UTC"), now) == english
    with reading_in("fr"):
        assert looks.ago_at(at, ZoneInfo("UTC"), now) == french


@pytest.mark.parametrize(
    ("passed", "english", "french"),
    [
        (timedelta(seconds=-5), "just now", "à l’instant"),  # clocks differ
        (timedelta(seconds=59), "just now", "à l’instant"),
        (timedelta(minutes=1), "1 min", "1 min"),
        (timedelta(minutes=59, seconds=59), "59 min", "59 min"),
        (timedelta(minutes=60), "1 h", "1 h"),
        (timedelta(hours=23, minutes=59), "23 h", "23 h"),
        (timedelta(days=1), "1 day", "1 jour"),
        (timedelta(days=3, hours=23), "3 days", "3 jours"),
    ],
)
def test_an_age_is_told_in_its_largest_unit(passed: timedelta, english: str, french: str) -> None:
    now = datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert looks.age((now - passed).isoformat(), now) == english
    with reading_in("fr"):
        assert looks.age((now - passed).isoformat(), now) == french


@pytest.mark.parametrize(("until", "is_soon"), [("2027-03-01", True), ("2027-03-02", False), ("2026-12-01", True)])
def test_cover_ends_soon_within_90_days(until: str, *, is_soon: bool) -> None:
    assert looks.ends_soon(until, datetime(2026, 12, 1, 9, tzinfo=UTC)) is is_soon


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Helen Marsh", "HM"),
        ("Jean Paul de la Tour", "JT"),
        ("Tom", "T"),
        ("Ana (Paris) Duarte", "AD"),
        ("Arno Keller (Support)", "AK"),
        ("…", "…"),
        ("", ""),
    ],
)
def test_a_face_has_the_first_letters_of_the_first_and_the_last_name(name: str, letters: str) -> None:
    assert looks.initials(name) == letters


@pytest.mark.parametrize(
    ("line", "picture"),
    [
        ("Laser Printers", "printer"),
        ("Imprimantes", "printer"),
        ("Rack servers", "server"),
        ("Stockage", "storage"),
        ("SOFTWARE", "software"),
        ("Coffee machines", "box"),
        ("", "box"),
        (None, "box"),
    ],
)
def test_a_product_line_has_the_picture_of_its_words(line: str | None, picture: str) -> None:
    assert looks.pictogram(line) == picture
