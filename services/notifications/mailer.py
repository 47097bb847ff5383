"""Renders a row of the ledger as an e-mail. Codes are derived here, and stored nowhere."""

import re
from collections.abc import Iterator
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import format_datetime, parseaddr
from functools import cache, lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import idna
from jinja2 import Environment, FileSystemLoader, StrictUndefined, nodes
from jinja2.environment import TemplateModule
from jinja2.visitor import NodeTransformer

from services.notifications import mime
from services.notifications.brand import Brand
from services.notifications.domain.mails import Mail
from services.notifications.domain.people import Person, UnusableAddress
from services.notifications.kinds import KINDS, AccountMail, CaseMail
from services.notifications.texts import TEXTS
from shared.codes import Purpose, link_code
from shared.i18n import install, language, reading_in
from shared.mongo import Document
from shared.schemas.notifications import MailKind
from shared.text import clean_line, cleaned_anyhow
from shared.zones import zone_of

TEMPLATES = Path(__file__).parent / "templates"

_Layout = Literal["text", "html"]
_ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058
_ONLY_GENERATION = 1
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_date = lru_cache(maxsize=64)(format_datetime)  # mails that were queued together have one
_PLAIN_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")


class Mailer:
    """Holds the sender's address, the portal's URL, the brand, and the key that codes are derived from."""

    def __init__(self, *, mail_from: str, base_url: str, secret_key: str, brand: Brand | None = None) -> None:
        """`mail_from` as in `Portico <portico@example.com>`; `base_url` without a path."""
        name, address = parseaddr(mail_from)
        self.sender = wire_address(address)
        self.host = _mail_domain(urlsplit(base_url).hostname or "localhost")
        self._from = mime.mailbox_line("From", name, self.sender)
        self._base_url = base_url
        self._secret_key = secret_key
        self._brand = brand or Brand()

    def render(self, mail: Mail, person: Person) -> bytes:
        """The mail as this person reads it. The same row has the same Message-ID, however often it is sent."""
        links = self._links(mail)
        values = {
            "zone": zone_of(person.time_zone),
            "at": mail.created_at,
            "is_user": person.user_id is not None,
            "is_stranger": person.is_stranger,
            **mail.facts,
            **links,
        }
        with reading_in(person.language or mail.language):
            text, html = (self._filled(layout, mail.kind, values) for layout in ("text", "html"))
            # Marks of direction would stand in the way of whoever searches subjects; the title is the end of them.
            subject = cleaned_anyhow(mime.one_line(vars(text)["subject"]), clean_line)
            return mime.write(
                self._header(mail, subject, links.get("unsubscribe_link")),
                text=str(text),
                html=str(html),
                boundary=f"=_{mail.id[:32]}",  # the same each time
            )

    def _filled(self, layout: _Layout, kind: MailKind, values: Document) -> TemplateModule:
        templates = environment(layout, self._brand, language())
        # Jinja would add what all templates know by itself, but at five times the cost.
        return templates.get_template(f"{kind}.jinja").make_module(templates.globals | values, shared=True)

    def code_of(self, mail: Mail) -> str | None:
        """The code that the mail holds; None for a mail without one."""
        match KINDS[mail.kind]:
            case AccountMail() as row:
                return row.derive(self._secret_key, row.purpose, mail.facts["code_for"], mail.facts["generation"])
            case CaseMail():
                return None

    def _header(self, mail: Mail, subject: str, unsubscribe_link: str | None) -> Iterator[str]:
        yield self._from
        yield mime.mailbox_line("To", mail.name, _checked_wire_address(mail.email))
        yield mime.text_line("Subject", subject)
        if mail.created_at is not None:
            yield mime.line("Date", _date(mail.created_at))
        yield mime.line("Message-ID", f"<{mail.id}@{self.host}>")
        if mail.case_id is not None:
            yield mime.line("References", f"<case-{mail.case_id}@{self.host}>")
        if unsubscribe_link is not None:
            yield mime.line("List-Unsubscribe", f"<{unsubscribe_link}>")
            yield mime.line("List-Unsubscribe-Post", _ONE_CLICK)
        yield mime.line("Auto-Submitted", "auto-generated")
        yield mime.line("X-Auto-Response-Suppress", "All")  # Exchange does not know Auto-Submitted
        yield mime.line("X-Request-Id", mime.one_line(mail.request_id))

    def _links(self, mail: Mail) -> Document:
        match KINDS[mail.kind]:
            case AccountMail() as row:
                code = self.code_of(mail)
                link = f"{self._base_url}{row.path.format(code=code)}"
                return {"link": link, "code": code, "expires_at": mail.expires_at}
            case CaseMail() as row:
                return {
                    "link": f"{self._base_url}/cases/{mail.case_number}",
                    "profile_link": f"{self._base_url}/profile#notices",
                    "unsubscribe_link": self._unsubscribe_link(mail),
                    "stop_label": row.stop_label,
                }

    def _unsubscribe_link(self, mail: Mail) -> str:
        code = link_code(self._secret_key, Purpose.UNSUBSCRIBE, mail.link_id, _ONLY_GENERATION)
        return f"{self._base_url}/unsubscribe/{code}"


