"""The floor: one bare aiohttp process whose POST writes a document of a given size, as durably as Portico does."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

import bson
import orjson
import uvloop
from aiohttp import web
from uuid_utils.compat import uuid7

from deploy.local.child import Child, free_port
from deploy.local.stack import PythonPart
from shared.mongo import Database, connect

DATABASE = "bench_floor"


def _app(db: Database, size: int) -> web.Application:
    async def create(request: web.Request) -> web.Response:
        document = {"_id": uuid7(), "at": datetime.now(UTC), **orjson.loads(await request.read())}
        document["filling"] = b" " * max(0, size - len(bson.encode({**document, "_id": "", "filling": b""})))
        await db["documents"].insert_one(document)
        return web.Response(status=201, body=b"{}", content_type="application/json")

    async def ready(_request: web.Request) -> web.Response:
        return web.json_response({"ready": True})

    app = web.Application()
    app.router.add_post("/", create)
    app.router.add_get("/readyz", ready)
    return app


class Floor:
    """The floor as the benchmark sees it."""

    def __init__(self, folder: Path, *, mongo_url: str, document_bytes: int) -> None:
        self.port = free_port()
        words = ("--port", str(self.port), "--mongo-url", mongo_url, "--document-bytes", str(document_bytes))
        argv = [sys.executable, "-m", "tests.bench.floor", *words]
        self.part = PythonPart(
            Child("floor", argv, folder / "logs" / "floor.log"), f"http://127.0.0.1:{self.port}/readyz"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.floor", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mongo-url", required=True)
    parser.add_argument("--document-bytes", type=int, required=True)
    arguments = parser.parse_args()
    app = _app(connect(arguments.mongo_url, DATABASE), arguments.document_bytes)
    loop = uvloop.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=arguments.port, print=None, access_log=None, loop=loop)


if __name__ == "__main__":
    main()
