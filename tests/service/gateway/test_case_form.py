"""The case form as a browser without scripts sends it, files included."""

import html
import re
from io import BytesIO
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web

from services.gateway.countries import countries_in
from shared.bodies import FILE_MEMORY
from shared.coverage import Verdict
from shared.schemas.contracts import CoverageAnswer, CoveredDevice
from tests.service.gateway.stand_ins import CSRF, Gateway, Script, a_session, hangs_up, refuses, says, unmask_tokens

LIMITS = {
    "max_files": 3,
    "max_file_bytes": 2 * 1024 * 1024,
    "max_total_bytes": 6 * 1024 * 1024,
    "extensions": ["png", "txt"],
}
TYPED = {
    "csrf_token": CSRF,
    "idempotency_key": "the-key-of-this-form",
    "upload_key": "the-upload-key-of-this-form",
    "serial": "CNB7K2041X",
    "title": "Paper jam in tray 3",
    "description": "The printer jams on every second page.",
    "severity": "2",
    "where": "address",
    "parts": "same",
}
PNG = b"\x89PNG\r\n\x1a\n"
# The browser keeps no file over an answer.
NOT_NOW = "a.png: Files cannot be sent at the moment. Please wait a moment, then choose the file again."


def accepts() -> Script:
    """Takes every file under an id of its own, as cases does."""
    count = 0

    async def script(_request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        item = {"id": f"file-{count}", "name": f"named-{count}.png", "size": 8, "state": "ready"}
        return web.json_response({"items": [item], "refused": []}, status=201)

    return script


@pytest.fixture
async def portal(gateway: Gateway) -> Gateway:
    nothing: dict[str, Any] = {"items": [], "next_cursor": None, "total": 0}
    gateway["identity"].answers("GET /profile", says({}))
    gateway["identity"].answers("GET /sites", says(nothing))
    gateway["identity"].answers("GET /pins", says(nothing))
    coverage = CoverageAnswer(verdict=Verdict.UNVERIFIED)
    gateway["contracts"].answers("GET /coverage", says(coverage.model_dump(mode="json")))
    gateway["cases"].answers("GET /cases", says(nothing))
    gateway["cases"].answers("GET /attachment-limits", says(LIMITS))
    gateway["cases"].answers("POST /attachments", accepts())
    gateway["cases"].answers("POST /cases", says({"number": "1000000009"}, status=201))
    return gateway


def a_form(*files: tuple[str, bytes], **typed: str) -> aiohttp.FormData:
    """Fields, files, and one more field behind them."""
    form = aiohttp.FormData(quote_fields=False)
    for name, text in {**TYPED, **typed}.items():
        form.add_field(name, text)
    for name, content in files:
        form.add_field("file", content, filename=name, content_type="application/octet-stream")
    form.add_field("preferred_hours", "8 to 12")
    # A form without a file would not be multipart.
    form.add_field("file", b"", filename="", content_type="application/octet-stream")
    return form


async def post(gateway: Gateway, form: aiohttp.FormData, *, session: bool = True) -> tuple[int, str, str]:
    """Status, text, and where it leads."""
    headers = {"Cookie": gateway.signed_in()["Cookie"]} if session else {}
    answer = await gateway.portal.post("/cases", data=form, headers=headers, allow_redirects=False)
    return answer.status, await answer.text(), answer.headers.get("Location", "")


async def test_files_go_on_to_cases_one_by_one_and_the_case_cites_them(portal: Gateway) -> None:
    status, _, location = await post(portal, a_form(('é "1".png', PNG), ("b.txt", b"two")))
    assert (status, location) == (303, "/cases/1000000009/created")
    first, second = portal["cases"].asked("POST /attachments")
    assert b'name="file"; filename="\xc3\xa9' in first.body
    assert PNG in first.body
    assert b"two" in second.body
    assert {seen.headers["Idempotency-Key"] for seen in (first, second)} == {
        "the-upload-key-of-this-form.0",
        "the-upload-key-of-this-form.1",
    }
    (case,) = portal["cases"].asked("POST /cases")
    assert b'"attachment_ids":["file-1","file-2"]' in case.body
    assert b'"preferred_hours":"8 to 12"' in case.body
    assert b"upload_key" not in case.body


async def test_a_refused_file_is_named_with_its_rule_and_nothing_is_lost(portal: Gateway) -> None:
    bad = {"name": "b.exe", "code": "file_type", "message": "Not accepted."}
    portal["cases"].answers("POST /attachments", accepts(), refuses(422, "file_type", "file.0", allowed=["png", "txt"]))
    status, text, _ = await post(portal, a_form(("a.png", PNG), (bad["name"], b"MZ")))
    assert status == 422
    assert portal["cases"].asked("POST /cases") == []
    assert "b.exe: Files of this kind are not accepted. Accepted are: png, txt." in text
    assert re.search(r'name="attachment_ids" value="file-1" checked> named-1\.png', text)
    assert 'value="Paper jam in tray 3"' in text
    assert 'value="8 to 12"' in text
    # The next try may bring other files.
    assert "the-upload-key-of-this-form" not in text
    assert 'value="the-key-of-this-form"' in text


@pytest.mark.parametrize(
    ("status", "code", "english", "french"),
    [
        (429, "too_many_uncited", "You have added too many files", "Vous avez ajouté trop de fichiers"),
        (429, "too_many_uploads", "More was uploaded than is allowed", "La quantité de fichiers permise"),
        (429, "too_many_requests", "Too many requests came at once.", "Trop d’envois sont arrivés à la fois."),
        (507, "storage_low", "Files cannot be stored at the moment", "Aucun fichier ne peut être enregistré"),
    ],
)
async def test_a_file_for_which_there_is_no_room_says_so_in_the_readers_language(
    portal: Gateway, status: int, code: str, english: str, french: str
) -> None:
    # What cases says of the user's own files stands at their field.
    fields = ["file"] if code in {"too_many_uncited", "too_many_uploads"} else []
    portal["cases"].answers("POST /attachments", refuses(status, code, *fields))
    session = a_session()
    for language, sentence in (("en", english), ("fr", french)):
        session["user"]["language"] = language
        portal["identity"].answers("POST /session/resolve", says(session))
        answered, text, _ = await post(portal, a_form(("a.png", PNG)))
        assert answered == 422
        assert sentence in html.unescape(text)
        assert 'value="Paper jam in tray 3"' in text


async def test_files_that_were_accepted_before_are_cited_and_those_unticked_are_not(portal: Gateway) -> None:
    form = a_form(**{"attachment_ids": "kept-1", "attachment_name.kept-1": "a.png", "attachment_name.kept-2": "b.png"})
    assert (await post(portal, form))[0] == 303
    assert b'"attachment_ids":["kept-1"]' in portal["cases"].asked("POST /cases")[0].body
    assert portal["cases"].asked("POST /attachments") == []


# The gateway's client sends a body of more than a megabyte in one piece.
@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_of_a_huge_file_one_byte_more_than_allowed_is_passed_on_and_the_fields_behind_it_are_read(
    portal: Gateway,
) -> None:
    portal["cases"].answers(
        "POST /attachments", refuses(422, "too_large", "file.0", reason="file", limit_bytes=2 * 1024 * 1024)
    )
    status, text, _ = await post(portal, a_form(("a.png", b"x" * 12 * 1024 * 1024)))
    assert status == 422
    assert "a.png: The file is too large. A file may have at most 2 MB." in text
    assert 'value="8 to 12"' in text
    assert len(portal["cases"].asked("POST /attachments")[0].body) < 2 * 1024 * 1024 + 500


async def test_more_files_than_allowed_are_not_even_passed_on(portal: Gateway) -> None:
    files = [(f"{place}.png", PNG) for place in range(5)]
    status, text, _ = await post(portal, a_form(*files))
    assert status == 422
    assert len(portal["cases"].asked("POST /attachments")) == 3
    assert "4.png: Too many files: the limit for one message is 3." in text
    summary = text[text.index('id="errors"') : text.index("</ul>")]
    assert re.findall(r"</a>: (\d\.png): [^<]+</li>", summary) == ["3.png", "4.png"]


@pytest.mark.parametrize("answer", [hangs_up, refuses(503, "unavailable")])
async def test_while_cases_is_unavailable_the_form_comes_back_with_a_sentence_at_each_file(
    portal: Gateway, answer: Script
) -> None:
    portal["cases"].answers("POST /attachments", answer)
    status, text, _ = await post(portal, a_form(("a.png", PNG)))
    assert status == 422
    assert NOT_NOW in text


async def test_where_too_many_files_are_in_hand_the_form_comes_back_with_a_sentence_at_each_file(
    portal: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = portal.portal.app
    assert app is not None
    with monkeypatch.context() as full:
        full.setattr(app[FILE_MEMORY], "_most", 0)
        status, text, _ = await post(portal, a_form(("a.png", b"a"), title="Jam in tray 2"))
    assert status == 422
    assert NOT_NOW in text
    assert "Jam in tray 2" in text
    assert portal["cases"].asked("POST /attachments") == []
    assert app[FILE_MEMORY].held == 0


async def test_a_form_of_an_earlier_session_does_nothing_and_can_be_sent_again(portal: Gateway) -> None:
    status, text, _ = await post(portal, a_form(("a.png", PNG), csrf_token="of-another-session"))
    assert status == 403
    assert portal["cases"].asked("POST /attachments") == []
    assert portal["cases"].asked("POST /cases") == []
    assert "signed in again" in text
    assert 'value="Paper jam in tray 3"' in text
    assert f'name="csrf_token" value="{CSRF}"' in unmask_tokens(text)


async def test_no_file_is_sent_to_cases_before_the_token_was_checked(portal: Gateway) -> None:
    form = aiohttp.FormData()
    form.add_field("file", PNG, filename="a.png")
    for name, text in TYPED.items():
        form.add_field(name, text)
    await post(portal, form)
    assert portal["cases"].asked("POST /attachments") == []


async def test_a_form_of_another_site_reaches_nothing_and_shows_nothing_of_what_it_sent(portal: Gateway) -> None:
    headers = {"Cookie": portal.signed_in()["Cookie"], "Sec-Fetch-Site": "cross-site"}
    answer = await portal.portal.post("/cases", data=a_form(("a.png", PNG)), headers=headers)
    assert answer.status == 403
    assert "Paper jam" not in await answer.text()
    assert portal["cases"].asked("POST /attachments") == []


A_FIELD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data", b"--x--", 400),
        ("multipart/form-data; boundary=x", b"nothing of the kind", 400),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ncut', 400),
        ("multipart/mixed; boundary=x", b"--x--", 415),
        ("application/json", b"{}", 415),
        (
            "multipart/form-data; boundary=x",
            A_FIELD * 300 + b"--x--\r\n",
            413,
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"a" * 1_200_000 + b"\r\n--x--\r\n",
            413,
        ),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y--\r\n", 400),
        ("multipart/form-data; boundary=x", b"\n" * 2000 + A_FIELD + b"--x--\r\n", 400),
        (
            "multipart/form-data; boundary=x",
            A_FIELD.replace(b"\r\n\r\n", b"\r\na:b" * 20 + b"\r\n\r\n") + b"--x--\r\n",
            400,
        ),
        (
            "multipart/form-data; boundary=" + "x" * 40,
            A_FIELD.replace(b"--x", b"--" + b"x" * 40).replace(b'"a"', b'"_charset_"') + b"--" + b"x" * 40 + b"--\r\n",
            400,
        ),
    ],
)
async def test_what_is_no_form_is_refused(portal: Gateway, content_type: str, body: bytes, status: int) -> None:
    headers = {"Cookie": portal.signed_in()["Cookie"], "Content-Type": content_type}
    answer = await portal.portal.post("/cases", data=BytesIO(body), headers=headers, allow_redirects=False)
    assert answer.status == status
    assert portal["cases"].asked("POST /cases") == []


