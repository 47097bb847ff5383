"""The addresses of a list: its filters, its order, and the way from page to page and back."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from yarl import URL

from services.gateway.pages.lists import ListPage, ListState

CASES = ListPage(
    "/cases",
    columns={"number": "Case", "title": "Title"},
    sortable=frozenset({"number", "title"}),
    order="-number",
    views=("recent", "waiting"),
    filters={"status": "Status", "q": "Words"},
    exports={"/cases.xlsx": "Excel", "/cases.csv": "CSV"},
)


def at(address: str) -> ListState:
    return CASES.at(URL(address).query)


def test_what_is_empty_or_unknown_does_not_count() -> None:
    assert at("/cases").wanted == {"view": "recent"}
    assert at("/cases?view=nonsense&q=+&status=open&other=1").wanted == {"view": "recent", "status": "open"}


def test_of_a_name_that_stands_twice_the_first_counts_and_of_a_long_text_its_beginning() -> None:
    assert at("/cases?status=open&status=closed&q=&q=jam").wanted == {"view": "recent", "status": "open"}
    assert at(f"/cases?q={'jam+' * 5000}").wanted["q"] == ("jam " * 5000)[:500]


def test_a_change_keeps_the_rest_and_starts_at_the_first_page() -> None:
    state = at("/cases?view=waiting&status=open&sort=title&cursor=c1")
    assert state.url(status="closed") == "/cases?view=waiting&status=closed&sort=title"
    assert state.url(status="") == "/cases?view=waiting&sort=title"
    assert state.without_filters == "/cases?view=waiting"
    assert state.exports == {
        "/cases.xlsx?view=waiting&status=open&sort=title": "Excel",
        "/cases.csv?view=waiting&status=open&sort=title": "CSV",
    }


def test_a_column_sorts_up_then_down() -> None:
    assert at("/cases").order == "-number"
    assert at("/cases").sorted_by("title") == "/cases?view=recent&sort=title"
    assert at("/cases?sort=title").sorted_by("title") == "/cases?view=recent&sort=-title"


def test_filters_are_counted_whatever_the_order() -> None:
    asked = at("/cases?status=open&q=jam&sort=title").without("sort")
    assert asked == {"view": "recent", "status": "open", "q": "jam"}


def test_a_view_that_there_is_not_is_said() -> None:
    for view in ("nonsense", "Recent", "x" * 5000):
        state = at(f"/cases?view={view}&status=open")
        assert (state.wanted, set(state.errors)) == ({"view": "recent", "status": "open"}, {"view"})
    assert at("/cases?view=+").errors == at("/cases?view=waiting").errors == {}


def test_a_view_has_an_order_of_its_own_until_another_is_asked_for() -> None:
    grouped = replace(CASES, orders={"waiting": "title"})
    for address, order in (("", "-number"), ("?view=waiting", "title"), ("?view=waiting&sort=number", "number")):
        assert grouped.at(URL(f"/cases{address}").query).order == order
    assert grouped.at({"view": "waiting"}).sorted_by("title") == "/cases?view=waiting&sort=-title"


def test_a_list_without_views_and_filters_asks_for_its_page_alone() -> None:
    users = ListPage("/users", columns={"name": "Name"})
    assert users.at({"view": "recent", "status": "open", "cursor": "c1"}).query == {"limit": "50", "cursor": "c1"}
    assert users.at({}).without_filters == "/users"
    assert users.at({}).exports == {}


@pytest.mark.parametrize(("pages", "remembered"), [(1, 0), (2, 1), (5, 4), (60, 19)])
def test_each_page_leads_back_to_the_one_before_as_far_as_the_address_remembers(pages: int, remembered: int) -> None:
    addresses = ["/cases?view=recent&status=open"]
    for number in range(1, pages):
        addresses.append(at(addresses[-1]).next(f"cursor-{number}"))
    assert all(len(address) < 500 for address in addresses)
    here, steps = addresses[-1], 0
    while previous := at(here).previous:
        steps += 1
        assert _shown(previous) == _shown(addresses[-1 - steps])
        here = previous
    assert steps == remembered
    assert at(here).is_first == (steps == pages - 1)


@pytest.mark.parametrize("letters", [200, 500])
def test_long_cursors_leave_an_address_that_a_request_can_have(letters: int) -> None:
    address = f"/cases?view=recent&sort=title&q={'%E7%B4%99' * letters}"
    for number in range(60):
        address = at(address).next(f"{number:0>1000}")
        assert len(f"GET {address} HTTP/1.1") < 8190
    assert at(at(address).previous).cursor == f"{58:0>1000}"


def test_of_an_address_with_thousands_of_pages_before_only_the_last_count() -> None:
    before = [f"c{number}" for number in range(10_000)]
    listing = at(f"/cases?cursor=here&before={'.'.join(before)}")
    assert listing.before == tuple(before[-20:])


def test_the_last_page_has_no_next_and_the_first_none_before() -> None:
    assert at("/cases").next(None) == ""
    assert at("/cases").previous == at("/cases").first == ""


def _shown(address: str) -> Mapping[str, str]:
    """What decides which rows are shown."""
    return at(address).query
