"""What surrounds every page: a navigation that holds what works for the reader's role, and nothing else."""

import re

import pytest

from tests.service.gateway.stand_ins import Gateway, a_session, refuses, says

_CREATE, _START = ("/cases/new", "Create a case"), ("/", "Start")
_QUEUES = [
    ("/queue?queue=unassigned", "Unassigned"),
    ("/queue?queue=mine", "Mine"),
    ("/queue?queue=replied", "Customer replied"),
    ("/queue?queue=first_answers", "First answer due"),
    ("/queue?queue=callbacks", "Callbacks"),
    ("/queue?queue=escalations", "Escalations"),
    ("/queue?queue=waiting_parts", "Waiting for parts"),
    ("/queue?queue=open", "All open cases"),
]


@pytest.mark.parametrize(
    ("role", "wanted"),
    [
        ("member", [_CREATE, _START, ("/cases", "Cases"), ("/sites", "Sites")]),
        ("case_manager", [_CREATE, _START, ("/cases", "Cases"), ("/sites", "Sites")]),
        ("company_admin", [_CREATE, _START, ("/cases", "Cases"), ("/users", "Company")]),
        ("agent", [_CREATE, _START, *_QUEUES, ("/cases", "All cases")]),
        ("vendor_admin", [_CREATE, _START, *_QUEUES, ("/cases", "All cases"), ("/users", "Users")]),
    ],
)
async def test_the_navigation_holds_what_works_for_the_role(
    gateway: Gateway, role: str, wanted: list[tuple[str, str]]
) -> None:
    session = a_session()
    session["user"]["role"] = role
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["cases"].answers("GET /start", refuses(503, "unavailable"))
    page = await (await gateway.portal.get("/", headers=gateway.signed_in())).text()
    navigation = page.partition("<nav ")[2].partition('<details class="menu me">')[0]
    found = re.findall(r'<a href="([^"]+)"[^>]*>.*?<span>([^<]+)</span>', navigation, re.DOTALL)
    assert found == wanted
    [current] = re.findall(r'<a [^>]*aria-current="page"[^>]*>.*?<span>([^<]+)</span>', navigation, re.DOTALL)
    assert current == "Start"


async def test_the_help_stands_while_identity_is_away(gateway: Gateway) -> None:
    gateway["identity"].answers("POST /session/resolve", refuses(503, "unavailable"))
    answer = await gateway.portal.get("/help", headers=gateway.signed_in())
    assert answer.status == 200
    assert "How do I create a case?" in await answer.text()


async def test_a_page_says_as_whom_else_its_reader_has_typed_only_where_there_are_several(gateway: Gateway) -> None:
    session = a_session()
    user, other = session["user"]["id"], "0198c0de-0000-7000-8000-000000000009"
    alone = await (await gateway.portal.get("/help", headers=gateway.signed_in())).text()
    assert "data-users" not in alone
    session["memberships"] += [{"user_id": other, "company_name": "Umbra SA", "role": "member"}]
    gateway["identity"].answers("POST /session/resolve", says(session))
    page = await (await gateway.portal.get("/help?done=", headers=gateway.signed_in())).text()
    assert f'data-users="{user} {other}"' in page


async def test_a_file_that_is_not_here_is_not_called_missing_for_long(gateway: Gateway) -> None:
    answer = await gateway.portal.get("/static/of-another-version.js?v=1")
    assert (answer.status, answer.headers["Cache-Control"]) == (404, "no-store")
    found = await gateway.portal.get("/static/shell.js?v=1")
    assert (found.status, found.headers["Cache-Control"]) == (200, "no-cache")
