"""The operator's commands: the first vendor admin, users of existing companies, and what others copy, sent again."""

import argparse
import getpass
import sys
from collections.abc import Sequence
from uuid import UUID

from pydantic import ValidationError

from services.identity import store
from services.identity.domain.users import AddressTaken, User
from services.identity.handlers import operators
from services.identity.handlers.operators import NewOperatorUser
from services.identity.passwords import Passwords
from shared import republish
from shared.actor import Role
from shared.commands import in_database
from shared.errors import NotFound, Refusal
from shared.mongo import Database
from shared.republish import Kinds
from shared.settings import ToolSettings, read, tool_environment

COPIED: Kinds = {"companies": store.COMPANIES, "sites": store.SITES, "users": store.USERS}


def run(arguments: Sequence[str]) -> int:
    """Does what the arguments say; the exit code."""
    options = _parser().parse_args(arguments)
    if options.command == "republish":
        return republish.run("identity", read(ToolSettings, tool_environment()), COPIED, options.kinds)
    try:
        wanted = _read_user(options)
        user = in_database("identity", lambda db: _create(db, options, wanted))
    except AddressTaken:
        return _say_that_it_exists(options)
    except NotFound:
        return _fail(f"there is no company {options.company_id}")
    except Refusal as refusal:
        return _fail(*([error.message for error in refusal.errors] or [str(refusal)]))
    sys.stdout.write(f"Created {user.role.value} {user.login_email} ({user.id}).\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.identity", description="Commands for operators.")
    commands = parser.add_subparsers(dest="command", required=True)
    first = commands.add_parser("create-vendor-admin", help="create a user who may administer everything")
    first.add_argument("--vendor-name", default="Portico", help="the vendor's name, where there is no vendor yet")
    first.set_defaults(role=Role.VENDOR_ADMIN.value, company_id=None)
    other = commands.add_parser("create-user", help="create a user of an existing company")
    other.add_argument("--company-id", type=UUID, required=True)
    other.add_argument("--role", choices=[role.value for role in Role], default=Role.MEMBER.value)
    for command in (first, other):
        command.add_argument("--email", required=True)
        command.add_argument("--first-name", default="Vendor" if command is first else None, required=command is other)
        command.add_argument("--last-name", default="Admin" if command is first else None, required=command is other)
        command.add_argument("--language", default="en")
        command.add_argument("--time-zone", default="UTC", help="of a new vendor; users start with their company's")
        command.add_argument("--if-missing", action="store_true", help="an existing address is no failure")
    republish.add_command(commands, COPIED)
    return parser


def _read_user(options: argparse.Namespace) -> NewOperatorUser:
    try:
        return NewOperatorUser.model_validate(
            {
                "email": options.email,
                "password": _read_password(),
                "first_name": options.first_name,
                "last_name": options.last_name,
                "role": options.role,
                "language": options.language,
                "time_zone": options.time_zone,
                "vendor_name": getattr(options, "vendor_name", None),
            }
        )
    except ValidationError as error:
        sentences = [f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors(include_input=False)]
        raise Refusal("; ".join(sentences)) from error


def _read_password() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    return sys.stdin.readline().rstrip("\r\n")


async def _create(db: Database, options: argparse.Namespace, wanted: NewOperatorUser) -> User:
    passwords = Passwords()
    try:
        await store.create_indexes(db)
        now = await db.now()
        if options.command == "create-user":
            return await operators.create_user(db, passwords, options.company_id, wanted, now)
        return await operators.create_vendor_admin(db, passwords, wanted, now)
    finally:
        passwords.close()


def _say_that_it_exists(options: argparse.Namespace) -> int:
    if options.if_missing:
        sys.stdout.write(f"There is an account {options.email} already.\n")
        return 0
    return _fail(f"there is an account {options.email} already")


def _fail(*sentences: str) -> int:
    sys.stderr.write("".join(f"portico: {sentence}\n" for sentence in sentences))
    return 1
