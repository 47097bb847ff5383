"""The icons: one small sprite on every page."""

import re
from pathlib import Path

import services.gateway

_GATEWAY = Path(services.gateway.__file__).parent
_SPRITE = _GATEWAY / "templates" / "sprite.html"
_DRAWN = set(re.findall(r'<symbol id="i-([\w-]+)"', _SPRITE.read_text()))


def test_the_sprite_is_small() -> None:
    assert len(_SPRITE.read_bytes()) <= 4_000


def test_every_icon_that_a_page_shows_is_drawn() -> None:
    assert _shown() <= _DRAWN


def _shown() -> set[str]:
    templates = [path.read_text() for path in (_GATEWAY / "templates").glob("*.html")]
    return {name for text in templates for name in re.findall(r'\bicon\("([\w-]+)"\)', text)}
