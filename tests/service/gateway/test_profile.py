"""The profile's page: where saving it leads."""

import pytest

from tests.service.gateway.stand_ins import CSRF, Gateway, says


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
