"""What the pages offer to each role works: every link leads to a page, and every form can be sent or mended."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

import aiohttp
import pytest

from deploy.local.stack import Stack
from tests.builders import an_address, an_email
from tests.client import CheckedResponse
from tests.e2e.authz_world import World

ROLES = ("member", "case_manager", "own", "agent", "vendor_admin")
GOOD = {200, 303}
MENDABLE = {409, 412, 422}
CHANGED = 409
# Another session, and nothing that belongs to the portal's data.
LEFT_OUT = ("/sign-out", "/language", "/switch-company")
TEXTS = {
    **{name: str(text) for name, text in an_address().items()},
    "first_name": "Ana",
    "last_name": "Duarte",
    "phone": "+33472000001",
    "alternative_phone": "",
    "title": "Paper jam in tray 3",
    "description": "The printer jams on every second page.",
    "text": "It still jams.",
    "reason": "It works again.",
    "name": "Lyon",
    "q": "Laser",
}
# Last on their page: after them, not much else is possible.
ENDS = ("close", "cancel")
MOST_PAGES = 150


@dataclass
class Form:
    """A form as a browser would send it."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)  # name and value; empty ones for a plain button

    def filled_in(self, button: tuple[str, str]) -> dict[str, str]:
        """With something plausible in every empty field."""
        values = {name: value or self._text(name) for name, value in self.fields.items()}
        # Either all of it is given or nothing.
        values = {name: value for name, value in values.items() if not name.startswith("secondary_contact.")}
        return values | ({button[0]: button[1]} if button[0] else {})

    def _text(self, name: str) -> str:
        last = name.rpartition(".")[2]
        return an_email() if last in {"email", "emails"} else TEXTS.get(last, "")


