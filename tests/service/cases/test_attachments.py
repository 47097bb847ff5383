"""Uploading: what is taken, what is refused and why, and bodies that mean harm."""

import asyncio
import re
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from io import BytesIO

import aiohttp
import pytest

from deploy.local.waiting import until
from services.cases.attachments import multipart as uploads
from services.cases.attachments.store import files as attachments
from shared import bodies
from shared.bodies import FILE_MEMORY
from shared.claims import ago
from tests.builders import an_actor, signed
from tests.service.cases.conftest import CasesApi, a_replica
from tests.service.cases.files import (
    BOUNDARY,
    FORM,
    GIF,
    MIB,
    PNG,
    TEXT,
    a_form,
    a_key,
    a_part,
    download,
    names,
    stored,
    upload,
    uploaded,
)
from tests.unbounded import UNBOUNDED

ANA = an_actor()


async def test_files_are_kept_and_told_with_what_their_extension_says(cases: CasesApi) -> None:
    answer = await upload(cases, ANA, ("scan.PNG", PNG), ("jam.log", TEXT))
    assert answer.status == 201
    assert answer.body["refused"] == []
    scan, jam = answer.body["items"]
    assert (scan["name"], scan["size"], scan["content_type"], scan["state"]) == (
        "scan.PNG",
        len(PNG),
        "image/png",
        "ready",
    )
    assert (jam["name"], jam["content_type"]) == ("jam.log", "text/plain")
    assert re.fullmatch(r"[A-Za-z0-9_-]{22}", scan["id"])  # 128 bits
    document = await stored(cases, scan["id"])
    assert document is not None
    assert (document["company_id"], document["uploader"], document["entry_id"]) == (ANA.company_id, ANA.user_id, None)


async def test_what_a_client_says_of_the_content_counts_for_nothing(cases: CasesApi) -> None:
    part = a_part("a.txt", TEXT, headers=b"Content-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n")
    body = part + f"--{BOUNDARY}--\r\n".encode()
    answer = await cases.call("POST", "/attachments", ANA, data=body, headers=FORM)
    assert answer.body["items"][0]["content_type"] == "text/plain"


async def test_refused_files_are_named_with_rule_and_limit_and_take_nothing_along(cases: CasesApi) -> None:
    answer = await upload(cases, ANA, ("page.html", b"<p>"), ("big.txt", b"x" * (2 * MIB + 1)), ("jam.txt", TEXT))
    assert (answer.status, names(answer.body["items"])) == (201, ["jam.txt"])
    html, big = answer.body["refused"]
    assert (html["name"], html["code"]) == ("page.html", "file_type")
    assert "docx" in html["limit"]
    assert (big["name"], big["code"], big["limit"]) == ("big.txt", "too_large", 2 * MIB)
    assert "2 MiB" in big["message"]


async def test_a_file_of_exactly_the_limit_is_taken_and_comes_back_byte_for_byte(cases: CasesApi) -> None:
    content = b"x\r\n--" * (2 * MIB // 5) + b"y" * (2 * MIB % 5)
    file_id = await uploaded(cases, ANA, "full.txt", content)
    assert (await download(cases, file_id, ANA)).body == content


async def test_a_fourth_file_is_one_too_many(cases: CasesApi) -> None:
    answer = await upload(cases, ANA, *[(f"{n}.txt", TEXT) for n in range(4)])
    assert names(answer.body["items"]) == ["0.txt", "1.txt", "2.txt"]
    assert [(file["code"], file["limit"]) for file in answer.body["refused"]] == [("too_many", 3)]


async def test_when_nothing_can_be_kept_each_file_is_an_error(cases: CasesApi) -> None:
    answer = await upload(cases, ANA, ("a.exe", b"MZ"), ("b.png", TEXT), ("c.txt", b""))
    assert (answer.status, answer.code) == (422, "invalid")
    assert answer.field_codes == {"file.0": "file_type", "file.1": "content_mismatch", "file.2": "empty"}
    assert answer.body["errors"][1]["message"].startswith("b.png: ")


async def test_limits_are_settings_and_are_told(mongo_url: str) -> None:
    environment = {
        "CASES_ATTACHMENT_MAX_FILES": "2",
        "CASES_ATTACHMENT_MAX_FILE_BYTES": "100",
        "CASES_ATTACHMENT_MAX_TOTAL_BYTES": "150",
        "CASES_ATTACHMENT_EXTENSIONS": "txt, PNG",
    }
    async with a_replica(mongo_url, **UNBOUNDED, **environment) as strict:
        told = (await strict.call("GET", "/attachment-limits", ANA)).body
        assert told == {"max_files": 2, "max_file_bytes": 100, "max_total_bytes": 150, "extensions": ["txt", "png"]}
        answer = await upload(
            strict, ANA, ("a.txt", b"a" * 100), ("b.txt", b"b" * 51), ("c.txt", b"c" * 101), ("d.gif", GIF)
        )
        assert names(answer.body["items"]) == ["a.txt"]
        assert [file["code"] for file in answer.body["refused"]] == ["too_large_together", "too_large", "file_type"]


async def test_the_default_limits_are_told(cases: CasesApi) -> None:
    told = (await cases.call("GET", "/attachment-limits", ANA)).body
    assert (told["max_files"], told["max_file_bytes"], told["max_total_bytes"]) == (3, 2 * MIB, 6 * MIB)
    assert ",".join(told["extensions"]) == "jpg,jpeg,png,gif,bmp,doc,docx,pdf,zip,txt,log,xml"


# Names


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../../etc/cron.d/x.txt", "x.txt"),
        ("..\\\\..\\\\boot.txt", "boot.txt"),
        ("%2e%2e%2fx.txt", "%2e%2e%2fx.txt"),
        ("CON.txt", "CON.txt"),
        ("été\u202etxt.exe.txt", "ététxt.exe.txt"),
        ("l" * 5000 + ".txt", "l" * 146 + ".txt"),
        ("a;b='c'<script>.txt", "a;b='c'<script>.txt"),
    ],
)
async def test_names_are_made_harmless(cases: CasesApi, given: str, kept: str) -> None:
    file_id = await uploaded(cases, ANA, given)
    document = await stored(cases, file_id)
    assert document is not None
    assert document["name"] == kept


