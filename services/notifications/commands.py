"""The operator's command: send again to an address that bounced."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from pydantic import TypeAdapter

from services.notifications import store
from shared.mongo import DatabaseError, connect
from shared.schemas.base import Email
from shared.settings import ToolSettings, read, tool_environment

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    email = _parser().parse_args(arguments).email
    try:
        was_bouncing = asyncio.run(_clear_bouncing(read(ToolSettings, tool_environment()), email))
    except DatabaseError as error:
        sys.stderr.write(f"portico: the database cannot be reached: {type(error).__name__}\n")
        return 1
    if not was_bouncing:
        sys.stderr.write(f"portico: {email} is not bouncing\n")
        return 1
    sys.stdout.write(f"E-mails go to {email} again.\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.notifications", description="Commands for operators.")
    commands = parser.add_subparsers(dest="command", required=True)
    clear = commands.add_parser("clear-bouncing", help="write again to an address that a mail server has refused")
    clear.add_argument("--email", required=True, type=address)
    return parser


def address(text: str) -> str:
    """The address in the form that the ledger has."""
    return _EMAIL.validate_python(text)


async def _clear_bouncing(settings: ToolSettings, email: str) -> bool:
    db = connect(settings.mongo_url, "notifications", settings.mongo_driver)
    try:
        return await store.clear_bouncing(db, email)
    finally:
        await db.close()
