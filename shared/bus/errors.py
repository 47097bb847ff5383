"""What can go wrong between a process and the broker."""

REASON_LENGTH = 300


class BrokerUnavailable(Exception):
    """Not confirmed: not connected, refused, or nobody knows. Publishing again may make it arrive twice."""


class Unroutable(Exception):
    """No queue is bound to this routing key, so nobody has the message."""


def reason_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:REASON_LENGTH]


def first_of(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
