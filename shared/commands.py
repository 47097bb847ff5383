"""How operators' commands use the database of their service."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.mongo import Database, DatabaseError, connect
from shared.settings import ToolSettings, read, tool_environment

_T = TypeVar("_T")


def in_database(service: str, use: Callable[[Database], Awaitable[_T]]) -> _T:
    """What `use` answers. Where the database cannot be reached, the program ends with a sentence and exit code 1."""
    settings = read(ToolSettings, tool_environment())
    try:
        return asyncio.run(_connected(service, settings, use))
    except DatabaseError as error:
        sys.stderr.write(f"portico: the database cannot be reached: {type(error).__name__}\n")
        sys.exit(1)


async def _connected(service: str, settings: ToolSettings, use: Callable[[Database], Awaitable[_T]]) -> _T:
    db = connect(settings.mongo_url, service, settings.mongo_driver)
    try:
        return await use(db)
    finally:
        await db.close()
