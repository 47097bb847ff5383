"""Sends the mails of the ledger: claims due rows, checks that they may still go, sends, and records the answer."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial, wraps
from uuid import uuid4

import structlog
from aiosmtplib import SMTP
from prometheus_client import Counter

from services.notifications import smtp, store
from services.notifications.domain.delivery import Outcome, Stage, outcome_of_stumble, wait_s
from services.notifications.domain.mails import Mail, MailState, NotToBeSent, NotToBeSentYet, Reason
from services.notifications.domain.people import Person, UnusableAddress
from services.notifications.mailer import Mailer, wire_address
from services.notifications.smtp import MailServer, MailServerUnavailable
from services.notifications.store import StrangerLimits, UnreadableRow
from shared.bus import Handler, Many
from shared.mongo import Database, DatabaseError, is_unavailable
from shared.tasks import cancel_requested, repeat

_AT_ONCE = 8
_KEEP_LEASE_EVERY_S = store.LEASE.total_seconds() / 3
_STOP_GRACE_S = 8.0
_TELL_EVERY_S = 60.0  # tries follow each other within seconds, for as long as the server is away

_log = structlog.get_logger()
_mails = Counter("portico_mails_total", "E-mails by kind and what came of them", ["kind", "outcome"])
_unknown = Counter(
    "portico_mail_unknown_outcomes_total", "Tries that ended without the server's answer to the content", ["kind"]
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the sender waits: for new rows, for a mail server that is unavailable, for the copy of a user."""

    look_every_s: float = 1.0
    first_hold_s: float = 0.5
    longest_hold_s: float = 5.0
    user_unknown_s: float = 5.0


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
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._woken = asyncio.Event()
        self._in_hand: dict[str, asyncio.Task[None]] = {}
        self._hold_s = 0.0
        self._held_until = 0.0
        self._trouble = ""
        self._silent_until = 0.0

    def waking(self, handler: Handler | Many) -> Handler | Many:
        """The same handler; afterwards the sender looks for new rows at once, instead of within a second."""
        if isinstance(handler, Many):
            return Many(self._waking(handler.handler))
        return self._waking(handler)

    def _waking(self, handler: Handler) -> Handler:
        @wraps(handler)
        async def handle_and_wake(db: Database, heard: object) -> None:
            await handler(db, heard)
            self._woken.set()

        return handle_and_wake

    async def degraded(self, _db: Database) -> dict[str, str]:
        """For `/readyz`: why the mail server takes no mail, as far as there was one to send."""
        return {"mail_server": self._trouble} if self._trouble else {}

    async def run(self, db: Database) -> None:
        """Sends until it is cancelled; then mails in hand are given time to get their answer."""
        try:
            await repeat(
                "send_mails", partial(self._start_next, db), every_s=self._pace.look_every_s, woken=self._woken
            )
        finally:
            await self._finish()

    async def _start_next(self, db: Database) -> bool:
        """Waits until one more mail may go, and starts sending it; False when none is due."""
        await asyncio.sleep(max(0.0, self._held_until - time.monotonic()))
        await self._slots.acquire()
        mail = None
        try:
            mail = await store.claim_mail(db, lease=uuid4(), in_hand=self._in_hand.keys())
        except UnreadableRow as error:
            _log.warning("mail_unreadable", id=str(error), reason=type(error.__cause__).__name__)
            return True  # this version may be able to read the next one
        finally:
            if mail is None:
                self._slots.release()
        if mail is None:
            return False
        self._in_hand[mail.id] = asyncio.create_task(self._work(db, mail))
        return True

    async def _finish(self) -> None:
        if self._in_hand:
            await asyncio.wait(self._in_hand.values(), timeout=_STOP_GRACE_S)
        left = list(self._in_hand.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._server.close()

    async def _work(self, db: Database, mail: Mail) -> None:
        if mail.was_interrupted:
            _unknown.labels(mail.kind).inc()
        try:
            await self._send_or_record_why_not(db, mail)
        except Exception as error:  # noqa: BLE001  # whatever failed: it counts as a try
            await _put_off(db, mail, error)
        finally:
            del self._in_hand[mail.id]
            self._slots.release()

    async def _send_or_record_why_not(self, db: Database, mail: Mail) -> None:
        try:
            await self._send(db, mail)
        except NotToBeSentYet:
            await store.mark_due_again(db, mail, wait_s=self._pace.user_unknown_s)
        except MailServerUnavailable as error:
            self._hold(error)
            await store.mark_due_again(db, mail, wait_s=0)
        except NotToBeSent as rule:
            await self._give_up(db, mail, rule.reason)
        except UnusableAddress as error:
            await store.mark_failed(db, mail, reply=str(error))
            _count(mail, MailState.FAILED)

    async def _give_up(self, db: Database, mail: Mail, reason: Reason) -> None:
        if reason is Reason.EXPIRED and mail.tries:
            # It was tried: the row keeps the server's last answer beside the reason.
            await store.mark_failed(db, mail, reason=reason)
            _count(mail, MailState.FAILED)
        else:
            await store.mark_suppressed(db, mail, reason)
            _count(mail, MailState.SUPPRESSED)

    async def _send(self, db: Database, mail: Mail) -> None:
        if mail.is_expired:
            raise NotToBeSent(Reason.EXPIRED)
        if mail.was_claimed:
            # A row that kills its senders must not be the first one that each new sender tries.
            wait = wait_s(mail.interruptions, unknown=mail.unknown_outcomes)
            await store.mark_due_again(db, mail, wait_s=wait)
            return
        await store.note_turn(db, mail)
        person = await self._find_willing_person(db, mail)
        message = self._mailer.render(mail, person)
        async with self._greeted() as connection:
            await _refuse_if_opted_out(db, mail, person)
            if await store.mark_sending(db, mail):
                await self._send_now(db, connection, mail, message)
            else:
                _log.info("mail_no_longer_claimed", id=mail.id)

    @asynccontextmanager
    async def _greeted(self) -> AsyncIterator[SMTP]:
        connection = await self._server.take()
        self._hold_s = 0.0
        self._trouble = ""
        try:
            yield connection
        finally:
            self._server.give_back(connection)

    async def _send_now(self, db: Database, connection: SMTP, mail: Mail, message: bytes) -> None:
        keeper = asyncio.create_task(_keep_lease(db, mail))
        try:
            sent = await smtp.send(connection, message, sender=self._mailer.sender, recipient=wire_address(mail.email))
            outcome = sent.after(mail).without(self._mailer.code_of(mail))
            await _record(db, mail, outcome)
        finally:
            keeper.cancel()
        if outcome.is_unknown:
            _unknown.labels(mail.kind).inc()
        _count(mail, outcome.state)

    async def _find_willing_person(self, db: Database, mail: Mail) -> Person:
        """Who gets the mail, recorded so that no person gets it twice; NotToBeSent when a rule forbids it."""
        person = await store.find_person(db, mail)
        await _let_others_go_first(db, mail, person)
        await store.name_person(db, mail, person)
        if not person.active:
            raise NotToBeSent(Reason.DEACTIVATED)
        if mail.may_be_opted_out and await store.is_suspended(db, mail.company_id):
            raise NotToBeSent(Reason.COMPANY_SUSPENDED)
        if await store.is_bouncing(db, mail.email):
            raise NotToBeSent(Reason.BOUNCING)
        await _refuse_if_opted_out(db, mail, person)
        if person.is_stranger and mail.may_be_opted_out and not mail.is_counted:
            await self._count(db, mail)
        return person

    async def _count(self, db: Database, mail: Mail) -> None:
        if not await store.count_stranger_mail(db, mail, self._limits):
            raise NotToBeSent(Reason.TOO_MANY)
        await store.mark_counted(db, mail)

    def _hold(self, error: MailServerUnavailable) -> None:
        if time.monotonic() < self._held_until:
            return  # another mail has just found out
        self._hold_s = min(max(self._pace.first_hold_s, self._hold_s * 2), self._pace.longest_hold_s)
        spread = random.uniform(0.8, 1.0)  # noqa: S311  # spreads reconnects, guards nothing
        self._held_until = time.monotonic() + self._hold_s * spread
        self._trouble = str(error)
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _TELL_EVERY_S
            _log.warning("mail_server_unavailable", server=self._server.name, reason=self._trouble)


def _count(mail: Mail, state: MailState) -> None:
    _mails.labels(mail.kind, state).inc()
    _log.info("mail_settled", id=mail.id, kind=mail.kind, outcome=state)


async def _let_others_go_first(db: Database, mail: Mail, person: Person) -> None:
    """Waits for the rows for the same person that come before this one. Where none of them is sent, this one goes."""
    for other in await store.find_before(db, mail):
        if not other.has_ended_unsent and await store.find_key(db, other) == person.key:
            if other.state is MailState.SENT:
                raise NotToBeSent(Reason.SAME_PERSON)
            raise NotToBeSentYet


async def _refuse_if_opted_out(db: Database, mail: Mail, person: Person) -> None:
    if not mail.may_be_opted_out:
        return
    # A user without a choice may have chosen as the address, before it was known to be the user's.
    preferences = await store.find_preferences(db, person, Person.of_address(mail.email, mail.company_id))
    if not preferences.allow(mail.kind):
        raise NotToBeSent(Reason.OPTED_OUT)


async def _keep_lease(db: Database, mail: Mail) -> None:
    while not cancel_requested():
        await asyncio.sleep(_KEEP_LEASE_EVERY_S)
        with suppress(DatabaseError):
            await store.keep_sending(db, mail)


async def _record(db: Database, mail: Mail, outcome: Outcome) -> None:
    """Records the outcome, as long as it takes: an answer that is not recorded is a mail that is sent twice."""
    wait = wait_s(mail.tries + 1, unknown=mail.unknown_outcomes + outcome.is_unknown)
    while not cancel_requested():
        try:
            if outcome.bounced:
                await store.put_bouncing(db, mail.email, reply=outcome.reply)
            if not await store.mark_outcome(db, mail, outcome, wait_s=wait):
                _log.warning("mail_lease_lost", id=mail.id)
        except Exception as error:
            _log.warning("outcome_not_written", id=mail.id, reason=type(error).__name__)
            if isinstance(error, DatabaseError) and is_unavailable(error):
                await asyncio.sleep(1)
            elif outcome == outcome.without_reply():
                raise
            else:
                # The text of the answer cannot be stored. The outcome can.
                outcome = outcome.without_reply()
        else:
            return


async def _put_off(db: Database, mail: Mail, error: Exception) -> None:
    """Records an unforeseen failure as a try like any other; when the database is unavailable, the lease has to end."""
    if isinstance(error, DatabaseError) and is_unavailable(error):
        _log.warning("mail_left", id=mail.id, reason=type(error).__name__)
        return
    _log.warning("mail_put_off", id=mail.id, reason=type(error).__name__)
    outcome = outcome_of_stumble(Stage.SENDER, error).after(mail)
    try:
        await store.mark_stumble(db, mail, outcome, wait_s=wait_s(mail.tries + 1, unknown=mail.unknown_outcomes))
    except Exception as another:  # noqa: BLE001  # the lease will end; that is counted as an interruption, with a wait of its own
        _log.warning("mail_left", id=mail.id, reason=type(another).__name__)
        return
    _count(mail, outcome.state)
