"""The accent of any brand can be read."""

import pytest

from services.gateway.brand import ACCENT, Brand, readable
from shared.colours import contrast, rgb


def test_a_readable_accent_stays_as_it_is() -> None:
    assert readable(ACCENT, ("#ffffff",), towards="#000000") == ACCENT


def test_a_pale_accent_is_darkened_until_it_can_be_read() -> None:
    shade = readable("#ffe000", ("#ffffff", "#f5f6f8"), towards="#000000")
    assert contrast(shade, "#f5f6f8") >= 4.5
    assert contrast(shade, "#ffffff") < 6
    red, green, blue = rgb(shade)
    assert red > green > blue  # still that yellow


@pytest.mark.parametrize(
    "accent", [ACCENT, "#ffe000", "#ffffff", "#000000", "#e60012", "#00a651", "#7f7f7f", "#0000ff"]
)
def test_text_in_and_on_the_accent_can_be_read_in_light_and_in_dark(accent: str) -> None:
    colours = _colours(Brand.of("Any", accent).css)
    surfaces = (("#ffffff", "#f5f6f8", "#eceef2"), ("#1b1f26", "#13161b", "#2a303a"))
    for scheme, on in enumerate(surfaces):
        for surface in (*on, colours["accent-pale"][scheme]):
            assert contrast(colours["accent"][scheme], surface) >= 4.5
        for ground in ("accent", "accent-strong"):
            assert contrast(colours["accent-text"][scheme], colours[ground][scheme]) >= 4.5
        assert contrast(colours["accent-strong"][scheme], colours["accent-pale"][scheme]) >= 4.5


def _colours(css: str) -> dict[str, tuple[str, str]]:
    found = {}
    for line in css.removeprefix(":root { ").split("; "):
        name, _, value = line.strip().rstrip(";} \n").partition(": light-dark(")
        light, _, dark = value.rstrip(")").partition(", ")
        found[name.removeprefix("--")] = (light, dark)
    return found
