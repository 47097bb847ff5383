"""The vendor's logo, colours and icon as browsers get them."""

from pathlib import Path

import pytest

from tests.service.gateway.stand_ins import PATIENT, Gateway, a_gateway
from tests.unit.gateway.test_brand_settings import PNG, SVG


async def test_the_brands_colours_are_a_stylesheet_of_their_own(gateway: Gateway) -> None:
    page = await (await gateway.portal.get("/")).text()
    address = page.partition('href="/static/brand.css')[2].partition('"')[0]
    answer = await gateway.portal.get(f"/static/brand.css{address}")
    assert answer.content_type == "text/css"
    assert "--accent: light-dark(#2c4fc4," in await answer.text()
    assert "immutable" in answer.headers["Cache-Control"]
    assert "--accent: light-dark(" not in page


async def test_the_icon_is_in_the_accent() -> None:
    async with a_gateway(PORTICO_BRAND_ACCENT="#00a651") as gateway:
        icon = await gateway.portal.get("/favicon.ico")
        assert (icon.status, icon.content_type) == (200, "image/svg+xml")
        assert 'fill="#00a651"' in await icon.text()
        assert "immutable" in icon.headers["Cache-Control"]


@pytest.mark.parametrize(("content", "content_type"), [(SVG.encode(), "image/svg+xml"), (PNG, "image/png")])
async def test_a_logo_is_a_picture_and_nothing_else(content: bytes, content_type: str, tmp_path: Path) -> None:
    (file := tmp_path / "logo").write_bytes(content)
    name = content_type.removeprefix("image/").removesuffix("+xml")
    async with a_gateway(PORTICO_BRAND_LOGO=str(file)) as gateway:
        answer = await gateway.portal.get(f"/static/logo.{name}")
        assert await answer.read() == content
        assert answer.content_type == content_type
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers.get("Content-Security-Policy", "")
        # Nothing that stands in an SVG runs where somebody opens it by itself.
        assert content_type == "image/png" or ("default-src 'none'" in policy and policy.endswith("sandbox"))


async def test_without_a_logo_there_is_none(gateway: Gateway) -> None:
    assert (await gateway.portal.get("/static/logo.svg")).status == 404


async def test_pages_show_what_the_vendor_set_in_the_readers_language(tmp_path: Path) -> None:
    (file := tmp_path / "logo").write_text(SVG, encoding="utf-8")
    environment = {
        "PORTICO_BRAND_LOGO": str(file),
        "PORTICO_BRAND_PHONE": "+44 20 7946 0100",
        "PORTICO_BRAND_EMAIL": "help@vendor.example",
        "PORTICO_BRAND_HOURS": "Monday to Friday",
        "PORTICO_BRAND_HOURS_FR": "Du lundi au vendredi",
        "PORTICO_ANNOUNCEMENT": "Maintenance on Saturday <22:00>",
    }
    async with a_gateway(PATIENT, **environment) as gateway:
        english = await (await gateway.portal.get("/help", headers={"Accept-Language": "en"})).text()
        french = await (await gateway.portal.get("/help", headers={"Accept-Language": "fr"})).text()
    for page, hours in ((english, "Monday to Friday"), (french, "Du lundi au vendredi")):
        assert '<img class="logo" src="/static/logo.svg?v=' in page
        assert 'alt="" width="120" height="26">' in page
        assert 'href="tel:+442079460100"' in page
        assert "+44 20 7946 0100" in page
        assert 'href="mailto:help@vendor.example"' in page
        assert hours in page
        assert "Maintenance on Saturday &lt;22:00&gt;" in page
    assert "Monday to Friday" not in french


@pytest.mark.parametrize("path", ["/help", "/sign-in", "/nothing"])
async def test_what_is_not_set_leaves_nothing_on_the_page(gateway: Gateway, path: str) -> None:
    page = await (await gateway.portal.get(path)).text()
    for trace in ("tel:", "mailto:", "announcement", "<img", "Do you need help?"):
        assert trace not in page


@pytest.mark.parametrize("path", ["/sign-in", "/nothing"])
async def test_who_cannot_go_on_reads_how_to_reach_support(path: str) -> None:
    phone = {"PORTICO_BRAND_PHONE": "+44 20 7946 0100", "PORTICO_BRAND_HOURS": "Monday to Friday"}
    async with a_gateway(PATIENT, **phone) as gateway:
        page = await (await gateway.portal.get(path)).text()
    assert "Do you need help?" in page
    assert 'href="tel:+442079460100"' in page
    assert "Monday to Friday" in page
