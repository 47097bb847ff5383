"""An SMTP server that keeps nothing but the time of each final dot, in a process of its own."""

import argparse
import asyncio
import re
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import TextIO, cast

import uvloop

from deploy.local.child import Child, free_port
from deploy.local.waiting import until

_NUMBER = re.compile(rb"^Subject: \[(\d{10})\]", re.MULTILINE)
_DOT = b"\r\n.\r\n"
_ANSWERS = {
    b"EHLO": b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"DATA": b"354 Go on\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


class _Conversation(asyncio.Protocol):
    def __init__(self, log: TextIO) -> None:
        self._log = log
        self._received = bytearray()
        self._in_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = _DOT if self._in_mail else b"\r\n"
        while (found := self._received.find(end)) >= 0:
            told = bytes(self._received[:found])
            del self._received[: found + len(end)]
            self._mail_came(told) if self._in_mail else self._was_told(told)
            end = _DOT if self._in_mail else b"\r\n"

    def _was_told(self, line: bytes) -> None:
        verb = line[:4].upper()
        self._in_mail = verb == b"DATA"
        self._transport.write(_ANSWERS.get(verb, b"250 2.0.0 Ok\r\n"))
        if verb == b"QUIT":
            self._transport.close()

    def _mail_came(self, mail: bytes) -> None:
        at, number = time.monotonic(), _NUMBER.search(mail)
        self._in_mail = False
        self._transport.write(b"250 2.0.0 Kept nothing\r\n")
        self._log.write(f"{at:.6f} {number[1].decode() if number else '-'}\n")


class Sink:
    """The sink as the benchmark sees it: where it is, and when which case's mails came."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self._log = folder / "mails.txt"
        self._read_to = 0
        self._came: dict[str, list[float]] = defaultdict(list)
        self.url = f"smtp://127.0.0.1:{port}"
        words = ("-m", "tests.bench.sink", "--port", str(port), "--log", str(self._log))
        self.child = Child("sink", [sys.executable, *words], folder / "logs" / "sink.log")

    def start(self) -> None:
        self.child.start()

    async def mails_of(self, numbers: list[str], *, each: int, within_s: float) -> dict[str, list[float]]:
        """When each final dot came, for every case; a case that has fewer than `each` after `within_s` shows it."""

        async def all_came() -> bool:
            self._read_on()
            return all(len(self._came[number]) >= each for number in numbers)

        await until(all_came, deadline_s=within_s, pause_s=0.05)
        return {number: self._came[number] for number in numbers}

    def _read_on(self) -> None:
        if not self._log.exists():
            return
        with self._log.open(encoding="ascii") as log:
            log.seek(self._read_to)
            told = log.read()
        whole, _, _ = told.rpartition("\n")
        self._read_to += len(whole) + 1 if whole else 0
        for line in whole.splitlines():
            at, _, number = line.partition(" ")
            self._came[number].append(float(at))


async def _serve(port: int, log: TextIO) -> None:
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(lambda: _Conversation(log), "127.0.0.1", port)
    await stopped.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sink", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    with arguments.log.open("a", buffering=1, encoding="ascii") as log:
        uvloop.run(_serve(arguments.port, log))


if __name__ == "__main__":
    main()
