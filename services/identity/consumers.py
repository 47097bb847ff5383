"""What identity hears: nothing. Everybody else listens to it."""

from shared.bus import Subscriptions

SUBSCRIPTIONS: Subscriptions = {}
