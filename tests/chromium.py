"""A real Chromium, without a window."""

import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Browser, async_playwright

_FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-pings",
)


@asynccontextmanager
async def a_chromium() -> AsyncIterator[Browser]:
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_chromium(), args=[*_FLAGS, *as_root])
        try:
            yield browser
        finally:
            await browser.close()


def _chromium() -> str:
    # The shell is the same browser without windows and what belongs to them: a page costs it a third.
    for name in ("chromium-headless-shell", "google-chrome", "chromium", "chromium-browser"):
        # Ubuntu's program of that name may be nothing but a word about a snap.
        found = shutil.which(name)
        if found and subprocess.run([found, "--version"], capture_output=True, check=False).returncode == 0:
            return found
    raise FileNotFoundError(
        "No chromium was found. Install it (Debian: apt-get install chromium-headless-shell; Ubuntu: Google Chrome)."
    )
