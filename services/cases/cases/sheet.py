"""What an export of cases shows, in the language and time zone of its reader."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from pathlib import Path
from typing import Any
from uuid import UUID

from services.cases.cases.domain.values import Status, turn_of
from services.cases.copies import store as copies
from shared.actor import Actor
from shared.coverage import Verdict
from shared.i18n import Texts, day, moment, reading_in
from shared.mongo import Database
from shared.schemas.cases import CaseQuery
from shared.sheets import About, Cell, Column
from shared.zones import zone_of

_ = Texts(Path(__file__).parents[1] / "locale").gettext


@dataclass(frozen=True, slots=True)
class Labels:
    """What stands for each code, as on the portal's pages."""

    statuses: Mapping[str, str]
    severities: Mapping[int, str]
    turns: Mapping[str, str | None]
    verdicts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sheet:
    """All texts of one export."""

    title: str
    columns: tuple[Column, ...]
    labels: Labels
    about: About
    filters: tuple[tuple[str, str], ...]  # what it is an export of, as labels and values
    zone: tzinfo


async def describe(db: Database, actor: Actor, query: CaseQuery, now: datetime) -> Sheet:
    """The export of what the actor asks for now."""
    of_company = {} if actor.is_vendor else {"company_id": actor.company_id}
    site = await _name(db, copies.SITES, query.site_id, **of_company)
    company = await _name(db, copies.COMPANIES, query.company_id)
    with reading_in(actor.language):
        labels, rows = labels_for(actor), _("Number of cases")
        filters = tuple(_filters(labels, query, site=site, company=company))
        about = [_as_of(actor, now), *filters]
        return Sheet(
            title=_("Cases"),
            columns=_columns(actor),
            labels=labels,
            about=About(_("About this export"), lambda count: [(rows, count), *about]),
            filters=filters,
            zone=zone_of(actor.time_zone),
        )


def rows_of(cases: Iterable[Sequence[Any]], labels: Labels) -> Iterator[tuple[Cell, ...]]:
    """The cells of each case, as `store.exports` reads them, in the order of the columns."""
    for number, title, status, severity, product, product_number, serial, site, company, by, own, *rest in cases:
        verdict, until, *also = rest
        yield (
            number,
            title,
            labels.statuses[status],
            labels.severities[severity],
            labels.turns[status],
            product,
            product_number,
            serial,
            site,
            company,
            by,
            own,
            labels.verdicts[verdict],
            date.fromisoformat(until) if until else None,
            *also,
        )


async def _name(db: Database, collection: str, asked_for: UUID | None, **known_to: UUID) -> str:
    """Of what the query asks for; its id where the actor may not know it."""
    found = await copies.find_copy(db, collection, {"_id": asked_for, **known_to}) if asked_for else None
    return found["name"] if found else str(asked_for or "")


def _as_of(actor: Actor, now: datetime) -> tuple[str, str]:
    return _("As of"), f"{moment(now, zone_of(actor.time_zone))} ({actor.time_zone})"


def _filters(labels: Labels, query: CaseQuery, *, site: str, company: str) -> Iterator[tuple[str, str]]:
    """What the query asks for, in words: the label and the value of each filter."""
    views = {
        "waiting": _("Waiting for me"),
        "submitted": _("Submitted by me"),
        "favourites": _("My favourites"),
    }
    asked = [query.status] if isinstance(query.status, str) else query.status or []
    statuses = {**labels.statuses, "open": _("All open")}
    every = {
        _("View"): views.get(query.view, ""),
        _("Status"): ", ".join(statuses[status] for status in asked),
        _("Severity"): labels.severities[query.severity] if query.severity is not None else "",
        _("Site"): site,
        _("Company"): company,
        _("Serial number"): query.serial.label if query.serial is not None else "",
        _("Created from"): day(query.created_from) if query.created_from else "",
        _("Created until"): day(query.created_to) if query.created_to else "",
        _("Words"): query.q,
        _("Only created by me"): _("Yes") if query.mine else "",
        _("Also those that nobody has taken"): _("Yes") if query.untaken else "",
    }
    yield from ((label, value) for label, value in every.items() if value)


def labels_for(actor: Actor) -> Labels:
    """In the language of the current reader."""
    by_vendor = actor.is_vendor
    ours, theirs = ("vendor", "customer") if by_vendor else ("customer", "vendor")
    turns = {ours: _("You"), theirs: _("Customer") if by_vendor else _("Support")}
    return Labels(
        statuses={
            Status.NEW.value: _("New"),
            Status.IN_PROGRESS.value: _("In progress"),
            Status.WAITING_CUSTOMER.value: _("Waiting for the customer") if by_vendor else _("Waiting for you"),
            Status.WAITING_PARTS.value: _("Waiting for parts"),
            Status.CLOSED.value: _("Closed"),
            Status.CANCELLED.value: _("Cancelled"),
        },
        severities={1: _("Critical"), 2: _("High"), 3: _("Normal"), 4: _("Low")},
        turns={status.value: turns[turn] if (turn := turn_of(status)) else None for status in Status},
        verdicts={
            Verdict.COVERED.value: _("Covered"),
            Verdict.NOT_COVERED.value: _("Not covered"),
            Verdict.UNVERIFIED.value: _("Coverage not known yet"),
        },
    )


def _columns(actor: Actor) -> tuple[Column, ...]:
    zone = f" ({actor.time_zone})"
    return (
        Column(_("Case"), 14),
        Column(_("Title"), 50),
        Column(_("Status"), 28, repeats=True),
        Column(_("Severity"), 10, repeats=True),
        Column(_("Whose turn"), 16, repeats=True),
        Column(_("Product"), 30, repeats=True),
        Column(_("Product number"), 18, repeats=True),
        Column(_("Serial number"), 18),
        Column(_("Site"), 24, repeats=True),
        Column(_("Company"), 24, repeats=True),
        Column(_("Submitted by"), 24, repeats=True),
        Column(_("Customer’s reference") if actor.is_vendor else _("Your reference"), 18),
        Column(_("Coverage"), 26, repeats=True),
        Column(_("Covered until"), 16, repeats=True),
        Column(_("Created") + zone, 26),
        Column(_("Updated") + zone, 26),
        # Behind those that there were first: programs count columns.
        Column(_("Product line"), 18, repeats=True),
        Column(_("Whose turn since") + zone, 26),
        Column(_("Assigned to"), 24, repeats=True),
    )