async def test_a_name_is_quoted_so_that_it_cannot_add_a_header(cases: CasesApi) -> None:
    file_id = await uploaded(cases, ANA, 'a\\"b; été.txt')
    async with cases.client.get(f"/attachments/{file_id}", headers=signed(ANA)) as answer:
        assert answer.headers["Content-Disposition"] == (
            "attachment; filename=\"a_b; _t_.txt\"; filename*=UTF-8''a%22b%3B%20%C3%A9t%C3%A9.txt"
        )


# Downloads


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("both.gif", b"GIF89a/*" + b"\0" * 20 + b"*/=1;alert(1)"),
        ("both.png", PNG + b"<script>alert(1)</script>"),
        ("page.xml", b"<html xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></html>"),
        ("page.txt", b"<script>alert(1)</script>"),
        ("open.pdf", b"%PDF-1.7\n/OpenAction << /S /JavaScript /JS (app.alert(1)) >>"),
    ],
)
async def test_whatever_is_in_a_file_it_is_only_ever_a_download(cases: CasesApi, name: str, content: bytes) -> None:
    file_id = await uploaded(cases, ANA, name, content)
    async with cases.client.get(f"/attachments/{file_id}", headers=signed(ANA)) as answer:
        assert (answer.status, await answer.read()) == (200, content)
        assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{name}"')
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Content-Length"] == str(len(content))
        assert answer.content_type not in {"text/html", "image/svg+xml", "application/xhtml+xml"}


@pytest.mark.parametrize(
    ("name", "content", "status"),
    [
        ("seen.png", PNG[:8] + b"\0\0\0\rIHDR" + b"\0\0\x10\0\0\0\x10\0" + b"\0" * 9, 200),
        ("huge.png", PNG[:8] + b"\0\0\0\rIHDR" + b"\0\0\xff\0\0\0\xff\0" + b"\0" * 9, 404),
        ("none.txt", TEXT, 404),
    ],
)
async def test_only_a_picture_of_a_modest_size_is_handed_out_to_be_seen(
    cases: CasesApi, name: str, content: bytes, status: int
) -> None:
    file_id = await uploaded(cases, ANA, name, content)
    assert (await download(cases, file_id, ANA)).status == 200
    async with cases.client.get(f"/attachments/{file_id}?as=picture", headers=signed(ANA)) as answer:
        assert answer.status == status


async def test_an_uncited_file_is_its_uploaders_alone(cases: CasesApi) -> None:
    file_id = await uploaded(cases, ANA)
    colleague, stranger = an_actor(company_id=ANA.company_id), an_actor()
    not_there = await download(cases, "A" * 22, ANA)
    for somebody in (colleague, stranger):
        answer = await download(cases, file_id, somebody)
        assert (answer.status, answer.code) == (404, "not_found")
        assert answer.body | {"request_id": ""} == not_there.body | {"request_id": ""}
    assert (await download(cases, file_id, ANA)).status == 200
    assert (await download(cases, file_id, None)).status == 401


