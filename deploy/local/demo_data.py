"""The invented companies, people, devices and agreements of the demo."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Person:
    """A user who can sign in; `site` is where somebody of a customer works, `sees` what they find in the portal."""

    email: str
    first_name: str
    last_name: str
    role: str
    phone: str
    site: str = ""
    sees: str = ""


@dataclass(frozen=True)
class Site:
    """A location, with the devices that stand there: serial and product number."""

    name: str
    address: dict[str, str]
    devices: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Agreement:
    """`starts` and `ends` count in days from the day the demo is made; first answers are promised around the clock."""

    kind: str
    level: str
    starts: int
    ends: int
    serials: tuple[str, ...] = ()
    product_numbers: tuple[str, ...] = ()
    said: str | None = None
    sar: str | None = None
    first_answer_hours: int | None = None


@dataclass(frozen=True)
class Company:
    """A customer of the demo vendor; the first of its people administers it."""

    name: str
    time_zone: str
    language: str
    people: tuple[Person, ...]
    sites: tuple[Site, ...]
    agreements: tuple[Agreement, ...]


VENDOR_NAME = "Portico Systems"
VENDOR = Person(
    *("vendor@portico.example", "Vera", "Lindqvist", "vendor_admin", "+46 8 5050 0100"),
    sees="vendor's administrator: the cases of all customers",
)
ARNO = Person(
    *("agent@portico.example", "Arno", "Keller", "agent", "+46 8 5050 0101"),
    sees="agent: cases to take and to answer",
)
MIRA = Person("mira@portico.example", "Mira", "Lund", "agent", "+46 8 5050 0102")
AGENTS = (ARNO, MIRA)

HELEN = Person(
    *("admin@birchfield.example", "Helen", "Marsh", "company_admin", "+44 20 7946 0100", "Main Hospital"),
    sees="customer's administrator: all cases, users and sites",
)
TOM = Person(
    *("user@birchfield.example", "Tom", "Adeyemi", "member", "+44 20 7946 0101", "Main Hospital"),
    sees="customer: cases that wait for an answer",
)
IRIS = Person("iris@birchfield.example", "Iris", "Novak", "case_manager", "+44 117 496 0102", "Riverside Clinic")
NORA = Person("nora@birchfield.example", "Nora", "Quill", "member", "+44 113 496 0103", "Northgate Laboratory")

CLAIRE = Person(
    *("admin@lumiere.example", "Claire", "Fontaine", "company_admin", "+33 4 72 00 01 00", "Atelier de Lyon"),
    sees="customer's administrator, in French",
)
HUGO = Person(
    *("user@lumiere.example", "Hugo", "Bernard", "member", "+33 4 72 00 01 01", "Atelier de Lyon"),
    sees="customer, in French",
)
LEA = Person("lea@lumiere.example", "Léa", "Marchand", "member", "+33 1 53 00 01 02", "Agence de Paris")

PRODUCTS: tuple[dict[str, Any], ...] = (
    {"product_number": "RX-4200", "name": "Rackline RX 4200 Server", "line": "Servers", "has_serials": True},
    {"product_number": "ST-900", "name": "Stowage ST 900 Storage", "line": "Storage", "has_serials": True},
    {"product_number": "LP-310", "name": "Laserprint 310", "line": "Printers", "has_serials": True},
    {"product_number": "FLEET-7", "name": "Fleet Manager 7", "line": "Software", "has_serials": False},
)

_HOSPITAL = Company(
    name="Birchfield Hospital Group",
    time_zone="Europe/London",
    language="en",
    people=(HELEN, TOM, IRIS, NORA),
    sites=(
        Site(
            "Main Hospital",
            {"address_line_1": "1 Birchfield Road", "city": "Manchester", "postal_code": "M13 9PL", "country": "GB"},
            (("RX42-0001-7F", "RX-4200"), ("RX42-0002-7F", "RX-4200"), ("ST90-1138-AA", "ST-900")),
        ),
        Site(
            "Riverside Clinic",
            {"address_line_1": "22 Quay Street", "city": "Bristol", "postal_code": "BS1 4DJ", "country": "GB"},
            (("LP31-5501-CC", "LP-310"), ("LP31-5502-CC", "LP-310")),
        ),
        Site(
            "Northgate Laboratory",
            {"address_line_1": "5 Foundry Lane", "city": "Leeds", "postal_code": "LS2 8JD", "country": "GB"},
            (("ST90-2207-AA", "ST-900"), ("LP31-5503-CC", "LP-310")),
        ),
    ),
    agreements=(
        Agreement(
            *("service_contract", "24x7, four hours on site", -200, 520),
            serials=("RX42-0001-7F", "RX42-0002-7F", "ST90-1138-AA"),
            said="SA-100200",
            sar="SAR-7741",
            first_answer_hours=4,
        ),
        Agreement("service_contract", "Business hours", -90, 275, product_numbers=("FLEET-7",), said="SA-100311"),
        Agreement("base_warranty", "Next business day", -700, 25, serials=("LP31-5501-CC",)),
        Agreement("base_warranty", "Next business day", -1200, -100, serials=("LP31-5502-CC",)),
        Agreement("base_warranty", "Next business day", -1025, 70, serials=("ST90-2207-AA",)),
    ),
)

_PRINTERS = Company(
    name="Imprimerie Lumière",
    time_zone="Europe/Paris",
    language="fr",
    people=(CLAIRE, HUGO, LEA),
    sites=(
        Site(
            "Atelier de Lyon",
            {"address_line_1": "8 rue des Presses", "city": "Lyon", "postal_code": "69003", "country": "FR"},
            (("LP31-7001-FR", "LP-310"), ("RX42-0900-FR", "RX-4200")),
        ),
        Site(
            "Agence de Paris",
            {"address_line_1": "41 rue du Faubourg", "city": "Paris", "postal_code": "75010", "country": "FR"},
            (("LP31-7002-FR", "LP-310"), ("ST90-3310-FR", "ST-900")),
        ),
    ),
    agreements=(
        Agreement(
            *("base_warranty", "Jour ouvré suivant", -300, 65),
            serials=("LP31-7001-FR", "RX42-0900-FR"),
            first_answer_hours=24,
        ),
        Agreement("warranty_extension", "Trois ans de plus", 66, 1161, serials=("RX42-0900-FR",)),
        Agreement("base_warranty", "Jour ouvré suivant", -1110, -15, serials=("LP31-7002-FR",)),
        Agreement("service_contract", "Jour ouvré suivant", -340, 25, serials=("ST90-3310-FR",), said="SA-100475"),
    ),
)

COMPANIES = (_HOSPITAL, _PRINTERS)
