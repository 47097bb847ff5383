"""Lists on pages: what the address asks for, and the addresses of the same list in another state.

A page describes its list once (`ListPage`), reads the address (`ListPage.at`), fetches with `fetch_list`, and gives the
`ListState` to the macros of `ui.html`: `list_refused`, `list_table`, `list_foot`, `filter_link`, `filter_choice`,
`filter_company`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web
from yarl import URL

from services.gateway.clients import Service
from services.gateway.messages import sentence
from services.gateway.pages.backend import ServiceRefusal, fetch
from services.gateway.pages.requests import asked_for
from services.gateway.session import Visitor
from services.gateway.texts import _
from shared import errors
from shared.text import in_alphabet

PAGE_SIZE = 50
# Cursors only lead on, so the address carries those of the pages before; so many of them fit into it.
_MOST_PAGES_BEFORE = 20
# A cursor of a long title is long, what is searched for may be, too, and proxies take lines of 8,190 bytes.
_MOST_OF_ADDRESS = 8000
_FORGOTTEN = "-"


@dataclass(frozen=True, slots=True)
class ListPage:
    """What is the same in every state of a list."""

    path: str
    columns: Mapping[str, str]  # labels, by the name that the service sorts by
    sortable: frozenset[str] = frozenset()
    may_go: frozenset[str] = frozenset()  # columns that narrow screens do without
    order: str = ""  # as the service sorts where nothing else is asked for
    orders: Mapping[str, str] = field(default_factory=dict)  # of views that have another
    views: tuple[str, ...] = ()  # the first is shown where the address names none of them
    filters: Mapping[str, str] = field(default_factory=dict)  # labels, by the name in the address
    exports: Mapping[str, str] = field(default_factory=dict)  # labels, by the path of the same rows as a file

    def at(self, query: Mapping[str, str]) -> "ListState":
        """The state that an address asks for; what is empty or unknown does not count, and of a view that is said."""
        view = asked_for(query, "view")
        unknown = {"view": view} if self.views and view and view not in self.views else {}
        why = {"view": _("There is no such view.")} if unknown else {}
        wanted = {"view": view if view in self.views else self.views[0]} if self.views else {}
        wanted |= {name: text for name in (*self.filters, "sort") if (text := asked_for(query, name))}
        before = tuple(cursor for cursor in query.get("before", "").split(".") if cursor)
        return ListState(self, wanted, query.get("cursor", ""), before[-_MOST_PAGES_BEFORE:], unknown, why)


@dataclass(frozen=True, slots=True)
class ListState:
    """One view of a list with its filters, its order and its page."""

    page: ListPage
    wanted: Mapping[str, str]
    cursor: str = ""
    before: tuple[str, ...] = ()  # the cursors of the pages between the first one and this one
    ignored: Mapping[str, str] = field(default_factory=dict)  # what the address asks for beside, as it stands there
    errors: Mapping[str, str] = field(default_factory=dict)  # why the service does not take that

    @property
    def query(self) -> dict[str, str]:
        """What to ask the service for."""
        return {**self.wanted, "limit": str(PAGE_SIZE)} | ({"cursor": self.cursor} if self.cursor else {})

    def without(self, name: str) -> dict[str, str]:
        """All that is wanted but one."""
        return {other: text for other, text in self.wanted.items() if other != name}

    def without_refused(self, said: Mapping[str, str]) -> "ListState":
        """The same list, from its first page, without what a service refuses of it, for the reasons that it gives."""
        refused = {name: text for name, text in {**self.wanted, "cursor": self.cursor}.items() if text and name in said}
        return replace(
            self,
            wanted={name: text for name, text in self.wanted.items() if name not in refused},
            cursor="",
            before=(),
            ignored={**self.ignored, **refused},
            errors={**self.errors, **{name: said[name] for name in refused}},
        )

    def typed(self, name: str) -> str:
        """What stands in the field of a filter, though it does not count."""
        return self.ignored.get(name, self.wanted.get(name, ""))

    @property
    def order(self) -> str:
        """How it is sorted: a column, with a minus before it where it goes down."""
        usual = self.page.orders.get(self.wanted.get("view", ""), self.page.order)
        return self.wanted.get("sort", usual)

    @property
    def is_filtered(self) -> bool:
        """Whether any filter hides something of the view."""
        return any(name in self.wanted for name in self.page.filters)

    @property
    def is_first(self) -> bool:
        """Whether this is the first page."""
        return not self.cursor

    def url(self, path: str = "", **changes: str) -> str:
        """The same list with something changed, from its first page; an empty change takes something away."""
        query = {name: text for name, text in {**self.wanted, **changes}.items() if text}
        return str(URL(path or self.page.path).with_query(query))

    def sorted_by(self, name: str) -> str:
        """By another column, or by the same one the other way round."""
        return self.url(sort=f"-{name}" if self.order == name else name)

    @property
    def without_filters(self) -> str:
        """All of this view."""
        view = self.wanted.get("view", "")
        return str(URL(self.page.path).with_query({"view": view} if view else {}))

    @property
    def exports(self) -> dict[str, str]:
        """The rows of all pages as files: labels, by the address."""
        return {self.url(path): label for path, label in self.page.exports.items()}

    @property
    def first(self) -> str:
        """The first page; empty on it."""
        return self.url() if self.cursor else ""

    @property
    def previous(self) -> str:
        """The page before; empty on the first one, and where too many pages came before to remember all."""
        if not self.cursor or self.before[-1:] == (_FORGOTTEN,):
            return ""
        if not self.before:
            return self.url()
        return self.url(cursor=self.before[-1], before=".".join(self.before[:-1]))

    def next(self, cursor: str | None) -> str:
        """The page behind this one, by the cursor that the service gave with it; empty without one."""
        if not cursor:
            return ""
        before = (*self.before, self.cursor) if self.cursor else ()
        while True:
            address = self.url(cursor=cursor, before=".".join(before))
            if len(before) <= _MOST_PAGES_BEFORE and (len(address) <= _MOST_OF_ADDRESS or len(before) <= 1):
                return address
            before = (_FORGOTTEN, *before[2:])


async def fetch_list(
    request: web.Request,
    visitor: Visitor,
    service: Service,
    path: str,
    listing: ListState,
    *,
    query: Callable[[ListState], Mapping[str, str]] = lambda listing: listing.query,
) -> tuple[ListState, Mapping[str, Any]]:
    """One page of a list; what the service does not take of the address is left out, and said in the state.

    `query` is what to ask for where the service has other names for it than the address.
    """
    while True:
        try:
            return listing, await fetch(request, visitor, service, path, query(listing))
        except ServiceRefusal as refusal:
            if refusal.status != errors.Invalid.status:
                raise
            said = {error.field: sentence(error.code, error.params, error.message) for error in refusal.errors}
            less = listing.without_refused(said)
            if less.ignored == listing.ignored:
                raise
            listing = less


def companies_in_sight(cases: Iterable[Mapping[str, Any]], listing: ListState) -> dict[str, str]:
    """Whose cases these are: there may be thousands of companies, and those are the ones that are worked on."""
    names = {str(case["company_id"]): str(case["company_name"]) for case in cases}
    if wanted := listing.wanted.get("company_id"):
        names.setdefault(wanted, _("Chosen"))
    return dict(sorted(names.items(), key=lambda company: in_alphabet(company[1])))
