"""The program that writes the sheet of cases: it reads the database's rows and writes an Excel file.

It knows no texts and no rules: the plan, which is read first, has the label of each code.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from shared.child_program import read_documents, temporary_folder
from shared.sheets import About, Cell, Column, write_sheet
from shared.zones import zone_of


def main() -> None:
    """Reads the standard input, writes the standard output."""
    documents = read_documents()
    plan = next(documents)
    with temporary_folder() as folder:
        write_sheet(
            sys.stdout.buffer,
            [Column(heading, width) for heading, width in plan["columns"]],
            _rows(documents, plan),
            title=plan["title"],
            about=About(plan["about_title"], lambda count: [(plan["rows"], count), *plan["about"]]),
            folder=folder,
        )


def _rows(documents: Iterator[dict[str, Any]], plan: Mapping[str, Any]) -> Iterator[tuple[Cell, ...]]:
    zone = zone_of(plan["zone"])
    for document in documents:
        yield _cells(document, plan, zone)


def _cells(case: Mapping[str, Any], plan: Mapping[str, Any], zone: ZoneInfo) -> tuple[Cell, ...]:
    problem, equipment = case["problem"], case["equipment"]
    coverage = equipment["coverage"]
    return (
        case["number"],
        problem["title"],
        plan["statuses"][case["status"]],
        plan["severities"][str(problem["severity"])],
        plan["turns"][case["status"]],
        equipment["product_name"],
        equipment["product_number"],
        equipment["serial"],
        case["site_name"],
        case["company_name"],
        case["submitter"]["name"],
        problem.get("own_reference", ""),
        plan["verdicts"][coverage["verdict"]],
        _day(coverage["until"]),
        _moment(case["created_at"], zone),
        _moment(case["updated_at"], zone),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _moment(at: datetime, zone: ZoneInfo) -> datetime:
    return at.astimezone(zone)


if __name__ == "__main__":
    main()
