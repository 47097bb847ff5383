"""Sends the mails of the ledger: claims due rows, decides which may go, sends them, and records the answers.

Each step takes many mails at once; each mail has a verdict and an outcome of its own.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar
from uuid import uuid4

import structlog
from aiosmtplib import SMTP
from prometheus_client import Counter

from services.notifications import smtp, store
from services.notifications.domain.delivery import Outcome, Stage, outcome_of_stumble
from services.notifications.domain.mails import Mail, MailState, Reason
from services.notifications.domain.people import Person, UnusableAddress
from services.notifications.domain.verdicts import Letter, Verdict, judge
from services.notifications.mailer import Mailer, wire_address
from services.notifications.pace import CONNECTIONS, Gate, Pace, Speed
from services.notifications.smtp import MailServer, MailServerUnavailable
from services.notifications.store import Claim, StrangerLimits
from shared.batches import Batches
from shared.mongo import Database, DatabaseError, is_unavailable
from shared.tasks import cancel_requested, repeat

_KEEP_LEASES_EVERY_S = store.LEASE.total_seconds() / 3
_STOP_GRACE_S = 8.0
# A mail that stands marked as being sent for longer goes back: the server is slow with one before it.
_PATIENCE_S = 2.0

_log = structlog.get_logger()
_mails = Counter("portico_mails_total", "E-mails by kind and what came of them", ["kind", "outcome"])
_unknown = Counter(
    "portico_mail_unknown_outcomes_total", "Tries that ended without the server's answer to the content", ["kind"]
)


@dataclass(frozen=True, slots=True)
class Ready:
    """A mail as it goes over the wire; `code` is what it holds that is kept nowhere."""

    mail: Mail
    content: bytes
    recipient: str
    code: str | None


class _OfMail(Protocol):
    @property
    def mail(self) -> Mail: ...


_Item = TypeVar("_Item", bound=_OfMail)


class Sender:
    """One in every replica. While the mail server is unavailable it sends nothing, so mails keep their order."""

    def __init__(
        self, mailer: Mailer, server: MailServer, limits: StrangerLimits | None = None, pace: Pace | None = None
    ) -> None:
        """Sends nothing before `run`."""
        self._mailer = mailer
        self._server = server
        self._limits = limits or StrangerLimits()
        self._pace = pace or Pace()
        self._gate = Gate(server.name, self._pace)
        self._speed = Speed()
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._woken = asyncio.Event()
        self._has_room = asyncio.Event()
        self._in_hand: dict[str, Mail] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._rows_wait = True  # perhaps: rows that nobody has claimed
        self._stopping = False

    async def put(self, db: Database, mails: Sequence[Mail]) -> None:
        """Writes rows: claimed already where the mails may go at once, else to be claimed in their turn."""
        if not self._may_go_at_once(mails):
            await store.put_mails(db, mails)
            self._rows_wait = True
            self._woken.set()
            return
        claims = await store.put_claimed(db, mails, lease=uuid4())
        if self._stopping:
            await store.mark(db, [store.due_again(claim.mail, wait_s=0) for claim in claims])
        elif claims:
            self._begin(db, claims)

    def _may_go_at_once(self, mails: Sequence[Mail]) -> bool:
        """They pass no row that waits, as far as this sender knows."""
        has_room = len(self._in_hand) + len(mails) <= self._speed.mails_in_hand
        return has_room and not (self._rows_wait or self._gate.trouble or self._stopping)

    async def degraded(self, _db: Database) -> dict[str, str]:
        """For `/readyz`: why the mail server takes no mail, as far as there was one to send."""
        return {"mail_server": self._gate.trouble} if self._gate.trouble else {}

    async def run(self, db: Database) -> None:
        """Sends until it is cancelled; then mails in hand are given time to get their answer."""
        self._stopping = False
        self._outcomes = Batches(partial(store.mark_outcomes, db), at_most=64, pace_s=self._pace.between_batches_s)
        keeping = asyncio.create_task(
            repeat("keep_leases", partial(self._keep_leases, db), every_s=_KEEP_LEASES_EVERY_S)
        )
        try:
            await repeat(
                "send_mails", partial(self._start_next, db), every_s=self._pace.look_every_s, woken=self._woken
            )
        finally:
            await self._finish()
            keeping.cancel()

    # Claim

    async def _start_next(self, db: Database) -> bool:
        """Waits until more mails may go, claims those whose turn it is, and works on them; False when none is due."""
        await self._gate.passed()
        room = await self._room()
        claims = await store.claim_mails(db, lease=uuid4(), in_hand=self._in_hand.keys(), at_most=room)
        self._rows_wait = claims is not None or self._woken.is_set()
        if claims is None:
            return False
        self._begin(db, claims)
        return True

    def _begin(self, db: Database, claims: Sequence[Claim]) -> None:
        self._in_hand |= {claim.mail.id: claim.mail for claim in claims}
        task = asyncio.create_task(self._together(self._decide, db, claims))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _room(self) -> int:
        """How many more may be taken: at least as many as go over one connection, as each claim costs the same."""
        while (room := self._speed.mails_in_hand - len(self._in_hand)) < self._speed.mails_at_once:
            self._has_room.clear()
            await self._has_room.wait()
        return room

    def _let_go(self, mails: Iterable[Mail]) -> None:
        for mail in mails:
            held = self._in_hand.get(mail.id)
            if held is not None and held.lease == mail.lease:  # it may have been claimed anew meanwhile
                del self._in_hand[mail.id]
        self._has_room.set()

    async def _keep_leases(self, db: Database) -> None:
        """A slow server does not mean that the sender has died."""
        if self._in_hand:
            await store.keep_leases(db, self._in_hand.values())

    async def _together(
        self, step: Callable[[Database, Sequence[_Item]], Awaitable[None]], db: Database, items: Sequence[_Item]
    ) -> None:
        """Takes a step with all mails; where that fails, with each alone, so that one holds up no other."""
        try:
            await step(db, items)
        except Exception as error:  # noqa: BLE001  # whatever failed: it counts as a try
            if len(items) > 1 and not _is_unavailable(error):
                await asyncio.gather(*(self._together(step, db, [item]) for item in items))
            else:
                await asyncio.gather(*(_put_off(db, item.mail, error) for item in items))
        finally:
            self._let_go(item.mail for item in items)

    async def _finish(self) -> None:
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_STOP_GRACE_S)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._server.close()

    # Decide

    async def _decide(self, db: Database, claims: Sequence[Claim]) -> None:
        """Sends the mails that may go, and records of the others why not."""
        for claim in claims:
            if claim.mail.was_interrupted:
                _unknown.labels(claim.mail.kind).inc()
        mails = [claim.mail for claim in claims]
        known = await store.find_known(db, [*mails, *(row for claim in claims for row in claim.before)])
        again_in_s = self._pace.user_unknown_s
        verdicts = [(each.mail, judge(each.mail, each.before, known, unknown_again_in_s=again_in_s)) for each in claims]
        verdicts = await _ask(db, await _name(db, verdicts))
        await store.note_turns(db, mails)
        await self._refuse(db, [(mail, verdict) for mail, verdict in verdicts if not verdict.may_go])
        letters = [
            Letter(mail, verdict.person, known.users)
            for mail, verdict in verdicts
            if verdict.may_go and verdict.person is not None
        ]
        count = math.ceil(len(letters) / self._speed.mails_at_once)
        # Dealt out like cards, so that over all connections they go in their turn.
        await asyncio.gather(*(self._together(self._send, db, letters[each::count]) for each in range(count)))

    async def _refuse(self, db: Database, refused: Sequence[tuple[Mail, Verdict]]) -> None:
        await store.mark(db, [_mark_of(mail, verdict) for mail, verdict in refused])
        for mail, verdict in refused:
            if verdict.reason is not None:
                _count(mail, MailState.FAILED if _has_failed(mail, verdict) else MailState.SUPPRESSED)
        self._let_go(mail for mail, _ in refused)

    # Send

    async def _send(self, db: Database, letters: Sequence[Letter]) -> None:
        """One after the other over one connection."""
        try:
            async with self._greeted() as connection:
                await self._send_each(db, connection, await self._mark(db, letters))
        except MailServerUnavailable as error:
            self._gate.hold(error)
            await store.mark(db, [store.due_again(letter.mail, wait_s=0) for letter in letters])
            self._rows_wait = True  # though another connection may find the server at once

    @asynccontextmanager
    async def _greeted(self) -> AsyncIterator[SMTP]:
        async with self._connections:
            connection = await self._server.take()
            self._gate.open()
            try:
                yield connection
            finally:
                self._server.give_back(connection)

    async def _mark(self, db: Database, letters: Sequence[Letter]) -> deque[Ready]:
        """Those that stand marked as being sent from here on."""
        strangers = [each for each in letters if each.is_to_be_counted]
        of_users = {each.mail.id for each in strangers if each.counts_for_user}
        too_many = await store.count_stranger_mails(
            db, [each.mail for each in strangers], self._limits, of_users=of_users
        )
        refused = [(each.mail, Verdict(reason=Reason.TOO_MANY)) for each in letters if each.mail.id in too_many]
        await self._refuse(db, refused)
        ready = await self._render(db, [each for each in letters if each.mail.id not in too_many])
        marked = await store.mark_sending(
            db, [each.mail for each in ready], counted=[each.mail.id for each in strangers]
        )
        for each in ready:
            if each.mail.id not in marked:
                _log.info("mail_no_longer_claimed", id=each.mail.id)
        return deque(each for each in ready if each.mail.id in marked)

    async def _render(self, db: Database, letters: Sequence[Letter]) -> list[Ready]:
        ready = []
        for each in letters:
            mail = each.mail
            try:
                content, code = self._mailer.render(mail, each.person), self._mailer.code_of(mail)
                ready.append(Ready(mail, content, wire_address(mail.email), code))
            except UnusableAddress as error:
                await store.mark(db, [store.failed(mail, reply=str(error))])
                _count(mail, MailState.FAILED)
            except Exception as error:  # noqa: BLE001  # whatever this row has that cannot be shown
                await _put_off(db, mail, error)
        return ready

    async def _send_each(self, db: Database, connection: SMTP, marked: deque[Ready]) -> None:
        """Until the connection breaks, or the sender is to stop: those that were not begun go back."""
        async with asyncio.TaskGroup() as recording:
            impatient = asyncio.get_running_loop().call_later(
                _PATIENCE_S, lambda: recording.create_task(self._put_back(db, marked))
            )
            try:
                while marked and not self._stopping and smtp.is_usable(connection):
                    next_one = marked.popleft()
                    began = time.monotonic()
                    sent = await smtp.send(
                        connection, next_one.content, sender=self._mailer.sender, recipient=next_one.recipient
                    )
                    self._speed.note(time.monotonic() - began)
                    outcome = sent.after(next_one.mail).without(next_one.code)
                    recording.create_task(self._record(db, next_one.mail, outcome))
            finally:
                impatient.cancel()
        await self._put_back(db, marked)

    async def _put_back(self, db: Database, marked: deque[Ready]) -> None:
        mails = [each.mail for each in marked]
        marked.clear()
        if mails:
            with suppress(DatabaseError):  # the leases will end
                await store.put_back(db, mails)
            self._rows_wait = True
            self._let_go(mails)

    # Record

    async def _record(self, db: Database, mail: Mail, outcome: Outcome) -> None:
        """Records the outcome, as long as it takes: an answer that is not recorded is a mail that is sent twice."""
        while not cancel_requested():
            try:
                if outcome.bounced:
                    await store.put_bouncing(db, mail.email, reply=outcome.reply)
                if not await self._outcomes.do((mail, outcome)):
                    _log.warning("mail_lease_lost", id=mail.id)
            except Exception as error:  # noqa: BLE001  # whatever the database finds fault with
                _log.warning("outcome_not_written", id=mail.id, reason=type(error).__name__)
                if _is_unavailable(error):
                    await asyncio.sleep(1)
                elif outcome == outcome.without_reply():
                    await _put_off(db, mail, error)
                    return
                else:
                    # The text of the answer cannot be stored. The outcome can.
                    outcome = outcome.without_reply()
            else:
                if outcome.is_unknown:
                    _unknown.labels(mail.kind).inc()
                _count(mail, outcome.state)
                self._let_go([mail])
                return


def _count(mail: Mail, state: MailState) -> None:
    _mails.labels(mail.kind, state).inc()
    _log.info("mail_settled", id=mail.id, kind=mail.kind, outcome=state)


def _is_unavailable(error: Exception) -> bool:
    return isinstance(error, DatabaseError) and is_unavailable(error)


async def _name(db: Database, verdicts: Sequence[tuple[Mail, Verdict]]) -> list[tuple[Mail, Verdict]]:
    """Writes who the mails are for, so that no person is told twice of the same event."""
    unnamed = [
        (mail, verdict.person)
        for mail, verdict in verdicts
        if verdict.person is not None and verdict.person.key != mail.person
    ]
    same = await store.name_persons(db, unnamed)
    return [(mail, Verdict(reason=Reason.SAME_PERSON) if mail.id in same else verdict) for mail, verdict in verdicts]


async def _ask(db: Database, verdicts: Sequence[tuple[Mail, Verdict]]) -> list[tuple[Mail, Verdict]]:
    """Reads whether people want the mails."""
    # When the rows say who they are for: whoever opts out after this read finds the rows, and suppresses them before
    # they are marked.
    chosen = await store.find_preferences_of(
        db,
        {
            # A user without a choice may have chosen as the address, before it was known to be the user's.
            mail.id: (verdict.person, Person.of_address(mail.email, mail.company_id))
            for mail, verdict in verdicts
            if verdict.may_go and verdict.person is not None and mail.may_be_opted_out
        },
    )
    refused = {mail.id for mail, _ in verdicts if mail.id in chosen and not chosen[mail.id].allow(mail.kind)}
    return [(mail, Verdict(reason=Reason.OPTED_OUT) if mail.id in refused else verdict) for mail, verdict in verdicts]


def _mark_of(mail: Mail, verdict: Verdict) -> store.Mark:
    if verdict.reason is None:
        return store.due_again(mail, wait_s=verdict.again_in_s or 0.0)
    if _has_failed(mail, verdict):
        return store.failed(mail, reason=verdict.reason)
    return store.suppressed(mail, verdict.reason)


def _has_failed(mail: Mail, verdict: Verdict) -> bool:
    """It was tried: the row keeps the server's last answer beside the reason."""
    return verdict.reason is Reason.EXPIRED and mail.tries > 0


async def _put_off(db: Database, mail: Mail, error: Exception) -> None:
    """Records an unforeseen failure as a try like any other; when the database is unavailable, the lease has to end."""
    if _is_unavailable(error):
        _log.warning("mail_left", id=mail.id, reason=type(error).__name__)
        return
    _log.warning("mail_put_off", id=mail.id, reason=type(error).__name__)
    outcome = outcome_of_stumble(Stage.SENDER, error).after(mail)
    try:
        await store.mark(db, [store.stumbled(mail, outcome)])
    except Exception as another:  # noqa: BLE001  # the lease will end; that is counted as an interruption, with a wait of its own
        _log.warning("mail_left", id=mail.id, reason=type(another).__name__)
        return
    _count(mail, outcome.state)
