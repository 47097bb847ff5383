"""Products, devices and what covers them."""

from services.gateway import coverage_api
from services.gateway.forwarding import Route
from shared.schemas import contracts
from shared.schemas.base import ListAnswer, Request

CONTRACTS = (
    Route(
        method="GET",
        path="/products",
        service="contracts",
        summary="The catalogue, by name or number",
        query=contracts.ProductQuery,
        answer=ListAnswer[contracts.ProductAnswer],
        sorts=("name", "product_number"),
    ),
    Route(
        method="GET",
        path="/devices",
        service="contracts",
        summary="The company's devices",
        query=contracts.DeviceQuery,
        answer=ListAnswer[contracts.DeviceAnswer],
        sorts=("serial", "product_number", "product_name"),
    ),
    Route(
        method="GET",
        path="/devices/{serial}",
        service="contracts",
        summary="One device",
        answer=contracts.DeviceAnswer,
    ),
    Route(
        method="GET",
        path="/coverage",
        service="contracts",
        summary="What covers a device or product today, until when, at which level",
        query=contracts.CoverageQuery,
        answer=contracts.CoverageAnswer,
        handler=coverage_api.read_coverage,
    ),
    Route(
        method="GET",
        path="/coverage/ending",
        service="contracts",
        summary="The company's devices whose cover ends within 90 days, the soonest first",
        query=Request,
        answer=contracts.EndingCoverAnswer,
    ),
)