async def test_a_wrong_pin_is_answered_with_the_valid_ones(portal: Gateway) -> None:
    portal["identity"].answers("GET /pins", says({"items": [a_pin("4711"), a_pin("4712", said="SA-1")]}))
    portal["cases"].answers("POST /cases", refuses(422, "pin_not_valid", "pin", pins=["4711 (Gold)"]))
    status, text, _ = await post(portal, a_form(pin="4712"))
    assert status == 422
    assert "This PIN is not valid for this case. Valid are: 4711 (Gold)." in text
    assert '<option value="4712" selected>4712 · Gold, for contract SA-1 only</option>' in text
    assert "operating system, PIN" in text
    assert "A wrong PIN delays the case: in doubt, leave it out." in text


def a_pin(pin: str, **bound: str) -> dict[str, str | None]:
    return {"pin": pin, "label": "Gold", "said": None, "site_id": None} | bound


async def test_a_company_without_pins_and_a_service_without_files_leave_both_out(portal: Gateway) -> None:
    portal["cases"].answers("GET /attachment-limits", refuses(404, "not_found"))
    answer = await portal.portal.get("/cases/new?serial=CNB7K2041X", headers=portal.signed_in())
    text = await answer.text()
    assert answer.status == 200
    assert 'name="pin"' not in text
    assert "operating system, PIN" not in text
    assert 'type="file"' not in text
    assert "No files can be added just now." in text


