"""The runs: each breaks one thing by a seeded schedule while cases are submitted, then everything is counted."""

import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.e2e.portal import Visitor
from tests.faults.checker import Choice, Verdict, check
from tests.faults.load import Record, attempts, submit_all
from tests.faults.reading import REST_WITHIN_S, find_all
from tests.faults.sink import Taken
from tests.faults.world import REPOSITORY, World, running

_CALM_S = 8.0  # before the first fault, and after the last
_SLOW_REPLY_MS = 2000.0
_MEMBERS = 6
_BETWEEN_CHOICES_S = (0.3, 5.0)


@dataclass(frozen=True)
class Fault:
    """What happens at a moment after the load began, to a part (or several: `a+b`), or to a link of the proxy."""

    at_s: float
    kind: str  # kill, freeze, blackhole, cut, lose-answers
    what: str
    for_s: float = 0.0
    count: int = 0

    def __str__(self) -> str:
        how = f" {self.count} times" if self.count else f" for {self.for_s:.1f} s" if self.for_s else ""
        return f"{self.at_s:5.1f} s {self.kind} {self.what}{how}"


@dataclass
class Happened:
    """What was done, and when the last of it was over (seconds since the epoch)."""

    ends: list[float] = field(default_factory=list)
    too_late: int = 0  # faults that began when nobody worked any more: they prove nothing
    cuts: int = 0
    choices: list[Choice] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One kind of fault. `plan(rng, length_s)` makes its schedule for a load of that length."""

    name: str
    plan: Callable[[random.Random, float], list[Fault]]
    delays_ms: Mapping[str, float] = field(default_factory=dict)  # each way, so that a kill meets work under way
    members: int = 0  # who opt out and in again all the time
    reply_delay_ms: float = 0.0  # of the mail server

    def schedule(self, seed: int, length_s: float) -> list[Fault]:
        """The same for the same seed."""
        return self.plan(random.Random(f"{self.name} {seed}"), length_s)


@dataclass(frozen=True)
class Result:
    """A run's verdict, and the figures beside it."""

    name: str
    seed: int
    cases: int
    schedule: Sequence[str]
    verdict: Verdict
    statuses: Mapping[int, int]
    slowest_s: float
    recovery_s: float
    create_to_mail_p50_s: float
    took_s: float
    cuts: int = 0
    choices: int = 0
    wrong_answers: Sequence[str] = ()


def _spread(rng: random.Random, length_s: float, count: int) -> list[float]:
    """So many moments, one in each equal piece of the time between the calms."""
    piece = (length_s - 2 * _CALM_S) / count
    return [_CALM_S + piece * (index + rng.uniform(0.0, 0.5)) for index in range(count)]


def _kills(*parts: str, every_s: float, at_least: int) -> Callable[[random.Random, float], list[Fault]]:
    def plan(rng: random.Random, length_s: float) -> list[Fault]:
        count = max(at_least, int((length_s - 2 * _CALM_S) / every_s))
        return [
            Fault(at_s, "kill", parts[index % len(parts)], rng.uniform(0.5, 3.0))
            for index, at_s in enumerate(_spread(rng, length_s, count))
        ]

    return plan


def _for_20_s(kind: str, what: str) -> Callable[[random.Random, float], list[Fault]]:
    def plan(rng: random.Random, length_s: float) -> list[Fault]:
        return [Fault(rng.uniform(_CALM_S, max(_CALM_S, length_s / 3)), kind, what, 20.0)]

    return plan


def _cuts(rng: random.Random, length_s: float) -> list[Fault]:
    """In turn: answers behind the final dot are lost, and whatever is under way is cut where it stands."""
    return [
        Fault(at_s, "cut", "smtp") if index % 2 else Fault(at_s, "lose-answers", "smtp", count=rng.randint(5, 15))
        for index, at_s in enumerate(_spread(rng, length_s, 12))
    ]


def _replicas_of(service: str) -> Callable[[random.Random, float], list[Fault]]:
    return _kills(service, f"{service}-2", every_s=12.0, at_least=3)


RUNS = {
    run.name: run
    for run in (
        Run("broker-killed", _kills("rabbitmq", every_s=25.0, at_least=1)),
        Run("broker-frozen", _for_20_s("freeze", "rabbitmq")),
        Run("broker-blackholed", _for_20_s("blackhole", "rabbitmq")),
        Run("mongod-killed", _kills("mongod", every_s=15.0, at_least=2)),
        Run("gateway-killed", _replicas_of("gateway"), delays_ms={"cases": 100}),
        Run(
            "identity-killed",
            _kills("identity+identity-2", "identity", "identity-2", every_s=12.0, at_least=3),
            delays_ms={"identity": 150},
        ),
        Run("cases-killed", _replicas_of("cases")),
        Run("contracts-killed", _replicas_of("contracts")),
        Run("notifications-killed", _replicas_of("notifications"), reply_delay_ms=100),
        Run("smtp-cut", _cuts, reply_delay_ms=50),
        Run("opt-out-race", lambda _rng, _length_s: [], members=_MEMBERS, reply_delay_ms=_SLOW_REPLY_MS),
    )
}


