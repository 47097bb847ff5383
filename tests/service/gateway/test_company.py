"""The pages of a company's administration."""

import orjson
from aiohttp import web

from tests.service.gateway.stand_ins import CSRF, House, a_session, says


async def _refuses_the_second_address(_request: web.Request) -> web.Response:
    sentence = "This person is a user of the company already."
    error = {"field": "invitations.1.email", "code": "already_member", "message": sentence}
    body = orjson.dumps({"status": 422, "code": "invalid", "title": "Invalid", "errors": [error]})
    return web.Response(body=body, status=422, content_type="application/problem+json")


async def test_what_is_wrong_with_one_of_many_addresses_is_said_in_the_readers_language(house: House) -> None:
    session = a_session()
    session["user"]["language"] = "fr"
    house["identity"].answers("POST /session/resolve", says(session))
    house["identity"].answers("POST /invitations", _refuses_the_second_address)
    for path in ("/users", "/invitations", "/sites"):
        house["identity"].answers(
            f"GET {path}", says({"items": [], "next_cursor": None, "total": 0, "total_is_lower_bound": False})
        )
    form = {"csrf_token": CSRF, "emails": "luc@example.com ana@example.com", "role": "member"}
    answer = await house.portal.post("/users", data=form, headers=house.signed_in())
    page = await answer.text()
    assert answer.status == 422
    assert "ana@example.com\u00a0: Cette personne est déjà un utilisateur de la société." in page