async def test_the_pin_of_the_profile_is_chosen_already(portal: Gateway) -> None:
    portal["identity"].answers("GET /profile", says({"pin": "4711"}))
    portal["identity"].answers("GET /pins", says({"items": [a_pin("4711")]}))
    answer = await portal.portal.get("/cases/new?serial=CNB7K2041X", headers=portal.signed_in())
    assert '<option value="4711" selected>4711 · Gold</option>' in await answer.text()


async def test_the_same_key_with_another_body_leads_to_the_case_that_was_made(portal: Gateway) -> None:
    case = {"number": "1000000009", "title": "Paper jam <b>", "status": "new"}
    case |= {"created_at": "2026-11-22T09:00:00Z", "turn_since": "2026-11-22T09:00:00Z"}
    portal["cases"].answers("GET /cases", says({"items": [case], "total": 1, "total_is_lower_bound": False}))
    portal["cases"].answers("POST /cases", refuses(422, "idempotency_key_reused"))
    status, text, _ = await post(portal, a_form())
    assert status == 422
    assert '<a href="/cases/1000000009">Paper jam &lt;b&gt;</a>' in text
    assert "the-key-of-this-form" not in text
    assert 'value="Paper jam in tray 3"' in text


async def test_every_field_of_the_form_is_explained_by_a_hint_or_else_by_a_question_mark(portal: Gateway) -> None:
    portal["identity"].answers("GET /pins", says({"items": [a_pin("4711")]}))
    site = {"id": "019abc00-0000-7000-8000-000000000001", "name": "Lyon", "city": "Lyon"}
    portal["identity"].answers("GET /sites", says({"items": [site], "next_cursor": None}))
    answer = await portal.portal.get("/cases/new?serial=CNB7K2041X", headers=portal.signed_in())
    text = await answer.text()
    form = text[text.index("data-draft") : text.index("</form>", text.index("data-draft"))]
    named = set(re.findall(r'<(?:input|select|textarea)[^>]* name="([^"]+)"', form))
    hidden = set(re.findall(r'<input type="hidden" name="([^"]+)"', form))
    # The choices of these say themselves what they mean.
    for name in named - hidden - {"file", "severity", "where", "parts"}:
        hint, asked = f'id="f-{name}-hint"' in form, f'popover id="f-{name}-help"' in form
        assert hint is not asked, name
    assert 'id="f-attachment_ids-hint"' in form


