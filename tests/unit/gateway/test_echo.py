"""How much of what was typed is shown again."""

import pytest

from services.gateway.echo import shortened
from services.gateway.fields import FormSpec
from services.gateway.forms import Form


@pytest.mark.parametrize(
    ("name", "length"),
    [
        ("title", 130),
        ("kept.title", 240),
        ("description", 15_000),
        ("troubleshooting", 20_000),
        ("contact.email", 508),
        ("reason", 4000),
        ("emails", 25_400),
        ("next", 8000),
        ("some_code", 1000),
    ],
)
def test_a_text_that_is_too_long_comes_back_whole(name: str, length: int) -> None:
    assert shortened({name: "x" * length}) == ({name: "x" * length}, False)


@pytest.mark.parametrize(
    ("name", "at_most"),
    [("email", 1000), ("code", 1000), ("title", 1000), ("description", 20_000), ("unheard_of", 1000)],
)
def test_an_endless_text_is_cut(name: str, at_most: int) -> None:
    shown, is_cut = shortened({name: "x" * 1_000_000})
    assert (len(shown[name]), is_cut) == (at_most, True)


@pytest.mark.parametrize(
    "typed",
    [
        {f"field{n}": "x" * 1000 for n in range(1000)},
        {f"{n}.text": "x" * 20_000 for n in range(50)},
        {"x" * 1_000_000: "x"},
        {f"{n:0100}": "" for n in range(1000)},
    ],
)
def test_nor_many_fields_or_long_names(typed: dict[str, str]) -> None:
    shown, is_cut = shortened(typed)
    assert sum(len(name) + len(text) for name, text in shown.items()) <= 130_000
    assert is_cut


def test_a_form_remembers_that_it_was_cut() -> None:
    form = Form(FormSpec(), {"title": '"' * 1_000_000}).with_values(title="short again")
    assert (form["title"], form.is_cut) == ("short again", True)
    assert not Form(FormSpec(), {"title": "short"}).is_cut
