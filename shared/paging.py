"""Lists by page: stable order, a cursor instead of page numbers, a total that is exact up to 1,000."""

import asyncio
import heapq
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import Any
from uuid import UUID

from bson import encode, json_util
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import ASCENDING, DESCENDING
from pymongo.collation import Collation

from shared.errors import Invalid
from shared.mongo import Collection, Document, drop_index
from shared.schemas.base import ListQuery
from shared.text import in_alphabet

TOTAL_LIMIT = 1_000
# A list with so many rows does not fall to the limit meanwhile: its next pages, and whoever looks again, need no count.
_SURELY_MORE, SURELY_FOR_S = 1_100, 10.0
_MOST_LONG_LISTS = 10_000
# As people look texts up: by letters, then by accents, whatever the case. English and French are sorted alike by it, so
# that one index serves every reader (docs/decisions/0020-alphabetical-lists.md).
ALPHABETICAL = Collation(locale="en", strength=2)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of documents, the cursor to the next page, and the total."""

    documents: list[Any]  # each a Document, or a RawBSONDocument
    next_cursor: str | None
    total: int
    total_is_lower_bound: bool

    def answer(self, row: Callable[[Any], object]) -> dict[str, Any]:
        """The page as the API shows it, in the form of `ListAnswer`; `row` makes an item of a document."""
        return {
            "items": [row(document) for document in self.documents],
            "next_cursor": self.next_cursor,
            "total": self.total,
            "total_is_lower_bound": self.total_is_lower_bound,
        }


@dataclass(frozen=True, slots=True)
class Order:
    """A field of the document to sort by; ties are broken by those in `then`, and last by `_id`: the order is stable.

    One in `then` with a minus before it goes the other way.
    """

    field: str
    alphabetical: bool = False
    descending: bool = False
    then: tuple[str, ...] = ()

    @classmethod
    def read(cls, sort: str, allowed: Mapping[str, "Order"]) -> "Order":
        """`sort` as the API takes it (`created_at`, `-created_at`); `allowed` has the orders by its names."""
        name = sort.removeprefix("-")
        if name not in allowed:
            names = sorted(allowed)
            raise Invalid.at("sort", "sort", f"Sort by one of: {', '.join(names)}.", {"allowed": names})
        return replace(allowed[name], descending=sort.startswith("-"))

    @property
    def keys(self) -> list[tuple[str, int]]:
        """As the driver sorts, and as the index should be built."""
        onwards, back = (DESCENDING, ASCENDING) if self.descending else (ASCENDING, DESCENDING)
        ties = [(name.removeprefix("-"), back if name.startswith("-") else onwards) for name in self.then]
        return [(self.field, onwards), *ties, ("_id", onwards)]

    @property
    def index_fields(self) -> tuple[str, ...]:
        """As an index in this order has them, with a minus before one that goes the other way."""
        return (self.field, *self.then, "_id")

    @property
    def collation(self) -> Collation | None:
        """How the whole query compares texts, and the index that serves it."""
        return ALPHABETICAL if self.alphabetical else None

    def after(self, cursor: str, *, of: str = "") -> Document:
        """The filter for the documents after a cursor; Invalid for one of another list than that named by `of`."""
        further = self.each_after(cursor, of=of)
        value = _read_cursor(cursor, of, len(self.keys))[0]
        if value is None and not self.descending:
            return {"$or": further}
        # The index is entered here: by the `$or` alone, all pages before might be read again.
        from_here = value if value is None else {"$not": {"$gt": value}} if self.descending else {"$gte": value}
        return {self.field: from_here, "$or": further}

    def each_after(self, cursor: str, *, of: str) -> list[Document]:
        """Filters of which one finds each document after a cursor; Invalid as for `after`."""
        further: list[Document] = []
        same: Document = {}
        for (field, direction), value in zip(self.keys, _read_cursor(cursor, of, len(self.keys)), strict=True):
            further += [{**same, field: beyond} for beyond in _beyond(value, direction)]
            same[field] = value
        return further

    def cursor(self, document: Mapping[str, Any], *, of: str = "") -> str:
        """The cursor that leads to what follows a document, in the list that `of` names."""
        values = [value_in(document, field) for field, _ in self.keys]
        # Escaped, the longest title in Japanese would be longer than a cursor may be.
        text = json_util.dumps([of, *values], json_options=_OPTIONS, ensure_ascii=False)
        return urlsafe_b64encode(text.encode()).decode()


_OPTIONS = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, tz_aware=True, uuid_representation=4)
_SORTED_BY = (str, int, UUID, datetime, type(None))


def value_in(document: Mapping[str, Any], field: str) -> Any:
    """The value of a field, whose name may lead into fields of fields; None without one."""
    value: Any = document
    for part in field.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _beyond(value: Any, direction: int) -> Iterator[object]:
    """What comes after a value. Null sorts before everything else, and comparison operators never cross types."""
    if direction == DESCENDING and value is not None:
        yield {"$not": {"$gte": value}}
    elif direction == ASCENDING:
        yield {"$ne": None} if value is None else {"$gt": value}


def _read_cursor(cursor: str, of: str, count: int = 2) -> Sequence[Any]:
    """The values by which the list is sorted, of the last document before."""
    try:
        made_for, *values = json_util.loads(urlsafe_b64decode(cursor), json_options=_OPTIONS)
        # Refuses values that the driver cannot put into a query: too large a number, half a character.
        encode({"values": values}, codec_options=_OPTIONS)
    except (ArithmeticError, AttributeError, BSONError, KeyError, TypeError, ValueError) as error:
        raise _not_ours() from error
    if made_for != of:
        raise _not_ours()
    # The last one is an id, which everything has: after nothing at all, there is nothing to look for.
    if len(values) != count or values[-1] is None or not all(isinstance(value, _SORTED_BY) for value in values):
        raise _not_ours()
    return list(values)


def _not_ours() -> Invalid:
    sentence = "Use the cursor of the answer before, with the same filters and the same sort; or none, to begin again."
    return Invalid.at("cursor", "cursor", sentence)


async def create_index_for(order: Order, collection: Collection, *filters: str) -> None:
    """The index that serves a list in this order, where the filters are equal to something."""
    fields = (*filters, *order.index_fields)
    if order.alphabetical:
        await create_alphabetical_index(collection, *fields)
    else:
        await collection.create_index(_directions(fields))


def _directions(fields: Sequence[str]) -> list[tuple[str, int]]:
    return [(name.removeprefix("-"), DESCENDING if name.startswith("-") else ASCENDING) for name in fields]


async def create_alphabetical_index(
    collection: Collection, *fields: str, name: str | None = None, **options: Any
) -> None:
    """An index for alphabetical queries, in place of the one of an older version, which compared code points."""
    alphabetical = name_of_alphabetical(*fields) if name is None else f"{name}_alphabetical"
    await collection.create_index(_directions(fields), name=alphabetical, collation=ALPHABETICAL, **options)
    await drop_index(collection, alphabetical.removesuffix("_alphabetical"))


def name_of_alphabetical(*fields: str) -> str:
    """What an alphabetical index is called that was given no name."""
    return "_".join([*(f"{field}_{direction}" for field, direction in _directions(fields)), "alphabetical"])


async def find_page(
    collection: Collection,
    wanted: Document,
    query: ListQuery,
    *,
    order: Order,
    hidden: tuple[str, ...] = (),
    shown: tuple[str, ...] = (),
    computed: Mapping[str, Document] | None = None,
    collation: Collation | None = None,
    by: str | None = None,
    by_keys: bool = False,
    counted_by: str | None = None,
) -> Page:
    """The page that the query asks for of what `wanted` finds.

    `hidden` are fields to leave out; where a document has much more than a row, name in `shown` those to read. They
    come as they are kept: to make objects of them is half of what reading costs.
    `computed` are fields beside them, with the expressions that give them.
    Give the collation where `wanted` names texts that only an alphabetical index finds: it is counted with it, too.
    `by` and `counted_by` are indexes for what the database cannot choose well by itself. With `by_keys`, those of `by`
    have all that is wanted and sorted by: they are sorted, and only the documents of the page are read.
    """
    mark = _mark(collection, wanted, order)
    documents = await _find(
        collection,
        wanted,
        query,
        mark,
        order=order,
        hidden=hidden,
        shown=shown,
        computed=computed,
        by=by,
        by_keys=by_keys,
    )

    async def count() -> int:
        return await _count(collection, wanted, mark, collation, counted_by)

    return await _page(documents, query, mark, order, count)


async def find_page_of_union(
    either: Mapping[str, Document],
    collection: Collection,
    query: ListQuery,
    *,
    order: Order,
    shown: tuple[str, ...],
    computed: Mapping[str, Document] | None = None,
    collation: Collation | None = None,
) -> Page:
    """A page of what is found by one of these filters; none finds what another does.

    The key of each is the name of an index that has it in the query's order: asked for all of them in one query, the
    database would sort everything. The order cannot be one by a text.
    """
    mark = _mark(collection, {"$or": [*either.values()]}, order)
    found = await asyncio.gather(
        *(
            _find(collection, wanted, query, mark, order=order, shown=shown, computed=computed, by=index)
            for index, wanted in either.items()
        )
    )
    merged = heapq.merge(*found, key=partial(_place_in, order), reverse=order.descending)

    async def count() -> int:
        counted = (_count(collection, wanted, f"{mark} {by}", collation, by) for by, wanted in either.items())
        return sum(await asyncio.gather(*counted))

    return await _page(list(islice(merged, query.limit + 1)), query, mark, order, count)


def _place_in(order: Order, document: Mapping[str, Any]) -> tuple[Any, ...]:
    """As the database sorts: what has no value comes first."""
    values = [value_in(document, field) for field, _ in order.keys]
    return tuple((value is not None, value) for value in values)


async def _find(
    collection: Collection,
    wanted: Document,
    query: ListQuery,
    mark: str,
    *,
    order: Order,
    hidden: tuple[str, ...] = (),
    shown: tuple[str, ...] = (),
    computed: Mapping[str, Document] | None = None,
    by: str | None = None,
    by_keys: bool = False,
) -> list[Any]:
    """The documents of a page, and the first of the next one."""
    if query.cursor and by_keys:
        # One filter for each way to come after: so keys alone tell what does, and no document is read.
        wanted = {"$or": [{"$and": [wanted, each]} for each in order.each_after(query.cursor, of=mark)]}
    elif query.cursor:
        wanted = {"$and": [wanted, order.after(query.cursor, of=mark)]}
    as_kept: Any = collection.codec_options.with_options(document_class=RawBSONDocument)
    # A field comes with its parts, and the database refuses to be asked for both.
    sorted_by = [field for field, _ in order.keys]
    read = (*shown, *(field for field in sorted_by if not any(f"{field}.".startswith(f"{name}.") for name in shown)))
    found = (collection.with_options(as_kept) if shown else collection).find(
        wanted,
        {**dict.fromkeys(read, 1), **(computed or {})} if shown else dict.fromkeys(hidden, 0) or None,
        collation=order.collation,
        hint=by,
    )
    return await found.sort(order.keys).limit(query.limit + 1).to_list(None)


async def _page(
    documents: list[Any], query: ListQuery, mark: str, order: Order, count: Callable[[], Awaitable[int]]
) -> Page:
    """What was found as a page, with the total, which is counted only where the documents do not tell it."""
    at_least = len(documents)
    more = at_least > query.limit
    del documents[query.limit :]
    is_whole = not (more or query.cursor)
    total = await count() if query.total and not is_whole else at_least
    return Page(
        documents=documents,
        next_cursor=order.cursor(documents[-1], of=mark) if more else None,
        total=min(total, TOTAL_LIMIT),
        total_is_lower_bound=total > TOTAL_LIMIT or not (query.total or is_whole),
    )


async def find_page_of_parts(
    parts: Sequence[Document], collection: Collection, wanted: Document, query: ListQuery, **how: Any
) -> Page:
    """A page of a list whose parts, each found by one of these filters, follow each other; else as `find_page`."""
    at, _, within = (query.cursor or "0").partition(".")
    if at not in map(str, range(len(parts))):
        raise _not_ours()
    documents: list[Any] = []
    next_cursor, cursor = None, within or None
    for place in range(int(at), len(parts)):
        # Where nothing is left, one row of the next part tells whether there is another page.
        left = query.limit - len(documents)
        asked = query.model_copy(update={"limit": max(left, 1), "cursor": cursor, "total": False})
        page = await find_page(collection, {"$and": [wanted, parts[place]]}, asked, **how)
        if not left and page.documents:
            next_cursor = f"{place}"
            break
        documents += page.documents
        if page.next_cursor:
            next_cursor = f"{place}.{page.next_cursor}"
            break
        cursor = None
    is_whole = not (next_cursor or query.cursor)
    total, order = len(documents), how["order"]
    if query.total and not is_whole:
        mark = _mark(collection, wanted, order)
        total = await _count(collection, wanted, mark, how.get("collation"), how.get("counted_by"))
    is_more = total > TOTAL_LIMIT or not (query.total or is_whole)
    return Page(documents, next_cursor, min(total, TOTAL_LIMIT), total_is_lower_bound=is_more)


def page_of_texts(
    documents: Iterable[Document], *, of: str, order: Order, limit: int, cursor: str | None = None
) -> Page:
    """One page of a short list that is at hand whole, by a text of each and then by the text in `_id`.

    `of` names the list, for whose pages alone a cursor is good.
    """
    mark = f"{of} {'-' if order.descending else ''}{order.field}"
    whole = sorted(documents, key=lambda each: _place(each[order.field], each["_id"]), reverse=order.descending)
    rest = whole
    if cursor:
        last = _place(*map(str, _read_cursor(cursor, mark)))
        rest = [each for each in whole if _is_beyond(_place(each[order.field], each["_id"]), last, order)]
    documents_of_page = rest[:limit]
    more = len(rest) > limit
    next_cursor = order.cursor(documents_of_page[-1], of=mark) if more else None
    return Page(documents_of_page, next_cursor, total=len(whole), total_is_lower_bound=False)


def _place(text: str, id_: str) -> tuple[tuple[str, str], str]:
    return in_alphabet(text), id_


def _is_beyond(place: tuple[tuple[str, str], str], last: tuple[tuple[str, str], str], order: Order) -> bool:
    return place < last if order.descending else place > last


def _mark(collection: Collection, wanted: Document, order: Order) -> str:
    """What a cursor is good for: with another order, or other filters, rows would be missing and nobody would know."""
    list_: Document = {"of": collection.name, "wanted": wanted, "keys": order.keys, "alphabetical": order.alphabetical}
    return blake2b(encode(list_, codec_options=collection.codec_options), digest_size=6).hexdigest()


_long_lists: dict[str, float] = {}  # until when each surely has more rows than the limit


async def _count(
    collection: Collection, wanted: Document, mark: str, collation: Collation | None, by: str | None
) -> int:
    """How many rows a list has, of more than the limit only that."""
    name = f"{collection.full_name} {mark}"
    if _long_lists.get(name, 0.0) > time.monotonic():
        return _SURELY_MORE
    # Without a hint, the database counts by reading whole documents.
    by = by if wanted else "_id_"
    by_index: Document = {"hint": by} if by else {}
    counted = await collection.count_documents(wanted, limit=_SURELY_MORE, collation=collation, **by_index)
    if counted == _SURELY_MORE:
        if len(_long_lists) == _MOST_LONG_LISTS:
            _long_lists.clear()
        _long_lists[name] = time.monotonic() + SURELY_FOR_S
    return counted
