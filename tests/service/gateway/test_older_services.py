"""A gateway that is newer than cases and contracts: no page misses what they do not tell yet."""

import pytest

from shared.coverage import Verdict
from shared.schemas.contracts import CoverageAnswer, CoveredDevice
from tests.service.gateway.stand_ins import Gateway, Json, says
from tests.service.gateway.test_case_form import LIMITS, PRODUCT
from tests.service.gateway.test_pages import A_CASE, NO_COUNTS, a_list

_NEW = ("asked", "product_line", "reopen_until", "serial_label", "submitted_attachments", "turn_since")
_DEVICE: Json = {"serial": "CNB7K2041X", "product_number": "Q1", "product_name": "Printer"}


def as_before(answer: Json) -> Json:
    return {name: value for name, value in answer.items() if name not in _NEW}


@pytest.fixture(autouse=True)
def _older(gateway: Gateway) -> None:
    case = as_before(A_CASE | {"serial": "CNB7K2041X", "attachments": []})
    start = {"waiting": a_list(case, total=1), "recent": a_list(case), "counts": NO_COUNTS}
    device = CoveredDevice(**_DEVICE, site_id=None)
    cover = CoverageAnswer(verdict=Verdict.COVERED, device=device, devices=[device], product_name="Printer")
    covered = as_before(cover.model_dump(mode="json"))
    covered |= {"device": as_before(covered["device"]), "devices": [as_before(each) for each in covered["devices"]]}
    gateway["identity"].answers("GET /profile", says({}))
    gateway["identity"].answers("GET /sites", says(a_list()))
    gateway["identity"].answers("GET /pins", says(a_list()))
    gateway["cases"].answers("GET /attachment-limits", says(LIMITS))
    gateway["cases"].answers("GET /start", says(start))
    gateway["cases"].answers("GET /cases", says(a_list(case)))
    gateway["cases"].answers("GET /cases/facets", says(NO_COUNTS))
    gateway["cases"].answers("GET /cases/1000000009", says(case))
    gateway["contracts"].answers("GET /coverage", says(covered))
    gateway["contracts"].answers("GET /products", says(a_list(PRODUCT)))
    gateway["contracts"].answers("GET /devices", says(a_list(_DEVICE)))


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "LaserPress 600"),
        ("/cases", "1000000009"),
        ("/cases/1000000009", "CNB7K2041X"),
        ("/cases/1000000009/created", "CNB7K2041X"),
        ("/cases/new?serial=cnb7k2041x", '<span class="mono">CNB7K2041X</span>'),
        ("/cases/new?said=123456789012", "CNB7K2041X"),
    ],
)
async def test_no_page_misses_what_older_services_do_not_tell(gateway: Gateway, path: str, shown: str) -> None:
    answer = await gateway.portal.get(path, headers=gateway.signed_in())
    assert answer.status == 200
    assert shown in await answer.text()


async def test_the_devices_of_a_product_are_named_by_their_serials(gateway: Gateway) -> None:
    nothing = CoverageAnswer(verdict=Verdict.UNVERIFIED)
    gateway["contracts"].answers("GET /coverage", says(as_before(nothing.model_dump(mode="json"))))
    answer = await gateway.portal.get("/cases/new?q=printer", headers=gateway.signed_in())
    assert answer.status == 200
    assert "CNB7K2041X" in await answer.text()
