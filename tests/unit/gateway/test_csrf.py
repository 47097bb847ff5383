"""The session's token as it stands on pages."""

import base64

import pytest

from services.gateway.csrf import masked, proves, unmasked

TOKEN = "7c" * 32


def test_a_masked_token_proves_what_the_token_does() -> None:
    given = masked(TOKEN)
    assert unmasked(given) == TOKEN
    assert proves(given, TOKEN)
    assert proves(TOKEN, TOKEN)  # of a program, by the API


def test_no_two_pages_carry_the_same_letters() -> None:
    pages = {masked(TOKEN) for _ in range(50)}
    assert len(pages) == 50
    assert not any(TOKEN in page for page in pages)
    # Nothing of it stays in place either: each place shows many letters.
    assert all(len(letters) > 10 for letters in list(zip(*pages, strict=True))[:-4])


@pytest.mark.parametrize(
    "given",
    [
        "",
        "of-another-session",
        base64.urlsafe_b64encode(TOKEN.encode()).decode(),
        base64.urlsafe_b64encode(b"\x00" * 64).decode(),
        "é" * 8,
        "\udcff",
        "=" * 4,
    ],
)
def test_nothing_else_proves_anything(given: str) -> None:
    assert not proves(given, TOKEN)
    assert not proves(given, "")


# Each time others: as parameters they would have other names in each process of a run.
def test_neither_does_what_is_masked_wrongly() -> None:
    others = [masked("of-another-session"), masked("7d" * 32), masked(TOKEN + TOKEN)]
    for given in (*others, masked(TOKEN)[:-4], masked(TOKEN)[1:], masked(TOKEN) + "AAAA"):
        assert not proves(given, TOKEN)
        assert not proves(given, "")
