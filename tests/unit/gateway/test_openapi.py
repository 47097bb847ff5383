"""The API's description says what the table says, and points at nothing that is not there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

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


def test_values_have_their_formats() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["CaseRow"]["properties"]["created_at"]["format"] == "date-time"
    assert schemas["SignIn"]["properties"]["email"]["format"] == "email"
    assert schemas["AgreementAnswer"]["properties"]["end"]["format"] == "date"
    assert schemas["CaseRow"]["properties"]["company_id"]["format"] == "uuid"


def test_names_are_those_of_things_and_what_is_always_sent_is_promised() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert [name for name in schemas if not re.fullmatch("[A-Za-z]+", name)] == []
    assert set(schemas["CaseList"]["required"]) == {"items", "next_cursor", "total", "total_is_lower_bound"}


def test_a_route_says_with_which_codes_it_refuses() -> None:
    responses = DOCUMENT["paths"]["/cases/{number}/actions"]["post"]["responses"]
    (content,) = responses["409"]["content"].values()
    assert {"stale", "case_closed"} <= set(content["schema"]["allOf"][1]["properties"]["code"]["enum"])
    assert "Retry-After" in responses["429"]["headers"]
    assert "ETag" in DOCUMENT["paths"]["/profile"]["get"]["responses"]["200"]["headers"]


def test_examples_are_what_is_accepted() -> None:
    models = [model for route in ROUTES if (model := route.body) is not None]
    examples = [(model, each) for model in models for each in _examples(model)]
    assert len(examples) >= 2
    for model, each in examples:
        model.model_validate(each)


def _examples(model: type[BaseModel]) -> list[Any]:
    extra = model.model_config.get("json_schema_extra") or {}
    found = extra.get("examples") if isinstance(extra, dict) else None
    return found if isinstance(found, list) else []


def test_a_list_says_by_what_it_is_sorted() -> None:
    (sort,) = (each for each in DOCUMENT["paths"]["/sites"]["get"]["parameters"] if each["name"] == "sort")
    assert sort["schema"]["enum"] == ["name", "-name", "city", "-city", "created_at", "-created_at"]


def test_the_keys_that_make_a_request_act_once_are_described_where_they_do() -> None:
    taking = {
        f"{method.upper()} {path}"
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
        if any(each["name"] == "Idempotency-Key" for each in operation["parameters"])
    }
    assert {"POST /session", "POST /cases", "POST /attachments"} <= taking
    assert taking.isdisjoint({"POST /session/switch", "POST /registrations/verify"})


def test_of_a_patch_null_is_described_for_what_it_empties_and_for_nothing_else() -> None:
    site = DOCUMENT["components"]["schemas"]["SitePatch"]["properties"]
    assert site["region"] == {"anyOf": [{"maxLength": 100, "title": "Region", "type": "string"}, {"type": "null"}]}
    assert {name for name, field in site.items() if {"type": "null"} in field.get("anyOf", [])} == {
        "address_line_2",
        "region",
    }
