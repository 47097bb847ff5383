"""A field that is null: left out where the field is optional, refused where it is required."""

import pytest
from pydantic import ValidationError

from shared.schemas.base import Request
from shared.schemas.contracts import NewAgreement, NewProduct
from tests.builders import Json

PRODUCT = {"product_number": "LP600", "name": "LaserPress 600"}
AGREEMENT: Json = {"kind": "base_warranty", "level": "Basic", "start": "2026-01-01", "end": "2026-12-31"}


@pytest.mark.parametrize(
    ("body", "given", "optional"),
    [
        (NewProduct, PRODUCT, ("line", "has_serials")),
        (NewAgreement, AGREEMENT, ("said", "sar", "company_id", "serials", "product_numbers")),
    ],
)
def test_an_optional_field_that_is_null_is_left_out(
    body: type[Request], given: Json, optional: tuple[str, ...]
) -> None:
    assert body.model_validate(given | dict.fromkeys(optional)) == body.model_validate(given)


@pytest.mark.parametrize("field", ["product_number", "name"])
def test_a_required_field_that_is_null_is_refused(field: str) -> None:
    with pytest.raises(ValidationError) as refused:
        NewProduct.model_validate(PRODUCT | {field: None})
    assert [error["loc"] for error in refused.value.errors()] == [(field,)]


def test_a_null_that_is_no_field_is_refused() -> None:
    with pytest.raises(ValidationError):
        NewProduct.model_validate(PRODUCT | {"colour": None})