class Page(HTMLParser):
    """What a page offers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self.ids: set[str] = set()
        self.unlinked: list[str] = []  # what is wrong with a form without a link to where it can be mended
        self.mending: list[str] = []
        self._form: Form | None = None
        self._select = self._area = ""
        self._in_errors = self._in_item = False
        self._item = ""
        self._item_is_linked = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.ids.add(given.get("id", ""))
        self._in_errors = self._in_errors or given.get("id") == "errors"
        match tag:
            case "a" if "href" in given:
                self._note_link(given["href"])
            case "form":
                self._form = Form(given.get("method", "get"), given.get("action", ""))
            case "li" if self._in_errors:
                self._in_item, self._item, self._item_is_linked = True, "", False
            case _ if self._form is not None:
                self._note_field(self._form, tag, given)

    def _note_link(self, href: str) -> None:
        if self._in_item:
            self._item_is_linked = True
            self.mending.append(href.removeprefix("#"))
        elif not self._in_errors:
            self.links.append(href)

    def _note_field(self, form: Form, tag: str, given: Mapping[str, str]) -> None:
        name, kind = given.get("name", ""), given.get("type", "text")
        match tag:
            case "button" if kind in {"text", "submit"}:
                form.buttons.append((name, given.get("value", "")))
            case "input" if name and kind in {"radio", "checkbox"}:
                if "checked" in given:
                    form.fields[name] = given.get("value", "on")
            case "input" if name and kind not in {"file", "submit"}:
                form.fields.setdefault(name, given.get("value", ""))
            case "textarea":
                self._area = name
                form.fields[name] = ""
            case "select":
                self._select = name
                form.fields[name] = ""
            case "option" if self._select and given.get("value"):
                if "selected" in given or not form.fields[self._select]:
                    form.fields[self._select] = given["value"]

    def handle_data(self, data: str) -> None:
        if self._in_item:
            self._item += data
        elif self._form is not None and self._area:
            self._form.fields[self._area] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        match tag:
            case "form" if self._form is not None:
                self.forms.append(self._form)
                self._form = None
            case "textarea":
                self._area = ""
            case "select":
                self._select = ""
            case "li" if self._in_item:
                self._in_item = False
                if not self._item_is_linked:
                    self.unlinked.append(" ".join(self._item.split()))
            case "div" if self._in_errors:
                self._in_errors = False

    @property
    def dead_ends(self) -> list[str]:
        """What is wrong with a form and cannot be mended on this page."""
        return self.unlinked + [f"no field {name}" for name in self.mending if name not in self.ids]


def kind_of(path: str) -> str:
    """The same for all pages that differ only in whose or which; of lists, in how they are filtered and sorted."""
    parts = urlsplit(path)
    plain = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d{10}|(?<=/files/)[^/]+", "*", parts.path)
    names = sorted(re.findall(r"(?:^|&)([^=&]+)=", parts.query)) if plain.startswith(("/cases/new", "/queue")) else []
    return f"{plain}?{'&'.join(names)}"


class Walk:
    """One person who follows every link and sends every form."""

    def __init__(self, stack: Stack, cookie: str) -> None:
        self._stack = stack
        self._headers = {"Cookie": cookie}
        self.dead_ends: list[str] = []
        self.seen: dict[str, str] = {}  # where each kind of page was found
        self.sent: set[str] = set()

    async def go(self, http: aiohttp.ClientSession) -> None:
        waiting = [("/", "the start")]
        while waiting and len(self.seen) < MOST_PAGES:
            path, where = waiting.pop(0)
            if kind_of(path) in self.seen:
                continue
            self.seen[kind_of(path)] = path
            page = await self._see(http, path, where)
            waiting += [(link, path) for link in self._links(page, path)]
            while (chosen := self._next_form(page, path)) is not None:
                waiting += [(led, path) for led in await self._send(http, path, *chosen)]
                page = await self._see(http, path, where)

    def _links(self, page: Page, path: str) -> Iterator[str]:
        for href in page.links:
            url = urlsplit(urldefrag(urljoin(f"{self._stack.base_url}{path}", href)).url)
            if f"{url.scheme}://{url.netloc}" == self._stack.base_url:
                yield url.path + (f"?{url.query}" if url.query else "")

    async def _see(self, http: aiohttp.ClientSession, path: str, where: str) -> Page:
        async with http.get(f"{self._stack.base_url}{path}", headers=self._headers) as answer:
            text = await answer.text(errors="replace")
            if answer.status == CHANGED and not await self._offers_still(http, where, path):
                return Page("")
            if answer.status not in GOOD:
                self.dead_ends.append(f"{where} offers {path}, which answers {answer.status}")
                return Page("")
            return Page(text if answer.content_type == "text/html" else "")

    async def _offers_still(self, http: aiohttp.ClientSession, where: str, path: str) -> bool:
        """What was done on the way may have made impossible what a page offered before: it has to know that by now."""
        async with http.get(f"{self._stack.base_url}{where}", headers=self._headers) as answer:
            links = self._links(Page(await answer.text()), where)
            return urlsplit(path).path in {urlsplit(link).path for link in links}

    def _next_form(self, page: Page, path: str) -> tuple[Form, tuple[str, str], str] | None:
        found = []
        for form in page.forms:
            for button in form.buttons:
                does = (form.fields.get("do"), form.fields.get("action"), *button)
                name = f"{form.method} {kind_of(form.action or path)} {does}"
                if name not in self.sent and not form.action.startswith(LEFT_OUT):
                    found.append((form, button, name))
        return min(found, key=lambda each: each[0].fields.get("action") in ENDS, default=None)

    async def _send(
        self, http: aiohttp.ClientSession, path: str, form: Form, button: tuple[str, str], name: str
    ) -> list[str]:
        """Where it led."""
        self.sent.add(name)
        url, values = urljoin(f"{self._stack.base_url}{path}", form.action or path), form.filled_in(button)
        is_get = form.method == "get"
        async with http.request(
            form.method.upper(),
            url,
            params=values if is_get else None,
            data=None if is_get else values,
            headers=self._headers,
        ) as answer:
            text = await answer.text()
            if answer.status in GOOD:
                return [answer.url.path_qs]
            mendable = answer.status in MENDABLE
            why = Page(text).dead_ends if mendable else [str(answer.status)]
            self.dead_ends += [f"{path}: {name}: {reason}" for reason in why]
            return []


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), response_class=CheckedResponse) as http:
        made = World(stack, http)
        await made.build()
        yield made


@pytest.mark.timeout(300)
@pytest.mark.parametrize("role", ROLES)
async def test_no_role_is_offered_what_does_not_work(stack: Stack, world: World, role: str) -> None:
    walk = Walk(stack, world.people[role].cookie)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        await walk.go(http)
    assert walk.dead_ends == []
    # The walk did see what it is about.
    assert {"/cases/new?", "/profile?", "/cases/*?"} <= set(walk.seen)
    assert any(name.startswith("post /cases?") for name in walk.sent), walk.sent
    assert ("/sites?" in walk.seen) is (role in {"member", "case_manager", "own"})
    assert ("/users?" in walk.seen) is (role in {"own", "vendor_admin"})
