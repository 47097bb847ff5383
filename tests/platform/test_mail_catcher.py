"""The local mail catcher: keeps every mail, shows strangers' text as text, and finds mails by address."""

import sys
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiohttp
import aiosmtplib
import pytest
from playwright.async_api import Page

from deploy.local.child import Child, free_port
from deploy.local.stack import PythonPart


class Catcher(PythonPart):
    """A catcher in a process of its own, as `make run` has it."""

    def __init__(self, folder: Path) -> None:
        self.smtp_port, http_port = free_port(), free_port()
        self.page_url = f"http://127.0.0.1:{http_port}"
        ports = ["--smtp-port", str(self.smtp_port), "--http-port", str(http_port)]
        words = [sys.executable, "-m", "deploy.local.catcher", "--folder", str(folder / "mails"), *ports]
        super().__init__(Child("mail-catcher", words, folder / "catcher.log"), f"{self.page_url}/readyz")

    async def send(self, to: str, subject: str, text: str, html: str = "<p>Hello</p>") -> None:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = "portico@portico.example", to, subject
        mail.set_content(text)
        mail.add_alternative(html, subtype="html")
        await aiosmtplib.send(mail, hostname="127.0.0.1", port=self.smtp_port, start_tls=False)

    async def caught(self, **query: str) -> list[dict[str, object]]:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.get(f"{self.page_url}/api/mails", params=query) as answer,
        ):
            mails: list[dict[str, object]] = await answer.json()
            return mails


@pytest.fixture
async def catcher(tmp_path: Path) -> AsyncIterator[Catcher]:
    catcher = Catcher(tmp_path)
    try:
        await catcher.start()
        yield catcher
    finally:
        await catcher.stop()


async def test_a_mail_is_kept_over_a_restart_and_found_by_its_address(catcher: Catcher) -> None:
    await catcher.send("ada@acme.example", "Für Ada", "Grüße\n", "<p>Grüße</p>")
    await catcher.send("bob@acme.example", "For Bob", "Hello\n")
    catcher.kill()
    await catcher.restart()
    assert [mail["subject"] for mail in await catcher.caught()] == ["For Bob", "Für Ada"]
    (mail,) = await catcher.caught(to="Ada@acme.example")
    assert (mail["to"], mail["from"]) == (["ada@acme.example"], "portico@portico.example")
    assert mail["text"] == "Grüße\n"
    assert mail["html"] == "<p>Grüße</p>\n"


async def test_a_mail_is_shown_as_what_it_is_and_runs_nothing(catcher: Catcher, page: Page) -> None:
    evil = "<script>document.title = 'run'</script>"
    await catcher.send("ada@acme.example", f"Subject {evil}", f"{evil} http://localhost/code", f"<b>Bold</b>{evil}")
    await page.goto(catcher.page_url)
    await page.get_by_role("link", name="Subject").click()
    assert evil in await page.inner_text("h1")
    assert await page.frame_locator("iframe").locator("b").inner_text() == "Bold"
    assert await page.title() == f"Subject {evil}"
    assert await page.get_by_role("link", name="http://localhost/code").get_attribute("href") == "http://localhost/code"
