"""The operator's command: send again to an address that bounced."""

import argparse
import sys
from collections.abc import Sequence

from pydantic import TypeAdapter

from services.notifications import store
from shared.commands import in_database
from shared.schemas.base import Email

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    email = _parser().parse_args(arguments).email
    was_bouncing = in_database("notifications", lambda db: store.clear_bouncing(db, email))
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
