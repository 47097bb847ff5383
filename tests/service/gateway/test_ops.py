"""The private port: alive, ready, and which services do not answer."""

from aiohttp.test_utils import TestClient, TestServer

from services.gateway.app import create_ops
from services.gateway.clients import Services
from shared.bus import Bus
from tests.service.gateway.stand_ins import PATIENT, Gateway, unused_url

NO_BUS = Bus("amqp://127.0.0.1:1/", app_id="tests")


async def test_ready_tells_which_services_are_silent(gateway: Gateway) -> None:
    urls = {name: service.url for name, service in gateway.services.items()} | {"cases": unused_url()}
    services = Services(urls, PATIENT)
    async with TestClient(TestServer(create_ops(services, is_open, NO_BUS))) as ops:
        answer = await ops.get("/readyz")
        told = await answer.json()
        assert (answer.status, told["ready"], list(told["degraded"])) == (200, True, ["cases"])
        assert (await ops.get("/healthz")).status == 200
        assert (
            b'portico_http_requests_total{method="GET",route="/healthz",status="200"}'
            in await (await ops.get("/metrics")).read()
        )
    await services.stop()


async def test_ready_tells_that_no_hints_come_in(gateway: Gateway) -> None:
    services = Services({name: service.url for name, service in gateway.services.items()}, PATIENT)
    unheard = Bus("amqp://127.0.0.1:1/", app_id="tests")
    unheard.listen(("tests.thing.changed",), lambda _hint: None)
    async with TestClient(TestServer(create_ops(services, is_open, unheard))) as ops:
        told = await (await ops.get("/readyz")).json()
        assert (told["ready"], told["degraded"]) == (True, {"broker": "unavailable"})
    await services.stop()


async def test_it_is_not_ready_before_the_portals_port_is_open(gateway: Gateway) -> None:
    services = Services({name: service.url for name, service in gateway.services.items()}, PATIENT)
    async with TestClient(TestServer(create_ops(services, is_closed, NO_BUS))) as ops:
        assert (await ops.get("/readyz")).status == 503
    await services.stop()


async def is_open() -> bool:
    return True


async def is_closed() -> bool:
    return False


async def test_the_private_paths_are_not_on_the_portals_port(gateway: Gateway) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/session/resolve", "/sessions/resolve"):
        assert (await gateway.portal.get(path)).status == 404