HERE, THERE = "019abc00-0000-7000-8000-000000000001", "019abc00-0000-7000-8000-000000000002"


def of_device(site_id: UUID | None) -> CoverageAnswer:
    device = CoveredDevice(
        serial="CNB7K2041X", serial_label="CNB7-K2041X", product_number="Q1", product_name="Printer", site_id=site_id
    )
    return CoverageAnswer(verdict=Verdict.COVERED, device=device, product_name="Printer")


async def test_the_site_of_the_device_is_chosen_and_its_serial_stands_as_on_its_label(portal: Gateway) -> None:
    sites = [{"id": HERE, "name": "Lyon", "city": "Lyon"}, {"id": THERE, "name": "Mill", "city": "Paris"}]
    portal["identity"].answers("GET /profile", says({"site_id": HERE}))
    portal["identity"].answers("GET /sites", says({"items": sites, "next_cursor": None}))
    portal["contracts"].answers("GET /coverage", says(of_device(UUID(THERE)).model_dump(mode="json")))
    answer = await portal.portal.get("/cases/new?serial=cnb7k2041x", headers=portal.signed_in())
    text = await answer.text()
    assert f'<option value="{THERE}" selected>' in text
    assert '<span data-shows="site_id">Mill, Paris</span>' in text
    assert '<span class="mono">CNB7-K2041X</span>' in text


