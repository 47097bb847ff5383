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
    # Named, for masks are drawn: the processes of a run must agree on the names of tests.
    [
        pytest.param("", id="empty"),
        pytest.param("of-another-session", id="another token"),
        pytest.param(masked("of-another-session"), id="another token, masked"),
        pytest.param(masked("7d" * 32), id="another token of the same length, masked"),
        pytest.param(masked(TOKEN)[:-4], id="cut at its end"),
        pytest.param(masked(TOKEN) + "AAAA", id="too long"),
        pytest.param(masked(TOKEN)[1:], id="cut at its beginning"),
        pytest.param(masked(TOKEN + TOKEN), id="twice"),
        pytest.param(base64.urlsafe_b64encode(TOKEN.encode()).decode(), id="encoded, without a mask"),
        pytest.param(base64.urlsafe_b64encode(b"\x00" * 64).decode(), id="nothing under a mask of nothing"),
        pytest.param("é" * 8, id="other letters"),
        pytest.param("\udcff", id="half a letter"),
        pytest.param("=" * 4, id="padding alone"),
    ],
)
def test_nothing_else_proves_anything(given: str) -> None:
    assert not proves(given, TOKEN)
    assert not proves(given, "")
