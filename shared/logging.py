"""Logs are events in JSON lines; the origin (request id, actor, address) travels with the context."""

import logging
import sys
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


def set_up(service: str, level: str) -> None:
    """JSON lines on standard error, for our own events and for the libraries' warnings."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared_steps: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_origin,
        # Without local variables: they hold session tokens, passwords and names.
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
    ]
    structlog.configure(
        processors=[*shared_steps, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared_steps,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                lambda _logger, _method, event: {"service": service} | dict(event),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    # They report every reconnect attempt, at error; ours says it once, in `shared.bus`.
    for chatty in ("aio_pika", "aiormq", "aiormq.connection", "pymongo"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
