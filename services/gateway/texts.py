"""The portal's texts in the reader's language, for templates and for handlers."""

from pathlib import Path
from typing import cast

from babel.support import LazyProxy

from shared.i18n import Texts

TEXTS = Texts(Path(__file__).parent / "locale")

_ = TEXTS.gettext
ngettext = TEXTS.ngettext


def N_(text: str) -> str:  # noqa: N802  # the name by which gettext's tools know it
    """Marks a text for the catalogue; `_` translates it later, when it is shown."""
    return text


def lazy(text: str) -> str:
    """Marks a text for the catalogue; it is translated each time it is shown, so tables may hold it.

    It stands in for a `str` in templates and formatting, but `isinstance` and `str.join` see that it is none.
    """
    return cast("str", LazyProxy(_, text, enable_cache=False))