async def test_another_language_leads_from_a_refused_form_back_to_the_form(portal: Gateway) -> None:
    portal["cases"].answers("POST /cases", refuses(422, "invalid", "title"))
    _, page, _ = await post(portal, a_form())
    assert '<input type="hidden" name="next" value="/cases/new?serial=CNB7K2041X">' in page
    asked = "/cases/new?said=1&device_page=2"
    page = await (await portal.portal.get(asked, headers=portal.signed_in())).text()
    assert f'<input type="hidden" name="next" value="{asked.replace("&", "&amp;")}">' in page


async def test_what_is_typed_about_a_device_is_one_draft_however_its_serial_number_was_written(portal: Gateway) -> None:
    for written in ("CNB7K2041X", "cnb7-k2041x", " CNB7 K2041X "):
        answer = await portal.portal.get("/cases/new", params={"serial": written}, headers=portal.signed_in())
        assert 'data-draft="serial:CNB7K2041X"' in await answer.text()


async def test_a_refused_field_is_never_folded_away(portal: Gateway) -> None:
    portal["cases"].answers("POST /cases", refuses(422, "string_too_long", "error_code", limit=100))
    _, text, _ = await post(portal, a_form(error_code="13.02"))
    (more,) = re.findall(r"<details([^>]*)>\s*<summary><b>More details</b>", text)
    assert more == " open"
    assert 'href="#f-error_code"' in text


async def test_a_page_brings_the_countries_along_only_where_they_are_in_sight(portal: Gateway) -> None:
    address = {"company_name": "Acme", "address_line_1": "1", "postal_code": "1", "city": "Lyon", "country": "FR"}
    person = {"first_name": "Ana", "last_name": "D", "email": "a@example.com", "phone": "+33472000000"}
    portal["identity"].answers("GET /profile", says(address | person))
    text = await (await portal.portal.get("/cases/new?serial=CN1", headers=portal.signed_in())).text()
    assert re.findall(r'<option value="([A-Z]{2})"', text) == ["FR"]
    (source,) = set(re.findall(r'data-list="([^"]+)"', text))
    names = dict(await (await portal.portal.get(source)).json())
    assert names == dict(countries_in("en"))
    # Without scripts a button brings them.
    whole = {f"equipment_address.{name}": text for name, text in address.items()}
    status, text, _ = await post(portal, a_form(("a.png", PNG), **whole, show="countries"))
    assert status == 200
    assert portal["cases"].asked("POST /cases") == []
    assert len(re.findall(r'<option value="BE"', text)) == 2
    assert 'value="Paper jam in tray 3"' in text
    assert 'value="file-1" checked' in text


PRODUCT = {"product_number": "Q1", "name": "Printer", "line": "Printers", "has_serials": True}


async def test_a_product_with_serials_lists_the_companys_own_devices_with_what_covers_them(portal: Gateway) -> None:
    nothing = CoverageAnswer(verdict=Verdict.UNVERIFIED).model_dump(mode="json")
    covered = of_device(None).model_dump(mode="json")
    portal["contracts"].answers("GET /coverage", says(nothing), says(nothing), says(covered))
    portal["contracts"].answers("GET /products", says({"items": [PRODUCT], "next_cursor": None, "total": 1}))
    device = {"serial": "CNB7K2041X", "serial_label": "CNB7-K2041X"}
    portal["contracts"].answers("GET /devices", says({"items": [device], "next_cursor": "more", "total": 1}))
    text = await (await portal.portal.get("/cases/new?q=printer", headers=portal.signed_in())).text()
    assert '<a class="title mono" href="/cases/new?serial=CNB7-K2041X">CNB7-K2041X</a>' in text
    assert '<span class="chip ok">Covered</span>' in text
    assert "There are more of them." in text
    assert "None of your devices" not in text
    assert "product_number=Q1" in portal["contracts"].asked("GET /devices")[0].path


