"""The rules of identity, without any part."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.identity.domain.invitations import (
    Invitation,
    InvitationExpired,
    InvitationReplaced,
    InvitationRevoked,
    InvitationUsed,
)
from services.identity.domain.sessions import Session, TooManyFailures, csrf_token_of, key_of
from services.identity.domain.sites import Site
from services.identity.domain.users import AlreadyMember, Login, Profile, User
from services.identity.domain.verifications import Verification
from shared.actor import Role
from tests.builders import an_actor, an_address

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ADMIN = an_actor()


def an_invitation() -> Invitation:
    return Invitation.issue(
        uuid4(),
        company_id=uuid4(),
        company_name="Acme SA",
        email="luc@example.com",
        role=Role.MEMBER,
        site_id=None,
        by=ADMIN,
        now=NOW,
    )


def a_user(role: Role = Role.MEMBER) -> User:
    login = Login(id=uuid4(), email="luc@example.com", password_hash="x", verified_at=NOW)
    profile = Profile("Luc", "Petit", "luc@example.com", language="en", time_zone="UTC")
    return User.join(uuid4(), login=login, company_id=uuid4(), role=role, site_id=uuid4(), profile=profile, now=NOW)


def a_verification() -> Verification:
    return Verification.of_invitation(
        uuid4(),
        email="luc@example.com",
        first_name="Luc",
        last_name="Petit",
        password_hash="x",
        language="en",
        invitation_id=uuid4(),
        company_id=uuid4(),
        browser="of-the-owner",
        now=NOW,
    )


def test_an_invitation_is_valid_for_seven_days_and_not_a_moment_longer() -> None:
    invitation = an_invitation()
    invitation.refuse_unless_acceptable(1, NOW + timedelta(days=7, seconds=-1))
    with pytest.raises(InvitationExpired):
        invitation.refuse_unless_acceptable(1, NOW + timedelta(days=7))
    assert [invitation.shown_state(NOW + timedelta(days=days)) for days in (6, 7)] == ["pending", "expired"]


def test_only_the_newest_code_of_an_invitation_counts() -> None:
    again = an_invitation().sent_again(asked_by=uuid4(), by=ADMIN, now=NOW + timedelta(days=5))
    with pytest.raises(InvitationReplaced):
        again.accepted(1, NOW)
    assert again.accepted(2, NOW + timedelta(days=11)).state == "accepted"
    assert [event.generation for event in again.events] == [1, 2]


def test_an_accepted_invitation_is_over() -> None:
    accepted = an_invitation().accepted(1, NOW)
    with pytest.raises(InvitationUsed):
        accepted.accepted(1, NOW)
    with pytest.raises(InvitationUsed):
        accepted.revoked()
    with pytest.raises(InvitationUsed):
        accepted.sent_again(asked_by=uuid4(), by=ADMIN, now=NOW)


def test_a_revoked_invitation_takes_no_code() -> None:
    revoked = an_invitation().revoked()
    with pytest.raises(InvitationRevoked):
        revoked.accepted(1, NOW)
    assert revoked.revoked() == revoked


def test_a_code_is_sent_again_after_a_minute_and_five_times_an_hour() -> None:
    verification = a_verification()
    assert not verification.may_be_resent(NOW + timedelta(seconds=59))
    now = NOW
    for _ in range(5):
        now += timedelta(seconds=60)
        assert verification.may_be_resent(now)
        verification = verification.resent(now)
    assert not verification.may_be_resent(now + timedelta(seconds=60))
    assert verification.may_be_resent(NOW + timedelta(minutes=62))
    assert (verification.generation, verification.expires_at) == (6, now + timedelta(minutes=10))


def test_nobody_asks_for_a_code_after_a_week() -> None:
    assert not a_verification().may_be_resent(NOW + timedelta(days=7))


def test_others_are_sent_the_same_code_and_seldom() -> None:
    verification = a_verification()
    assert not verification.may_be_resent_for_others(NOW + timedelta(seconds=59))
    later = NOW + timedelta(minutes=8)
    assert verification.may_be_resent_for_others(later)
    again = verification.resent_for_others(later)
    assert (again.generation, again.expires_at) == (1, verification.expires_at)
    assert [event.generation for event in again.events] == [1, 1]
    assert not again.may_be_resent_for_others(later + timedelta(seconds=59))
    assert again.may_be_resent(later)  # for whoever accepted
    for seconds in (8 * 60 + 1, 10 * 60 - 1):  # too little of it is left to be mailed again
        assert not again.may_be_resent_for_others(NOW + timedelta(seconds=seconds))
    expired = NOW + timedelta(minutes=10)
    assert again.may_be_resent_for_others(expired)
    renewed = again.resent_for_others(expired)
    assert (renewed.generation, renewed.resent_at, renewed.expires_at) == (2, (), expired + timedelta(minutes=10))
    assert not renewed.may_be_resent_for_others(expired + timedelta(minutes=40))
    assert renewed.may_be_resent_for_others(later + timedelta(hours=1))
    assert not a_verification().may_be_resent_for_others(NOW + timedelta(days=7))


def test_a_verification_knows_the_browser_that_asked_for_it() -> None:
    verification = a_verification()
    assert [verification.is_asked_by(browser) for browser in ("of-the-owner", "another", "")] == [True, False, False]
    assert replace(verification, browser="").is_asked_by("anybody")


def test_a_done_verification_keeps_no_password() -> None:
    assert {a_verification().used().password_hash, a_verification().replaced().password_hash} == {""}


def test_administrators_are_never_limited_to_sites() -> None:
    assert a_user(Role.COMPANY_ADMIN).site_ids is None
    assert len(a_user(Role.MEMBER).site_ids or ()) == 1


def test_a_member_does_not_join_twice() -> None:
    with pytest.raises(AlreadyMember):
        a_user().joined_again(role=Role.COMPANY_ADMIN, site_id=None, now=NOW)


def test_a_profile_names_what_is_missing() -> None:
    profile = Profile("Luc", "", "luc@example.com", language="en", time_zone="UTC", phone="+33472000000")
    assert profile.missing == ["last_name", "company_name", "address_line_1", "city", "postal_code", "country"]


def test_a_site_that_did_not_change_says_nothing() -> None:
    address = an_address(name="Lyon")
    site = Site(id=uuid4(), company_id=uuid4(), created_at=NOW, **address).opened()
    assert site.with_changes({"city": "Lyon"}, NOW) == site
    assert [event.city for event in site.with_changes({"city": "Paris"}, NOW).events] == ["Lyon", "Paris"]


@pytest.mark.parametrize(
    ("idle", "age", "over"),
    [
        (timedelta(hours=11, minutes=59), timedelta(hours=12), False),
        (timedelta(hours=12), timedelta(hours=12), True),
        (timedelta(0), timedelta(days=30, seconds=-1), False),
        (timedelta(0), timedelta(days=30), True),
    ],
)
def test_a_session_lasts_twelve_idle_hours_and_thirty_days(idle: timedelta, age: timedelta, over: bool) -> None:  # noqa: FBT001
    session = Session("key", login_id=uuid4(), user_id=uuid4(), created_at=NOW - age, last_seen_at=NOW - idle)
    assert session.is_over(NOW) is over


def test_a_csrf_token_is_bound_to_its_session_user_and_key() -> None:
    users = (uuid4(), uuid4())
    tokens = {csrf_token_of(token, user, key=key) for token in ("a", "b") for user in users for key in (b"k", b"l")}
    assert len(tokens) == 8
    assert key_of("a") != key_of("b")


def test_a_wait_is_told_in_whole_seconds_that_are_long_enough() -> None:
    assert TooManyFailures.until(NOW + timedelta(seconds=29, milliseconds=1), now=NOW).retry_after_s == 30
    assert TooManyFailures.until(NOW, now=NOW).retry_after_s == 1
