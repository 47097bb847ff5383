"""Who sees which case: the rule by examples, and the readers of cases against it."""

from dataclasses import dataclass
from itertools import product
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases.domain.visibility import readers_of, reads_as, sees
from shared.actor import Actor, Role, Visibility
from tests.builders import an_actor

COMPANY, ANA, COLLEAGUE, HERE, THERE = (uuid7() for _ in range(5))
MEMBER, MANAGER, ADMIN = Role.MEMBER, Role.CASE_MANAGER, Role.COMPANY_ADMIN
EVERYTHING = {"own", "own confidential", "here", "there", "no site", "confidential"}
OWN = {"own", "own confidential"}


@dataclass(frozen=True)
class Case:
    """What decides who sees a case."""

    own_ids: tuple[UUID, ...] = (COLLEAGUE,)
    site_id: UUID | None = THERE
    confidential: bool = False
    company_id: UUID = COMPANY


CASES = {
    "own": Case((COLLEAGUE, ANA)),
    "own confidential": Case((ANA,), confidential=True),
    "here": Case(site_id=HERE),
    "there": Case(),
    "no site": Case(site_id=None),
    "confidential": Case(site_id=None, confidential=True),
}


def ana(role: Role, visibility: str = "company", scope: set[UUID] | None = None, main: UUID | None = None) -> Actor:
    sites = None if scope is None else frozenset(scope)
    return an_actor(role, company_id=COMPANY, user_id=ANA, visibility=visibility, site_ids=sites, main_site_id=main)


@pytest.mark.parametrize(
    ("actor", "seen"),
    [
        (ana(MEMBER), EVERYTHING - {"confidential"}),
        (ana(MEMBER, "company", {HERE}), OWN | {"here", "no site"}),
        (ana(MEMBER, "company", {HERE}, THERE), OWN | {"here", "no site"}),
        (ana(MEMBER, "company", set()), OWN | {"no site"}),
        (ana(MEMBER, "company", None, HERE), EVERYTHING - {"confidential"}),
        (ana(MEMBER, "site", {HERE}), OWN | {"here", "no site"}),
        (ana(MEMBER, "site", {HERE}, THERE), OWN | {"here", "no site"}),
        (ana(MEMBER, "site", None, HERE), OWN | {"here", "no site"}),
        (ana(MEMBER, "site"), OWN | {"no site"}),
        (ana(MEMBER, "own"), OWN),
        (ana(MEMBER, "own", {HERE, THERE}, HERE), OWN),
        (ana(MANAGER, "own"), EVERYTHING - {"confidential"}),
        (ana(MANAGER, "site", None, HERE), EVERYTHING - {"confidential"}),
        (ana(MANAGER, "own", {HERE}), OWN | {"here", "no site"}),
        (ana(ADMIN, "own", None, HERE), EVERYTHING),
        (ana(Role.AGENT), EVERYTHING),
        (ana(Role.VENDOR_ADMIN), EVERYTHING),
        (an_actor(Role.AGENT, visibility="own"), EVERYTHING),
        (an_actor(MEMBER, user_id=ANA), set()),
        (an_actor(ADMIN), set()),
    ],
)
def test_who_sees_what(actor: Actor, seen: set[str]) -> None:
    assert {name for name, case in CASES.items() if sees(actor, case)} == seen


def test_the_readers_of_a_case_are_exactly_those_who_see_it() -> None:
    scopes = (None, set[UUID](), {HERE}, {THERE}, {HERE, THERE})
    mains = (None, HERE, THERE)
    actors = [ana(*values) for values in product((MEMBER, MANAGER, ADMIN), Visibility, scopes, mains)]
    owners = ((COLLEAGUE,), (ANA,), (COLLEAGUE, ANA))
    cases = [Case(*values) for values in product(owners, (None, HERE, THERE), (False, True))]
    for actor, case in product(actors, cases):
        is_reader = not set(reads_as(actor)).isdisjoint(readers_of(case))
        assert is_reader is sees(actor, case), (actor, case)
