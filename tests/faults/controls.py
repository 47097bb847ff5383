"""Controls: the same runs with one guard taken out of a copy of the code. Each must turn red, and by what it is for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.world import REPOSITORY

_CODE = ("services", "shared", "deploy")


@dataclass(frozen=True)
class Patch:
    """One place in one file, and what stands there instead."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Control:
    """A guard that is taken out, and what stands in the reason for which the run must then be red."""

    run: str
    slug: str
    without: str
    shows: str
    patches: tuple[Patch, ...]


class DoesNotApply(Exception):
    """The code has changed, so that a patch finds its place not once."""


def apply(code: Path, patches: tuple[Patch, ...]) -> None:
    """Changes a copy of the code; DoesNotApply unless each place is there exactly once."""
    for patch in patches:
        path = code / patch.file
        text = path.read_text(encoding="utf-8")
        if (found := text.count(patch.old)) != 1:
            raise DoesNotApply(f"{patch.file} has {found} times: {patch.old}")
        path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")


@contextmanager
def patched(control: Control) -> Iterator[Path]:
    """A copy of the code without the guard."""
    with TemporaryDirectory(prefix="portico-control-") as folder:
        code = Path(folder)
        for name in _CODE:
            shutil.copytree(REPOSITORY / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
        apply(code, control.patches)
        yield code


_ACKED_TOO_EARLY = Patch(
    "shared/bus/consumer.py",
    "            await self._work_on(message)\n            await message.ack()\n",
    "            await message.ack()\n            await asyncio.sleep(0.5)\n            await self._work_on(message)\n",
)

_UNCONFIRMED = (
    Patch(
        "shared/relay.py",
        "for item, failure in zip(pending, failures, strict=True) if failure is not None}",
        "for item, failure in zip(pending, failures, strict=True) if item is failure}",
    ),
    Patch(
        "shared/relay.py",
        "if self._bus.connected:\n                        return await",
        "if True:\n                        return await",
    ),
)

CONTROLS = (
    Control(
        run="broker-killed",
        slug="unconfirmed",
        without="An event leaves its document only when the broker has confirmed it",
        shows="effects lost",
        patches=_UNCONFIRMED,
    ),
    Control(
        run="broker-frozen",
        slug="no-sweeper",
        without="A sweeper takes over events whose writer has given up",
        shows="pending in cases",
        patches=(Patch("shared/relay.py", "            await self._sweep_collection(collection)", "            pass"),),
    ),
    Control(
        run="broker-blackholed",
        slug="unconfirmed-either",
        without="An event leaves its document only when the broker has confirmed it",
        shows="effects lost",
        patches=_UNCONFIRMED,
    ),
    Control(
        run="mongod-killed",
        slug="unjournaled",
        without="A write counts when a majority has it in its journal",
        shows=" lost",
        patches=(
            Patch(
                "shared/mongo.py",
                'write_concern=WriteConcern("majority", j=True, wtimeout=5000),\n'
                '            read_concern=ReadConcern("majority"),',
                'write_concern=WriteConcern(1, j=False),\n            read_concern=ReadConcern("local"),',
            ),
        ),
    ),
    Control(
        run="gateway-killed",
        slug="no-key",
        without="A client's Idempotency-Key goes on to the service",
        # The second request finds its file in the case that the first one made.
        shows="wrong answers",
        patches=(Patch("services/gateway/forwarding.py", '"If-Match", "Idempotency-Key", ', '"If-Match", '),),
    ),
    Control(
        run="identity-killed",
        slug="not-asked-again",
        without="A session is asked for again, and one that cannot be asked for is not one that has ended",
        shows="wrong answers",
        patches=(
            Patch("services/gateway/clients.py", "return 2 if self.method", "return 1 if self.method"),
            Patch(
                "services/gateway/session.py",
                "return self._confirmed_lately(self._remembered.get(token))",
                "return None",
            ),
        ),
    ),
    Control(
        run="cases-killed",
        slug="in-memory",
        without="Events ride in the document that changed, not in memory",
        shows="effects lost",
        patches=(
            Patch(
                "shared/documents.py",
                "insert_many(documents, ordered=False)",
                'insert_many([{**each, "pending": []} for each in documents], ordered=False)',
            ),
            Patch(
                "shared/relay.py",
                "        since = time.monotonic()\n",
                "        since = time.monotonic()\n        await asyncio.sleep(0.5)\n",
            ),
        ),
    ),
    Control(
        run="cases-killed",
        slug="answered-early",
        without="Nothing is answered before its own batch is on disk",
        shows="cases lost",
        patches=(
            Patch(
                "shared/documents.py",
                "            await self._inserts.do(db, document)\n",
                # A second later, however few come at once: else a kill meets none on a slow machine.
                '            if self.collection == "cases":\n'
                '                loop = __import__("asyncio").get_running_loop()\n'
                "                loop.call_later(1.0, lambda: loop.create_task(self._inserts.do(db, document)))\n"
                "            else:\n"
                "                await self._inserts.do(db, document)\n",
            ),
        ),
    ),
    Control(
        run="contracts-killed",
        slug="acked-early",
        without="A message is acknowledged when it has been handled",
        shows="effects lost",
        patches=(_ACKED_TOO_EARLY,),
    ),
    Control(
        run="notifications-killed",
        slug="endless-lease",
        without="The lease of a mail ends when its sender has died",
        shows="mails lost",
        patches=(
            Patch(
                "services/notifications/store/mails.py", "LEASE = timedelta(seconds=30)", "LEASE = timedelta(days=1)"
            ),
        ),
    ),
    Control(
        run="smtp-cut",
        slug="new-message-id",
        without="A mail has the same Message-ID, however often it is sent",
        shows="mails duplicated",
        patches=(
            Patch(
                "services/notifications/mailer.py",
                'f"<{mail.id}@{self.host}>"',
                'f"<{mail.id}.{mail.tries}@{self.host}>"',
            ),
        ),
    ),
    Control(
        run="smtp-cut",
        slug="not-tried-again",
        without="A mail that had no answer is tried again",
        shows="mails lost",
        patches=(
            Patch(
                "services/notifications/domain/delivery.py",
                "return Outcome(MailState.QUEUED, one_short_line(text), is_unknown",
                "return Outcome(MailState.SENT, one_short_line(text), is_unknown",
            ),
        ),
    ),
    Control(
        run="opt-out-race",
        slug="not-read-again",
        without="Preferences are read before mails are marked as being sent",
        shows="mails unexpected",
        patches=(
            Patch(
                "services/notifications/sender.py",
                "if mail.id in chosen and not chosen[mail.id].allow(mail.kind)}",
                "if not mail.id}",
            ),
        ),
    ),
    Control(
        run="opt-out-race",
        slug="marked-anyhow",
        without="A mail is marked as being sent only while its row still waits",
        shows="mails sent after opting out",
        patches=(
            Patch(
                "services/notifications/store/sending.py",
                'update_many({**_rows_of(mails), "state": _CLAIMED}, [',
                'update_many({"_id": {"$in": [mail.id for mail in mails]}}, [',
            ),
            Patch(
                "services/notifications/sender.py",
                "        marked = await store.mark_sending(\n",
                # Longer than a choice takes on a loaded machine, from its write to its answer.
                "        await asyncio.sleep(1.5)\n        marked = await store.mark_sending(\n",
            ),
        ),
    ),
)
