"""Lists on pages: what the address asks for, and the addresses of the same list in another state.

A page describes its list once (`ListPage`), reads the address (`ListPage.at`), fetches with `query`, and gives the
`ListState` to the macros of `ui.html`: `list_table`, `list_foot`, `filter_link`, `filter_choice`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from yarl import URL

PAGE_SIZE = 50
# Cursors only lead on, so the address carries those of the pages before; so many of them fit into it.
_MOST_PAGES_BEFORE = 20
# A cursor of a long title is long, and an address has to fit into a line of 8,190 bytes, with what is filtered by.
_MOST_BEFORE = 4000
_FORGOTTEN = "-"


@dataclass(frozen=True, slots=True)
class ListPage:
    """What is the same in every state of a list."""

    path: str
    columns: Mapping[str, str]  # labels, by the name that the service sorts by
    sortable: frozenset[str] = frozenset()
    order: str = ""  # as the service sorts where nothing else is asked for
    views: tuple[str, ...] = ()  # the first is shown where the address names none of them
    filters: tuple[str, ...] = ()
    export: str = ""  # the path of the same rows as a file

    def at(self, query: Mapping[str, str]) -> "ListState":
        """The state that an address asks for; what is empty or unknown does not count."""
        view = query.get("view", "").strip()
        wanted = {"view": view if view in self.views else self.views[0]} if self.views else {}
        wanted |= {name: text for name in (*self.filters, "sort") if (text := query.get(name, "").strip())}
        before = tuple(cursor for cursor in query.get("before", "").split(".") if cursor)
        return ListState(self, wanted, query.get("cursor", ""), before)


@dataclass(frozen=True, slots=True)
class ListState:
    """One view of a list with its filters, its order and its page."""

    page: ListPage
    wanted: Mapping[str, str]
    cursor: str = ""
    before: tuple[str, ...] = field(default=())  # the cursors of the pages between the first one and this one

    @property
    def query(self) -> dict[str, str]:
        """What to ask the service for."""
        return {**self.wanted, "limit": str(PAGE_SIZE)} | ({"cursor": self.cursor} if self.cursor else {})

    def without(self, name: str) -> dict[str, str]:
        """The filters but one: what to count by for the choices of that one."""
        return {other: text for other, text in self.wanted.items() if other != name}

    @property
    def order(self) -> str:
        """How it is sorted: a column, with a minus before it where it goes down."""
        return self.wanted.get("sort", self.page.order)

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
        return self.url(sort=f"-{name}" if self.wanted.get("sort") == name else name)

    @property
    def without_filters(self) -> str:
        """All of this view."""
        view = self.wanted.get("view", "")
        return str(URL(self.page.path).with_query({"view": view} if view else {}))

    @property
    def export(self) -> str:
        """The rows of all pages, as a file."""
        return self.url(self.page.export) if self.page.export else ""

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
        while len(before) > _MOST_PAGES_BEFORE or len(".".join(before)) > _MOST_BEFORE:
            before = (_FORGOTTEN, *before[2:])
        return self.url(cursor=cursor, before=".".join(before))
