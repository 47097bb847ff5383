"""What identity hears: nothing. Everybody else listens to it."""

from shared.service import Subscriptions

SUBSCRIPTIONS: Subscriptions = {}
