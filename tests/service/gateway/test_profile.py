"""The profile's page: what it asks of whom, and where saving it leads."""

import pytest

from tests.service.gateway.stand_ins import CSRF, Gateway, a_session, says


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ({"next": "/cases/new?serial=RX42"}, "/cases/new?serial=RX42"),
        ({"next": ""}, "/profile?done=saved"),
        ({}, "/profile?done=saved"),
        ({"next": "//elsewhere.example/"}, "/"),
        ({"next": "https://elsewhere.example/"}, "/"),
    ],
)
async def test_saving_leads_back_to_a_page_of_this_site_only(
    gateway: Gateway, typed: dict[str, str], target: str
) -> None:
    gateway["identity"].answers("PUT /profile", says({"version": 2}))
    form = {"csrf_token": CSRF, "version": "1", "step": "save", **typed}
    answer = await gateway.portal.post("/profile", data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, target)
    assert b"next" not in gateway["identity"].asked("PUT /profile")[0].body


@pytest.mark.parametrize(("role", "is_customer"), [("member", True), ("agent", False), ("vendor_admin", False)])
async def test_the_vendors_people_are_not_told_of_case_forms_sites_and_pins(
    gateway: Gateway, role: str, *, is_customer: bool
) -> None:
    session = a_session()
    session["user"]["role"] = role
    gateway["identity"].answers("POST /session/resolve", says(session))
    gateway["identity"].answers("GET /profile", says({"version": 1}))
    for path in ("/sites", "/pins"):
        gateway["identity"].answers(f"GET {path}", says({"items": [], "next_cursor": None, "total": 0}))
    gateway["notifications"].answers("GET /bouncing-addresses", says({"items": []}))
    gateway["notifications"].answers("GET /notification-preferences", says({}))
    page = await (await gateway.portal.get("/profile", headers=gateway.signed_in())).text()
    for words in ("fill in your case forms", "your company has several sites", "No PIN is assigned to your company"):
        assert (words in page) == is_customer
    assert 'name="first_name"' in page


async def test_a_pin_says_where_it_is_valid(gateway: Gateway) -> None:
    pins = [
        {"pin": "4711", "label": "Gold", "site_id": "7", "said": None},
        {"pin": "4712", "label": "Silver", "site_id": None, "said": "SA-1"},
    ]
    sites = [{"id": "7", "name": "Works", "city": "Lyon"}]
    gateway["identity"].answers("GET /profile", says({"version": 1}))
    for path, items in (("/sites", sites), ("/pins", pins)):
        gateway["identity"].answers(f"GET {path}", says({"items": items, "next_cursor": None, "total": len(items)}))
    gateway["notifications"].answers("GET /bouncing-addresses", says({"items": []}))
    gateway["notifications"].answers("GET /notification-preferences", says({}))
    page = await (await gateway.portal.get("/profile", headers=gateway.signed_in())).text()
    # Without the marks around what people typed.
    seen = page.replace("\u2068", "").replace("\u2069", "")
    assert "4711 · Gold, at Works, Lyon only" in seen
    assert "4712 · Silver, for contract SA-1 only" in seen
