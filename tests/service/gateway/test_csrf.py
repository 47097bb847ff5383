"""No page changes anything for a form that does not prove that it comes from a page of the visitor's session."""

from typing import Any

import pytest
from aiohttp import FormData, web

from services.gateway.middleware import API
from tests.service.gateway.stand_ins import CSRF, Gateway, hangs_up

# Whoever sends these needs no session, so there is no token to ask for. A form of another site is refused all the same.
PUBLIC_FORMS = {"/sign-in", "/verify", "/verify/resend", "/invitations/{code}"}
# RFC 8058: a mail provider sends it from its own site. The link's own token is the proof.
FROM_ANY_SITE = {"/unsubscribe/{token}"}
WITH_FILES = {"/cases", "/cases/{number}", "/cases/{number}/answer"}
# What each page would need beside the token, so that nothing else can be why it is refused.
TYPED = {
    "action": "comment",
    "kind": "note",
    "text": "It jams again.",
    "serial": "CNB7K2041X",
    "where": "address",
    "do": "invite",
    "emails": "luc@example.com",
    "role": "member",
    "name": "Lyon",
    "step": "save",
    "case_emails": "no",
    "user_id": "another",
    "join": "yes",
    "to": "fr",
    "add": "1000000009",
}
# Of the browser alone: no service hears of it.
KEPT_HERE = {"/cases/columns"}
TOKENS: list[dict[str, str]] = [{}, {"csrf_token": ""}, {"csrf_token": "of-another-session"}]
OTHER_SITES = [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"}]


@pytest.fixture
def portal(gateway: Gateway) -> Gateway:
    """What the case form shows beside its fields may be missing."""
    for path in ("/sites", "/pins", "/profile"):
        gateway["identity"].answers(f"GET {path}", hangs_up)
    gateway["contracts"].answers("GET /coverage", hangs_up)
    for path in ("/cases", "/attachment-limits"):
        gateway["cases"].answers(f"GET {path}", hangs_up)
    return gateway


def _forms(gateway: Gateway) -> set[str]:
    """The paths of all pages that take a form."""
    assert gateway.portal.app is not None
    paths = {
        route.resource.canonical
        for route in gateway.portal.app.router.routes()
        if route.method == "POST" and route.resource is not None
    }
    return {path for path in paths if not path.startswith(API)}


def _address(path: str) -> str:
    return path.format(number="1000000009", code="a-code", token="a-token", action="close")  # of a link


async def _post(gateway: Gateway, path: str, typed: dict[str, str], **headers: str) -> web.StreamResponse | Any:
    sent = {"Cookie": gateway.signed_in()["Cookie"], **headers}
    return await gateway.portal.post(_address(path), data=typed, headers=sent, allow_redirects=False)


def _changes_asked_of_services(gateway: Gateway) -> list[str]:
    seen = [f"{seen.method} {seen.path}" for service in gateway.services.values() for seen in service.seen]
    return [request for request in seen if not request.startswith("GET ") and request != "POST /session/resolve"]


async def test_every_form_is_on_one_of_the_lists_or_asks_for_the_token(portal: Gateway) -> None:
    forms = _forms(portal)
    assert len(forms) > 10
    assert forms >= PUBLIC_FORMS | FROM_ANY_SITE | WITH_FILES
    for path in sorted(forms - PUBLIC_FORMS - FROM_ANY_SITE):
        for token in TOKENS:
            answer = await _post(portal, path, TYPED | token)
            assert answer.status == 403, (path, token)
    assert _changes_asked_of_services(portal) == []


@pytest.mark.parametrize("path", sorted(WITH_FILES))
@pytest.mark.parametrize("token", TOKENS)
async def test_a_form_with_files_sends_no_file_without_the_token(
    portal: Gateway, path: str, token: dict[str, str]
) -> None:
    form = FormData()
    for name, text in {**token, **TYPED}.items():
        form.add_field(name, text)
    form.add_field("file", b"the content", filename="a.txt", content_type="text/plain")
    headers = {"Cookie": portal.signed_in()["Cookie"]}
    answer = await portal.portal.post(_address(path), data=form, headers=headers, allow_redirects=False)
    assert answer.status == 403
    assert _changes_asked_of_services(portal) == []


@pytest.mark.parametrize("headers", OTHER_SITES)
async def test_no_form_is_taken_from_another_site_even_with_the_token(portal: Gateway, headers: dict[str, str]) -> None:
    for path in sorted(_forms(portal) - FROM_ANY_SITE):
        answer = await _post(portal, path, TYPED | {"csrf_token": CSRF}, **headers)
        assert answer.status == 403, path
    assert _changes_asked_of_services(portal) == []


async def test_joining_with_the_login_of_the_session_takes_its_token(portal: Gateway) -> None:
    for token in TOKENS:
        answer = await _post(portal, "/invitations/{code}", {"join": "yes"} | token)
        assert answer.status == 403, token
    assert _changes_asked_of_services(portal) == []


async def test_the_same_forms_go_on_to_a_service_with_the_token(portal: Gateway) -> None:
    """Else a page that refuses everything would pass the tests above."""
    unheard = []
    for path in sorted(_forms(portal) - KEPT_HERE):
        before = len(_changes_asked_of_services(portal))
        await _post(portal, path, TYPED | {"csrf_token": CSRF})
        if len(_changes_asked_of_services(portal)) == before:
            unheard.append(path)
    assert unheard == []