async def carry_out(
    run: Run,
    *,
    seed: int,
    cases: int,
    per_second: float,
    code: Path = REPOSITORY,
    rest_within_s: float = REST_WITHIN_S,
    results: Path,
) -> Result:
    """Starts everything, breaks it by schedule under load, waits until all has come to rest, and counts.

    The folder `results` then holds `result.json` and the logs.
    """
    began = time.monotonic()
    rng = random.Random(f"{run.name} {seed} load")
    length_s = cases / per_second
    schedule = run.schedule(seed, length_s)
    async with (
        _data_dir(results) as data_dir,
        running(data_dir, code=code, reply_delay_ms=run.reply_delay_ms, members=run.members) as world,
    ):
        addresses = [member.email for member in world.members]
        record, happened = Record(attempts(cases, rng, addresses=addresses)), Happened()
        for link, ms in run.delays_ms.items():
            await world.proxy.tell(link, "delay", ms=ms)
        async with asyncio.TaskGroup() as tasks:
            load = tasks.create_task(submit_all(world.submitter, record, per_second=per_second, rng=rng))
            tasks.create_task(_break_by(schedule, world, happened, load))
            for index, member in enumerate(world.members):
                tasks.create_task(_keep_deciding(member, happened, random.Random(f"{seed} {index}"), load))
        for link in run.delays_ms:
            await world.proxy.tell(link, "let_pass")
        found = await find_all(world, record, rest_within_s=rest_within_s)
        happened.cuts = (await world.proxy.tell("smtp", "count"))["cuts"]
        verdict = check(record, found, submitter=world.submitter.email, choices=happened.choices)
    if happened.too_late:
        verdict = replace(verdict, red=[*verdict.red, f"faults after the load {happened.too_late}"])
    result = Result(
        name=run.name,
        seed=seed,
        cases=cases,
        schedule=[str(fault) for fault in schedule],
        verdict=verdict,
        statuses=dict(sorted(record.statuses.items())),
        slowest_s=round(record.slowest_s, 2),
        recovery_s=_recovery_s(record, found.mails, max(happened.ends, default=0.0)),
        create_to_mail_p50_s=_median_delay_s(record, found.mails),
        took_s=round(time.monotonic() - began, 1),
        cuts=happened.cuts,
        choices=len(happened.choices),
        wrong_answers=record.wrong_answers[:5],
    )
    (results / "result.json").write_text(json.dumps(asdict(result), indent=2) + "\n", encoding="utf-8")
    return result


@asynccontextmanager
async def _data_dir(results: Path) -> AsyncIterator[Path]:
    # In memory where possible: a process that is killed loses nothing that it wrote to a file, on a disk or not.
    memory = Path("/dev/shm")  # noqa: S108  # a fresh folder with a random name is made below it
    there = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="portico-faults-", dir=there) as folder:
        try:
            yield Path(folder)
        finally:
            results.mkdir(parents=True, exist_ok=True)
            for log in (Path(folder) / "logs").glob("*.log"):
                (results / log.name).write_bytes(log.read_bytes())


async def _break_by(schedule: Sequence[Fault], world: World, happened: Happened, load: asyncio.Task[None]) -> None:
    """One fault at a time: the next waits until the one before is over, however long a start takes."""
    began = time.monotonic()
    for fault in schedule:
        await asyncio.sleep(max(0.0, began + fault.at_s - time.monotonic()))
        happened.too_late += load.done()
        await _do(world, fault)
        happened.ends.append(time.time())


async def _do(world: World, fault: Fault) -> None:
    parts = [world.stack.parts[name] for name in fault.what.split("+") if name in world.stack.parts]
    match fault.kind:
        case "kill":
            for part in parts:
                part.kill()
            await asyncio.sleep(fault.for_s)
            await asyncio.gather(*(part.restart() for part in parts))
        case "freeze":
            for part in parts:
                part.child.freeze()
            await asyncio.sleep(fault.for_s)
            for part in parts:
                part.child.thaw()
        case "blackhole":
            await world.proxy.tell(fault.what, "blackhole")
            await asyncio.sleep(fault.for_s)
            await world.proxy.tell(fault.what, "let_pass")
        case "cut":
            await world.proxy.tell(fault.what, "cut")
        case "lose-answers":
            await world.proxy.tell(fault.what, "cut_after_final_dot", count=fault.count)


async def _keep_deciding(member: Visitor, happened: Happened, rng: random.Random, load: asyncio.Task[None]) -> None:
    """Out and in again, for as long as cases are submitted; ends opted in."""
    while not load.done():
        await asyncio.sleep(rng.uniform(*_BETWEEN_CHOICES_S))
        out_began = time.time()
        await member.put("/notification-preferences", {"case_emails": False})
        out_answered = time.time()
        await asyncio.sleep(rng.uniform(*_BETWEEN_CHOICES_S))
        in_began = time.time()
        await member.put("/notification-preferences", {"case_emails": True})
        happened.choices.append(Choice(member.email, out_began, out_answered, in_began, time.time()))


def _recovery_s(record: Record, mails: Sequence[Taken], fault_ended: float) -> float:
    """From the end of the last fault until everything asked for before it was answered, and its mails were out."""
    if not fault_ended:
        return 0.0
    first: dict[tuple[str, str], float] = {}
    for mail in mails:
        first.setdefault((mail.to, mail.case_number), mail.taken_at)
    before = [attempt for attempt in record.attempts if attempt.number and attempt.began < fault_ended]
    ends = [max(attempt.answered_at, first.get((attempt.email, attempt.number), 0.0)) for attempt in before]
    return round(max(0.0, max(ends, default=0.0) - fault_ended), 1)


def _median_delay_s(record: Record, mails: Sequence[Taken]) -> float:
    """From the first request for a case to its mail."""
    began = {(attempt.email, attempt.number): attempt.began for attempt in record.attempts if attempt.number}
    delays = sorted(
        mail.taken_at - began[mail.to, mail.case_number] for mail in mails if (mail.to, mail.case_number) in began
    )
    return round(delays[len(delays) // 2], 3) if delays else 0.0
