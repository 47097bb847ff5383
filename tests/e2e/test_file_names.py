"""A file keeps its name and its place, whatever stands in the name: with scripts, and in a form without any."""

import re
from collections.abc import AsyncIterator
from io import BytesIO

import aiohttp
import pytest

from deploy.local.stack import Stack
from tests.client import CheckedResponse
from tests.e2e.conftest import Customer
from tests.e2e.portal import PASSWORD, Visitor, a_case

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
BOUNDARY = "----WebKitFormBoundaryA0Portico"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
# As a browser writes it, and the name that the file has then.
NAMES = [
    ('name="file"; filename="Druck; Fach 2; Stau.png"', "Druck; Fach 2; Stau.png"),
    ('name="file"; filename="R&amp;D &quot;x&quot;.png"', "R&amp;D &quot;x&quot;.png"),
    ('name="file"; filename="&#1088;&#1055;.png"', "&#1088;&#1055;.png"),
    ('name="file"; filename="a%22b.png"', 'a"b.png'),
    ('name="file"; filename="C:\\dir\\a;b.png"', "a;b.png"),
    ('name="file"; filename="é 日本.png"', "é 日本.png"),
    ('name="file"; filename="x.png"; filename*=utf-8\'\'%E2%82%AC%3B.png', "€;.png"),
    ("name=file; filename=Druck; Fach 2.png", "Druck; Fach 2.png"),
]


def a_part(disposition: str, content: bytes, *, header: str = "Content-Disposition") -> bytes:
    head = f"--{BOUNDARY}\r\n{header}: form-data; {disposition}\r\nContent-Type: image/png\r\n\r\n"
    return head.encode() + content + b"\r\n"


def a_body(*parts: bytes) -> BytesIO:
    return BytesIO(b"".join(parts) + f"--{BOUNDARY}--\r\n".encode())


@pytest.fixture(scope="module")
async def plain(stack: Stack, customer: Customer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), response_class=CheckedResponse) as http:
        typed = {"email": customer.admin.email, "password": PASSWORD}
        async with http.post(f"{stack.local_url}/sign-in", data=typed, allow_redirects=False) as signed_in:
            assert signed_in.status == 303
        yield http


async def _the_fields(http: aiohttp.ClientSession, stack: Stack) -> dict[str, str]:
    """Of the case form, as a browser would send them."""
    async with http.get(f"{stack.local_url}/cases/new?serial=UNKNOWN1") as page:
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', await page.text()))
    typed = {"where": "address", "parts": "same", "severity": "3"}
    for name, value in a_case().items():
        if isinstance(value, dict):
            typed |= {f"{name}.{field}": str(text) for field, text in value.items()}
        else:
            typed[name] = str(value)
    return typed | {name: hidden[name] for name in ("csrf_token", "idempotency_key", "upload_key")}


async def _send(http: aiohttp.ClientSession, stack: Stack, *files: bytes) -> tuple[int, str, str]:
    fields = await _the_fields(http, stack)
    head = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in fields.items()
    ]
    body = a_body(*head, *files)
    async with http.post(f"{stack.local_url}/cases", data=body, headers=FORM, allow_redirects=False) as answer:
        return answer.status, await answer.text(), answer.headers.get("Location", "")


async def _attached(visitor: Visitor, location: str) -> list[tuple[str, int]]:
    case = await visitor.get(f"/cases/{location.split('/')[2]}")
    return [(file["name"], file["size"]) for file in case["attachments"]]


@pytest.mark.parametrize(("disposition", "name"), NAMES)
async def test_the_api_takes_a_file_by_any_name(customer: Customer, disposition: str, name: str) -> None:
    body = a_body(a_part(disposition, PNG))
    answer = await customer.admin.call("POST", "/attachments", data=body, headers=FORM)
    assert answer.status == 201, answer.body
    assert [item["name"] for item in answer.body["items"]] == [name]


@pytest.mark.parametrize("size", [10_000, 1_500_000])
async def test_a_form_without_scripts_takes_a_file_by_any_name(
    stack: Stack, customer: Customer, plain: aiohttp.ClientSession, size: int
) -> None:
    content = PNG + b"\0" * (size - len(PNG))
    for disposition, name in NAMES:
        status, text, location = await _send(plain, stack, a_part(disposition, content))
        assert status == 303, text
        assert await _attached(customer.admin, location) == [(name, size)]


async def test_a_header_may_be_written_in_any_case(
    stack: Stack, customer: Customer, plain: aiohttp.ClientSession
) -> None:
    part = a_part('name="file"; filename="a;b;c.png"', PNG, header="CONTENT-DISPOSITION")
    _, _, location = await _send(plain, stack, part)
    assert await _attached(customer.admin, location) == [("a;b;c.png", len(PNG))]
    answer = await customer.admin.call("POST", "/attachments", data=a_body(part), headers=FORM)
    assert answer.status == 201


@pytest.mark.parametrize("disposition", ['name="file"; filename=""', 'name="file"', 'filename=""', ""])
async def test_a_file_without_a_name_is_refused_with_a_sentence_and_not_left_out(
    stack: Stack, customer: Customer, plain: aiohttp.ClientSession, disposition: str
) -> None:
    status, text, _ = await _send(plain, stack, a_part(disposition, PNG))
    assert status == 422
    assert "File: Files of this kind are not accepted." in text
    assert 'value="Paper jam in tray 3"' in text
    answer = await customer.admin.call("POST", "/attachments", data=a_body(a_part(disposition, PNG)), headers=FORM)
    assert answer.status == 422


async def test_where_no_file_was_chosen_none_is_missed(
    stack: Stack, customer: Customer, plain: aiohttp.ClientSession
) -> None:
    status, text, location = await _send(plain, stack, a_part('name="file"; filename=""', b""))
    assert status == 303, text
    assert await _attached(customer.admin, location) == []
