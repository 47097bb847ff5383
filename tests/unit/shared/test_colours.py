"""What can be read on what."""

import colorsys

import pytest

from shared.colours import contrast, most_readable, rgb


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#ffffff", "#777777") == contrast("#777777", "#ffffff")


def test_a_colour_is_written_in_six_digits() -> None:
    for not_one in ("red", "#fff", "#1f5fbf7f", "1f5fbf", "#1f5fbg", "#1f5fbf\n"):
        with pytest.raises(ValueError, match="#rrggbb"):
            rgb(not_one)


def test_on_any_colour_black_or_white_can_be_read() -> None:
    hues = [colorsys.hls_to_rgb(h / 24, light / 20, 1.0) for h in range(24) for light in range(21)]
    grounds = ["#" + "".join(f"{round(part * 255):02x}" for part in hue) for hue in hues]
    assert min(contrast(most_readable(("#ffffff", "#000000"), on=ground), ground) for ground in grounds) >= 4.5


def test_the_text_that_stands_out_more_is_taken() -> None:
    assert most_readable(("#ffffff", "#0d1b30"), on="#1f5fbf") == "#ffffff"
    assert most_readable(("#ffffff", "#0d1b30"), on="#ffe000") == "#0d1b30"