@pytest.mark.parametrize("guess", ["1", "null", "A" * 22, "..%2f..", "%00", "x" * 5000, "$ne", "*"])
async def test_guessing_leads_nowhere(cases: CasesApi, guess: str) -> None:
    assert (await cases.call("GET", f"/attachments/{guess}", ANA)).status in {400, 404}


# The same request again


async def test_the_same_key_and_files_give_the_same_files_whatever_stands_between_them(cases: CasesApi) -> None:
    key = a_key()
    first = await upload(cases, ANA, ("a.txt", TEXT), ("b.exe", b"MZ"), ("c.png", PNG), key=key)
    body = a_form(("a.txt", TEXT), ("b.exe", b"MZ"), ("c.png", PNG)).replace(BOUNDARY.encode(), b"another")
    headers = {"Content-Type": "multipart/form-data; boundary=another"}
    again = await cases.call("POST", "/attachments", ANA, key=key, data=body, headers=headers)
    assert (again.status, again.body) == (201, first.body)


async def test_the_same_key_with_other_files_is_refused(cases: CasesApi) -> None:
    key = a_key()
    await upload(cases, ANA, ("a.txt", TEXT), key=key)
    for other in (("a.txt", TEXT + b"."), ("b.txt", TEXT)):
        answer = await upload(cases, ANA, other, key=key)
        assert (answer.status, answer.code) == (422, "idempotency_key_reused")


async def test_a_key_says_nothing_about_the_ids_and_is_its_users_own(cases: CasesApi) -> None:
    key, other = a_key(), an_actor(company_id=ANA.company_id)
    mine, theirs = [(await upload(cases, who, ("a.txt", TEXT), key=key)).body["items"][0]["id"] for who in (ANA, other)]
    assert mine != theirs


async def test_many_at_once_with_one_key_make_one_file_each(cases: CasesApi) -> None:
    key = a_key()
    answers = await asyncio.gather(
        *(upload(cases, ANA, ("a.txt", TEXT), ("b.txt", TEXT), ("c.txt", TEXT), key=key) for _ in range(8))
    )
    assert {answer.status for answer in answers} == {201}
    assert len({tuple(item["id"] for item in answer.body["items"]) for answer in answers}) == 1


async def test_an_upload_that_died_halfway_is_completed_by_its_repeat(cases: CasesApi) -> None:
    key = a_key()
    first = await upload(cases, ANA, ("a.txt", TEXT), ("b.txt", TEXT), key=key)
    kept, lost = (item["id"] for item in first.body["items"])
    await cases.db["attachments"].delete_one({"_id": lost})
    again = await upload(cases, ANA, ("a.txt", TEXT), ("b.txt", TEXT), key=key)
    assert names(again.body["items"]) == ["a.txt", "b.txt"]
    assert again.body["items"][0]["id"] == kept


# Bodies that mean harm


async def post(cases: CasesApi, body: bytes, content_type: str = FORM["Content-Type"]) -> tuple[int, str]:
    answer = await cases.call("POST", "/attachments", ANA, data=BytesIO(body), headers={"Content-Type": content_type})
    return answer.status, answer.code


async def test_other_media_types_are_refused(cases: CasesApi) -> None:
    for other in ("application/json", "multipart/mixed; boundary=x", "text/plain", "multipart/form-data-x"):
        assert await post(cases, b"{}", other) == (415, "wrong_media_type")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (a_form(("a.txt", TEXT)), "multipart/form-data"),  # no boundary
        (a_form(("a.txt", TEXT)), "multipart/form-data; boundary="),
        (a_form(("a.txt", TEXT)), "multipart/form-data; boundary=another"),
        (a_form(("a.txt", TEXT)), "multipart/form-data; boundary=" + "x" * 71),
        (b"", FORM["Content-Type"]),
        (b"no parts", FORM["Content-Type"]),
        (a_part("a.txt", TEXT), FORM["Content-Type"]),  # no last boundary
        (a_part("a.txt", TEXT)[:-20], FORM["Content-Type"]),
        (a_form(("n" * 9000 + ".txt", TEXT)), FORM["Content-Type"]),
        (a_part("a.txt", TEXT, headers=b"X-More: 1\r\n" * 1000), FORM["Content-Type"]),
        (a_part("a.txt", TEXT, headers=b"Content-Type: multipart/mixed; boundary=b\r\n"), FORM["Content-Type"]),
        (a_part("a.txt", TEXT, headers=b"no colon\r\n"), FORM["Content-Type"]),
        (b"".join(a_part(f"{n}.txt", TEXT) for n in range(10_000)), FORM["Content-Type"]),
        (b"\n" * 2000 + a_form(("a.txt", TEXT)), FORM["Content-Type"]),
        (b"\r\n" * 400 + a_form(("a.txt", TEXT)), FORM["Content-Type"]),
        (b"long" * 400 + b"\r\n" + a_form(("a.txt", TEXT)), FORM["Content-Type"]),
    ],
)
async def test_broken_bodies_are_refused_and_keep_nothing(cases: CasesApi, body: bytes, content_type: str) -> None:
    before = await cases.db["attachments"].count_documents({"uploader": ANA.user_id})
    assert await post(cases, body, content_type) == (400, "malformed")
    assert await cases.db["attachments"].count_documents({"uploader": ANA.user_id}) == before


