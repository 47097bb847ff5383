"""Live updates: the stream of what happens, and who is at a case."""

from services.gateway.forwarding import Route
from services.gateway.live import follow
from shared.schemas import live

LIVE = (
    Route(
        method="GET",
        path="/events",
        service="cases",
        summary="What happens from now on to the cases that I may see, as server-sent events",
        query=live.EventsQuery,
        media_type="text/event-stream",
        handler=follow,
        refusals={422: ("check_number",), 503: ("too_many_streams",)},
    ),
    Route(
        method="POST",
        path="/cases/{number}/presence",
        service="cases",
        summary="Tell the other agents that I am at a case",
        status=204,
        body=live.PresenceBody,
        refusals={422: ("check_number",)},
    ),
)
