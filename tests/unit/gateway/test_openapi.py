"""The API's description says what the table says, and points at nothing that is not there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from services.gateway import docs, openapi
from services.gateway.forwarding import Access, Route
from services.gateway.routes import ROUTES

DOCUMENT = openapi.describe(ROUTES, cookie="portico")


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)


def _resolved(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_every_reference_leads_somewhere() -> None:
    references = set(_references(DOCUMENT))
    assert len(references) > 40
    for reference in references:
        assert _resolved(reference), reference


def test_every_discriminator_leads_somewhere() -> None:
    mappings = [
        schema.get("discriminator", {}).get("mapping", {}) for schema in DOCUMENT["components"]["schemas"].values()
    ]
    targets = [target for mapping in mappings for target in mapping.values()]
    assert targets
    assert all(_resolved(target) for target in targets)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_of_the_table_is_described(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]
    assert operation["summary"] == route.summary
    assert str(route.status) in operation["responses"]
    assert ("requestBody" in operation) == (route.body is not None or route.files is not None)
    in_path = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
    assert in_path == set(re.findall(r"{(\w+)}", route.path))
    assert (operation["security"] == []) == (route.access is Access.ANYBODY)


def test_nothing_is_described_that_is_not_in_the_table() -> None:
    described = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == {route.name for route in ROUTES}
    assert len(ROUTES) == len(described)


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)


def test_every_schema_is_used() -> None:
    used = {reference.rpartition("/")[2] for reference in _references(DOCUMENT)}
    assert set(DOCUMENT["components"]["schemas"]) <= used


def test_passwords_are_marked_as_such() -> None:
    password = DOCUMENT["components"]["schemas"]["SignIn"]["properties"]["password"]
    assert password["format"] == "password"


def test_the_page_for_people_names_every_route_and_needs_no_other_host() -> None:
    page = docs.render(DOCUMENT)
    for route in ROUTES:
        assert f"<code>{route.method} /api/v1{route.path}</code>" in page
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    assert "<script" not in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))
