"""Connections as a client may misuse them: silent, half said, never read, too many; over raw sockets to a real loop."""

import asyncio
import json
import select
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, closing, contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
import uvloop
from aiohttp import web
from prometheus_client import REGISTRY

from deploy.local.child import Child, free_port
from deploy.local.waiting import until
from shared.bodies import read_bytes
from shared.connections import Bounds
from shared.errors import NotFound, Refusal
from shared.serving import Runner
from shared.web.app import create_app
from shared.web.responses import answer, send_file

LARGE = 24 * 1024 * 1024
WHOLE = b"GET /small HTTP/1.1\r\nHost: portico\r\n\r\n"
WITHIN_S = 20


async def small(_request: web.Request) -> web.Response:
    return web.Response(text="small")


async def large(_request: web.Request) -> web.Response:
    return web.Response(body=b"x" * LARGE)


BEGAN = threading.Semaphore(0)
MAY_END = threading.Event()


async def may_end() -> bool:
    return MAY_END.is_set()


async def lasting(_request: web.Request) -> web.Response:
    BEGAN.release()
    await asyncio.sleep(1)
    await until(may_end, deadline_s=WITHIN_S, pause_s=0.01)
    return web.Response(text="at last")


async def streamed(request: web.Request) -> web.StreamResponse:
    async def half() -> AsyncGenerator[bytes]:
        yield b"x" * 1024
        raise OSError("the other half is gone")

    return await send_file(request, half(), name="half.xlsx", content_type="application/octet-stream")


async def refused(request: web.Request) -> web.StreamResponse:
    async def nothing() -> AsyncGenerator[bytes]:
        if request.path:
            raise NotFound
        yield b""

    return await send_file(request, nothing(), name="none.xlsx", content_type="application/octet-stream")


async def echo(request: web.Request) -> web.Response:
    BEGAN.release()
    return answer({"bytes": len(await read_bytes(request))})


def application() -> web.Application:
    app = create_app()
    for handler in (small, large, lasting, streamed, refused):
        app.router.add_get(f"/{handler.__name__}", handler)
    app.router.add_post("/echo", echo)
    return app


