"""A browser's page that is watched, and a web server below a path, as GitHub Pages has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page

from lapstrake import process

TOP = Path(__file__).parents[2]

# The page below this path of a server's.
BELOW = "acme/models"

# `with opened(facts, over="http", …) as page`; other arguments are those of Playwright's contexts.
Opener = Callable[..., AbstractContextManager[Page]]


@cache
def axe() -> str:
    """axe-core's script; it is fetched where it is not there yet."""
    found = process.run([TOP / "setup/browser.sh"], failure="axe-core can't be had")
    return Path(found.stdout.strip().splitlines()[-1]).read_text(encoding="utf-8")


class Seen:
    """What a page did besides being there."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []

    def watch(self, page: Page) -> None:
        """Keep what it says on the console, what it throws, and what it asks servers for."""
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: self.said.append(f"dialog {dialog.message}"))
        page.on("request", lambda request: self.asked.append(request.url))


@contextmanager
def address_of(folder: Path, path: Path, over: str) -> Iterator[str]:
    """The address of a file below a folder: its own, or that of a server of the folder."""
    if over == "file":
        yield path.as_uri()
        return
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{BELOW}/"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass
