"""The operator's commands: what others copy of cases is sent again, and no number comes twice after a restore."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from services.cases.cases import store
from shared import republish
from shared.mongo import DatabaseError, connect
from shared.republish import Kinds
from shared.settings import ToolSettings, read, tool_environment

COPIED: Kinds = {"cases": store.CASES}


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    wanted = _parser().parse_args(arguments)
    settings = read(ToolSettings, tool_environment())
    if wanted.command == "republish":
        return republish.run("cases", settings, COPIED, wanted.kinds)
    try:
        number = asyncio.run(_skip_after_restore(settings))
    except DatabaseError as error:
        sys.stderr.write(f"portico: the database cannot be reached: {type(error).__name__}\n")
        return 1
    sys.stdout.write(f"New cases get numbers from {number} on.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.cases", description="Commands for operators.")
    commands = parser.add_subparsers(dest="command", required=True)
    republish.add_command(commands, COPIED)
    commands.add_parser("after-restore", help="once after each restore of the database: no case number comes twice")
    return parser


async def _skip_after_restore(settings: ToolSettings) -> str:
    db = connect(settings.mongo_url, "cases", settings.mongo_driver)
    try:
        return await store.skip_after_restore(db)
    finally:
        await db.close()
