"""Sends the state of every document again, so that copies in other services are healed, or get fields that are new.

Straight to the bus: the documents are not written, so nothing becomes pending and nothing is audited. A copy takes what
is not older than what it has, so this may run at any time, be stopped, and be repeated.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from uuid import uuid4

import orjson

from shared.bus import BrokerUnavailable, Bus, Envelope
from shared.documents import Documents
from shared.events.base import State
from shared.mongo import Database, DatabaseError, connect
from shared.settings import ServiceSettings, ToolSettings, read, tool_environment
from shared.topology import TOPOLOGY

PAGE = 200
# Live events wait in the same queues behind what is sent here: so much of it may be ahead of them.
WAITING_AT_MOST = 500

_PAUSE_S = 0.1
_AGAIN_S = 1.0
_GIVE_UP_S = 60.0
_TELL_EVERY_S = 5.0

Tell = Callable[[str], None]
# By name. Their entities have `changed_event(version=…, now=…)`: what others copy of them, or None.
Kinds = Mapping[str, Documents[Any]]
T = TypeVar("T")


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", kinds: Kinds) -> None:
    """Adds `republish` to the commands of a service."""

    def known(name: str) -> str:
        if name not in kinds:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(kinds)}")
        return name

    command = commands.add_parser("republish", help="send the state of every document again, so that copies are whole")
    command.add_argument("kinds", nargs="*", type=known, help=f"{', '.join(kinds)}; all of them by default")


def main(service: str, kinds: Kinds, arguments: Sequence[str]) -> int:
    """The commands of a service that has no other; the exit code."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}", description="Commands for operators.")
    add_command(parser.add_subparsers(dest="command", required=True), kinds)
    return run(service, read(ToolSettings, tool_environment()), kinds, parser.parse_args(arguments).kinds)


def run(service: str, settings: ServiceSettings, kinds: Kinds, wanted: Sequence[str]) -> int:
    """Sends the wanted kinds, or all of them; the exit code."""
    chosen = {name: documents for name, documents in kinds.items() if not wanted or name in wanted}
    try:
        asyncio.run(_connected(service, settings, chosen))
    except (BrokerUnavailable, DatabaseError) as error:
        return _stopped(f"{type(error).__name__}: {error}".rstrip("."), 1)
    except KeyboardInterrupt:
        return _stopped("interrupted", 130)
    _print("Everything was sent. The copies are whole once the queues are empty.")
    return 0


async def _connected(service: str, settings: ServiceSettings, kinds: Kinds) -> None:
    db = connect(settings.mongo_url, service, settings.mongo_driver)
    topology = replace(TOPOLOGY, retry_delays_s=settings.retry_delays_s)
    bus = Bus(settings.rabbitmq_url, app_id=service, topology=topology)
    await bus.start()
    try:
        for name, documents in kinds.items():
            await republish(db, bus, name, documents, tell=_print)
    finally:
        await bus.stop()
        await db.close()


async def republish(db: Database, bus: Bus, name: str, documents: Documents[Any], *, tell: Tell) -> int:
    """Sends the state of every document of a kind, tombstones too, and returns how many that were.

    A page at a time in the order of ids, each only when its listeners have nearly caught up. DatabaseError, and
    BrokerUnavailable when the broker cannot be reached for a minute.
    """
    about, request_id = await db[documents.collection].estimated_document_count(), f"republish-{uuid4().hex}"
    tell(f"{name}: about {about} to send, request id {request_id}.")
    told, sent, last = time.monotonic(), 0, None
    while page := await documents.find_after(db, last, limit=PAGE):
        now = await db.now()
        states = [state for each in page if (state := each.changed_event(version=each.version, now=now)) is not None]
        await _let_listeners_catch_up(bus, {state.type for state in states}, tell=tell)
        await asyncio.gather(*(_send(bus, state, request_id=request_id) for state in states))
        sent, last = sent + len(states), page[-1].id
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            tell(f"{name}: {sent} of about {about} sent.")
    tell(f"{name}: {sent} sent.")
    return sent


async def _let_listeners_catch_up(bus: Bus, event_types: Collection[str], *, tell: Tell) -> None:
    told = time.monotonic()
    while True:
        waiting = await _until_reached(lambda: bus.count_waiting(event_types))
        if all(count < WAITING_AT_MOST for count in waiting.values()):
            return
        if time.monotonic() - told >= _TELL_EVERY_S:
            told = time.monotonic()
            tell("Waiting for " + ", ".join(f"{queue} ({count} messages)" for queue, count in waiting.items()) + ".")
        await asyncio.sleep(_PAUSE_S)


async def _send(bus: Bus, state: State, *, request_id: str) -> None:
    envelope = Envelope(
        id=state.id,
        type=state.type,
        body=orjson.dumps(state.model_dump(mode="json")),
        at=state.at,
        request_id=request_id,
        source=state.type.partition(".")[0],
    )
    await _until_reached(lambda: bus.publish(envelope))


async def _until_reached(ask: Callable[[], Awaitable[T]]) -> T:
    give_up_at = time.monotonic() + _GIVE_UP_S
    while True:
        try:
            return await ask()
        except BrokerUnavailable:
            if time.monotonic() > give_up_at:
                raise
        await asyncio.sleep(_AGAIN_S)


def _print(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _stopped(reason: str, code: int) -> int:
    sys.stderr.write(f"portico: stopped before the end: {reason}. Run it again: sending twice does no harm.\n")
    return code
