"""The operator's commands: copies are sent again, no number comes twice after a restore, counters are mended."""

import argparse
import sys
from collections.abc import Sequence

from services.cases.cases import store
from shared import republish
from shared.commands import in_database
from shared.republish import Kinds
from shared.settings import ToolSettings, read, tool_environment

COPIED: Kinds = {"cases": store.CASES}


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    wanted = _parser().parse_args(arguments)
    if wanted.command == "republish":
        return republish.run("cases", read(ToolSettings, tool_environment()), COPIED, wanted.kinds)
    if wanted.command == "recount":
        wrong = in_database("cases", store.recount)
        sys.stdout.write(f"{wrong} counters were wrong, and are right now.\n" if wrong else "All counters are right.\n")
        return 0
    number = in_database("cases", store.skip_after_restore)
    sys.stdout.write(f"New cases get numbers from {number} on.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.cases", description="Commands for operators.")
    commands = parser.add_subparsers(dest="command", required=True)
    republish.add_command(commands, COPIED)
    commands.add_parser("after-restore", help="once after each restore of the database: no case number comes twice")
    commands.add_parser("recount", help="compares the counters of cases with the cases, and mends them")
    return parser
