"""The rules of contracts, without any I/O."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from uuid_utils.compat import uuid7

from services.contracts.domain.access import refuse_unless_vendor_admin
from services.contracts.domain.agreements import Agreement, Claim
from services.contracts.domain.coverage import Finding, today_in
from services.contracts.domain.devices import Device, look_alike_key
from services.contracts.domain.products import Product
from shared.actor import Role
from shared.coverage import AgreementKind, Verdict
from shared.errors import Forbidden, Invalid
from shared.events.contracts import AgreementChanged, DeviceChanged
from tests.builders import an_actor

NOW = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)


def a_device(serial: str = "CNA1") -> Device:
    product = Product.new(uuid7(), product_number="P1", name="Printer", line="", has_serials=True, now=NOW)
    return Device.new(
        uuid7(), serial=serial, serial_label=serial, product=product, company_id=uuid7(), site_id=None,
        agreement_ids=(), now=NOW,
    )  # fmt: skip


def an_agreement(start: date, end: date, *serials: str, said: str | None = "S1") -> Agreement:
    return Agreement.new(
        uuid7(),
        kind=AgreementKind.SERVICE_CONTRACT,
        said=said,
        sar="secret",
        company_id=None,
        level="Gold",
        start=start,
        end=end,
        serials=serials,
        product_numbers=(),
        now=NOW,
    )


@pytest.mark.parametrize(("one", "other"), [("CN0O1I", "CNOOII"), ("A5S", "ASS"), ("8Z", "B2"), ("L1", "11")])
def test_serials_that_look_alike_have_one_key(one: str, other: str) -> None:
    assert look_alike_key(one) == look_alike_key(other)


def test_serials_that_look_different_have_different_keys() -> None:
    assert look_alike_key("CNA1") != look_alike_key("CNA2")


def test_only_vendor_admins_load_what_was_sold() -> None:
    for role in set(Role) - {Role.VENDOR_ADMIN}:
        with pytest.raises(Forbidden):
            refuse_unless_vendor_admin(an_actor(role))
    refuse_unless_vendor_admin(an_actor(Role.VENDOR_ADMIN))


def test_a_device_says_which_agreements_it_names_after_each_change() -> None:
    device = a_device()
    agreement_id = uuid7()
    covered = device.covered_by(agreement_id, now=NOW)
    first, second = covered.events
    assert isinstance(first, DeviceChanged)
    assert isinstance(second, DeviceChanged)
    assert (first.version, first.agreement_ids) == (1, ())
    assert (second.version, second.agreement_ids) == (2, (agreement_id,))


def test_linking_an_agreement_twice_changes_and_says_nothing() -> None:
    covered = a_device().covered_by(agreement_id := uuid7(), now=NOW)
    assert covered.covered_by(agreement_id, now=NOW) is covered


def test_an_agreement_keeps_its_proof_to_itself() -> None:
    (event,) = an_agreement(date(2026, 1, 1), date(2026, 12, 31)).events
    assert isinstance(event, AgreementChanged)
    assert "secret" not in event.model_dump_json()


def test_an_agreement_links_each_serial_once() -> None:
    agreement = an_agreement(date(2026, 1, 1), date(2026, 12, 31), "A", "B", "A")
    assert agreement.to_link == ("A", "B")
    assert agreement.link_after == NOW
    assert an_agreement(date(2026, 1, 1), date(2026, 12, 31)).link_after is None


def test_the_day_is_the_companys() -> None:
    assert today_in("UTC", NOW) == date(2026, 3, 31)
    assert today_in("Europe/Paris", NOW) == date(2026, 4, 1)
    assert today_in("America/New_York", NOW) == date(2026, 3, 31)


def test_a_device_is_covered_by_all_its_agreements_together() -> None:
    agreements = (
        an_agreement(date(2026, 1, 1), date(2026, 3, 31)),
        an_agreement(date(2026, 4, 1), date(2026, 12, 31)),
    )
    finding = Finding.of_device(a_device(), agreements, date(2026, 3, 1))
    assert (finding.coverage.verdict, finding.coverage.until) == (Verdict.COVERED, date(2026, 12, 31))


def test_a_product_is_covered_by_the_agreements_of_its_owner_alone() -> None:
    product, owner = (
        Product.new(uuid7(), product_number="P1", name="Cable", line="", has_serials=False, now=NOW),
        uuid7(),
    )
    agreement, today = an_agreement(date(2026, 1, 1), date(2026, 12, 31)), date(2026, 3, 1)
    own, foreign = replace(agreement, company_id=owner), replace(agreement, company_id=uuid7())
    found = Finding.of_product(product, [own, foreign], owner=owner, today=today)
    assert (found.coverage.verdict, found.agreements) == (Verdict.COVERED, (own,))
    assert Finding.of_product(product, [foreign], owner=owner, today=today).coverage.verdict is Verdict.NOT_COVERED


def test_a_service_contract_needs_its_said() -> None:
    with pytest.raises(Invalid) as refused:
        an_agreement(date(2026, 1, 1), date(2026, 12, 31), said=None)
    assert [error.field for error in refused.value.errors] == ["said"]


def test_a_claim_covers_nothing_and_no_other_service_hears_of_it() -> None:
    claim = Claim(claimed_by=uuid7(), claimed_at=NOW, said="S1", sar="R1")
    agreement = Agreement.claimed(uuid7(), kind=AgreementKind.SERVICE_CONTRACT, company_id=uuid7(), claim=claim)
    assert agreement.events == ()
    assert agreement.changed_event(version=1, now=NOW) is None
    assert not agreement.term.counts_for(agreement.company_id)
