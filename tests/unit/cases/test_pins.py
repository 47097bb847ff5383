"""Which PINs are valid for a case, without I/O."""

from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from services.cases.cases.domain.pins import Pin, PinNotValid, choose_pin

LYON, PARIS, NICE = uuid7(), uuid7(), uuid7()
OF_THE_COMPANY = Pin("STD", "Standard")
OF_A_CONTRACT = Pin("GOLD", "Gold support", said="SA-1")
OF_LYON = Pin("LYON", "Lyon plant", site_id=LYON)
OF_BOTH = Pin("BOTH", "Gold in Lyon", said="SA-1", site_id=LYON)
PINS = (OF_THE_COMPANY, OF_A_CONTRACT, OF_LYON, OF_BOTH)


@pytest.mark.parametrize(
    ("saids", "site_id", "valid"),
    [
        ((), None, {"STD"}),
        ((), LYON, {"STD", "LYON"}),
        ((), PARIS, {"STD"}),
        (("SA-2",), NICE, {"STD"}),
        (("SA-1",), None, {"STD", "GOLD"}),
        (("SA-1",), PARIS, {"STD", "GOLD"}),
        (("SA-2", "SA-1"), LYON, {"STD", "GOLD", "LYON", "BOTH"}),
    ],
)
@pytest.mark.parametrize("wanted", PINS, ids=lambda pin: pin.pin)
def test_a_pin_that_does_not_fit_is_refused_with_those_that_do(
    wanted: Pin, saids: tuple[str, ...], site_id: UUID | None, valid: set[str]
) -> None:
    if wanted.pin in valid:
        assert choose_pin(wanted.pin, PINS, saids=saids, site_id=site_id) == wanted
        return
    with pytest.raises(PinNotValid) as refused:
        choose_pin(wanted.pin, PINS, saids=saids, site_id=site_id)
    assert refused.value.state == {"valid_pins": [{"pin": p.pin, "label": p.label} for p in PINS if p.pin in valid]}
    [error] = refused.value.errors
    assert (error.field, error.code) == ("pin", "pin_not_valid")
    assert all(pin in error.message for pin in valid)


def test_when_no_pin_is_valid_the_refusal_says_to_leave_it_out() -> None:
    with pytest.raises(PinNotValid) as refused:
        choose_pin("GOLD", (OF_A_CONTRACT,), saids=(), site_id=None)
    assert refused.value.state == {"valid_pins": []}
    assert "Leave it out" in refused.value.errors[0].message
