"""The accent of any brand can be read."""

import pytest

from services.gateway.brand import ACCENT, Brand, readable
from shared.colours import contrast, rgb
from shared.i18n import reading_in


def test_a_readable_accent_stays_as_it_is() -> None:
    assert readable(ACCENT, ("#ffffff",), towards="#000000") == ACCENT


def test_a_pale_accent_is_darkened_until_it_can_be_read() -> None:
    shade = readable("#ffe000", ("#ffffff", "#f6f7f9"), towards="#000000")
    assert contrast(shade, "#f6f7f9") >= 4.5
    assert contrast(shade, "#ffffff") < 6
    red, green, blue = rgb(shade)
    assert red > green > blue  # still that yellow


@pytest.mark.parametrize(
    "accent", [ACCENT, "#ffe000", "#ffffff", "#000000", "#e60012", "#00a651", "#7f7f7f", "#0000ff"]
)
def test_text_in_and_on_the_accent_can_be_read_in_light_and_in_dark(accent: str) -> None:
    colours = _colours(Brand(accent=accent).css.body.decode())
    surfaces = (("#ffffff", "#f6f7f9", "#ebeef2"), ("#15181d", "#0f1115", "#252a33"))
    for scheme, on in enumerate(surfaces):
        for surface in (*on, colours["accent-pale"][scheme]):
            assert contrast(colours["accent"][scheme], surface) >= 4.5
        for ground in ("accent", "accent-strong"):
            assert contrast(colours["accent-text"][scheme], colours[ground][scheme]) >= 4.5
        assert contrast(colours["accent-strong"][scheme], colours["accent-pale"][scheme]) >= 4.5


@pytest.mark.parametrize("accent", ["#2c4fc4", "#ffe000"])
def test_the_icon_has_the_accent_and_stands_out_from_itself(accent: str) -> None:
    icon = Brand(accent=accent).icon.body.decode()
    assert f'fill="{accent}"' in icon
    assert contrast(accent, icon.partition('stroke="')[2][:7]) >= 4.5


def test_the_vendors_words_are_in_the_readers_language_and_else_in_english() -> None:
    brand = Brand(
        hours_by_language={"en": "Mon to Fri", "fr": "Lundi à vendredi"}, announcement_by_language={"en": "!"}
    )
    with reading_in("fr"):
        assert (brand.hours, brand.announcement) == ("Lundi à vendredi", "!")
    with reading_in("en"):
        assert (brand.hours, brand.announcement) == ("Mon to Fri", "!")
    assert (Brand().hours, Brand().announcement) == ("", "")


def _colours(css: str) -> dict[str, tuple[str, str]]:
    found = {}
    for line in css.removeprefix(":root { ").split("; "):
        name, _, value = line.strip().rstrip(";} \n").partition(": light-dark(")
        light, _, dark = value.rstrip(")").partition(", ")
        found[name.removeprefix("--")] = (light, dark)
    return found