@contextmanager
def serving(bounds: Bounds) -> Iterator[int]:
    """The port of a server in a thread of its own, with the loop that services run in."""
    port, started, told = free_port(), threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        runner = Runner(application(), bounds, stop_with_caller=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        started.set()
        await told.wait()
        await runner.cleanup()

    def in_thread() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            loop.run(run())

    thread = threading.Thread(target=in_thread)
    thread.start()
    assert started.wait(WITHIN_S)
    try:
        yield port
    finally:
        loops[0].call_soon_threadsafe(told.set)
        thread.join()


@contextmanager
def connected(port: int, *, source: str = "127.0.0.1", sent: bytes = b"") -> Iterator[socket.socket]:
    with socket.socket() as it:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        it.settimeout(WITHIN_S)
        it.bind((source, 0))
        it.connect(("127.0.0.1", port))
        it.sendall(sent)
        yield it


@contextmanager
def at_work(
    port: int, *, source: str = "127.0.0.1", sent: bytes = b"GET /lasting HTTP/1.1\r\nHost: portico\r\n\r\n"
) -> Iterator[socket.socket]:
    """A connection whose request has begun and lasts; `/lasting` until `MAY_END`."""
    while BEGAN.acquire(blocking=False):
        pass
    with connected(port, source=source, sent=sent) as its:
        assert BEGAN.acquire(timeout=WITHIN_S)
        yield its


@pytest.fixture(autouse=True)
def _nothing_is_held() -> None:
    MAY_END.set()


def get(path: str, *, version: str = "HTTP/1.1", more: str = "") -> bytes:
    return f"GET {path} {version}\r\nHost: portico\r\n{more}\r\n".encode()


def until_the_end(its: socket.socket, at_most: int = LARGE) -> bytes:
    """All that comes until the other side ends the connection; ConnectionResetError when it is cut."""
    got = bytearray()
    while chunk := its.recv(at_most):
        got += chunk
    return bytes(got)


def is_ended(its: socket.socket) -> bool:
    """Whether the other side ended it, without reading what came before."""
    poll = select.poll()
    poll.register(its, select.POLLRDHUP)
    return bool(poll.poll(WITHIN_S * 1000))


def an_answer(its: socket.socket) -> bytes:
    return its.recv(65_536)


def ended(reason: str) -> float:
    return REGISTRY.get_sample_value("portico_connections_ended_total", {"reason": reason}) or 0


# Silence


@pytest.mark.parametrize("sent", [b"", b"GET /small HT", b"GET /small HTTP/1.1\r\nHost: port"])
def test_headers_that_never_end_end_the_connection(sent: bytes) -> None:
    before = ended("headers_late")
    with serving(Bounds(headers_s=0.2)) as port, connected(port, sent=sent) as its:
        assert is_ended(its)
    assert ended("headers_late") == before + 1


def test_so_do_those_of_a_later_request() -> None:
    with serving(Bounds(headers_s=1)) as port, connected(port, sent=WHOLE) as its:
        assert an_answer(its).startswith(b"HTTP/1.1 200")
        its.sendall(b"GET /sm")
        assert is_ended(its)


def test_a_request_that_takes_longer_than_its_headers_might_is_answered() -> None:
    with serving(Bounds(headers_s=0.7)) as port, connected(port, sent=get("/lasting")) as its:
        assert an_answer(its).endswith(b"at last")


def test_a_connection_that_nobody_uses_ends() -> None:
    with serving(Bounds(idle_s=0.2)) as port, connected(port, sent=WHOLE) as its:
        assert an_answer(its).startswith(b"HTTP/1.1 200")
        assert its.recv(1) == b""


# Answers that nobody reads


def test_an_answer_that_nobody_reads_is_dropped() -> None:
    before = ended("unread")
    with serving(Bounds(unread_s=0.3, unread_rate=10**9)) as port, connected(port, sent=get("/large")) as its:
        assert is_ended(its)
    assert ended("unread") == before + 1


def test_and_one_of_which_a_byte_is_read_now_and_then() -> None:
    slow = Bounds(unread_s=0.3, unread_rate=10**9)
    with (
        serving(slow) as port,
        connected(port, sent=get("/large", more="Connection: close\r\n")) as its,
        pytest.raises(ConnectionResetError),
    ):
        until_the_end(its, at_most=1)


def test_a_slow_line_has_the_time_that_the_answer_takes() -> None:
    patient = Bounds(unread_s=0.01, unread_rate=LARGE // WITHIN_S)
    with serving(patient) as port, connected(port, sent=get("/large", more="Connection: close\r\n")) as its:
        assert len(until_the_end(its, at_most=8192)) > LARGE


def test_of_too_many_answers_that_wait_the_one_goes_that_waited_longest() -> None:
    close = "Connection: close\r\n"
    with serving(Bounds(most_unread=LARGE * 5 // 2)) as port, ExitStack() as stack:
        first, *others = [stack.enter_context(connected(port, sent=get("/large", more=close))) for _ in range(3)]
        assert is_ended(first)
        assert [len(until_the_end(its)) > LARGE for its in others] == [True, True]


# Too many


def test_one_address_has_so_many_connections_and_the_idle_one_gives_way() -> None:
    with serving(Bounds(most_of_one=3)) as port, ExitStack() as stack:
        idle = [stack.enter_context(connected(port, sent=WHOLE)) for _ in range(3)]
        assert all(an_answer(its).startswith(b"HTTP/1.1 200") for its in idle)
        with connected(port, sent=WHOLE) as its:
            assert an_answer(its).startswith(b"HTTP/1.1 200")
        assert is_ended(idle[0])


def test_then_the_one_that_sends_without_end() -> None:
    half = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\nhalf"
    with serving(Bounds(most=3)) as port, ExitStack() as stack:
        sending = [stack.enter_context(at_work(port, source=f"127.0.0.{n}", sent=half)) for n in range(2, 5)]
        with connected(port, sent=WHOLE) as its:
            assert an_answer(its).startswith(b"HTTP/1.1 200")
        assert is_ended(sending[0])


def test_where_all_are_at_work_the_next_is_refused_but_not_that_of_another_address() -> None:
    before = ended("many_of_one_address")
    MAY_END.clear()
    with serving(Bounds(most_of_one=3)) as port, ExitStack() as stack:
        busy = [stack.enter_context(at_work(port)) for _ in range(3)]
        with pytest.raises(ConnectionResetError), connected(port) as refused:
            until_the_end(refused)
        with connected(port, source="127.0.0.2", sent=WHOLE) as its:
            assert an_answer(its).startswith(b"HTTP/1.1 200")
        MAY_END.set()
        assert [an_answer(its).endswith(b"at last") for its in busy] == [True, True, True]
    assert ended("many_of_one_address") == before + 1


def test_a_proxy_carries_everybody() -> None:
    trusting = Bounds(most_of_one=2, carriers=(ip_network("127.0.0.0/8"),))
    MAY_END.clear()
    with serving(trusting) as port, ExitStack() as stack:
        all_of_them = [stack.enter_context(at_work(port)) for _ in range(6)]
        MAY_END.set()
        assert all(an_answer(its).endswith(b"at last") for its in all_of_them)


_FEW_FILES = """
import asyncio, resource, sys
from aiohttp import web
from shared.connections import Bounds
from shared.errors import Refusal
from shared.serving import Runner, serve
from shared.web.health import add_health
from shared.web.app import create_app

resource.setrlimit(resource.RLIMIT_NOFILE, (32, 100))

async def status():
    return True, {}

async def beside(_app):
    private = create_app()
    add_health(private, status)
    runner = Runner(private, Bounds())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[2])).start()
    yield
    await runner.cleanup()

async def small(_request):
    return web.Response(text="small")

app = create_app()
app.router.add_get("/small", small)
app.cleanup_ctx.append(beside)
serve(app, host="127.0.0.1", port=int(sys.argv[1]))
"""


async def answers(port: int, path: str) -> bool:
    try:
        with connected(port, sent=get(path)) as its:
            return an_answer(its).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


@contextmanager
def child(script: str, log: Path, *arguments: object) -> Iterator[Child]:
    command = [sys.executable, "-c", script, *(str(argument) for argument in arguments)]
    it = Child("server", command, log, cwd=Path.cwd())
    it.start()
    try:
        yield it
    finally:
        it.kill()


async def test_more_connections_than_files_shut_nobody_out_and_are_told_of(tmp_path: Path) -> None:
    port, private = free_port(), free_port()
    with child(_FEW_FILES, tmp_path / "log", port, private) as server, ExitStack() as stack:
        assert await until(lambda: answers(private, "/healthz"), deadline_s=WITHIN_S)
        assert await until(lambda: answers(port, "/small"), deadline_s=WITHIN_S)
        for n in range(300):
            stack.enter_context(connected(port, source=f"127.0.0.{1 + n % 200}", sent=b"GET /half HTTP"))
        assert await answers(private, "/readyz")
        assert await answers(port, "/small")
        assert server.log_tail().count("connections_ended") == 1


# What aiohttp would say by itself

CANARY = "canary-5b1e"


@pytest.mark.parametrize(
    "request_line",
    [
        f"GET /{CANARY} HTTP/9.9\r\n\r\n",
        f"GET /{CANARY} HTTP/2.0\r\nHost: x\r\n\r\n",
        f"GET /{CANARY}\r\n\r\n",
        f"GET /small HTTP/0.9\r\nHost: {CANARY}\r\n\r\n",
        f"{CANARY}\r\n\r\n",
        f"G\x00T /{CANARY} HTTP/1.1\r\n\r\n",
        f"GET /small HTTP/1.1\r\nHost: x\r\nContent-Length: {CANARY}\r\n\r\n",
        f"GET /small HTTP/1.1\r\nHost: x\r\nExpect: {CANARY}\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        f"GET /small HTTP/1.1\r\nHost: x\r\n{CANARY} bad: 1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_shortly_and_says_nothing_of_either_side(request_line: str) -> None:
    with serving(Bounds()) as port, connected(port, sent=request_line.encode()) as its:
        head, _, body = until_the_end(its).partition(b"\r\n\r\n")
    assert head.split()[1] == b"400"
    assert b"application/problem+json" in head
    assert b"Server: portico" in head
    assert json.loads(body)["code"] == "malformed"
    assert not [word for word in (CANARY.encode(), b"aiohttp", b"Python") if word in head + body]


def test_a_page_of_text_has_room_in_an_address() -> None:
    with serving(Bounds()) as port, connected(port, sent=get(f"/small?q={'%C3%A9' * 10_000}")) as its:
        assert b" 200 " in an_answer(its)


@pytest.mark.parametrize(
    ("request_line", "size", "status", "code"),
    [
        ("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n", 70_000, 414, "address_too_long"),
        ("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n", 5000, 414, "address_too_long"),
        ("GET /small HTTP/1.1\r\nHost: x\r\nCookie: {long}\r\n\r\n", 9000, 431, "header_too_long"),
        ("GET /small HTTP/1.1\r\nHost: x\r\nCookie: {long}\r\n\r\n", 60_000, 431, "header_too_long"),
        ("GET /small HTTP/1.1\r\nHost: x\r\n{long}: x\r\n\r\n", 20_000, 431, "header_too_long"),
    ],
)
def test_what_is_too_long_is_named_and_not_repeated(request_line: str, size: int, status: int, code: str) -> None:
    sent = request_line.format(long=(CANARY * size)[:size]).encode()
    with serving(Bounds()) as port, connected(port, sent=sent) as its:
        head, _, body = until_the_end(its).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert json.loads(body)["code"] == code
    assert CANARY.encode() not in head + body


@pytest.mark.parametrize(
    "header", ["Content-Type: multipart/form-data" + ';a="b"' * 20, f"Origin: http://{'ä' * 9000}"]
)
def test_where_cookies_may_be_long_no_other_header_is_that_would_take_long_to_read(header: str) -> None:
    sent = f"GET /small HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode()
    with serving(Bounds(longest_header=32 * 1024)) as port, connected(port, sent=sent) as its:
        assert until_the_end(its).split()[1] == b"400"


def test_what_browsers_say_of_a_form_with_files_can_be_read() -> None:
    kind = f"multipart/form-data; charset=utf-8; boundary={'-' * 70}"
    sent = f"GET /small HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n\r\n".encode()
    with serving(Bounds()) as port, connected(port, sent=sent) as its:
        assert b" 200 " in an_answer(its)


def test_a_port_may_take_longer_headers_and_answers_people_with_a_page_beyond() -> None:
    def page_of(refusal: Refusal, beginning: bytes) -> web.Response | None:
        return None if b" /api " in beginning else web.Response(text=refusal.code, status=refusal.status)

    bounds = Bounds(longest_header=32 * 1024, page_of=page_of)
    with serving(bounds) as port:
        for path, size, told in (
            ("small", 30_000, b"small"),
            ("small", 40_000, b"header_too_long"),
            ("api", 40_000, b"{"),
        ):
            sent = f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {'x' * size}\r\n\r\n".encode()
            # In pieces, as a network brings them.
            with connected(port, sent=sent[:3]) as its:
                its.sendall(sent[3:20_000])
                its.sendall(sent[20_000:])
                assert until_the_end(its).partition(b"\r\n\r\n")[2].startswith(told)


def test_many_headers_together_are_bounded_before_they_are_complete() -> None:
    labels = {"reason": "headers_too_long"}
    before = REGISTRY.get_sample_value("portico_connections_ended_total", labels) or 0
    many = "".join(f"X-{number}: {'x' * 4000}\r\n" for number in range(30))
    with (
        serving(Bounds()) as port,
        connected(port, sent=f"GET /small HTTP/1.1\r\n{many}".encode()) as its,
        pytest.raises(ConnectionResetError),
    ):
        until_the_end(its)
    assert REGISTRY.get_sample_value("portico_connections_ended_total", labels) == before + 1


def test_no_answer_names_its_software() -> None:
    with serving(Bounds()) as port, connected(port, sent=get("/nowhere")) as its:
        answer = an_answer(its)
    assert b"404" in answer
    assert not [word for word in (b"aiohttp", b"Python") if word in answer]


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip", "no-such"])
def test_a_packed_body_is_not_unpacked_but_refused(encoding: str) -> None:
    head = f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Encoding: {encoding}\r\n\r\n"
    with serving(Bounds()) as port, connected(port, sent=f"{head}abcd".encode()) as its:
        assert an_answer(its).startswith(b"HTTP/1.1 415")


def test_nor_is_one_that_is_packed_on_its_way() -> None:
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    with serving(Bounds()) as port, connected(port, sent=head) as its:
        assert an_answer(its).startswith(b"HTTP/1.1 415")


# Cut answers


def test_half_a_file_ends_with_a_reset_even_where_only_the_end_tells_the_length() -> None:
    with (
        serving(Bounds()) as port,
        connected(port, sent=get("/streamed", version="HTTP/1.0")) as its,
        pytest.raises(ConnectionResetError),
    ):
        until_the_end(its)


def test_what_fails_before_a_file_has_begun_is_refused_as_usual() -> None:
    with serving(Bounds()) as port, connected(port, sent=get("/refused")) as its:
        assert an_answer(its).startswith(b"HTTP/1.1 404")
        its.sendall(WHOLE)
        assert an_answer(its).startswith(b"HTTP/1.1 200")


_ENDLESS = """
import sys
from shared.serving import serve
from shared.web.app import create_app
from shared.web.responses import send_file

async def pieces():
    while True:
        yield b"x" * 1024

async def endless(request):
    return await send_file(request, pieces(), name="endless", content_type="text/plain")

app = create_app()
app.router.add_get("/endless", endless)
serve(app, host="127.0.0.1", port=int(sys.argv[1]))
"""


async def test_so_does_a_file_whose_process_is_killed(tmp_path: Path) -> None:
    port = free_port()
    with child(_ENDLESS, tmp_path / "log", port) as server:

        async def listens() -> bool:
            with closing(socket.socket()) as its:
                return its.connect_ex(("127.0.0.1", port)) == 0

        assert await until(listens, deadline_s=WITHIN_S)
        with connected(port, sent=get("/endless", version="HTTP/1.0")) as its:
            assert an_answer(its).startswith(b"HTTP/1.0 200")
            server.kill()
            with pytest.raises(ConnectionResetError):
                until_the_end(its)


# Hanging up


async def test_a_caller_who_hangs_up_in_the_middle_of_a_body_is_no_fault_of_ours(
    capfd: pytest.CaptureFixture[str],
) -> None:
    labels = {"method": "POST", "route": "/echo", "status": "499"}
    before = REGISTRY.get_sample_value("portico_http_requests_total", labels) or 0

    async def noted() -> bool:
        return REGISTRY.get_sample_value("portico_http_requests_total", labels) == before + 1

    with serving(Bounds()) as port:
        half = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\nhalf"
        with at_work(port, sent=half) as its:
            its.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert await until(noted, deadline_s=WITHIN_S)
    assert "unhandled" not in "".join(capfd.readouterr())
