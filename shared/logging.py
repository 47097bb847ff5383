"""Logs are events in JSON lines; the origin (request id, actor, address) travels with the context."""

import logging
import sys
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

import structlog


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the work at hand came from: rides in every log line, pending event and audit entry."""

    request_id: str = ""
    actor: str = ""  # user id
    address: str = ""  # network address of the client
    actor_name: str = ""  # for the audit log; never in a line of the log


origin: ContextVar[Origin] = ContextVar("origin", default=Origin())  # noqa: B039  # frozen, so a shared default is safe


def _add_origin(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    current = origin.get()
    if current.request_id:
        event.setdefault("request_id", current.request_id)
    if current.actor:
        event.setdefault("actor", current.actor)
    return event


class _Lines:
    """Our own lines go straight to standard error: by way of `logging`, each would be made twice."""

    def info(self, line: str) -> None:
        """In one write, so that the lines of several threads and processes stay whole."""
        # A disk that is full, or a reader of the log that has gone, stops no work.
        with suppress(OSError, ValueError):
            sys.stderr.write(line + "\n")

    debug = warning = error = critical = info


def set_up(service: str, level: str) -> None:
    """JSON lines on standard error, for our own events and for the libraries' warnings."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    steps: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_origin,
        # Without local variables: they hold session tokens, passwords and names.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
    ]
    line: list[structlog.typing.Processor] = [
        lambda _logger, _method, event: {"service": service} | dict(event),
        structlog.processors.JSONRenderer(),
    ]
    structlog.configure(
        processors=[*steps, *line],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_Lines,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=steps,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *line],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    # They report every reconnect attempt, at error; ours says it once, in `shared.bus`.
    for chatty in ("aio_pika", "aiormq", "aiormq.connection", "pymongo"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
