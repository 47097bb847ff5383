"""Expensive work in a child process: it costs the service neither event loop time nor memory.

The parent sends BSON documents as raw bytes: a plan, then what the database read. The child (`shared.child_program`)
writes a file. It runs with a lower priority, is stopped when its caller is cancelled, and ends by itself when the
parent is gone.
"""

import asyncio
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import bson
import structlog

_TOP = Path(__file__).parents[1]
_NICER_BY = 5  # not more: it must finish on a busy processor too
_END = bson.encode({"end": True})
_STOPPED_WITHIN_S = 5

_log = structlog.get_logger()


class WorkFailed(Exception):
    """The child ended before its file was complete."""


async def run_in_child_process(module: str, plan: dict[str, Any], batches: AsyncIterator[bytes]) -> BinaryIO:
    """Runs `module` as a program on the plan and the documents; returns its file, which is removed when closed."""
    with tempfile.TemporaryDirectory(prefix="portico-") as folder:
        made = tempfile.TemporaryFile()  # noqa: SIM115  # whoever sends it closes it
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", module, folder),
                stdin=PIPE,
                stdout=made,
                stderr=PIPE,
                cwd=_TOP,
                start_new_session=True,  # Ctrl-C goes to the service, which ends its children
            )
            try:
                await _feed(process, plan, batches)
            finally:
                await _stop(process)
        except BaseException:
            made.close()
            raise
    return made


async def _feed(process: Process, plan: dict[str, Any], batches: AsyncIterator[bytes]) -> None:
    assert process.stdin is not None  # noqa: S101  # for the types: both are pipes
    assert process.stderr is not None  # noqa: S101
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, process.pid, min(os.getpriority(os.PRIO_PROCESS, 0) + _NICER_BY, 19))
    with suppress(BrokenPipeError, ConnectionResetError):  # the child ended: its exit code tells
        process.stdin.write(bson.encode(plan))
        async for batch in batches:
            process.stdin.write(batch)
            await process.stdin.drain()
        process.stdin.write(_END)
        await process.stdin.drain()
        process.stdin.close()
    trouble = await process.stderr.read()
    if await process.wait() != 0:
        _log.error("run_in_child_process_failed", exit_code=process.returncode, reason=_reason(trouble))
        raise WorkFailed


def _reason(trouble: bytes) -> str:
    """The class of the exception, without its message."""
    lines = trouble.decode(errors="replace").splitlines()
    return lines[-1].partition(":")[0] if lines else ""


async def _stop(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), _STOPPED_WITHIN_S)
