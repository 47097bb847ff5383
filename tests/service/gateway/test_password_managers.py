"""What browsers and password managers may fill in, and under which name a password is kept (WCAG 1.3.5)."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

import pytest

from services.gateway.fields import FormSpec
from services.gateway.pages.account import ACCEPT, SIGN_IN, VERIFY
from services.gateway.pages.case_form import CASE
from services.gateway.pages.company import SITE
from services.gateway.pages.profile import PROFILE
from tests.service.gateway.stand_ins import Gateway, refuses, says
from tests.service.gateway.test_account import INVITATION

Input = Mapping[str, str | None]


class _Forms(HTMLParser):
    """The inputs of each form."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[list[Input]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "form":
            self.found.append([])
        if tag == "input" and self.found:
            self.found[-1].append(dict(attrs))


def _with_password(page: str) -> list[Input]:
    [form] = [form for form in _Forms(page).found if any(field.get("type") == "password" for field in form)]
    return form


@pytest.mark.parametrize(
    ("method", "path", "kind", "address"),
    [
        ("GET", "/sign-in?email=ana@example.com", "current-password", "ana@example.com"),
        ("POST", "/sign-in", "current-password", "ana@example.com"),
        ("POST", "/cases/1000000009", "current-password", ""),  # the session had ended
        ("GET", "/invitations/abc", "new-password", "luc@example.com"),
        ("POST", "/invitations/abc", "new-password", "luc@example.com"),
    ],
)
async def test_a_password_is_kept_under_the_address_that_signs_in(
    gateway: Gateway, method: str, path: str, kind: str, address: str
) -> None:
    gateway["identity"].answers("GET /invitations/abc", says(INVITATION | {"email": "luc@example.com"}))
    gateway["identity"].answers("POST /invitations/abc/accept", refuses(422, "invalid", "password"))
    gateway["identity"].answers("POST /session", refuses(401, "wrong_credentials"))
    typed = {"email": "ana@example.com", "password": "wrong", "text": "It jams."}
    async with gateway.portal.request(method, path, data=typed if method == "POST" else None) as answer:
        form = _with_password(await answer.text())
    [password] = [field for field in form if field.get("type") == "password"]
    assert password["autocomplete"] == kind
    # What is hidden is no name to a password manager, and neither is what stands behind the password.
    named = [field for field in form[: form.index(password)] if field.get("autocomplete") == "username"]
    assert [(field["type"], field["value"]) for field in named] == [("email", address)]
    assert "hidden" not in named[0]


async def test_the_address_of_an_invitation_cannot_be_changed_on_its_page(gateway: Gateway) -> None:
    gateway["identity"].answers("GET /invitations/abc", says(INVITATION))
    gateway["identity"].answers("POST /invitations/abc/accept", says({"state": "verify", "email": "a@b.fr"}))
    async with gateway.portal.get("/invitations/abc") as answer:
        assert "readonly" in next(field for field in _with_password(await answer.text()) if field["name"] == "email")
    typed = {"email": "mallory@example.com", "first_name": "Ana", "last_name": "Duarte", "password": "x"}
    await gateway.portal.post("/invitations/abc", data=typed, allow_redirects=False)
    assert b"mallory" not in gateway["identity"].asked("POST /invitations/abc/accept")[0].body


_OWN = {
    "first_name": "given-name",
    "last_name": "family-name",
    "job_title": "organization-title",
    "email": "email",
    "phone": "tel",
    "language": "language",
    "company_name": "organization",
    "address_line_1": "address-line1",
    "address_line_2": "address-line2",
    "postal_code": "postal-code",
    "city": "address-level2",
    "region": "address-level1",
    "country": "country",
}
_CONTACT = {name: _OWN[name] for name in ("first_name", "last_name", "email", "phone")}


@pytest.mark.parametrize(
    ("spec", "filled_in"),
    [
        (SIGN_IN, {"email": "username", "password": "current-password"}),
        (ACCEPT, {"first_name": "given-name", "last_name": "family-name", "password": "new-password"}),
        (VERIFY, {"email": "username", "code": "one-time-code"}),
        (PROFILE, _OWN),
        (SITE, {}),
        (CASE, {f"contact.{name}": token for name, token in _CONTACT.items()}),
    ],
)
def test_only_what_is_about_the_visitor_is_filled_in(spec: FormSpec, filled_in: Mapping[str, str]) -> None:
    tokens = {field.name: field.autocomplete for field in spec.shown}
    assert {name: token for name, token in tokens.items() if token not in {"", "off"}} == filled_in


async def test_a_field_that_is_not_about_the_visitor_says_so(gateway: Gateway) -> None:
    for path in ("/sites", "/users", "/invitations"):
        gateway["identity"].answers(
            f"GET {path}", says({"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False})
        )
    async with gateway.portal.get("/sites", headers=gateway.signed_in()) as answer:
        page = await answer.text()
    fields = [field for form in _Forms(page).found for field in form if field.get("type") in {"text", "email", "tel"}]
    assert len(fields) > 3
    assert {field.get("autocomplete") for field in fields} == {"off"}
    assert re.search(r'<select [^>]*name="country"[^>]* autocomplete="off"', page)
