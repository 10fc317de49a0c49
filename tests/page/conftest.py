"""Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from page_browser import BELOW, Opener, Seen, address_of
from playwright.sync_api import Browser, Page, expect, sync_playwright

from lapstrake import process
from lapstrake_release.page.document import page as document
from lapstrake_release.page.facts import PageFacts


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For one module: Playwright's event loop must not be there for tests that have their own."""
    expect.set_options(timeout=30_000)
    program = process.which("chromium")
    assert program is not None, "setup/browser.sh installs it"
    with sync_playwright() as playwright:
        # its sandbox wants rights, and its shared memory room, that a container doesn't have
        words = ["--no-sandbox", "--disable-dev-shm-usage"]
        found = playwright.chromium.launch(executable_path=program, args=words)
        yield found
        found.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Opener:
    """Opens a page of facts; by the end it must have said nothing and fetched nothing else."""

    @contextmanager
    def opener(facts: PageFacts, over: str = "file", **settings: Any) -> Iterator[Page]:
        folder = tmp_path / "site"
        path = folder / BELOW / "index.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document(facts), encoding="utf-8")
        settings = {"viewport": {"width": 1280, "height": 900}} | settings
        with address_of(folder, path, over) as address:
            context = browser.new_context(**settings)
            context.grant_permissions(["clipboard-read", "clipboard-write"])
            page, seen = context.new_page(), Seen()
            seen.watch(page)
            page.goto(address)
            yield page
            context.close()
        assert seen.said == []
        assert [u for u in seen.asked if not u.startswith("data:")] == [address]

    return opener