async def test_ten_thousand_parts_are_not_read(cases: CasesApi) -> None:
    body = a_form(*[("a.txt", b"x")] * 10_000)
    started = time.perf_counter()
    assert await post(cases, body) == (400, "malformed")
    assert time.perf_counter() - started < 10


async def test_what_others_write_around_the_parts_is_passed_over(cases: CasesApi) -> None:
    lines = b"\n" * 20_000
    body = b"This is a form.\r\n\r\n" + a_form(("a.txt", TEXT), ("b.txt", lines), ("c.txt", TEXT)) + lines
    answer = await cases.call("POST", "/attachments", ANA, data=BytesIO(body), headers=FORM)
    assert names(answer.body["items"]) == ["a.txt", "b.txt", "c.txt"]


async def test_parts_of_another_name_are_refused(cases: CasesApi) -> None:
    body = a_part("a.txt", TEXT, field="other") + f"--{BOUNDARY}--\r\n".encode()
    answer = await cases.call("POST", "/attachments", ANA, data=body, headers=FORM)
    assert (answer.status, answer.field_codes) == (422, {"other": "extra_forbidden"})


async def test_a_form_without_a_file_is_told_so(cases: CasesApi) -> None:
    for body in (f"--{BOUNDARY}--\r\n".encode(), a_form(("", b""))):  # a browser where no file was chosen
        answer = await cases.call("POST", "/attachments", ANA, data=body, headers=FORM)
        assert (answer.status, answer.field_codes) == (422, {"file": "missing"})


async def test_a_body_that_says_it_is_too_long_is_not_read(cases: CasesApi) -> None:
    assert await post(cases, a_form(("a.txt", b"x" * (7 * MIB)))) == (413, "too_large")


async def test_a_body_that_does_not_say_so_is_cut_where_it_gets_too_long(cases: CasesApi) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield a_part("a.txt", b"")[:-2]
        while sent < 100 * MIB:
            sent += 64 * 1024
            yield b"x" * (64 * 1024)

    tracemalloc.start()
    try:
        async with cases.client.post("/attachments", data=endless(), headers=signed(ANA) | FORM) as answer:
            assert answer.status == 413
    except aiohttp.ClientError:
        pass  # the connection was ended while we still sent, which says the same
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert sent < 20 * MIB
    assert peak < 12 * MIB


async def test_a_file_of_five_megabytes_is_read_past_and_not_kept_in_memory(cases: CasesApi) -> None:
    body = a_form(("big.txt", b"x" * (5 * MIB)), ("jam.txt", TEXT))

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 16 * 1024):
            yield body[start : start + 16 * 1024]

    tracemalloc.start()
    try:
        async with cases.client.post("/attachments", data=pieces(), headers=signed(ANA) | FORM) as answer:
            told = await answer.json()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (names(told["items"]), told["refused"][0]["code"]) == (["jam.txt"], "too_large")
    assert peak < 4 * MIB


async def test_a_slow_body_is_cut_off(cases: CasesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "CHUNK_WITHIN_S", 0.1)
    never = asyncio.Event()

    async def stalls() -> AsyncIterator[bytes]:
        yield a_part("a.txt", b"x")
        await never.wait()

    try:
        async with cases.client.post("/attachments", data=stalls(), headers=signed(ANA) | FORM) as answer:
            assert answer.status == 408
    finally:
        never.set()


async def test_a_body_that_comes_in_drops_is_cut_off(cases: CasesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "_RESERVE_S", 0.2)
    answered = asyncio.Event()

    async def drops() -> AsyncIterator[bytes]:
        yield a_part("a.txt", b"")[:-2]
        while not answered.is_set():
            yield b"x"
            with suppress(TimeoutError):
                await asyncio.wait_for(answered.wait(), 0.01)

    try:
        async with cases.client.post("/attachments", data=drops(), headers=signed(ANA) | FORM) as answer:
            assert answer.status == 408
    finally:
        answered.set()


