"""Two languages: texts by gettext catalogues, dates, times and numbers as the reader writes them.

English is written in the code and templates and is the key; `locale/<language>.po` beside a service's templates has the
other language. The language of the reader at hand travels with the context.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from functools import cache, lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel.core import negotiate_locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from jinja2 import Environment, pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

from shared.text import isolated

LANGUAGES = ("en", "fr")
DEFAULT = "en"

_language: ContextVar[str] = ContextVar("language", default=DEFAULT)


def language() -> str:
    """The language of the current reader."""
    return _language.get()


@contextmanager
def reading_in(code: str) -> Iterator[None]:
    """Sets the reader's language for everything inside; English for an unknown one."""
    token = _language.set(code if code in LANGUAGES else DEFAULT)
    try:
        yield
    finally:
        _language.reset(token)


def preferred_language(accept_language: str) -> str:
    """The supported language that an `Accept-Language` header prefers."""
    wanted: list[tuple[float, str]] = []
    for part in accept_language.lower().replace("_", "-").split(",")[:20]:
        tag, *parameters = (each.strip() for each in part.split(";"))
        try:
            quality = next((float(each[2:]) for each in parameters if each.startswith("q=")), 1.0)
        except ValueError:
            continue
        if quality > 0:
            wanted.append((-quality, tag))
    tags = [tag for _, tag in sorted(wanted, key=lambda each: each[0])]
    return negotiate_locale(tags, LANGUAGES, sep="-") or DEFAULT


class _Sentence(str):
    """A text with places for values: what somebody wrote keeps the other words in their places."""

    __slots__ = ()

    def __mod__(self, values: Any) -> str:
        return str(self) % {name: _beside_words(value) for name, value in values.items()}


def _beside_words(value: object) -> object:
    return isolated(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


class Texts:
    """The catalogues of one service: `folder` holds a `<language>.po` for every language but English."""

    def __init__(self, folder: Path) -> None:
        """Reads the catalogues once; they need no compiling."""
        self._translations = {code: _read(folder / f"{code}.po", code) for code in LANGUAGES if code != DEFAULT}
        self._english = NullTranslations()

    def gettext(self, text: str) -> str:
        """The text in the reader's language; the English one where there is none."""
        return _Sentence(self._translations.get(language(), self._english).gettext(text))

    def ngettext(self, one: str, many: str, count: int) -> str:
        """The form for `count` in the reader's language."""
        return _Sentence(self._translations.get(language(), self._english).ngettext(one, many, count))


@cache
def _read(path: Path, code: str) -> NullTranslations:
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)


def install(environment: Environment, texts: Texts) -> None:
    """`_("…")`, `ngettext`, `{% trans %}`, and the filters `day`, `moment` and `number` for templates."""
    environment.add_extension("jinja2.ext.i18n")
    environment.newstyle_gettext = True  # type: ignore[attr-defined]  # the extension's: values come as arguments
    gettext = _for_templates(texts.gettext)
    environment.globals |= {"_": gettext, "gettext": gettext, "ngettext": _for_templates(texts.ngettext)}
    environment.filters |= {"day": day, "moment": moment, "number": number, "isolated": isolated}
    environment.globals["language"] = language


def _for_templates(translate: Callable[..., str]) -> Callable[..., str]:
    """The text with its values; where the template is escaped, they are. One call: Jinja's own functions take three."""

    @pass_eval_context
    def translated(context: EvalContext, *texts: Any, **values: object) -> str:
        said = translate(*texts)
        if len(texts) > 1:
            values.setdefault("num", texts[-1])  # `ngettext(one, many, count)`
        if context.autoescape:
            said = Markup(said)  # noqa: S704  # our own words; the values are escaped as they come in
            values = {name: _beside_words(value) for name, value in values.items()}
        return said % values if "%" in said else said

    return translated


def day(value: date | str) -> str:
    """A date, such as 22 Nov 2026 or 22 nov. 2026."""
    value = date.fromisoformat(value) if isinstance(value, str) else value
    return _day(value, language())


@lru_cache(maxsize=1024)
def _day(value: date, code: str) -> str:
    return format_date(value, "d MMM y", locale=code)


def moment(value: datetime | str, zone: ZoneInfo) -> str:
    """A date and time in the reader's zone, such as 22 Nov 2026, 14:05."""
    value = datetime.fromisoformat(value) if isinstance(value, str) else value
    local = value.astimezone(zone)
    return f"{_day(local.date(), language())}, {local:%H:%M}"


def number(value: int) -> str:
    """A number with the reader's separators, such as 12,345 or 12 345."""
    return _number(value, language())


@lru_cache(maxsize=4096)
def _number(value: int, code: str) -> str:
    return str(format_decimal(value, locale=code))
