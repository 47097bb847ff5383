"""How often something that makes an e-mail may be asked for again."""

from datetime import datetime, timedelta

RESEND_AFTER = timedelta(seconds=60)
MOST_RESENDS_AN_HOUR = 5
HOUR = timedelta(hours=1)


def within_the_hour(moments: tuple[datetime, ...], now: datetime) -> tuple[datetime, ...]:
    """Those of the moments that are less than an hour ago."""
    return tuple(at for at in moments if now - at < HOUR)
