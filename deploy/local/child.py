"""A child process of ours: started in its own process group, with a log file, and never left behind."""

import contextlib
import math
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.waiting import until

# Below the range of outgoing connections (32768 and up on Linux): a port of ours that is free for a moment,
# because its owner was killed, is then not taken by somebody's outgoing connection.
_ports = range(20_000, 31_000)
_picked: set[int] = set()
# As Python tells it, and as a shell does.
_NO_SUCH_INSTRUCTION = (-signal.SIGILL, 128 + signal.SIGILL)


class NotReady(Exception):
    """A part did not get ready; the text says which, and shows the end of its log."""


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Pick a port on the loopback address that nobody listens on, and that this process has not picked before."""
    rng = random.SystemRandom()
    while (port := rng.choice(_ports)) in _picked or not port_is_free(port):
        continue
    # Of the 30 ports of a stack, picked before anybody listens, two were the same in one start of 25.
    _picked.add(port)
    return port


def take_share_of_ports(share: int, of: int) -> None:
    """From now on pick only from one of so many shares: for processes that start parts at the same time."""
    global _ports  # noqa: PLW0603  # as with what was picked: one for the whole process
    _ports = _ports[share::of]


def reserve_port(port: int) -> None:
    """Keep a port that somebody chose from being picked while nobody listens there yet."""
    _picked.add(port)


@dataclass
class Child:
    """One process. Bound to no event loop, so that any test or supervisor may hold it."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)
    _swept: bool = field(default=False, init=False, repr=False)

    @property
    def pid(self) -> int:
        if self._process is None:
            message = f"{self.name} was never started"
            raise RuntimeError(message)
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the process; the environment is the parent's, with `env` on top."""
        if self.running:
            return
        self.kill()  # What an ended process left of its group would hold on to ports and data.
        self._swept = False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*_dies_with_its_parent(), *self.argv],
                # An empty variable says nothing; it must not hide the file variant of a setting.
                env={name: value for name, value in {**os.environ, **self.env}.items() if value},
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops its children in order.
            )

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it still runs."""
        if self._process is not None:
            self._process.send_signal(number)

    def freeze(self) -> None:
        """Stop it where it is; returns when all its threads stand still, which takes a moment."""
        if self.running:
            self.send(signal.SIGSTOP)
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)

    def kill(self) -> None:
        """Kill -9 the process and everything it started; returns when it is gone."""
        if self._process is None or self._swept:
            return
        self._kill_group()
        self._process.wait()
        self._swept = True  # The number may be another process's from now on.

    async def stop(self, *, grace_s: float = 20.0) -> None:
        """Ask the process to end, and kill it when it does not within `grace_s`."""
        if self._process is None:
            return
        self._process.terminate()
        await until(self._has_ended, deadline_s=grace_s, pause_s=0.05)
        self.kill()

    async def ended(self) -> None:
        """Wait until the process has ended, however long it takes."""
        await until(self._has_ended, deadline_s=math.inf, pause_s=0.25)

    def log_tail(self, lines: int = 30) -> str:
        """Return the end of the log, for a message to the person before the terminal."""
        if not self.log.exists():
            return ""
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 64_000))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])

    async def wait_until(self, ready: Callable[[], Awaitable[bool]], *, deadline_s: float) -> None:
        """Wait for the part to get ready; raises NotReady when it ended or the deadline passed."""

        async def ready_or_ended() -> bool:
            return not self.running or await ready()

        if await until(ready_or_ended, deadline_s=deadline_s) and self.running:
            return
        why = f"is not ready after {deadline_s:g} s" if self.running else f"ended with exit code {self.exit_code}"
        if self.exit_code in _NO_SUCH_INSTRUCTION:
            why += ": it needs an instruction that this processor lacks (MongoDB needs AVX, see docs/containers.md)"
        message = f"{self.name} {why}. The end of {self.log}:\n{self.log_tail()}"
        raise NotReady(message)

    async def _has_ended(self) -> bool:
        return not self.running

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def _dies_with_its_parent() -> list[str]:
    # A killed -9 supervisor or test run must leave nothing behind either.
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