async def test_the_only_product_without_serials_leads_on_at_once(portal: Gateway) -> None:
    found = {"items": [PRODUCT | {"has_serials": False}], "next_cursor": None, "total": 1}
    portal["contracts"].answers("GET /products", says(found))
    answer = await portal.portal.get("/cases/new?q=printer", headers=portal.signed_in(), allow_redirects=False)
    assert (answer.status, answer.headers["Location"]) == (303, "/cases/new?product_number=Q1")


async def test_nothing_is_called_unknown_where_something_was_found(portal: Gateway) -> None:
    found = {"items": [PRODUCT, PRODUCT | {"product_number": "Q2"}], "next_cursor": None, "total": 2}
    portal["contracts"].answers("GET /products", says(found), says(found | {"items": []}))
    for count in (0, 1):
        text = await (await portal.portal.get("/cases/new?q=printer", headers=portal.signed_in())).text()
        assert text.count("None of your devices") == text.count("We did not find “printer”") == count
        assert text.count("Did you mean one of these?") == 1 - count


async def test_every_device_under_a_contract_can_be_chosen(portal: Gateway) -> None:
    serials = {f"CNB7K{number:05}" for number in range(120)}
    devices = [
        CoveredDevice(serial=serial, product_number="Q3718A", product_name="Printer", site_id=None)
        for serial in sorted(serials)
    ]
    coverage = CoverageAnswer(verdict=Verdict.COVERED, devices=devices)
    portal["contracts"].answers("GET /coverage", says(coverage.model_dump(mode="json")))
    found, address = [], "/cases/new?said=SA-204"
    while address:
        text = await (await portal.portal.get(address, headers=portal.signed_in())).text()
        assert "under this contract? (120)" in text
        found += re.findall(r'href="/cases/new\?serial=(CNB7K\d{5})"', text)
        following = re.search(r'href="(/cases/new[^"]*)" rel="next"', text)
        address = html.unescape(following.group(1)) if following else ""
    assert len(found) == len(serials)
    assert set(found) == serials
    for nonsense in ("x", "-1", "9" * 5000, "²"):
        answer = await portal.portal.get(
            "/cases/new", params={"said": "SA-204", "device_page": nonsense}, headers=portal.signed_in()
        )
        assert "CNB7K00000" in await answer.text()


@pytest.mark.parametrize(("cursor", "times"), [("more", 1), (None, 0)])
async def test_the_start_says_when_there_are_more_products_than_it_shows(
    portal: Gateway, cursor: str | None, times: int
) -> None:
    product = {"product_number": "D9L63A", "name": "OfficeJet 8210", "line": "OfficeJet", "has_serials": False}
    portal["contracts"].answers("GET /products", says({"items": [product], "next_cursor": cursor, "total": 11}))
    answer = await portal.portal.get("/cases/new?q=office", headers=portal.signed_in())
    assert (await answer.text()).count("There are more products like these.") == times


async def test_the_form_speaks_french(gateway: Gateway, portal: Gateway) -> None:
    session = a_session()
    session["user"]["language"] = "fr"
    gateway["identity"].answers("POST /session/resolve", says(session))
    portal["cases"].answers("POST /attachments", refuses(422, "empty", "file.0"))
    status, text, _ = await post(portal, a_form(("a.png", b"")))
    assert status == 422
    assert "Le fichier est vide" in text
    assert "Soumettre le dossier" in text


ATTACHED = {"attachment_ids": "file-7", "attachment_name.file-7": "jam.png"}


@pytest.mark.parametrize("limits_known", [True, False])
async def test_attached_files_stay_in_the_form_while_cases_is_unavailable(
    portal: Gateway, *, limits_known: bool
) -> None:
    if limits_known:
        await portal.portal.get("/cases/new?serial=CNB7K2041X", headers=portal.signed_in())
    for name in ("GET /attachment-limits", "GET /cases", "POST /cases", "POST /attachments"):
        portal["cases"].answers(name, hangs_up)
    status, text, _ = await post(portal, a_form(**ATTACHED))
    assert status == 503
    assert re.search(r'name="attachment_ids" value="file-7" checked> jam\.png', text)
    assert '<input type="hidden" name="attachment_name.file-7" value="jam.png">' in text
    # What may be attached is a setting: what cases told before still holds.
    assert ('type="file"' in text) is limits_known
    assert ("No files can be added just now." in text) is not limits_known


