"""Templates of all services can be read in an editor and in a review."""

import re
from pathlib import Path

import services

LONGEST_LINE = 160


def test_no_line_of_a_template_is_too_long_to_be_read() -> None:
    folder = Path(services.__file__).parent
    templates = [path for path in folder.glob("*/templates/**/*") if path.is_file()]
    assert len(templates) > 20
    long = [
        f"{path.relative_to(folder)}:{number}"
        for path in templates
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    assert long == []


# An element that people press, with a name that is given beside its words.
_NAMED = re.compile(r"<(a|button|summary)\b[^<]*?\baria-label=.*?>(?P<seen>.*?)</\1>", re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")


def test_what_is_pressed_is_called_by_the_words_that_are_seen() -> None:
    """WCAG 2.5.3: a name of its own may stand only where a sign is seen; other words are added unseen."""
    folder = Path(services.__file__).parent / "gateway" / "templates"
    named = [
        (path.name, _TAG.sub("", found["seen"]))
        for path in folder.glob("*.html")
        for found in _NAMED.finditer(path.read_text())
    ]
    assert ("ui.html", "?") in named
    assert [(name, seen) for name, seen in named if re.search(r"\w", seen)] == []
