"""HTTP of live updates: a stream that stays open, and who is at a case."""

from contextlib import aclosing, suppress

from aiohttp import hdrs, web

from services.cases.cases import store
from services.cases.cases.domain.actions import refuse_unless_vendor
from services.cases.cases.domain.numbers import read_case_number
from services.cases.live.streams import PRESENCE, Presence, Stream, Streams
from shared.connections import whole_or_cut
from shared.logging import origin
from shared.schemas.live import EventsQuery, PresenceBody
from shared.topology import CASE_PRESENCE
from shared.web.app import DATABASE
from shared.web.headers import REQUEST_ID_HEADER
from shared.web.requests import actor_of, read_body, read_query

STREAMS = web.AppKey("streams", Streams)

routes = web.RouteTableDef()


@routes.get("/events")
async def follow(request: web.Request) -> web.StreamResponse:
    """What happens from now on to the cases that the actor may see, until either side ends it."""
    actor, query = actor_of(request), read_query(request, EventsQuery)
    number = None if query.case is None else read_case_number(query.case)
    with request.app[STREAMS].opened(actor, number, of_all=query.scope == "all") as stream:
        return await _pass_on(request, stream)


async def _pass_on(request: web.Request, stream: Stream) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", REQUEST_ID_HEADER: origin.get().request_id}
    )
    # Who does not read while the stream has to end is cut off.
    with suppress(TimeoutError), whole_or_cut(request):
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:  # aiohttp would send what is written as the next answer
            async with stream.until_over(), aclosing(stream.messages()) as messages:
                async for message in messages:
                    await response.write(message)
        await response.write_eof()
    return response


@routes.post("/cases/{number}/presence")
async def be_present(request: web.Request) -> web.Response:
    """Tells the other agents at this case, over all replicas."""
    actor = actor_of(request)
    refuse_unless_vendor(actor)
    body = await read_body(request, PresenceBody)
    number = read_case_number(request.match_info["number"])
    await store.get_pass(request.app[DATABASE], actor, number)
    presence = Presence(number=number, user_id=actor.user_id, name=actor.name, state=body.state)
    request.app[DATABASE].hint(CASE_PRESENCE, number, about=PRESENCE.dump_python(presence, mode="json"))
    return web.Response(status=204)
