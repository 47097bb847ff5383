"""A process whose event loop stands still ends; one that is only busy, or was stopped for a while, goes on."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.local.child import Child, free_port
from deploy.local.waiting import until

_STALLS = """
import gc, sys, time, unicodedata
from aiohttp import web
from shared.serving import serve
from shared.web.app import create_app

began = time.monotonic()
# A tenth of a second in one call that lets no other thread run, and minutes in one.
MARKS = {"busy": 12_000, "stalled": 300_000}

async def work(request):
    secret = "a" + "\u0301\u0323" * (MARKS[request.match_info["how"]] // 2)
    unicodedata.normalize("NFC", secret)
    return web.Response()

async def age(request):
    return web.json_response(time.monotonic() - began)

async def kept(request):
    return web.json_response(gc.get_freeze_count())

app = create_app()
app.router.add_get("/kept", kept)
app.router.add_get("/work/{how}", work)
app.router.add_get("/age", age)
serve(app, host="127.0.0.1", port=int(sys.argv[1]), loop_stall_s=float(sys.argv[2]))
"""


@contextmanager
def _serving(tmp_path: Path, *, stall_s: float) -> Iterator[tuple[Child, str]]:
    port = free_port()
    command = [sys.executable, "-c", _STALLS, str(port), str(stall_s)]
    server = Child("server", command, tmp_path / "log", cwd=Path.cwd())
    server.start()
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.kill()


async def _asked(url: str) -> Any:
    """The answer; None while there is none."""
    with suppress(aiohttp.ClientError, TimeoutError):
        async with aiohttp.ClientSession() as http, http.get(url) as response:
            return await response.read()
    return None


async def _lived_for(base_url: str, seconds: float) -> bool:
    age = await _asked(f"{base_url}/age")
    return age is not None and float(age) > seconds


async def test_a_process_whose_loop_stands_still_ends_and_says_where(tmp_path: Path) -> None:
    with _serving(tmp_path, stall_s=2) as (server, base_url):
        assert await until(lambda: _lived_for(base_url, 0), deadline_s=60)
        assert await _asked(f"{base_url}/work/stalled") is None
        assert await until(lambda: _ended(server), deadline_s=60)
        log = server.log_tail()
    assert server.exit_code == 1
    assert "in work" in log  # the function that was at work, and nothing of what it had in hand
    assert "\u0301" not in log


async def test_a_busy_process_goes_on(tmp_path: Path) -> None:
    with _serving(tmp_path, stall_s=4) as (server, base_url):
        assert await until(lambda: _lived_for(base_url, 0), deadline_s=60)
        assert await _asked(f"{base_url}/work/busy") == b""
        assert await until(lambda: _lived_for(base_url, 5), deadline_s=60)
        assert server.exit_code is None


async def test_what_is_there_from_the_start_is_never_looked_through_for_garbage(tmp_path: Path) -> None:
    with _serving(tmp_path, stall_s=0) as (_server, base_url):
        assert await until(lambda: _lived_for(base_url, 0), deadline_s=60)
        assert int(await _asked(f"{base_url}/kept")) > 10_000


async def test_a_process_that_was_frozen_for_less_goes_on(tmp_path: Path) -> None:
    with _serving(tmp_path, stall_s=20) as (server, base_url):
        assert await until(lambda: _lived_for(base_url, 0), deadline_s=60)
        server.freeze()
        server.thaw()
        assert await until(lambda: _lived_for(base_url, 1), deadline_s=60)


@pytest.mark.parametrize("stall_s", [0, 30])
async def test_a_process_that_is_told_to_stop_stops(tmp_path: Path, stall_s: float) -> None:
    with _serving(tmp_path, stall_s=stall_s) as (server, base_url):
        assert await until(lambda: _lived_for(base_url, 0), deadline_s=60)
        os.kill(server.pid, signal.SIGTERM)
        assert await until(lambda: _ended(server), deadline_s=60)
    assert server.exit_code == 0


async def _ended(server: Child) -> bool:
    return server.exit_code is not None
