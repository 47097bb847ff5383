"""The icons: one small sprite on every page."""

import re
from pathlib import Path

import services.gateway
from services.gateway.pages import looks
from services.gateway.pages.case_actions import ROWS

_GATEWAY = Path(services.gateway.__file__).parent
_SPRITE = _GATEWAY / "templates" / "sprite.html"
_DRAWN = set(re.findall(r'<symbol id="i-([\w-]+)"', _SPRITE.read_text()))


def test_the_sprite_is_small() -> None:
    assert len(_SPRITE.read_bytes()) <= 4_000


def test_every_icon_that_is_shown_is_drawn_and_the_other_way_round() -> None:
    assert _shown() == _DRAWN


def _shown() -> set[str]:
    found = {row.icon for row in ROWS if row.icon} | {looks.pictogram(line) for line in ("", *_PRODUCT_LINES)}
    for path in (*_GATEWAY.glob("templates/*.html"), *_GATEWAY.glob("static/*.js")):
        found.update(name for groups in _USES.findall(path.read_text()) for name in groups if name)
    return found


# By the macro, in the list of the navigation, and by scripts.
_USES = re.compile(r'\bicon\("([\w-]+)"\)|\{\{ to\("[^"]+", "\w+", "(\w+)"|"#i-(\w+)"')
_PRODUCT_LINES = ("server", "storage", "printer", "software")
