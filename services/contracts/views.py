"""Entities as the HTTP bodies show them."""

from collections.abc import Sequence

from services.contracts.domain.agreements import Agreement
from services.contracts.domain.coverage import Finding
from services.contracts.domain.devices import Device
from services.contracts.domain.products import Product
from shared.schemas.contracts import (
    AgreementAnswer,
    CoverageAnswer,
    CoveredDevice,
    CoveringAgreement,
    DeviceAnswer,
    EndingCover,
    EndingCoverAnswer,
    ProductAnswer,
)


def product_answer(product: Product) -> ProductAnswer:
    """A catalogue entry."""
    return ProductAnswer(
        id=product.id,
        product_number=product.product_number,
        name=product.name,
        line=product.line,
        has_serials=product.has_serials,
        version=product.version,
    )


def device_answer(device: Device) -> DeviceAnswer:
    """A device."""
    return DeviceAnswer(
        id=device.id,
        serial=device.serial,
        serial_label=device.label,
        product_number=device.product_number,
        product_name=device.product_name,
        product_line=device.product_line,
        company_id=device.company_id,
        site_id=device.site_id,
        version=device.version,
    )


def agreement_answer(agreement: Agreement, *, to_link: int) -> AgreementAnswer:
    """An agreement, and how many of its serials have no device yet."""
    return AgreementAnswer(
        id=agreement.id,
        kind=agreement.kind,
        said=agreement.said,
        company_id=agreement.company_id,
        level=agreement.level,
        start=agreement.term.start,
        end=agreement.term.end,
        product_numbers=list(agreement.product_numbers),
        first_answer_hours=agreement.first_answer_hours,
        first_answer_always=agreement.first_answer_always,
        to_link=to_link,
        version=agreement.version,
    )


def _covered(device: Device) -> CoveredDevice:
    return CoveredDevice(
        serial=device.serial,
        serial_label=device.label,
        product_number=device.product_number,
        product_name=device.product_name,
        product_line=device.product_line,
        site_id=device.site_id,
    )


def _covering(agreement: Agreement) -> CoveringAgreement:
    return CoveringAgreement(
        id=agreement.id,
        kind=agreement.kind,
        said=agreement.said,
        level=agreement.level,
        start=agreement.term.start,
        end=agreement.term.end,
    )


def coverage_answer(finding: Finding) -> CoverageAnswer:
    """What was found out about coverage."""
    subject = finding.device or finding.product
    return CoverageAnswer(
        verdict=finding.coverage.verdict,
        level=finding.coverage.level,
        until=finding.coverage.until,
        device=_covered(finding.device) if finding.device else None,
        devices=[_covered(device) for device in finding.devices],
        agreements=[_covering(agreement) for agreement in finding.agreements],
        product_number=subject.product_number if subject else None,
        product_name=_name(subject),
        product_line=_line(subject),
        did_you_mean=list(finding.did_you_mean),
    )


def ending_cover_answer(findings: Sequence[Finding]) -> EndingCoverAnswer:
    """Devices, each with the end of its cover."""
    return EndingCoverAnswer(items=[_ending(finding, finding.device) for finding in findings if finding.device])


def _ending(finding: Finding, device: Device) -> EndingCover:
    cover = {"level": finding.coverage.level, "until": finding.coverage.until}
    return EndingCover.model_validate({**_covered(device).model_dump(), **cover})


def _name(subject: Device | Product | None) -> str | None:
    return subject.product_name if isinstance(subject, Device) else subject.name if subject else None


def _line(subject: Device | Product | None) -> str | None:
    return subject.product_line if isinstance(subject, Device) else subject.line if subject else None
