"""How much memory a service takes at most, and what happens at its limit: a cgroup for each, as Compose makes one."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_COMPOSE = Path(__file__).resolve().parents[2] / "deploy" / "compose.yaml"
_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
# systemd's default: what a service gets that nobody gave more.
_OPEN_FILES = 1024
_MIB = 2**20


@dataclass(frozen=True)
class Names:
    """What the two versions of cgroups call the same things."""

    limit: str
    peak: str
    current: str
    kills: str
    resident: str  # in memory.stat: without what the kernel caches of files


V1 = Names(
    "memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.usage_in_bytes", "memory.oom_control", "total_rss"
)
V2 = Names("memory.max", "memory.peak", "memory.current", "memory.events", "anon")


def limits(compose: str) -> dict[str, int]:
    """Service → the bytes that the Compose file gives it; what all of ours get where it says nothing itself."""
    ours, services = compose.split("\nservices:\n")
    default = _mem_limit(ours.split("\nx-portico:")[1])
    blocks = re.findall(r"^  ([\w-]+):\n((?: {4}.*\n|\n)+)", services, re.MULTILINE)
    return {name: _mem_limit(block) or default for name, block in blocks if "<<: *portico\n" in block}


def _mem_limit(block: str) -> int:
    found = re.search(r"mem_limit: (\d+)m", block)
    return int(found[1]) * _MIB if found else 0


class Cage:
    """One service's memory: bounded by a cgroup where we may make one, else only looked at."""

    def __init__(self, name: str, limit: int, *, run: str) -> None:
        """`run` tells the cages of this run from those of others."""
        self.name, self.limit = name, limit
        self._folder, self._names = _folder_for(f"{run}-{name}", limit)
        self._peak = self._resident = self._kills_before = 0
        self.pid = 0  # where there is no cgroup: whose memory is looked at

    @property
    def holds(self) -> bool:
        """Whether the limit is enforced, as Compose would."""
        return self._folder is not None

    def words(self, argv: list[str]) -> list[str]:
        """The command that runs inside."""
        enter = f"echo $$ > {self._folder}/cgroup.procs && " if self._folder else ""
        return ["sh", "-c", f'{enter}ulimit -Sn {_OPEN_FILES} && exec "$@"', "sh", *argv]

    def begin(self) -> None:
        """From here on the peak and the kills are counted."""
        self._peak = self._resident = 0
        self._kills_before = self._all_kills()
        if self._folder:
            with suppress(OSError):  # older kernels of version 2 keep the mark for ever
                (self._folder / self._names.peak).write_text("0")
        self.look()

    def look(self) -> None:
        """What it takes now."""
        if self._folder is None:
            self._resident = max(self._resident, _resident_of(self.pid))
            self._peak = self._resident
            return
        stat = (self._folder / "memory.stat").read_text()
        found = re.search(rf"^{self._names.resident} (\d+)", stat, re.MULTILINE)
        self._resident = max(self._resident, int(found[1]) if found else 0)
        marked = self._number(self._names.peak) if self._names is V1 else self._number(self._names.current)
        self._peak = max(self._peak, marked)

    @property
    def peak_mib(self) -> int:
        """The most since `begin`, with what the kernel caches of its files."""
        return round(self._peak / _MIB)

    @property
    def resident_mib(self) -> int:
        """The most that was seen since `begin`, without that."""
        return round(self._resident / _MIB)

    @property
    def kills(self) -> int:
        """How often the kernel killed in it since `begin`."""
        return self._all_kills() - self._kills_before

    def _all_kills(self) -> int:
        if self._folder is None:
            return 0
        found = re.search(r"^oom_kill (\d+)", (self._folder / self._names.kills).read_text(), re.MULTILINE)
        return int(found[1]) if found else 0

    def _number(self, name: str) -> int:
        assert self._folder is not None
        return int((self._folder / name).read_text())

    def remove(self) -> None:
        """When nothing runs in it any more."""
        if self._folder:
            with suppress(OSError):
                self._folder.rmdir()


def _folder_for(name: str, limit: int) -> tuple[Path | None, Names]:
    for root, names in ((_V1, V1), (_V2, V2)):
        folder = root / name
        try:
            folder.mkdir()
            (folder / names.limit).write_text(str(limit))
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            continue
        return folder, names
    return None, V2


def _resident_of(pid: int) -> int:
    try:
        found = re.search(r"^VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def cages(run: str) -> dict[str, Cage]:
    """One for each of the five services, with the limits of the Compose file."""
    ours = ("gateway", "identity", "cases", "contracts", "notifications")
    given = limits(_COMPOSE.read_text(encoding="utf-8"))
    return {name: Cage(name, given[name], run=run) for name in ours}
