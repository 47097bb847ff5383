"""In which language a page is written, and how somebody who is not signed in chooses it."""

import re
from pathlib import Path

import pytest

from services.gateway.pages import static
from tests.service.gateway.stand_ins import CSRF, TOKEN, Gateway, Script, a_session, hangs_up, refuses, says

_FRENCH_BROWSER = {"Accept-Language": "fr-FR,fr;q=0.9,en;q=0.5"}


async def test_accept_language_decides_for_visitors_without_a_session(gateway: Gateway) -> None:
    answer = await gateway.portal.get("/sign-in", headers=_FRENCH_BROWSER)
    page = await answer.text()
    assert '<html lang="fr">' in page
    assert "Mot de passe" in page
    assert answer.headers["Content-Language"] == "fr"


async def test_a_choice_is_remembered_and_leads_back_to_the_page(gateway: Gateway) -> None:
    form = {"to": "en", "next": "/sign-in?next=/cases"}
    chosen = await gateway.portal.post("/language", data=form, headers=_FRENCH_BROWSER, allow_redirects=False)
    assert (chosen.status, chosen.headers["Location"]) == (303, "/sign-in?next=/cases")
    cookie = chosen.cookies["portico-language-8080"]
    assert (cookie.value, cookie["samesite"], cookie["httponly"]) == ("en", "Lax", True)
    answer = await gateway.portal.get("/sign-in", headers=_FRENCH_BROWSER)
    assert '<html lang="en">' in await answer.text()


@pytest.mark.parametrize("target", ["//example.org/", "https://example.org/", "/\\example.org", ""])
async def test_a_choice_never_leads_to_another_site(gateway: Gateway, target: str) -> None:
    answer = await gateway.portal.post("/language", data={"to": "fr", "next": target}, allow_redirects=False)
    assert answer.headers["Location"] == "/"


async def test_another_site_cannot_change_the_language(gateway: Gateway) -> None:
    answer = await gateway.portal.post("/language", data={"to": "fr"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status == 403
    assert "portico-language-8080" not in answer.cookies


async def test_a_language_that_is_none_of_ours_is_not_remembered(gateway: Gateway) -> None:
    answer = await gateway.portal.post("/language", data={"to": "de"}, allow_redirects=False)
    assert answer.status == 303
    assert "portico-language-8080" not in answer.cookies


async def test_a_signed_in_user_reads_the_language_of_the_profile(gateway: Gateway) -> None:
    session = a_session()
    session["user"]["language"] = "fr"
    gateway["identity"].answers("POST /session/resolve", says(session))
    answer = await gateway.portal.get(
        "/nowhere", headers={"Cookie": f"portico-8080={TOKEN}; portico-language-8080=en", "Accept-Language": "en"}
    )
    assert answer.status == 404
    assert "Page introuvable" in await answer.text()


async def test_a_signed_in_user_chooses_with_one_press_and_comes_back(gateway: Gateway) -> None:
    before, after = a_session(), a_session()
    after["user"]["language"] = "fr"
    gateway["identity"].answers("POST /session/resolve", says(before), says(after))
    gateway["identity"].answers("PUT /profile/language", says({}))
    form, cookies = {"to": "fr", "next": "/help?from=here", "csrf_token": CSRF}, gateway.signed_in()
    chosen = await gateway.portal.post("/language", data=form, headers=cookies, allow_redirects=False)
    assert (chosen.status, chosen.headers["Location"]) == (303, "/help?from=here")
    assert [seen.body for seen in gateway["identity"].asked("PUT /profile/language")] == [b'{"language":"fr"}']
    page = await (await gateway.portal.get("/help", headers=cookies)).text()
    assert '<html lang="fr">' in page
    # After signing out the same language is read on.
    assert chosen.cookies["portico-language-8080"].value == "fr"


@pytest.mark.parametrize("script", [hangs_up, refuses(503, "unavailable")])
async def test_a_choice_that_could_not_be_kept_is_told(gateway: Gateway, script: Script) -> None:
    gateway["identity"].answers("PUT /profile/language", script)
    form = {"to": "fr", "next": "/cases", "csrf_token": CSRF}
    answer = await gateway.portal.post("/language", data=form, headers=gateway.signed_in(), allow_redirects=False)
    assert answer.status == 503
    assert '<html lang="en">' in await answer.text()
    assert "portico-language-8080" not in answer.cookies


async def test_the_address_of_the_choice_leads_to_the_start_page(gateway: Gateway) -> None:
    answer = await gateway.portal.get("/language", allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_a_refusal_is_in_the_readers_language(gateway: Gateway) -> None:
    answer = await gateway.portal.post("/sign-in", data="x", headers=_FRENCH_BROWSER | {"Content-Type": "text/plain"})
    page = await answer.text()
    assert answer.status == 415
    assert '<html lang="fr">' in page
    assert "Une erreur s’est produite" in page


async def test_the_components_are_shown_to_anybody_in_both_languages(gateway: Gateway) -> None:
    for language, heading in (("en", "Components"), ("fr", "Composants")):
        answer = await gateway.portal.get("/components", headers={"Accept-Language": language})
        assert answer.status == 200
        page = await answer.text()
        assert f"<h1>{heading}</h1>" in page
        for colour in _colours():
            assert f'fill="var(--{colour})"' in page, colour
        for part in (
            "chip you",
            "chip them",
            "chip ending",
            "who support",
            "picture",
            "lead",
            "items rich",
            "todo",
            "message note",
            "composer",
        ):
            assert f'class="{part}"' in page, part


def _colours() -> list[str]:
    """The colours of the stylesheet, but the focus and the shadow, which are seen where they are used."""
    css = (Path(static.__file__).parents[1] / "static" / "portico.css").read_text(encoding="utf-8")
    return [name for name in re.findall(r"--([\w-]+): light-dark", css) if name != "focus"]
