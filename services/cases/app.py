"""Wires the parts of cases together."""

from aiohttp import web

from services.cases import store
from services.cases.api import NUMBERS, routes
from services.cases.consumers import SUBSCRIPTIONS
from services.cases.settings import CasesSettings
from shared import topology
from shared.service import Parts, create_service
from shared.web import DATABASE


def create_app(settings: CasesSettings) -> web.Application:
    """The cases service, ready to be served."""
    parts = Parts(
        name="cases",
        routes=routes,
        emits=[store.CASES.collection],
        create_indexes=store.create_indexes,
        queue=topology.CASES,
        subscriptions=SUBSCRIPTIONS,
    )
    app = create_service(parts, settings)
    app[NUMBERS] = store.CaseNumbers(app[DATABASE])
    return app
