"""Wires the parts of contracts together."""

from aiohttp import web

from services.contracts import store
from services.contracts.api import routes
from services.contracts.consumers import SUBSCRIPTIONS
from services.contracts.linker import link_agreements
from services.contracts.settings import ContractsSettings
from shared import topology
from shared.service import ServiceSpec, create_service


def create_app(settings: ContractsSettings) -> web.Application:
    """The contracts service, ready to be served."""
    parts = ServiceSpec(
        name="contracts",
        routes=routes,
        emits=[
            store.products.PRODUCTS.collection,
            store.devices.DEVICES.collection,
            store.agreements.AGREEMENTS.collection,
        ],
        create_indexes=store.create_indexes,
        queue=topology.CONTRACTS,
        subscriptions=SUBSCRIPTIONS,
        background=[link_agreements],
    )
    return create_service(parts, settings)
