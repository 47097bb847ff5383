"""The stylesheets: no rule is left of what a page showed once."""

import re
from pathlib import Path

import services.gateway
from services.gateway import labels
from services.gateway.brand import Brand

_GATEWAY = Path(services.gateway.__file__).parent
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS = "\n".join(_COMMENT.sub("", path.read_text()) for path in sorted((_GATEWAY / "static").glob("*.css")))
_SELECTORS = re.sub(r"\{[^{}]*\}", "{}", _CSS)
_SOURCES = (*_GATEWAY.glob("templates/*.html"), *_GATEWAY.glob("static/*.js"))
_USED = "\n".join(path.read_text() for path in _SOURCES)


def test_every_class_of_a_stylesheet_is_that_of_an_element() -> None:
    assert len(named := set(re.findall(r"\.([a-z][\w-]*)", _SELECTORS))) > 100
    # Templates and scripts have them between quotes, or make them of the look of a status.
    quoted = {word for text in re.findall(r'(?="([^"\n]*)")', _USED) for word in re.findall(r"[a-z][\w-]*", text)}
    looks = {*labels.status_looks.values(), "them"}
    assert sorted(named - quoted - looks - {f"c-{look}" for look in looks}) == []


def test_every_attribute_that_a_stylesheet_looks_for_is_given_to_an_element() -> None:
    named = set(re.findall(r"\[([a-z-]+)", _SELECTORS))
    assert {name for name in named if not re.search(rf"(?<![\w-]){name}(?![\w-])", _USED)} == set()


def test_every_value_with_a_name_is_used_and_every_one_that_is_used_has_a_name() -> None:
    defined = set(re.findall(r"(--[\w-]+)\s*:", _CSS + Brand().css.body.decode()))
    assert set(re.findall(r"var\((--[\w-]+)", _CSS)) == defined
