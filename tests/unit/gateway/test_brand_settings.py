"""The vendor's brand as operators set it: what is taken, and what stops the start with a sentence."""

from pathlib import Path

import pytest

from services.gateway.logo import MOST_BYTES
from services.gateway.settings import GatewaySettings
from shared.settings import read
from tests.builders import TEST_SECRET

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 26"><path d="M0 0h9v9z"/></svg>'
PNG = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR" + (52).to_bytes(4, "big") + (26).to_bytes(4, "big")
_BOMB = '<!DOCTYPE svg [<!ENTITY a "aaaa">]><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1">&a;</svg>'


def _read(**environment: str) -> GatewaySettings:
    return read(GatewaySettings, {"PORTICO_SECRET_KEY": TEST_SECRET, **environment})


def _logo(path: Path, content: str | bytes) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.parametrize(
    ("content", "name", "size"),
    [
        (SVG, "logo.svg", (120, 26)),
        ('<svg xmlns="http://www.w3.org/2000/svg" width="64px" height="32.4"/>', "logo.svg", (64, 32)),
        ('<?xml version="1.0" encoding="UTF-8"?>\n<!-- É -->' + SVG, "logo.svg", (120, 26)),
        (PNG, "logo.png", (52, 26)),
    ],
)
def test_a_logo_is_an_svg_or_a_png_of_a_known_size(
    content: str | bytes, name: str, size: tuple[int, int], tmp_path: Path
) -> None:
    logo = _read(PORTICO_BRAND_LOGO=_logo(tmp_path / "any-name", content)).brand.logo
    assert logo is not None
    assert (logo.asset.name, (logo.width, logo.height)) == (name, size)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "use a PNG, or an SVG"),
        ("GIF89a", "use a PNG, or an SVG"),
        (b"\xff\xd8\xff\xe0 a photograph", "use a PNG, or an SVG"),
        ("<svg>", "use a PNG, or an SVG"),
        ("<html xmlns='http://www.w3.org/1999/xhtml'/>", "use a PNG, or an SVG"),
        (PNG[:20], "this PNG is cut off"),
        (PNG[:16] + bytes(8), "1 to 4,096 pixels"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "add a viewBox"),
        ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 99999 1"/>', "1 to 4,096 pixels"),
        (_BOMB, "without a DOCTYPE"),
        (SVG + " " * MOST_BYTES, "more than 65,536 bytes"),
    ],
)
def test_any_other_file_stops_the_start(
    content: str | bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        _read(PORTICO_BRAND_LOGO=_logo(tmp_path / "logo.svg", content))
    sentence = capsys.readouterr().err
    assert "PORTICO_BRAND_LOGO is wrong: " in sentence
    assert said in sentence


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORTICO_BRAND_LOGO", "/nowhere/logo.svg"),
        ("PORTICO_BRAND_LOGO", "/tmp"),  # noqa: S108  # no file, but a folder
        ("PORTICO_BRAND_PHONE", "call us"),
        ("PORTICO_BRAND_PHONE", "0472 00 00 00"),
        ("PORTICO_BRAND_EMAIL", "support"),
        ("PORTICO_BRAND_HOURS", "Monday\nTuesday"),
        ("PORTICO_BRAND_HOURS_FR", "x" * 301),
        ("PORTICO_ANNOUNCEMENT", "x" * 301),
        ("PORTICO_ANNOUNCEMENT_FR", "lundi\nmardi"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(
    name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        _read(**{name: value})
    assert f"{name} is wrong" in capsys.readouterr().err


def test_what_is_not_set_or_empty_is_not_there() -> None:
    # Compose hands on an empty value for what is not set.
    names = ("LOGO", "PHONE", "EMAIL", "HOURS", "HOURS_FR")
    for brand in (_read().brand, _read(**{f"PORTICO_BRAND_{name}": "" for name in names}).brand):
        assert (brand.logo, brand.phone, brand.email, brand.hours, brand.announcement) == (None, "", "", "", "")


def test_a_phone_number_is_kept_as_it_is_dialled() -> None:
    assert _read(PORTICO_BRAND_PHONE="+44 20 7946 0100").brand.phone == "+442079460100"
