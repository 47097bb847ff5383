"""Every word of the portal's pages can be translated, and is."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import services.gateway
from services.gateway.labels import severities, severity_choices, statuses
from services.gateway.pages.rendering import countries, country_name, time_zones
from services.gateway.texts import _
from shared.i18n import preferred_language, reading_in

_SERVICE = Path(services.gateway.__file__).parent
# The description of the API is for programmers, and in the language of the API.
_TEMPLATES = sorted(path for path in (_SERVICE / "templates").glob("*.html") if path.name != "api_docs.html")
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
_JINJA = {"trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true", "extensions": "jinja2.ext.i18n"}
_KEYWORDS = {"_": None, "N_": None, "lazy": None, "gettext": None, "ngettext": (1, 2)}
_PLACEHOLDER = re.compile(r"%\(\w+\)s|%\(\w+\)d|\{\w+\}")
_TAG = re.compile(r"<[^>]+>")

# Names, languages by their own name, and what stands for itself.
_UNTRANSLATED = {"EN / FR", "Ctrl K", "?"}


def test_every_text_has_its_french() -> None:
    french = _french()
    missing = [one for one, _many in _texts() if one not in french]
    assert missing == []


def test_the_french_catalogue_has_no_text_that_is_used_nowhere() -> None:
    used = {one for one, _many in _texts()}
    assert [one for one in _french() if one not in used] == []


def test_a_translation_has_the_placeholders_and_tags_of_its_text() -> None:
    french = _french()
    for one, many in _texts():
        for text in french.get(one, ()):
            for rule in (_PLACEHOLDER, _TAG):
                assert sorted(rule.findall(text)) == sorted(rule.findall(many or one)), one


def test_french_sets_a_space_that_does_not_break_before_double_signs() -> None:
    wrong = [
        text
        for texts in _french().values()
        for text in texts
        if re.search(r"[^\u00a0\s:/?!%][:;?!»](\s|$)| [:;?!»]|« ", text)
    ]
    assert wrong == []


# The same thing has one name, on pages and in e-mails.
_OTHER_FRENCH = (
    r"\bclos(e|es)?\b|\bclore\b",  # clôturer
    r"\bsupport\b",  # assistance
    r"\bcode \(PIN|(?<!code )(?<!codes )(?<!\()\bPIN\b",  # code PIN
    r"requête|numéro de demande",  # identifiant de demande
    r"\btransmis par(?! moi)",  # émetteur
    r"\bappareils?\b",  # équipement
    r"\bavis par e-mail",  # notifications par e-mail
    r"joignable",  # indisponible, of what is no person
)
_OTHER_ENGLISH = (
    r"\bsent yet\b|\bcover\b|"
    r"\bgo on\b(?! slower)|\bdo nothing\b|type plate|\bspeak it\b|\bwhom we call\b|\bstands? (in|open)\b"
)


@pytest.mark.parametrize("service", ["gateway", "notifications"])
@pytest.mark.parametrize("variant", _OTHER_FRENCH)
def test_the_french_of_pages_and_mails_has_one_word_for_one_thing(service: str, variant: str) -> None:
    texts = [_PLACEHOLDER.sub("", text) for forms in _french(service).values() for text in forms]
    assert [text for text in texts if re.search(variant, text, re.IGNORECASE)] == []


def test_pages_and_mails_call_a_severity_the_same() -> None:
    mails = {key.partition(" – ")[2]: forms[0] for key, forms in _french("notifications").items() if " – " in key}
    english = {number: str(text) for number, text in severities.items()}
    with reading_in("fr"):
        french = {english[number].lower(): f"{number} – {text.lower()}" for number, text in severities.items()}
    assert mails == french


def test_quotes_and_apostrophes_are_those_of_print() -> None:
    both = [one for one, _many in _texts()] + [text for forms in _french().values() for text in forms]
    assert [text for text in both if re.search(r"""["']""", _TAG.sub("", text))] == []


def test_english_is_not_written_word_for_word() -> None:
    assert [one for one, _many in _texts() if re.search(_OTHER_ENGLISH, one, re.IGNORECASE)] == []


