"""Null in the body of any route: left out where a field is optional, refused where it is required."""

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from services.gateway.routes import ROUTES
from shared.schemas.base import Patch, Request


def schemas_in(kind: Any) -> Iterator[type[BaseModel]]:
    """Every schema of a body that a type names, however deep."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
        for field in kind.model_fields.values():
            yield from schemas_in(field.annotation)
    for argument in get_args(kind):
        yield from schemas_in(argument)


BODIES = {schema for route in ROUTES if route.body for schema in schemas_in(route.body) if issubclass(schema, Request)}
PATCHES = sorted((schema for schema in BODIES if issubclass(schema, Patch)), key=lambda schema: schema.__name__)
OTHERS = sorted(BODIES - set(PATCHES), key=lambda schema: schema.__name__)


def codes_of(schema: type[BaseModel], field: str) -> list[str]:
    """What is wrong with null in one field; not with what else is missing."""
    try:
        schema.model_validate_json(json.dumps({field: None}))
    except ValidationError as error:
        return [problem["type"] for problem in error.errors() if problem["loc"][:1] == (field,)]
    return []


@pytest.mark.parametrize("schema", OTHERS, ids=lambda schema: schema.__name__)
def test_null_is_the_same_as_to_leave_a_field_out(schema: type[BaseModel]) -> None:
    # As it is sent: `from` is no name for a field in Python.
    fields = {field.alias or name: field for name, field in schema.model_fields.items()}
    refused = {name: codes_of(schema, name) for name in fields}
    assert refused == {name: ["missing"] if field.is_required() else [] for name, field in fields.items()}


@pytest.mark.parametrize("schema", PATCHES, ids=lambda schema: schema.__name__)
def test_null_in_a_patch_empties_an_optional_field_and_is_refused_for_a_required_one(schema: type[Patch]) -> None:
    for name, field in schema.model_fields.items():
        assert not field.is_required()
        if field.default_factory is not None:
            assert codes_of(schema, name) != []
        else:
            assert schema.model_validate_json(json.dumps({name: None})).changes == {name: field.default}
    assert schema().changes == {}


@pytest.mark.parametrize("schema", [*OTHERS, *PATCHES], ids=lambda schema: schema.__name__)
def test_an_unknown_field_is_refused_even_if_it_is_null(schema: type[BaseModel]) -> None:
    assert codes_of(schema, "nobody_knows_this") == ["extra_forbidden"]


def test_every_body_of_a_route_is_looked_at() -> None:
    assert all(route.body is None or BODIES & set(schemas_in(route.body)) for route in ROUTES)
    assert {"SitePatch", "SubmitCase", "ContactBody", "CommentAction", "ReplyAction"} <= {
        schema.__name__ for schema in BODIES
    }
