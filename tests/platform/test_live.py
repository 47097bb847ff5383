"""Live updates on a real RabbitMQ: what one replica of cases writes, the streams of another one tell."""

from contextlib import AsyncExitStack
from functools import partial

from deploy.local.waiting import until
from shared.actor import Role
from tests.builders import an_actor, signed
from tests.service.cases.conftest import CasesApi, a_replica
from tests.sse import Events, following
from tests.unbounded import UNBOUNDED


async def hears(replica: CasesApi) -> bool:
    """Whether it sends hints, and gets them."""
    async with replica.client.get("/readyz") as response:
        degraded = (await response.json()).get("degraded") or {}
    return not {"broker", "hints"} & set(degraded)


async def test_every_replica_tells_what_another_one_wrote(mongo_url: str, fresh_vhost_url: str) -> None:
    owner, agent = an_actor(), an_actor(Role.AGENT, name="Marta Lindqvist")
    environment = {**UNBOUNDED, "RABBITMQ_URL": fresh_vhost_url}
    async with AsyncExitStack() as stack:
        here, there = [await stack.enter_async_context(a_replica(mongo_url, **environment)) for _ in range(2)]
        for replica in (here, there):
            assert await until(partial(hears, replica), deadline_s=60)

        async def followed(replica: CasesApi, **query: str) -> Events:
            headers = signed(an_actor(Role.AGENT))
            return await stack.enter_async_context(following(replica.client, "/events", headers, **query))

        heard = [await followed(replica) for replica in (here, there)]
        number = (await here.submitted(owner))["number"]
        # Else the streams of the case might be open before this is told.
        for stream in heard:
            assert await stream.next() == {"kind": "case", "number": number, "version": 1}
        streams = [await followed(replica, case=number) for replica in (here, there)]
        for writer in (here, there):
            version = (await writer.act(number, owner, action="comment", text="Any news?")).body["version"]
            for stream in streams:
                assert await stream.next() == {"kind": "case", "number": number, "version": version}
            await writer.call("POST", f"/cases/{number}/presence", agent, json={"state": "typing"})
            for stream in streams:
                assert (await stream.next())["name"] == "Marta Lindqvist"
        await here.agent_act(number, agent, action="note", text="Ask the depot.")
        for stream in streams:
            assert (await stream.next())["kind"] == "case"
