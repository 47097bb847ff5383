"""How fast the sender goes: how long it waits for what, and how many mails it takes at once."""

import asyncio
import random
import time
from dataclasses import dataclass

import structlog

CONNECTIONS = 8
_MOST_AT_ONCE = 16
_MOST_IN_HAND = 128
# Mails of one connection are marked as being sent together: the last of them should go soon after.
_MARKED_FOR_S = 0.25
_TELL_EVERY_S = 60.0  # tries follow each other within seconds, for as long as the server is away

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the sender waits: for new rows, for a mail server that is unavailable, for the copy of a user."""

    look_every_s: float = 1.0
    first_hold_s: float = 0.5
    longest_hold_s: float = 5.0
    user_unknown_s: float = 5.0
    between_batches_s: float = 0.02


class Gate:
    """When the next batch may begin: not at once after the last one, and not while the mail server is unavailable."""

    def __init__(self, server: str, pace: Pace) -> None:
        """Open; `server` is its name for the log."""
        self.trouble = ""  # why the server takes no mail
        self._server = server
        self._pace = pace
        self._hold_s = 0.0
        self._held_until = 0.0
        self._silent_until = 0.0
        self._next_at = 0.0

    async def passed(self) -> None:
        """Returns when the next batch may begin."""
        await asyncio.sleep(max(0.0, max(self._next_at, self._held_until) - time.monotonic()))
        self._next_at = time.monotonic() + self._pace.between_batches_s

    def open(self) -> None:
        """The server has answered."""
        self._hold_s = 0.0
        self.trouble = ""

    def hold(self, error: Exception) -> None:
        """The server is unavailable: waits longer each time."""
        if time.monotonic() < self._held_until:
            return  # another connection has just found out
        self._hold_s = min(max(self._pace.first_hold_s, self._hold_s * 2), self._pace.longest_hold_s)
        spread = random.uniform(0.8, 1.0)  # noqa: S311  # spreads reconnects, guards nothing
        self._held_until = time.monotonic() + self._hold_s * spread
        self.trouble = str(error)
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _TELL_EVERY_S
            _log.warning("mail_server_unavailable", server=self._server, reason=self.trouble)


class Speed:
    """How many mails are taken at once: many where the server is fast, one by one where it is slow.

    So none stands marked as being sent for long, and a slow server is spoken to over all connections.
    """

    def __init__(self) -> None:
        """As for a slow server, until one has shown to be fast."""
        self._one_takes_s = _MARKED_FOR_S

    def note(self, took_s: float) -> None:
        """A mail has got its answer."""
        # The quickest of the last few: a busy process makes each of them slow, which says nothing of the server.
        self._one_takes_s = min(max(took_s, 0.001), self._one_takes_s * 1.25)

    @property
    def mails_at_once(self) -> int:
        """Over one connection."""
        return max(1, min(_MOST_AT_ONCE, int(_MARKED_FOR_S / self._one_takes_s)))

    @property
    def mails_in_hand(self) -> int:
        """Over all connections, and what waits for one."""
        return min(_MOST_IN_HAND, CONNECTIONS * self.mails_at_once)
