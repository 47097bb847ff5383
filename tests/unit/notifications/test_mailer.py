"""What a mail says, and to whom."""

import re
from collections.abc import Callable
from email.header import decode_header, make_header
from email.utils import parseaddr
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from jinja2 import UndefinedError

from services.notifications.brand import Brand
from services.notifications.domain.people import Person, UnusableAddress
from services.notifications.kinds import KINDS
from services.notifications.mailer import Mailer
from shared.codes import Purpose, digit_code, read_link_code
from shared.schemas.notifications import MailKind
from tests.builders import TEST_SECRET
from tests.unit.notifications.mails import (
    CODE_FACTS,
    FACTS,
    MAILER,
    Facts,
    a_mail,
    a_reader,
    a_stranger,
    html_of,
    received,
    text_of,
)

LANGUAGES = ("en", "fr")


class _Words(HTMLParser):
    """What a reader of the HTML sees, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.links: list[str] = []
        self._unseen = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in {"style", "title"}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in {"style", "title"}

    def handle_data(self, data: str) -> None:
        self.text += "" if self._unseen else f" {data}"


def _squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_say_the_same(kind: MailKind, language: str) -> None:
    message = received(a_mail(kind), a_reader(language=language))
    html = _Words(html_of(message))
    for line in text_of(message).splitlines():
        if line.startswith("https://"):
            assert line in html.links
        elif line != "-- ":
            # A fact is `label: value` in the text, and two cells of a row in the HTML.
            parts = [line] if _squeezed(line) in _squeezed(html.text) else line.split(":", 1)
            assert all(_squeezed(part) in _squeezed(html.text) for part in parts), line


@pytest.mark.parametrize("kind", KINDS)
def test_the_html_fetches_nothing_and_links_to_the_portal_only(kind: MailKind) -> None:
    html = html_of(received(a_mail(kind)))
    assert all(link.startswith("https://portal.example:8443/") for link in _Words(html).links)
    for fetching in ("<img", "src=", "url(", "<link", "@import", "<script", "@font-face"):
        assert fetching not in html


def test_a_reader_has_their_own_language_and_zone_where_they_are_known() -> None:
    mail = a_mail("case_created", language="en")
    message = received(mail, a_reader(language="fr", time_zone="America/Montreal"))
    assert message["Subject"] == "[1000000009] It smokes"
    assert text_of(message).startswith("Le dossier 1000000009 a été créé\xa0: It smokes\n")
    assert "24 avr. 2026, 08:29 (America/Montreal)" in text_of(message)
    assert '<html lang="fr">' in html_of(message)


def test_an_address_gets_the_rows_language_and_the_companys_time_zone() -> None:
    mail = a_mail("invitation", language="fr")
    person = Person.of_address(mail.email, mail.company_id, time_zone="Europe/Paris")
    assert "jusqu’au 1 mai 2026, 14:30 (Europe/Paris)" in text_of(received(mail, person))


def test_a_zone_that_is_not_known_here_is_utc_and_says_so() -> None:
    person = a_reader(time_zone="Mars/Olympus_Mons")
    assert "24 Apr 2026, 12:29 (UTC)" in text_of(received(a_mail("case_created"), person))


def test_an_unknown_language_is_english() -> None:
    message = received(a_mail("case_created"), a_reader(language="de"))
    assert text_of(message).startswith("Support case 1000000009 has been created: It smokes\n")


def test_an_invitation_ends_in_a_code_that_identity_can_read() -> None:
    message = received(a_mail("invitation", name=""))
    link = next(line for line in text_of(message).splitlines() if "/invitations/" in line)
    assert link.startswith("https://portal.example:8443/invitations/")
    code = link.rpartition("/")[2]
    assert read_link_code(TEST_SECRET, Purpose.INVITATION, code) == (CODE_FACTS["code_for"], 3)
    assert message["Subject"] == "Invitation to Portico"


@pytest.mark.parametrize(
    ("language", "subject"), [("en", "{} is your code for Portico"), ("fr", "{} est votre code pour Portico")]
)
def test_the_six_digits_stand_in_the_mail_and_first_in_its_subject(language: str, subject: str) -> None:
    message = received(a_mail("verification_code"), a_reader(language=language))
    code = digit_code(TEST_SECRET, Purpose.VERIFICATION, CODE_FACTS["code_for"], 3)
    assert code in text_of(message).splitlines()
    assert code in html_of(message)
    assert message["Subject"] == subject.format(code)


def test_a_case_mail_names_the_case_links_to_it_and_says_why_it_came() -> None:
    message = received(a_mail("case_created"))
    text = text_of(message)
    assert "https://portal.example:8443/cases/1000000009" in text
    assert "https://portal.example:8443/profile#notices" in text
    for each in ("LaserJet 4", "CNA1", "Lyon", "1 – critical", "You get this e-mail because"):
        assert each in text


def test_the_mail_about_a_new_case_repeats_what_was_submitted() -> None:
    message = received(a_mail("case_created"))
    text = text_of(message)
    for line in ("Contact: Luc Petit", "Coverage: Covered until 31 Dec 2028", "Level: Gold 24×7"):
        assert line in text.splitlines()
    assert "Description:\n\n  Smoke & a smell <of glue>.\n  Since this morning.\n" in text
    assert "Smoke &amp; a smell &lt;of glue&gt;.\nSince this morning." in html_of(message)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"coverage_until": None}, "Covered"),
        ({"coverage": "not_covered"}, "Not covered"),
        ({"coverage": "unverified"}, "Not known yet"),
    ],
)
def test_the_mail_about_a_new_case_says_what_was_known_of_its_coverage(facts: Facts, said: str) -> None:
    assert f"Coverage: {said}" in text_of(received(a_mail("case_created", facts))).splitlines()


@pytest.mark.parametrize(("language", "line"), [("en", "Created by: Mia Typist"), ("fr", "Créé par : Mia Typist")])
def test_the_mail_about_a_new_case_says_who_created_it_for_somebody_else(language: str, line: str) -> None:
    on_behalf = received(a_mail("case_created", {"created_by_name": "Mia Typist"}), a_reader(language=language))
    assert line in text_of(on_behalf).replace("\xa0", " ").splitlines()
    own = received(a_mail("case_created", {"created_by_name": ""}), a_reader(language=language))
    assert line.partition(":")[0].strip() not in text_of(own) + html_of(own)


@pytest.mark.parametrize(
    ("language", "line"), [("en", "Follow-up of: 1000000017"), ("fr", "Fait suite à : 1000000017")]
)
def test_the_mail_about_a_follow_up_names_the_case_it_goes_on_from(language: str, line: str) -> None:
    next_one = received(a_mail("case_created", {"follow_up_of": "1000000017"}), a_reader(language=language))
    assert line in text_of(next_one).replace("\xa0", " ").splitlines()
    assert "1000000017" in html_of(next_one)
    first = received(a_mail("case_created", {"follow_up_of": ""}), a_reader(language=language))
    assert line.partition(":")[0].strip() not in text_of(first) + html_of(first)


@pytest.mark.parametrize(("reader", "most"), [(a_reader, 1500), (a_stranger, 500)])
def test_a_long_description_is_cut_between_words_and_says_where_the_rest_is(
    reader: Callable[..., Person], most: int
) -> None:
    rest = "The rest of the description is on the page of the case."
    short = received(a_mail("case_created", {"description": "x" * most}), reader())
    long = received(a_mail("case_created", {"description": "smoke " * 400}), reader())
    assert "x" * most in text_of(short)
    assert rest not in text_of(short) + html_of(short)
    for said in (text_of(long), html_of(long)):
        (shown,) = re.findall("(?:smoke )+smoke…", said)
        assert most - 6 <= len(shown) <= most
        assert rest in said


def test_an_event_of_an_older_version_tells_as_much_as_it_knows() -> None:
    mail = a_mail("case_created")
    for fact in ("description", "contact_name", "coverage", "coverage_level", "coverage_until"):
        del mail.facts[fact]
    for reader in (a_reader(), a_stranger()):
        for said in (text_of(received(mail, reader)), html_of(received(mail, reader))):
            assert "1 – critical" in said
            assert not any(label in said for label in ("Coverage", "Contact", "Level", "Description"))


def test_only_a_user_is_sent_to_a_profile() -> None:
    mail = a_mail("case_created")
    message = received(mail, Person.of_address(mail.email, mail.company_id))
    assert "/profile" not in text_of(message) + html_of(message)
    assert "/unsubscribe/" in text_of(message)


def test_a_case_without_a_fact_has_no_line_for_it() -> None:
    message = received(a_mail("case_created", {"serial": None, "site_name": ""}))
    for said in (text_of(message), html_of(message)):
        assert "Serial number" not in said
        assert "Site" not in said
    closed = received(a_mail("case_closed", {"reason": "", "resolved": None}))
    for said in (text_of(closed), html_of(closed)):
        assert "Reason" not in said
        assert "Resolved" not in said


@pytest.mark.parametrize("outcome", ["closed", "cancelled"])
def test_a_closed_case_says_how_it_ended(outcome: str) -> None:
    message = received(a_mail("case_closed", {"outcome": outcome, "resolved": False}))
    text = text_of(message)
    assert text.startswith(f"Max Lang has {outcome} support case 1000000009: It smokes\n")
    assert f"{outcome.capitalize()}: 24 Apr 2026, 14:29 (Europe/Paris)" in text
    assert "  New fuser <1>\n  Tested & fine." in text
    assert "Resolved: no" in text


def test_headers_say_who_when_and_which_thread() -> None:
    mail = a_mail("case_created")
    message = received(mail)
    assert message["From"] == "Portico <portico@example.com>"
    assert message["To"] == "Ana Duarte <ana@example.com>"
    assert message["Message-ID"] == f"<{mail.id}@portal.example>"
    assert message["References"] == f"<case-{mail.case_id}@portal.example>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["X-Request-Id"] == "request-1"
    assert message["Date"] == "Fri, 24 Apr 2026 12:30:00 +0000"


TITLES = ["It smokes", "", "Re: It smokes", "[EXT] AW: fume", "é" * 120, "دخان", "煙 🔥"]


@pytest.mark.parametrize("reader", [a_reader, a_stranger])
def test_all_mails_of_a_case_have_one_subject(reader: Callable[..., Person]) -> None:
    for title in TITLES:
        mails = [
            a_mail("case_created", {"title": title}),
            a_mail("case_closed", {"title": title}),
            a_mail("case_closed", {"title": title, "outcome": "cancelled"}),
        ]
        for language in LANGUAGES:
            person = reader(language=language)
            (subject,) = {received(mail, person)["Subject"] for mail in mails}
            assert subject.startswith("[1000000009]")
            assert person.is_stranger or subject == f"[1000000009] {title}".strip()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_happened_is_what_mail_programs_show_first(kind: MailKind, language: str) -> None:
    message = received(a_mail(kind), a_reader(language=language))
    happened = text_of(message).partition("\n")[0]
    assert "".join(_Words(html_of(message)).text.split()).startswith("".join(happened.split()))
    assert "Portico" not in happened or kind == "invitation"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_says_what_happens_to_a_reply(kind: MailKind, language: str) -> None:
    answered = {"en": "Replies to this e-mail are not read.", "fr": "Les réponses à cet e-mail ne sont pas lues."}
    for reader in (a_reader, a_stranger):
        message = received(a_mail(kind), reader(language=language))
        assert answered[language] in text_of(message)
        assert answered[language] in html_of(message)


def test_a_user_is_led_to_the_page_where_a_case_is_answered_and_a_stranger_to_those_who_see_it() -> None:
    mail = a_mail("case_closed")
    asked = "Please answer on the page of the case."
    assert f"{asked}\nhttps://portal.example:8443/cases/1000000009\n" in text_of(received(mail))
    assert "Your colleagues who use the portal can answer" in text_of(received(mail, a_stranger()))


@pytest.mark.parametrize("kind", KINDS)
def test_opt_out_kinds_and_no_others_can_be_stopped_with_one_click(kind: MailKind) -> None:
    mail = a_mail(kind)
    message = received(mail)
    if not mail.may_be_opted_out:
        assert message["List-Unsubscribe"] is None
        assert message["List-Unsubscribe-Post"] is None
        assert "/unsubscribe/" not in text_of(message) + html_of(message)
        return
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = message["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    start, _, token = link.rpartition("/")
    assert start == "https://portal.example:8443/unsubscribe"
    assert read_link_code(TEST_SECRET, Purpose.UNSUBSCRIBE, token) == (mail.link_id, 1)
    assert link in text_of(message).splitlines()


@pytest.mark.parametrize(
    ("base_url", "host"),
    [
        ("http://localhost:8080", "localhost"),
        ("http://192.168.1.5:8080", "[192.168.1.5]"),
        ("http://[2001:db8::1]", "[IPv6:2001:db8::1]"),
    ],
)
def test_a_portal_without_a_name_is_written_as_mail_servers_read_it(base_url: str, host: str) -> None:
    mailer = Mailer(mail_from="portico@example.com", base_url=base_url, secret_key=TEST_SECRET)
    assert mailer.host == host
    mail = a_mail("case_created")
    headers = mailer.render(mail, a_reader()).partition(b"\r\n\r\n")[0].decode().split("\r\n")
    assert f"Message-ID: <{mail.id}@{host}>" in headers
    assert f"References: <case-{mail.case_id}@{host}>" in headers
    assert any(line.startswith(f"List-Unsubscribe: <{base_url}/unsubscribe/") for line in headers)


def test_the_same_row_gives_the_same_bytes() -> None:
    mail = a_mail("case_created")
    assert MAILER.render(mail, a_reader()) == MAILER.render(mail, a_reader())


def test_the_brand_is_the_vendors() -> None:
    mailer = Mailer(
        mail_from="Help <help@vendor.example>",
        base_url="https://portal.example",
        secret_key=TEST_SECRET,
        brand=Brand("Müller & Söhne", "#ffcc00"),
    )
    message = received(a_mail("verification_code"), mailer=mailer)
    assert message["Subject"].endswith(" is your code for Müller & Söhne")
    assert "\n-- \nMüller & Söhne\n" in text_of(message)
    assert "Müller &amp; Söhne" in html_of(message)
    assert "background-color:#ffcc00" in html_of(message)
    assert "color:#000000" in html_of(message)


@pytest.mark.parametrize(
    ("accent", "text"), [("#1f5fbf", "#ffffff"), ("#ffcc00", "#000000"), ("#000000", "#ffffff"), ("#767676", "#000000")]
)
def test_the_buttons_text_can_be_read_on_every_accent(accent: str, text: str) -> None:
    assert Brand(accent=accent).on_accent == text


def test_letters_of_any_script_arrive() -> None:
    message = received(a_mail("case_created", {"title": "Ça fume — 煙 🔥"}, name="Zoë Ångström"))
    assert message["Subject"] == "[1000000009] Ça fume — 煙 🔥"
    assert message["To"].addresses[0].display_name == "Zoë Ångström"
    assert "Ça fume — 煙 🔥" in text_of(message)
    assert "Ça fume — 煙 🔥" in html_of(message)


@pytest.mark.parametrize(
    ("domain", "written"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.de", "xn--strae-oqa.de"),
        ("βόλος.com", "xn--nxasmm1c.com"),
        ("localhost", "localhost"),
    ],
)
def test_a_domain_beyond_ascii_is_written_as_servers_read_it(domain: str, written: str) -> None:
    message = received(a_mail("case_created", email=f"ana@{domain}"))
    assert message["To"].addresses[0].addr_spec == f"ana@{written}"


@pytest.mark.parametrize(
    "name", ["", "Jorg", "Jörg Müller", "Müller, J.", 'J. "Jo" Muller', "=?utf-8?q?Jo?=", "A" * 200, "\r\n \t"]
)
def test_an_address_with_letters_beyond_ascii_is_written_whatever_the_name(name: str) -> None:
    mail = a_mail("invitation", email="jörg@example.com", name=name)
    headers = MAILER.render(mail, a_reader()).partition(b"\r\n\r\n")[0].decode()
    (line,) = [line for line in headers.split("\r\n") if line.startswith("To: ")]
    assert line == "To: jörg@example.com" or line.endswith(" <jörg@example.com>")
    read_name, read_address = parseaddr(line.removeprefix("To: "))
    assert (str(make_header(decode_header(read_name))), read_address) == (name.strip(), "jörg@example.com")


@pytest.mark.parametrize(
    "email", [f"ana@{'ü' * 80}.example", "ana@example.com, eve@example.com", "ana", "a b@c.example"]
)
def test_an_address_that_no_server_understands_is_refused(email: str) -> None:
    with pytest.raises(UnusableAddress):
        MAILER.render(a_mail("case_created", email=email), a_reader())


@pytest.mark.parametrize("fact", sorted(FACTS["case_closed"].keys() - {"at"}))
def test_a_missing_fact_is_an_error_and_not_an_empty_word(fact: str) -> None:
    mail = a_mail("case_closed")
    del mail.facts[fact]
    with pytest.raises(UndefinedError):
        MAILER.render(mail, a_reader())


def test_a_row_of_an_older_version_without_a_time_shows_when_it_was_created() -> None:
    mail = a_mail("case_created")
    del mail.facts["at"]
    assert "24 Apr 2026, 14:30" in text_of(received(mail, a_reader(time_zone=ZoneInfo("Europe/Paris").key)))


def test_a_text_from_right_to_left_turns_nothing_round_and_leaves_no_mark_in_the_subject() -> None:
    message = received(a_mail("case_closed", {"title": "מגש 3", "closed_by_name": "שרה", "reason": "מגש 3"}))
    assert message["Subject"] == "[1000000009] מגש 3"
    assert "\u2068שרה\u2069 has closed support case 1000000009: \u2068מגש 3\u2069" in text_of(message)
    assert "\u2068שרה\u2069 has closed support case 1000000009: \u2068מגש 3\u2069" in html_of(message)
    assert ">\u2068מגש 3\u2069</td>" in html_of(message)
    assert re.search(r'<p dir="auto" [^>]*>מגש 3</p>', html_of(message))
