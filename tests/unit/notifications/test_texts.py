"""Every word of an e-mail can be translated, and is."""

import re
from html.parser import HTMLParser
from typing import Literal

import pytest
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po
from jinja2 import nodes

from services.notifications.brand import Brand
from services.notifications.kinds import CASE_MAILS
from services.notifications.mailer import TEMPLATES, environment

FILES = sorted(path for path in TEMPLATES.rglob("*") if path.is_file())
NAMES = [str(path.relative_to(TEMPLATES)) for path in FILES]
_LETTER = re.compile(r"[^\W\d_]")
_PLACEHOLDER = re.compile(r"%\(\w+\)\w")
_SPOKEN = ("alt", "title", "aria-label", "placeholder")


class _Spoken(HTMLParser):
    """The words of a page that stand outside its tags and stylesheet, or in attributes that are read aloud."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self._in_style = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.words += [value for name, value in attrs if name in _SPOKEN and value]

    def handle_endtag(self, _tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style and _LETTER.search(data):
            self.words.append(data.strip())


def _translations() -> dict[str, str]:
    with (TEMPLATES.parent / "locale" / "fr.po").open("rb") as file:
        catalog = read_po(file, locale="fr")
    return {str(message.id): str(message.string) for message in catalog if message.id and not message.fuzzy}


def _used() -> set[str]:
    used = {label for row in CASE_MAILS.values() for label in (row.label, row.stop_label)}
    for path in FILES:
        found = extract_from_file("jinja2.ext:babel_extract", path, options={"newstyle_gettext": "true"})
        used |= {text for each in found for text in each if isinstance(text, str)}
    return used


def _written_outright(name: str) -> list[str]:
    """The words of a template that no `_()` stands around."""
    tree = environment("html", Brand(), "en").parse((TEMPLATES / name).read_text(encoding="utf-8"))
    # A value in place of each expression keeps the markup whole.
    pieces = [
        child.data if isinstance(child, nodes.TemplateData) else "0"
        for output in tree.find_all(nodes.Output)
        for child in output.nodes
    ]
    text = "".join(pieces)
    return (
        _Spoken(text).words if name.startswith("html/") else [line for line in text.split("\n") if _LETTER.search(line)]
    )


@pytest.mark.parametrize("name", NAMES)
def test_no_template_has_words_that_cannot_be_translated(name: str) -> None:
    assert _written_outright(name) == []


def test_every_text_has_its_french() -> None:
    french = _translations()
    assert _used() == french.keys()
    assert [text for text, translated in french.items() if not translated] == []


def test_a_translation_has_the_placeholders_of_its_text() -> None:
    for english, french in _translations().items():
        assert sorted(_PLACEHOLDER.findall(french)) == sorted(_PLACEHOLDER.findall(english)), english


def test_french_signs_stand_close_to_their_words() -> None:
    for english, french in _translations().items():
        assert not re.search("\\S [:;?!»]|« ", french), english
        assert "'" not in french, english


@pytest.mark.parametrize(("code", "word"), [("en", "See the case"), ("fr", "Voir le dossier")])
@pytest.mark.parametrize("layout", ["text", "html"])
def test_words_without_values_are_asked_for_once_and_not_for_each_mail(
    layout: Literal["text", "html"], code: str, word: str
) -> None:
    template = environment(layout, Brand(), code).get_template("case.jinja")
    (button,) = (block for name, block in template.blocks.items() if name == "action")
    constants = button.__code__.co_consts
    assert word in constants
    assert code == "en" or "See the case" not in constants
    assert "_" not in constants


@pytest.mark.parametrize(("layout", "seen"), [("text", "Yes & no"), ("html", "Yes &amp; no")])
def test_words_are_texts_and_html_escapes_them(layout: Literal["text", "html"], seen: str) -> None:
    assert environment(layout, Brand(), "en").from_string('{{ _("Yes & no") }}').render() == seen
