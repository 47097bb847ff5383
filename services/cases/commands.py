"""The operator's command: what others copy of cases is sent again."""

import argparse
from collections.abc import Sequence

from services.cases.cases.store.cases import CASES
from shared import republish
from shared.republish import Kinds
from shared.settings import ToolSettings, read, tool_environment

COPIED: Kinds = {"cases": CASES}


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    options = _parser().parse_args(arguments)
    return republish.run("cases", read(ToolSettings, tool_environment()), COPIED, options.kinds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.cases", description="Commands for operators.")
    republish.add_command(parser.add_subparsers(dest="command", required=True), COPIED)
    return parser