async def test_a_body_that_comes_at_a_slow_line_is_read(cases: CasesApi, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"x" * (512 * 1024)
    body = a_form(("a.txt", content))

    async def has_begun() -> bool:
        assert cases.client.app is not None
        return bool(cases.client.app[FILE_MEMORY].held > 0)

    async def pieces() -> AsyncIterator[bytes]:
        yield body[: 256 * 1024]
        assert await until(has_begun, deadline_s=30, pause_s=0.01)
        # From now on there is only what the bytes that have come allow.
        monkeypatch.setattr(bodies, "_RESERVE_S", 0.0)
        monkeypatch.setattr(bodies, "_SLOWEST_RATE", 1)
        for start in range(256 * 1024, len(body), 64 * 1024):
            yield body[start : start + 64 * 1024]
            await asyncio.sleep(0.02)

    answer = await cases.call("POST", "/attachments", ANA, data=pieces(), headers=FORM)
    assert (answer.status, answer.body["items"][0]["size"]) == (201, len(content))


async def test_a_client_that_hangs_up_leaves_nothing(cases: CasesApi) -> None:
    somebody = an_actor()
    reader, writer = await asyncio.open_connection("127.0.0.1", cases.client.port)
    headers = {**signed(somebody), **FORM, "Host": "x", "Content-Length": "1000000"}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"POST /attachments HTTP/1.1\r\n{head}\r\n".encode() + a_part("a.txt", TEXT) + a_part("b.txt", TEXT))
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    assert (await upload(cases, somebody, ("c.txt", TEXT))).status == 201
    assert await cases.db["attachments"].count_documents({"uploader": somebody.user_id}) == 1


# Sweeping


async def backdate(cases: CasesApi, file_id: str, field: str, hours: float) -> None:
    """By the database's own clock."""
    past = ago(timedelta(hours=hours))
    await cases.db["attachments"].update_one({"_id": file_id}, [{"$set": {field: past}}])


async def test_uncited_files_go_after_a_day(cases: CasesApi) -> None:
    old, young = await uploaded(cases, ANA), await uploaded(cases, ANA)
    await backdate(cases, old, "created_at", 24.1)
    await backdate(cases, young, "created_at", 23.9)
    await asyncio.gather(*(attachments.remove_uncited(cases.db, after=timedelta(hours=24)) for _ in range(4)))
    assert await stored(cases, old) is None
    assert await stored(cases, young) is not None
    assert (await download(cases, old, ANA)).status == 404


async def test_where_too_many_files_are_in_hand_the_next_is_asked_to_wait(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = cases.client.app
    assert app is not None
    with monkeypatch.context() as full:
        full.setattr(app[FILE_MEMORY], "_most", 10)
        answer = await upload(cases, ANA, ("scan.png", PNG))
        # Forms have room of their own.
        assert (await cases.call("POST", "/cases", ANA, json={})).status == 422
    assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (503, "too_busy", "2")
    assert (await upload(cases, ANA, ("scan.png", PNG))).status == 201
    assert app[FILE_MEMORY].held == 0


async def test_slow_uploads_of_three_members_do_not_stop_a_fourth(
    cases: CasesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "CHUNK_WITHIN_S", 60)  # they are not to be cut off before the fourth has come

    async def holds(least: int, most: int) -> bool:
        assert cases.client.app is not None
        return bool(least <= cases.client.app[FILE_MEMORY].held <= most)

    slow = b"".join(a_part(name, b"x" * (2 * MIB)) for name in ("a.txt", "b.txt", "c.txt"))
    writers = []
    for member in (an_actor(), an_actor(), an_actor()):
        for _ in range(4):  # as many as the gateway lets pass
            _, writer = await asyncio.open_connection("127.0.0.1", cases.client.port)
            writers.append(writer)
            headers = {**signed(member), **FORM, "Host": "x", "Content-Length": str(len(slow))}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            writer.write(f"POST /attachments HTTP/1.1\r\n{head}\r\n".encode() + slow[:-9])
    assert await until(partial(holds, 50 * MIB, 64 * MIB), deadline_s=30)
    large = (TEXT * 60_000)[: 2 * MIB].decode(errors="ignore").encode()
    for _ in range(3):
        assert (await upload(cases, an_actor(), *((f"{n}.txt", large) for n in range(3)))).status == 201
    assert await holds(40 * MIB, 64 * MIB)
    for writer in writers:
        writer.close()
    assert await until(partial(holds, 0, 0), deadline_s=30)
