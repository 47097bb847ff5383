"""The local mail catcher: takes every mail, sends none on, and shows them on a web page and as JSON."""

import argparse
import asyncio
import json
import signal
from collections.abc import Iterator
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
class MailFolder:
    """The caught mails, one file each, so that a restart keeps them."""

    path: Path

    def keep(self, envelope: Envelope) -> None:
        """Write one mail; a reader sees it whole or not at all."""
        now = datetime.now(UTC)
        content = envelope.content or b""
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "received_at": now.isoformat(timespec="milliseconds"),
            "raw": content.decode("ascii", "surrogateescape") if isinstance(content, bytes) else content,
        }
        kept = self.path / f"{now:%Y%m%dT%H%M%S.%f}-{id(envelope):x}.json"
        unfinished = kept.with_suffix(".part")
        unfinished.write_text(json.dumps(mail), encoding="utf-8")
        unfinished.rename(kept)
        for old in self._files()[_KEPT:]:
            old.unlink()

    def newest_first(self, to: str | None = None) -> Iterator[dict[str, Any]]:
        """The mails, those to one address when it is given."""
        for file in self._files():
            mail = _readable(file)
            if to is None or to.lower() in map(str.lower, mail["to"]):
                yield mail

    def one(self, mail_id: str) -> dict[str, Any] | None:
        """Return one mail by its id."""
        return next((_readable(file) for file in self._files() if file.stem == mail_id), None)

    def _files(self) -> list[Path]:
        return sorted(self.path.glob("*.json"), reverse=True)


def _readable(file: Path) -> dict[str, Any]:
    kept = json.loads(file.read_text(encoding="utf-8"))
    message = message_from_string(kept.pop("raw"), policy=policy.default)
    return {
        "id": file.stem,
        **kept,
        "subject": str(message["Subject"] or "(no subject)"),
        "text": _body(message, "plain"),
        "html": _body(message, "html"),
        "headers": {name: str(value) for name, value in message.items()},
    }


def _body(message: Any, kind: str) -> str:
    part = message.get_body((kind,)) if isinstance(message, EmailMessage) else None
    return "" if part is None else str(part.get_content()).replace("\r\n", "\n")


class _Catch:
    """What aiosmtpd asks for each mail."""

    def __init__(self, folder: MailFolder) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802  # aiosmtpd's name
        await asyncio.to_thread(self._folder.keep, envelope)
        return "250 2.0.0 Caught"


def create_app(folder: MailFolder) -> web.Application:
    """Build the web page and its JSON: `GET /api/mails?to=<address>`, newest first."""

    async def index(_request: web.Request) -> web.Response:
        return _html(mail=None, mails=list(folder.newest_first()))

    async def one(request: web.Request) -> web.Response:
        mail = folder.one(request.match_info["id"])
        if mail is None:
            raise web.HTTPNotFound
        return _html(mail=mail, mails=[])

    async def as_json(request: web.Request) -> web.Response:
        return web.json_response(list(folder.newest_first(request.query.get("to"))))

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


async def run(folder: MailFolder, *, smtp_port: int, http_port: int) -> None:
    """Catch mails until SIGTERM or SIGINT."""
    folder.path.mkdir(parents=True, exist_ok=True)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    smtp = await loop.create_server(
        lambda: SMTP(_Catch(folder), hostname="catcher.localhost", enable_SMTPUTF8=True), "127.0.0.1", smtp_port
    )
    runner = web.AppRunner(create_app(folder), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", http_port).start()
    await stopped.wait()
    smtp.close()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.catcher", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("var/mails"), help="where the mails are kept")
    parser.add_argument("--smtp-port", type=int, default=2525)
    parser.add_argument("--http-port", type=int, default=8025)
    arguments = parser.parse_args()
    asyncio.run(run(MailFolder(arguments.folder), smtp_port=arguments.smtp_port, http_port=arguments.http_port))


if __name__ == "__main__":
    main()
