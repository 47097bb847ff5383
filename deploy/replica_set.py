"""Makes a replica set of one fresh mongod: `python -m deploy.replica_set mongo:27017`."""

import asyncio
import sys
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure, PyMongoError

NAME = "rs0"
_NOT_YET_INITIALIZED = 94
_GIVE_UP_AFTER_S = 120.0


async def is_primary(client: AsyncMongoClient[dict[str, Any]], address: str) -> bool:
    """Whether the mongod behind `client` takes writes; if not, it is asked to lead a replica set as `address`.

    `address` is how members and clients reach it, as host:port. To be asked again until it is true.
    """
    try:
        hello = await client.admin.command("hello")
        if not hello.get("isWritablePrimary"):
            await _elect(client, address)
    except PyMongoError:
        return False
    return bool(hello.get("isWritablePrimary"))


async def _elect(client: AsyncMongoClient[dict[str, Any]], address: str) -> None:
    try:
        config = (await client.admin.command("replSetGetConfig"))["config"]
    except OperationFailure as failure:
        if failure.code != _NOT_YET_INITIALIZED:
            raise
        await client.admin.command("replSetInitiate", _of_one(address))
        return
    hosts = [member["host"] for member in config["members"]]
    # Data of an earlier start, when the address was another one. A set that was given more members is somebody's own.
    if len(hosts) == 1 and hosts != [address]:
        again = {**_of_one(address), "version": config["version"] + 1, "term": config.get("term", -1)}
        await client.admin.command("replSetReconfig", again, force=True)


def _of_one(address: str) -> dict[str, Any]:
    # One member need not wait long for the votes of others.
    return {
        "_id": NAME,
        "version": 1,
        "members": [{"_id": 0, "host": address}],
        "settings": {"electionTimeoutMillis": 1000},
    }


async def _main(address: str) -> None:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        address, directConnection=True, serverSelectionTimeoutMS=500, appName="portico-replica-set"
    )
    try:
        async with asyncio.timeout(_GIVE_UP_AFTER_S):
            while not await is_primary(client, address):  # noqa: ASYNC110  # mongod cannot tell us when
                await asyncio.sleep(0.2)
    except TimeoutError:
        sys.exit(f"portico: {address} takes no writes after {_GIVE_UP_AFTER_S:g} s")
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
