"""What the papers point to is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]
_PAPERS = sorted([*_ROOT.glob("*.md"), *(_ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_OWN = {_ROOT / "deploy/.env"}  # the reader makes it
_PATH = re.compile(r"`((?:services|shared|deploy|docs|tests)/[\w./*-]+)`")


def _named_in(paper: Path) -> Iterator[Path]:
    text = paper.read_text(encoding="utf-8")
    yield from (paper.parent / link for link in _LINK.findall(text))
    # A star stands for each of several names.
    yield from (next(_ROOT.glob(path), _ROOT / path) for path in _PATH.findall(text))


@pytest.mark.parametrize("paper", _PAPERS, ids=lambda paper: paper.name)
def test_every_file_that_a_paper_names_is_there(paper: Path) -> None:
    assert [str(path) for path in _named_in(paper) if not path.exists() and path not in _OWN] == []


def test_the_papers_name_files() -> None:
    assert sum(1 for paper in _PAPERS for _ in _named_in(paper)) > 20


def test_targets_of_make_that_the_papers_name_are_there() -> None:
    targets = set(re.findall(r"^(\w+):", (_ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {name for paper in _PAPERS for name in re.findall(r"`make (\w+)`", paper.read_text(encoding="utf-8"))}
    assert named <= targets, named - targets
