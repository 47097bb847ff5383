"""What figures were measured on, and what a process costs: from /proc."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deploy.local.parts import find_mongod, find_rabbitmq

_LIBRARIES = ("aiohttp", "aio-pika", "pymongo", "pydantic", "uvloop", "orjson", "openpyxl", "aiosmtplib", "jinja2")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_RESET_PEAK = "5"


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, in user mode and in the kernel."""
    # The name of the process, in brackets, may hold blanks.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def memory_mib(pid: int) -> tuple[float, float]:
    """Resident memory, and the same with what is shared counted in parts (PSS)."""
    told = _kib(Path(f"/proc/{pid}/smaps_rollup"))
    return told["Rss"] / 1024, told["Pss"] / 1024


def forget_peak(pid: int) -> None:
    """From here on `peak_mib` counts anew."""
    Path(f"/proc/{pid}/clear_refs").write_text(_RESET_PEAK)


def peak_mib(pid: int) -> float:
    """The most resident memory since the start, or since it was forgotten."""
    return _kib(Path(f"/proc/{pid}/status"))["VmHWM"] / 1024


def _kib(file: Path) -> dict[str, int]:
    lines = (line.split() for line in file.read_text().splitlines() if line.endswith(" kB"))
    return {words[0].rstrip(":"): int(words[1]) for words in lines}


def describe(data_dir: Path) -> dict[str, Any]:
    """The machine, what runs on it, and which state of the code."""
    memory = _kib(Path("/proc/meminfo"))
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory["MemTotal"] / 1024 / 1024, 1),
        "load_before": os.getloadavg(),
        "kernel": platform.release(),
        "data_on": _filesystem(data_dir),
        "python": platform.python_version(),
        "mongod": _said(find_mongod(), "--version").splitlines()[0].removeprefix("db version v"),
        "rabbitmq": _said("dpkg-query", "-W", "-f", "${Version}", "rabbitmq-server") or find_rabbitmq(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "commit": _said("git", "rev-parse", "--short=12", "HEAD"),
        "uncommitted_changes": bool(_said("git", "status", "--porcelain", "--", "services", "shared", "deploy")),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _filesystem(path: Path) -> str:
    return _said("stat", "--file-system", "--format=%T", str(path)) or "unknown"


def _said(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
