"""README's pictures are there, said in words for who does not see them, and light enough to come at once."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]


def test_readme_shows_two_pictures_with_words_for_each() -> None:
    shown = re.findall(r"!\[([^\]]+)\]\(([^)]+)\)", (_ROOT / "README.md").read_text(encoding="utf-8"))
    assert [path for _, path in shown] == ["docs/pictures/start.webp", "docs/pictures/case.webp"]
    assert min(len(words) for words, _ in shown) > 50


def test_a_picture_is_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (_ROOT / "docs" / "pictures").glob("*.webp")}
    assert len(sizes) == 2
    assert max(sizes.values()) <= 150_000, sizes
