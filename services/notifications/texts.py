"""The words of e-mails and of their switches, in both languages."""

from pathlib import Path

from shared.i18n import LANGUAGES, Texts, reading_in

TEXTS = Texts(Path(__file__).parent / "locale")


def in_each_language(text: str) -> dict[str, str]:
    """The text by language: who shows it knows the reader's."""
    translated = {}
    for language in LANGUAGES:
        with reading_in(language):
            translated[language] = TEXTS.gettext(text)
    return translated
