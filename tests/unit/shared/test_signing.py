"""Who acts is proven by a token, which is read once and judged each time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import NotSignedIn
from shared.signing import LEEWAY, LIFETIME, actor_key, sign, verify
from tests.builders import TEST_SECRET, an_actor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = actor_key(TEST_SECRET)


def test_a_token_that_was_accepted_is_refused_once_its_time_is_over() -> None:
    ana = an_actor()
    token = sign(ana, key=KEY, now=NOW)
    last = NOW + LIFETIME + LEEWAY
    for now in (NOW, last - timedelta(milliseconds=1), NOW):
        assert verify(token, key=KEY, now=now) == ana
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            verify(token, key=KEY, now=last)


def test_a_token_that_was_accepted_is_refused_under_another_key_and_with_any_other_signature() -> None:
    token = sign(an_actor(), key=KEY, now=NOW)
    verify(token, key=KEY, now=NOW)
    with pytest.raises(NotSignedIn):
        verify(token, key=actor_key(TEST_SECRET[::-1]), now=NOW)
    head, claims, signature = token.split(".")
    for forged in (f"{head}.{claims}.{signature[::-1]}", f"{head}.{claims}.", f"{head}.{claims}"):
        with pytest.raises(NotSignedIn):
            verify(forged, key=KEY, now=NOW)


def test_whose_rights_changed_is_known_by_the_new_token_at_once() -> None:
    ana = an_actor()
    changed = replace(ana, suspended=True)
    assert [verify(sign(actor, key=KEY, now=NOW), key=KEY, now=NOW) for actor in (ana, changed)] == [ana, changed]