@cache  # compiling the templates takes longer than hundreds of mails
def environment(layout: _Layout, brand: Brand, code: str) -> Environment:
    """The templates of all kinds in one of the two layouts, for one language. HTML is escaped; plain text is not."""
    templates = _WordedOnce(
        # A kind extends "case.jinja" or "layout.jinja"; this folder decides which of the two files of that name.
        loader=FileSystemLoader([TEMPLATES / layout, TEMPLATES]),
        undefined=StrictUndefined,
        auto_reload=False,  # else every use of a template asks the file system whether it has changed
        autoescape=layout == "html",
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install(templates, TEXTS)
    templates.globals["brand"] = brand
    with reading_in(code):
        # Each template knows the parts: to import them for each mail takes longer than to use them.
        templates.globals |= vars(templates.get_template("parts.jinja").module)
        for name in templates.list_templates(filter_func=lambda name: "/" not in name):
            templates.get_template(name)
    return templates


class _WordedOnce(Environment):
    """Words without values are put into a template when it is compiled."""

    def _generate(self, source: nodes.Template, *args: Any, **more: Any) -> str:
        return super()._generate(_Wording().visit(source), *args, **more)


class _Wording(NodeTransformer):
    def visit_Call(self, node: nodes.Call) -> nodes.Expr:  # noqa: N802  # the name that Jinja looks for
        self.generic_visit(node)
        match node:
            case nodes.Call(node=nodes.Name(name="_"), args=[nodes.Const(value=text)], kwargs=[]):
                return nodes.Const(str(TEXTS.gettext(text)))
        return node


def _mail_domain(host: str) -> str:
    """The host as mail servers write it: an address of the network stands in brackets (RFC 5321, 4.1.3)."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"  # noqa: PLR2004


def wire_address(email: str) -> str:
    """The address as mail servers write it: a domain with letters beyond ASCII in its IDNA form."""
    local, _, domain = email.rpartition("@")
    return f"{local}@{_wire_domain(domain)}"


@lru_cache(maxsize=1024)  # it takes longer than all the lines of a header
def _wire_domain(domain: str) -> str:
    try:
        # IDNA 2008, as addresses are checked by: Python's own codec makes another domain of ß and ς.
        return idna.encode(domain).decode()
    except UnicodeError as error:
        raise UnusableAddress from error


def _checked_wire_address(email: str) -> str:
    address = wire_address(email)
    if _PLAIN_ADDRESS.fullmatch(address):
        return address  # without the parser, which takes longer than all the lines of a header
    try:
        # One address and nothing beside it. Letters beyond ASCII may stand in it, but the parser cannot tell.
        Address(addr_spec=address.encode("ascii", "replace").decode())
    except (ValueError, MessageError) as error:
        raise UnusableAddress from error
    return address