async def test_a_file_that_cannot_go_out_without_limits_is_named_in_the_form(portal: Gateway) -> None:
    for name in ("GET /attachment-limits", "POST /attachments"):
        portal["cases"].answers(name, hangs_up)
    status, text, _ = await post(portal, a_form(("b.png", PNG), **ATTACHED))
    assert status == 422
    assert '<p class="error">b.png: Files cannot be sent at the moment. Please wait a moment, then choose' in text
    assert 'value="file-7" checked> jam.png' in text


async def test_a_file_that_is_no_longer_there_is_named_and_all_else_stays(portal: Gateway) -> None:
    portal["cases"].answers("POST /cases", refuses(422, "not_yours", "attachment_ids.1"))
    form = aiohttp.FormData(default_to_multipart=True)
    for name, text in {**TYPED, "attachment_name.file-1": "still.png", "attachment_name.file-2": "gone.png"}.items():
        form.add_field(name, text)
    for file in ("file-1", "file-2"):
        form.add_field("attachment_ids", file)
    status, text, _ = await post(portal, form)
    assert status == 422
    assert '<p class="error">gone.png: This file is no longer there. Remove it, then attach it again.</p>' in text
    assert "still.png: " not in text
    assert 'value="file-1" checked> still.png' in text
    assert 'value="Paper jam in tray 3"' in text


@pytest.mark.parametrize("as_multipart", [True, False])
async def test_texts_that_are_too_long_are_no_matter_of_files_and_lead_back_to_the_form(
    portal: Gateway, *, as_multipart: bool
) -> None:
    form = aiohttp.FormData(default_to_multipart=as_multipart)
    for name, text in (TYPED | {"description": "x" * 1_000_000}).items():
        form.add_field(name, text)
    status, text, _ = await post(portal, form)
    assert status == 413
    assert "The texts of this form are too long: together they may have at most 384 kB." in text
    assert "files" not in text
    back = "/cases/new?serial=CNB7K2041X" if as_multipart else "/cases/new"
    assert f'<a class="button" href="{back}">Back to the form</a>' in text


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/users", "/users"),
        ("/verify", "/verify"),
        ("/verify/resend", "/verify"),
        ("/cases/1000000009", "/cases/1000000009"),
    ],
)
async def test_every_form_that_is_too_long_leads_back_to_itself(portal: Gateway, path: str, back: str) -> None:
    typed = {"csrf_token": CSRF, "text": "x" * 1_000_000}
    answer = await portal.portal.post(path, data=typed, headers={"Cookie": portal.signed_in()["Cookie"]})
    text = await answer.text()
    assert answer.status == 413
    assert "The texts of this form are too long: together they may have at most" in text
    assert f'<a class="button" href="{back}">Back to the form</a>' in text


@pytest.mark.parametrize("token", ["of-another-session", CSRF])
async def test_a_form_that_was_filled_in_for_another_company_names_this_one_and_keeps_nothing_of_that(
    portal: Gateway, token: str
) -> None:
    session = a_session()
    portal["identity"].answers("POST /session/resolve", says(session))
    sites = {"items": [{"id": "site-of-both", "name": "Lyon", "city": "Lyon"}], "next_cursor": None, "total": 1}
    portal["identity"].answers("GET /sites", says(sites))
    portal["identity"].answers("GET /pins", says({"items": [{"pin": "4711", "label": "Gold"}]}))
    typed = {"csrf_token": token, "site_id": "site-of-both", "pin": "4711", "where": "site"}
    status, text, _ = await post(portal, a_form(**typed, filled_in_by="a-user-of-another-company"))
    assert status == 403
    assert portal["cases"].asked("POST /cases") == []
    assert "You are now signed in as ana@example.com, in the portal of Acme SA." in text
    assert 'value="Paper jam in tray 3"' in text
    assert 'value="site-of-both" selected' not in text
    assert 'value="4711" selected' not in text
    (filled_in_by,) = re.findall(r'name="filled_in_by" value="([^"]+)"', text)
    assert filled_in_by == session["user"]["id"]
    # Only the session is another one.
    status, text, _ = await post(portal, a_form(**{**typed, "csrf_token": "old"}, filled_in_by=filled_in_by))
    assert status == 403
    assert 'value="site-of-both" selected' in text
    assert 'value="4711" selected' in text