@pytest.mark.parametrize("path", _TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_that_cannot_be_translated(path: Path) -> None:
    assert list(_bare_words(path.read_text())) == []


def test_labels_are_in_the_language_of_the_current_reader() -> None:
    with reading_in("fr"):
        assert statuses["closed"] == "Clôturé"
        assert severity_choices[0] == ("1", "1 Critique\u00a0: le travail est arrêté")
        assert _("Show all cases") == "Afficher tous les dossiers"
    with reading_in("en"):
        assert statuses["closed"] == "Closed"
    with reading_in("xx"):
        assert _("Show all cases") == "Show all cases"


def test_countries_are_named_and_sorted_as_the_language_does() -> None:
    with reading_in("fr"):
        names = [name for _code, name in countries()]
        assert country_name("DE") == "Allemagne"
        assert names.index("Égypte") < names.index("Espagne") < names.index("Zimbabwe")
    with reading_in("en"):
        assert country_name("DE") == "Germany"
        assert len(countries()) > 240


def test_each_place_is_listed_once_and_by_its_present_name() -> None:
    with reading_in("en"):
        names, labels = zip(*time_zones(), strict=True)
    assert len(names) == len(set(names)) == len(set(labels))
    assert {"UTC", "Asia/Kolkata", "Europe/Kyiv", "Europe/Amsterdam"} <= set(names)
    assert not {"US/Pacific", "Asia/Calcutta", "Europe/Kiev", "Etc/GMT+5", "GMT", "localtime", "Factory"} & set(names)


@pytest.mark.parametrize("chosen", ["Asia/Calcutta", "Etc/GMT+5", "CET"])
def test_a_zone_that_was_chosen_by_another_name_stays_chosen(chosen: str) -> None:
    with reading_in("en"):
        names = [name for name, _label in time_zones(chosen)]
        assert names.count(chosen) == 1
        assert chosen not in [name for name, _label in time_zones()]


def test_kosovo_is_a_country() -> None:
    with reading_in("fr"):
        assert dict(countries())["XK"] == "Kosovo"


def test_a_time_zone_is_found_by_the_name_of_its_city() -> None:
    with reading_in("fr"):
        assert dict(time_zones())["Europe/London"] == "Londres (Europe)"
    with reading_in("en"):
        assert dict(time_zones())["America/New_York"] == "New York (America)"
        assert time_zones()[0][0] == "UTC"


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr-CA,fr;q=0.9,en;q=0.8", "fr"),
        ("de,en;q=0.5", "en"),
        ("de", "en"),
        ("", "en"),
        ("en;q=0.1,fr;q=0.2", "fr"),
        ("fr-CA;q=0.9, *", "fr"),
        ("fr; q=0.9, en; q=0.8", "fr"),
        ("FR", "fr"),
        ("fr_FR", "fr"),
        ("fr;q=0", "en"),
        ("fr;Q=0.9,en;q=0.1", "fr"),
        ("en;q=some, fr", "fr"),
        ("fr;q=nan", "en"),
        (";;;,,,", "en"),
        ("*", "en"),
    ],
)
def test_accept_language_decides_where_no_language_was_chosen(header: str, language: str) -> None:
    assert preferred_language(header) == language


@cache
def _texts() -> tuple[tuple[str, str], ...]:
    """Every text with its plural, or an empty one."""
    found = extract_from_dir(
        _SERVICE, method_map=_METHODS, options_map={"templates/**.html": _JINJA}, keywords=_KEYWORDS
    )
    texts = (message for _file, _line, message, _comments, _context in found)
    return tuple(sorted({(text, "") if isinstance(text, str) else (text[0], text[1]) for text in texts}))


@cache
def _french(service: str = "gateway") -> Mapping[str, tuple[str, ...]]:
    """Every text that has been translated, with its forms."""
    with (_SERVICE.parent / service / "locale" / "fr.po").open("rb") as file:
        catalogue: Catalog = read_po(file, locale="fr")
    found: dict[str, tuple[str, ...]] = {}
    for message in catalogue:
        key = message.id if isinstance(message.id, str) else message.id[0]
        forms = (message.string,) if isinstance(message.string, str) else tuple(message.string or ())
        if key and forms and all(forms):
            found[key] = forms
    return found


class _Words(HTMLParser):
    """What people read or hear of a template: text between tags, and attributes that are read out."""

    _SPOKEN = frozenset({"aria-label", "placeholder", "title", "alt"})

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.extend(value for name, value in attrs if name in self._SPOKEN and value)


_JINJA_COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
_TRANSLATED = re.compile(r"\{%-? *trans\b.*?\bendtrans *-?%\}", re.DOTALL)
_CODE = re.compile(r"\{\{.*?\}\}(?!\})|\{%.*?%\}", re.DOTALL)
_STRING_IN_CODE = re.compile(r"""(?:"([^"]*)"|'([^']*)')""")
# Attributes that a macro or a block puts into a tag.
_ATTRIBUTES = re.compile(r"""\s*[\w-]+="[^"]*"(\s+[\w-]+(="[^"]*")?)*\s*""")
_LETTERS = re.compile(r"[^\W\d_]{2,}")


def _bare_words(template: str) -> Iterator[str]:
    template = _TRANSLATED.sub("", _JINJA_COMMENT.sub("", template))
    parser = _Words()
    parser.feed(_CODE.sub("", template))
    for text in parser.found:
        if text.strip() not in _UNTRANSLATED and _LETTERS.search(text) and not _ATTRIBUTES.fullmatch(text):
            yield text.strip()
    for code in _CODE.findall(template):
        yield from _sentences(code)


def _sentences(code: str) -> Iterator[str]:
    """Strings in the code of a template that look like words for people and do not go through `_`."""
    without = re.sub(r"""\b(?:_|ngettext)\((?:[^()"']|"[^"]*"|'[^']*'|\([^()]*\))*\)""", "", code)
    for groups in _STRING_IN_CODE.findall(without):
        text = groups[0] or groups[1]
        if re.match(r"[A-Z][a-z]+(\s|$)", text) or re.search(r"[a-z]{2,} [a-z]{2,} [a-z]", text):
            yield text
