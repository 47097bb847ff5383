"""Templates of all services can be read in an editor and in a review."""

from pathlib import Path

import services

LONGEST_LINE = 160


def test_no_line_of_a_template_is_too_long_to_be_read() -> None:
    folder = Path(services.__file__).parent
    templates = [path for path in folder.glob("*/templates/**/*") if path.is_file()]
    assert len(templates) > 20
    long = [
        f"{path.relative_to(folder)}:{number}"
        for path in templates
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > LONGEST_LINE
    ]
    assert long == []
