"""The local mail catcher: takes every mail, sends none on, and shows them on a web page and as JSON."""

import argparse
import asyncio
import json
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_string, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from jinja2 import Environment, StrictUndefined

_KEPT = 2_000

_PAGE = Environment(autoescape=True, undefined=StrictUndefined).from_string("""\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ mail.subject if mail else "Caught mails" }}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d2433 }
  table { border-collapse: collapse; width: 100% }
  th, td { text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #dde1ea; vertical-align: top }
  pre { white-space: pre-wrap; background: #f5f6f9; padding: 1rem; border-radius: .5rem }
  iframe { width: 100%; height: 40rem; border: 1px solid #dde1ea; border-radius: .5rem }
</style>
{% if mail %}
<p><a href="/">All mails</a></p>
<h1>{{ mail.subject }}</h1>
<p>From {{ mail.from }} to {{ mail.to | join(", ") }}, {{ mail.received_at }}</p>
<h2>Text</h2>
<pre>{{ mail.text | urlize(rel="noreferrer") }}</pre>
{% if mail.html %}
<h2>HTML</h2>
<iframe title="The mail as HTML" srcdoc="{{ mail.html }}"
  sandbox="allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"></iframe>
{% endif %}
<h2>Headers</h2>
<table>
{% for name, value in mail.headers.items() %}<tr><th scope="row">{{ name }}<td>{{ value }}{% endfor %}
</table>
{% else %}
<h1>Caught mails</h1>
<p>Nothing here was sent on. The newest mail comes first; reload to see more.</p>
<table>
<tr><th scope="col">Received<th scope="col">To<th scope="col">Subject
{% for mail in mails %}
<tr><td>{{ mail.received_at }}<td>{{ mail.to | join(", ") }}<td><a href="/mails/{{ mail.id }}">{{ mail.subject }}</a>
{% else %}
<tr><td colspan="3">No mail yet.
{% endfor %}
</table>
{% endif %}
</html>
""")


@dataclass(frozen=True)
class Mail:
    """A caught mail as it is shown, and as JSON: read once, though tests ask for it ten times a second."""

    shown: dict[str, Any]
    json: bytes

    @classmethod
    def of(cls, mail_id: str, kept: dict[str, Any]) -> "Mail":
        """Read what `MailFolder` keeps of a mail."""
        message = message_from_string(kept["raw"], policy=policy.default)
        shown = {
            "id": mail_id,
            "from": kept["from"],
            "to": kept["to"],
            "received_at": kept["received_at"],
            "subject": str(message["Subject"] or "(no subject)"),
            "text": _body(message, "plain"),
            "html": _body(message, "html"),
            "headers": {name: str(value) for name, value in message.items()},
        }
        return cls(shown, json.dumps(shown).encode())

    def is_to(self, address: str) -> bool:
        """Whether this address was among those that the mail was handed over for."""
        return address.lower() in map(str.lower, self.shown["to"])


class MailFolder:
    """The caught mails: in memory, and one file each, so that a restart has them again."""

    def __init__(self, path: Path) -> None:
        """Reads what an earlier run left there."""
        self._path = path
        self._path.mkdir(parents=True, exist_ok=True)
        files = sorted(self._path.glob("*.json"))
        self._mails = {file.stem: Mail.of(file.stem, json.loads(file.read_text(encoding="utf-8"))) for file in files}

    async def keep(self, envelope: Envelope) -> None:
        """Takes one mail; when it returns the mail is in its file."""
        now = datetime.now(UTC)
        mail_id = f"{now:%Y%m%dT%H%M%S.%f}-{id(envelope):x}"
        content = envelope.content or b""
        kept = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "received_at": now.isoformat(timespec="milliseconds"),
            "raw": content.decode("ascii", "surrogateescape") if isinstance(content, bytes) else content,
        }
        await asyncio.to_thread(self._write, mail_id, kept)
        self._mails[mail_id] = Mail.of(mail_id, kept)
        while len(self._mails) > _KEPT:
            oldest = next(iter(self._mails))
            del self._mails[oldest]
            self._file(oldest).unlink(missing_ok=True)

    def newest_first(self, to: str | None = None) -> list[Mail]:
        """The mails, those to one address when it is given."""
        return [mail for mail in reversed(self._mails.values()) if to is None or mail.is_to(to)]

    def one(self, mail_id: str) -> Mail | None:
        """The mail with this id."""
        return self._mails.get(mail_id)

    def _write(self, mail_id: str, kept: dict[str, Any]) -> None:
        # A start that reads the folder finds a mail whole or not at all.
        unfinished = self._path / f"{mail_id}.part"
        unfinished.write_text(json.dumps(kept), encoding="utf-8")
        unfinished.rename(self._file(mail_id))

    def _file(self, mail_id: str) -> Path:
        return self._path / f"{mail_id}.json"


def _body(message: Any, kind: str) -> str:
    part = message.get_body((kind,)) if isinstance(message, EmailMessage) else None
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


class _Catch:
    """What aiosmtpd asks for each mail."""

    def __init__(self, folder: MailFolder) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        await self._folder.keep(envelope)
        return "250 2.0.0 Caught"


def create_app(folder: MailFolder) -> web.Application:
    """Build the web page and its JSON: `GET /api/mails?to=<address>`, newest first."""

    async def index(_request: web.Request) -> web.Response:
        return _html(mail=None, mails=[mail.shown for mail in folder.newest_first()])

    async def one(request: web.Request) -> web.Response:
        mail = folder.one(request.match_info["id"])
        if mail is None:
            raise web.HTTPNotFound
        return _html(mail=mail.shown, mails=[])

    async def as_json(request: web.Request) -> web.Response:
        mails = folder.newest_first(request.query.get("to"))
        return web.Response(body=b"[" + b",".join(mail.json for mail in mails) + b"]", content_type="application/json")

    async def ready(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ready"})

    app = web.Application()
    app.add_routes(
        [
            web.get("/", index),
            web.get("/mails/{id}", one),
            web.get("/api/mails", as_json),
            web.get("/readyz", ready),
        ]
    )
    return app


def _html(**values: object) -> web.Response:
    # Mails are strangers' text: nothing in them may run or load.
    return web.Response(
        text=_PAGE.render(values),
        content_type="text/html",
        headers={
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'"
        },
    )


async def run(folder: MailFolder, *, host: str, smtp_port: int, http_port: int) -> None:
    """Catch mails until SIGTERM or SIGINT."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    smtp = await loop.create_server(
        lambda: SMTP(_Catch(folder), hostname="catcher.localhost", enable_SMTPUTF8=True), host, smtp_port
    )
    runner = web.AppRunner(create_app(folder), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, http_port).start()
    await stopped.wait()
    smtp.close()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.catcher", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("var/mails"), help="where the mails are kept")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--smtp-port", type=int, default=2525)
    parser.add_argument("--http-port", type=int, default=8025)
    arguments = parser.parse_args()
    folder = MailFolder(arguments.folder)
    asyncio.run(run(folder, host=arguments.host, smtp_port=arguments.smtp_port, http_port=arguments.http_port))


if __name__ == "__main__":
    main()
