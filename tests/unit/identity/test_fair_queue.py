"""Who waits for costly work, and in which order."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.identity import fair_queue as module
from services.identity.fair_queue import Caller, FairQueue
from shared.errors import TooManyRequests, Unavailable


class Line:
    """One place to work at, which is taken until a test lets it go; what was done in which order."""

    def __init__(self, **limits: int) -> None:
        self.queue = FairQueue(at_once=1, **({"most": 20, "most_each": 5} | limits))
        self.done: list[str] = []
        self._released = asyncio.Event()
        self._first = asyncio.create_task(self._work("first", Caller("first"), self._released))
        self._waiting: list[asyncio.Task[None]] = []

    async def _work(self, name: str, caller: Caller, until: asyncio.Event | None = None) -> None:
        async with self.queue.place(caller):
            if until is not None:
                await until.wait()
            else:
                self.done.append(name)

    async def add(self, group: str, *, known: bool = False) -> asyncio.Task[None]:
        """Somebody comes; they wait, or were sent away, when this returns."""
        name = f"{group}{sum(task.get_name() == group for task in self._waiting)}"
        task = asyncio.create_task(self._work(name, Caller(group, known)), name=group)
        self._waiting.append(task)
        await asyncio.sleep(0)
        return task

    async def let_go(self) -> list[str]:
        """What was done, once nobody waits any more."""
        self._released.set()
        await asyncio.gather(self._first, *self._waiting, return_exceptions=True)
        return self.done

    async def is_idle(self) -> bool:
        """Whether the next one is served at once."""
        async with asyncio.timeout(10), self.queue.place(Caller("last")):
            return self.queue._free == 0


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    await asyncio.sleep(0)
    yield line
    await line.let_go()


async def test_each_group_gets_one_turn_in_each_round(line: Line) -> None:
    for group in "aaabbc":
        await line.add(group)
    assert await line.let_go() == ["a0", "b0", "c0", "a1", "b1", "a2"]


async def test_the_known_go_first_but_strangers_do_not_wait_for_ever(line: Line) -> None:
    for group in "ab":
        await line.add(group)
    for group in "vwxyz":
        await line.add(group, known=True)
    assert await line.let_go() == ["v0", "w0", "x0", "y0", "a0", "z0", "b0"]


async def test_of_one_group_a_few_may_wait(line: Line) -> None:
    tasks = [await line.add("a") for _ in range(6)]
    with pytest.raises(TooManyRequests):
        await tasks[-1]
    await line.add("b")
    assert len(await line.let_go()) == 6


async def test_whoever_comes_to_a_full_line_takes_the_last_place_of_those_who_have_most() -> None:
    line = Line(most=4)
    await asyncio.sleep(0)
    tasks = [await line.add(group) for group in ("a", "b", "b", "b", "c", "b")]
    for refused in (tasks[3], tasks[5]):
        with pytest.raises(Unavailable):
            await refused
    await line.add("d")
    with pytest.raises(Unavailable):
        await tasks[2]
    with pytest.raises(Unavailable):  # now each group has one place
        await (await line.add("e"))
    assert await line.let_go() == ["a0", "b0", "c0", "d0"]
    assert await line.is_idle()


async def test_what_would_come_too_late_is_refused_at_once(line: Line) -> None:
    line.queue._took_s = module.MOST_WAIT_S / 2.5
    tasks = [await line.add(group) for group in "abc"]
    with pytest.raises(Unavailable):
        await tasks[2]
    await line.add("k", known=True)
    assert await line.let_go() == ["k0", "a0", "b0"]


async def test_a_group_that_is_remembered_goes_first(line: Line) -> None:
    line.queue.remember(Caller("b"))
    for group in "ab":
        await line.add(group)
    assert await line.let_go() == ["b0", "a0"]


async def test_whoever_waited_too_long_is_refused_and_takes_nobodys_turn(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_WAIT_S", 0.01)
    line.queue._took_s = 0.0
    with pytest.raises(Unavailable):
        await (await line.add("a"))
    assert await line.let_go() == []
    assert await line.is_idle()


async def test_whoever_left_takes_nobodys_turn(line: Line) -> None:
    leaves, _ = await line.add("a"), await line.add("b")
    leaves.cancel()
    assert await line.let_go() == ["b0"]
    assert await line.is_idle()


async def test_whoever_leaves_when_their_turn_comes_passes_it_on(line: Line) -> None:
    leaves, _ = await line.add("a"), await line.add("b")
    line.queue._give_back()  # as if there were a second place
    leaves.cancel()
    await asyncio.sleep(0)
    assert await line.let_go() == ["b0"]
    assert line.queue._free == 2


async def test_work_that_fails_gives_its_turn_back() -> None:
    turns = FairQueue(at_once=1, most=2, most_each=2)
    for _ in range(3):
        with pytest.raises(ValueError, match="ours"):
            async with turns.place(Caller("a")):
                raise ValueError("ours")
