"""A link that a mail program or another site has added something to leads where it led before."""

import re
from collections.abc import Iterable

import pytest
from aiohttp import web

from services.gateway.pages import add_pages
from tests.e2e.conftest import Customer
from tests.e2e.portal import Visitor

_ADDED = "from=mail&utm_source=news&utm_source=&=&fbclid"


def pages() -> Iterable[str]:
    """Every page that is read, by its path."""
    app = web.Application()
    add_pages(app)
    paths = {route.resource.canonical for route in app.router.routes() if route.method == "GET" and route.resource}
    return sorted(path for path in paths if not path.startswith("/static/"))


@pytest.mark.parametrize("path", pages())
async def test_a_page_takes_no_notice_of_parameters_that_it_does_not_know(
    path: str, vendor: Visitor, customer: Customer
) -> None:
    number = (await customer.admin.submit())["number"]
    names = {"number": number, "action": "close"}
    visited = re.sub(r"{(\w+)[^}]*}", lambda found: names.get(found[1], "none"), path)
    for visitor in (vendor, customer.admin):
        plain, tracked = await visitor.led_to(visited), await visitor.led_to(f"{visited}?{_ADDED}")
        assert tracked == plain
        assert plain[0] < 500
