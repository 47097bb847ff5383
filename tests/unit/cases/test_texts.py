"""The texts of an exported sheet are translated as on the portal's pages."""

from pathlib import Path

from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

import services.cases
import services.gateway
from services.cases.cases import sheet
from services.gateway import labels
from tests.builders import an_actor

# What no page says by itself.
_ONLY_HERE = {
    "Covered until",
    "As of",
    "About this export",
    "Number of cases",
    "View",
    "All open",
    "Customer",
    "My favourites",
    "Also those that nobody has taken",
    "Product line",
    "Whose turn since",
    "Assigned to",
}


def test_every_text_of_the_sheet_is_translated() -> None:
    used = {text for _line, text, *_ in extract_from_file("python", sheet.__file__, keywords={"_": None})}
    french = _french(services.cases.__file__)
    assert used == french.keys()
    assert all(french.values())


def test_a_sheet_and_the_pages_translate_alike() -> None:
    french, pages = _french(services.cases.__file__), _french(services.gateway.__file__)
    assert french.keys() - pages.keys() <= _ONLY_HERE
    assert {text: french[text] for text in french.keys() & pages.keys()} == {
        text: pages[text] for text in french.keys() & pages.keys()
    }


def test_a_sheet_and_the_pages_use_the_same_labels() -> None:
    used = sheet.labels_for(an_actor())
    assert used.statuses == dict(labels.statuses)
    assert {str(severity): label for severity, label in used.severities.items()} == dict(labels.severities)


def _french(service: str) -> dict[str, str]:
    with (Path(service).parent / "locale" / "fr.po").open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file, locale="fr") if message.id}
