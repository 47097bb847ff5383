"""Serves an application on a port with limits, until the process gets a signal."""

import asyncio
import gc
import signal
import sys
from typing import Any

import uvloop
from aiohttp import web

from shared.connections import Bounds, Port, raise_file_limit
from shared.watchdog import LOOP_STALL_S, ended_when_stalled

STOP_WITHIN_S = 15.0
_PLAIN = Bounds()


class Runner(web.AppRunner):
    """aiohttp's runner, with limits for its connections."""

    __slots__ = ("_bounds",)

    def __init__(self, app: web.Application, bounds: Bounds, *, stop_with_caller: bool = True, **options: Any) -> None:
        """With `stop_with_caller` a request is cancelled when its client leaves. `options` are aiohttp's."""
        super().__init__(app, access_log=None, handler_cancellation=stop_with_caller, **options)
        self._bounds = bounds

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        return Port(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            bounds=self._bounds,
            **plain._kwargs,  # noqa: SLF001  # aiohttp has no public way to use another connection class
        )


def serve(
    app: web.Application,
    *,
    host: str,
    port: int,
    stop_with_caller: bool = True,
    bounds: Bounds = _PLAIN,
    loop_stall_s: float = LOOP_STALL_S,
) -> None:
    """Serves until SIGTERM or SIGINT, then finishes running requests; exit code 1 when the port is in use.

    With `stop_with_caller` a request ends where its caller has left: under more load than can be carried, work for
    callers who have given up would leave nothing for those who still wait. The process ends where its event loop has
    stood still for `loop_stall_s`.
    """
    raise_file_limit()
    runner = Runner(app, bounds, stop_with_caller=stop_with_caller, shutdown_timeout=STOP_WITHIN_S)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            loop.run(_until_told(runner, host, port, loop_stall_s))
    except OSError as error:
        sys.stderr.write(f"portico: cannot listen on {host}:{port}: {error.strerror or error}\n")
        sys.exit(1)


async def _until_told(runner: Runner, host: str, port: int, loop_stall_s: float) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with ended_when_stalled(loop_stall_s):
        try:
            await runner.setup()
            _keep_what_is_there()
            await web.TCPSite(runner, host, port).start()
            await told.wait()
        finally:
            await runner.cleanup()


def _keep_what_is_there() -> None:
    """Takes modules, schemas and catalogues out of garbage collection: searching them stops the loop for 50 ms."""
    gc.collect()
    gc.freeze()
