"""Fetching what a machine lacks: what cannot be had is named in one sentence, and nothing half-done stays in the way.

The machine around the script is made up: its commands, its package manager, its Python.
"""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.waiting import until

_SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "local" / "bootstrap.sh"
_EVERYWHERE = ("cat", "chmod", "cmp", "cp", "cut", "dirname", "env", "grep", "mkdir", "rm", "sleep", "tail")
_ROOT, _SOMEBODY = "echo 0", "echo 1000"
_NO_LIBRARIES = "exit 0"
_LIBCURL = "libcurl 4 is needed: install it (Fedora: dnf install libcurl), or install MongoDB, or set MONGO_URL."
# Makes an environment whose Python is itself; what it is told of pip it notes, and does as PIP says.
_PYTHON = """
case "$1 $2" in
    "-m venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    "-m pip") echo "$*" >>pip.calls; eval "$PIP" ;;
esac
"""


@dataclass
class Machine:
    """A folder with the script, and a PATH with nothing but what the test puts there."""

    root: Path

    def has(self, command: str, script: str) -> None:
        path = self.root / "bin" / command
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def start(self, step: str, *, pip: str = "exit 0") -> "subprocess.Popen[str]":
        environment = {"PATH": str(self.root / "bin"), "PIP": pip, "RABBITMQ_URL": "amqp://elsewhere"}
        # A session of its own has no terminal that anybody could be asked at.
        return subprocess.Popen(
            ["/bin/sh", str(self.root / "deploy" / "local" / "bootstrap.sh"), step],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, step: str, *, pip: str = "exit 0") -> tuple[int, list[str]]:
        """The exit code, and the lines on standard error."""
        process = self.start(step, pip=pip)
        try:
            _, errors = process.communicate(timeout=20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, errors.splitlines()

    def noted(self, name: str) -> list[str]:
        path = self.root / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Nothing but Python 3.11 and what every Linux has."""
    (tmp_path / "deploy" / "local").mkdir(parents=True)
    # What it says of the distribution is the machine's, too.
    script = _SCRIPT.read_text(encoding="utf-8").replace("/etc/os-release", str(tmp_path / "os-release"))
    (tmp_path / "deploy" / "local" / "bootstrap.sh").write_text(script, encoding="utf-8")
    (tmp_path / "requirements.lock").write_text("one==1\n", encoding="utf-8")
    (tmp_path / "bin").mkdir()
    for command in _EVERYWHERE:
        (tmp_path / "bin" / command).symlink_to(str(shutil.which(command)))
    made_up = Machine(tmp_path)
    made_up.has("python3.11", _PYTHON)
    made_up.has("ldconfig", _NO_LIBRARIES)
    made_up.has("id", _ROOT)
    return made_up


# Packages of the distribution


def test_without_apt_it_says_what_to_install(machine: Machine) -> None:
    assert machine.run("run") == (1, [f"portico: {_LIBCURL}"])


def test_with_neither_root_nor_sudo_it_says_what_an_administrator_can_do(machine: Machine) -> None:
    machine.has("id", _SOMEBODY)
    machine.has("apt-get", "echo tried >>apt.calls")
    sentence = "Neither root nor sudo is here to do it. An administrator can: apt-get install libcurl4"
    assert machine.run("run") == (1, [f"portico: {_LIBCURL} {sentence}"])
    assert machine.noted("apt.calls") == []


def test_a_sudo_that_wants_a_password_is_not_waited_for_without_a_terminal(machine: Machine) -> None:
    machine.has("id", _SOMEBODY)
    machine.has("apt-get", "echo tried >>apt.calls")
    machine.has("sudo", '[ "$1" = -n ] && exit 1; sleep 60')
    sentence = "sudo did not allow it without a password. An administrator can: apt-get install libcurl4"
    assert machine.run("run") == (1, [f"portico: {_LIBCURL} {sentence}"])
    assert machine.noted("apt.calls") == []


def test_a_sudo_that_wants_none_installs(machine: Machine) -> None:
    machine.has("id", _SOMEBODY)
    machine.has("apt-get", 'echo "$SUDO $*" >>apt.calls')
    machine.has("sudo", '[ "$1" = -n ] && exit 0; SUDO=yes exec "$@"')
    assert machine.run("run") == (0, [])
    update, install = machine.noted("apt.calls")
    assert update == "yes update -qq"
    assert install.startswith("yes install ")
    assert install.endswith(" libcurl4")


@pytest.mark.parametrize("failing", ["update", "install"])
def test_apt_without_a_network_is_one_sentence(machine: Machine, failing: str) -> None:
    said = (
        'echo "W: Failed to fetch http://deb.example"; echo "E: Unable to fetch some archives." >&2; echo Bye; exit 100'
    )
    machine.has("apt-get", f'[ "$1" = {failing} ] || exit 0; {said}')
    sentence = "apt-get could not install libcurl4; is there a network? It said: E: Unable to fetch some archives."
    assert machine.run("run") == (1, [f"portico: {_LIBCURL} {sentence}"])
    machine.has("apt-get", "exit 0")
    assert machine.run("run") == (0, [])


@pytest.fixture
def ready_but_for_chromium(machine: Machine) -> Machine:
    """Where everything that `make test` needs is there, except a browser."""
    for command in ("mongod", "rabbitmq-server"):
        machine.has(command, "exit 0")
    machine.has("ldconfig", "echo 'libatomic.so.1 (libc6)'")
    machine.has("apt-get", 'echo "$*" >>apt.calls')
    return machine


def test_chromium_is_installed_where_the_distribution_has_it(ready_but_for_chromium: Machine) -> None:
    machine = ready_but_for_chromium
    (machine.root / "os-release").write_text('NAME="Debian GNU/Linux"\nID=debian\n', encoding="utf-8")
    assert machine.run("test") == (0, [])
    assert machine.noted("apt.calls")[-1].endswith(" chromium-headless-shell")


def test_on_ubuntu_another_browser_than_a_snap_is_asked_for_and_taken(ready_but_for_chromium: Machine) -> None:
    machine = ready_but_for_chromium
    (machine.root / "os-release").write_text('NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\n', encoding="utf-8")
    machine.has("chromium-browser", 'echo "It requires the chromium snap to be installed." >&2; exit 1')
    sentence = "Chromium is needed for the browser tests, and Ubuntu has no package of it: install Google Chrome."
    assert machine.run("test") == (1, [f"portico: {sentence}"])
    assert machine.noted("apt.calls") == []
    machine.has("google-chrome", "echo Google Chrome 140")
    assert machine.run("test") == (0, [])


# Python packages


def test_pip_without_a_network_is_one_sentence_and_the_next_start_goes_on(machine: Machine) -> None:
    said = 'echo "WARNING: Retrying"; echo "ERROR: No matching distribution found for one==1" >&2; echo; exit 1'
    sentence = "The Python packages could not be installed; is there a network? pip said: "
    refused = f"portico: {sentence}ERROR: No matching distribution found for one==1"
    assert machine.run("check", pip=said) == (1, [refused])
    assert machine.run("check") == (0, [])
    assert len(machine.noted("pip.calls")) == 2
    assert machine.run("check", pip="exit 1") == (0, [])
    assert len(machine.noted("pip.calls")) == 2


async def test_after_an_interrupted_installation_the_environment_is_made_anew(machine: Machine) -> None:
    interrupted = machine.start("check", pip="echo half >.venv/half; sleep 60")

    async def half_done() -> bool:
        return (machine.root / ".venv" / "half").exists()

    assert await until(half_done, deadline_s=60)
    os.killpg(interrupted.pid, signal.SIGKILL)
    interrupted.communicate()
    assert machine.run("check") == (0, [])
    assert not await half_done()
    assert machine.noted(".venv/installed.lock") == ["one==1"]


@pytest.mark.parametrize("left", ["", "exit 1"], ids=["no Python", "a Python without pip"])
def test_an_environment_that_was_left_half_made_is_made_anew(machine: Machine, left: str) -> None:
    (machine.root / ".venv" / "bin").mkdir(parents=True)
    if left:
        machine.has("../.venv/bin/python", left)
    assert machine.run("check") == (0, [])
    assert machine.noted(".venv/installed.lock") == ["one==1"]


def test_other_locked_packages_are_installed_into_the_same_environment(machine: Machine) -> None:
    assert machine.run("check") == (0, [])
    (machine.root / ".venv" / "kept").touch()
    (machine.root / "requirements.lock").write_text("one==2\n", encoding="utf-8")
    assert machine.run("check") == (0, [])
    assert machine.noted(".venv/installed.lock") == ["one==2"]
    assert (machine.root / ".venv" / "kept").exists()


def test_a_python_that_is_too_old_is_named(machine: Machine) -> None:
    (machine.root / "bin" / "python3.11").unlink()
    assert machine.run("check") == (1, ["portico: Python 3.11 or newer is needed; here is none."])
    machine.has("python3", 'case "$1" in -V) echo Python 3.10.12 ;; *) exit 1 ;; esac')
    assert machine.run("check") == (1, ["portico: Python 3.11 or newer is needed; here is Python 3.10.12."])
    machine.has("python3.12", _PYTHON)
    assert machine.run("check") == (0, [])


def test_an_environment_that_cannot_be_made_is_one_sentence(machine: Machine) -> None:
    machine.has("python3.11", 'case "$2" in venv) echo "Error: [Errno 28] No space left on device"; exit 1 ;; esac')
    sentence = "The folder .venv could not be made: Error: [Errno 28] No space left on device"
    assert machine.run("check") == (1, [f"portico: {sentence}"])
