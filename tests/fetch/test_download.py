from __future__ import annotations

import hashlib
import time
from collections import Counter
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.fetch.download import Downloader, Item, Mismatch, Missing, shown
from lapstrake.fetch.http import client
from lapstrake.fetch.patience import retry_after
from support.tiny import Answer, Request, serve, serving

CONTENT = bytes(range(256)) * 4000


def fetch(tmp_path: Path, answer: Answer, content: bytes = CONTENT) -> tuple[Path, Counter[str]]:
    """Download /file from a server that answers so; the path and the bytes ticked."""
    ticked: Counter[str] = Counter()
    target = tmp_path / "out/file"
    with serve(answer) as server, client() as http:
        item = Item("file", (f"{server.url}/file",), hashlib.sha256(content).hexdigest(), target)
        Downloader(http, pause=0.01).fetch(item, lambda name, count: ticked.update({name: count}))
    return target, ticked


def leftovers(tmp_path: Path) -> list[str]:
    return [p.name for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]


def test_a_connection_that_breaks_off_goes_on_where_it_was(tmp_path: Path) -> None:
    asked: list[int] = []

    def answer(request: Request) -> None:
        start = request.first_byte()
        asked.append(start)
        rest = CONTENT[start:]
        if len(asked) < 4:
            request.reply(206 if start else 200, rest[:200_000], announce=len(rest))
        else:
            request.reply(206, rest)

    target, ticked = fetch(tmp_path, answer)
    assert target.read_bytes() == CONTENT
    assert asked == [0, 200_000, 400_000, 600_000]
    assert ticked["file"] == len(CONTENT)
    assert not leftovers(tmp_path)


def test_a_server_without_ranges_sends_all_again(tmp_path: Path) -> None:
    calls: list[int] = []

    def answer(request: Request) -> None:
        calls.append(request.first_byte())
        short = len(calls) == 1
        request.reply(200, CONTENT[:1000] if short else CONTENT, announce=len(CONTENT))

    target, ticked = fetch(tmp_path, answer)
    assert target.read_bytes() == CONTENT
    assert calls == [0, 1000]
    assert ticked["file"] == len(CONTENT)


def test_pieces_of_two_files_are_fetched_once_more_whole(tmp_path: Path) -> None:
    calls: list[int] = []

    def answer(request: Request) -> None:
        calls.append(request.first_byte())
        if len(calls) == 1:
            request.reply(200, b"x" * 1000, announce=len(CONTENT))
        else:
            start = request.first_byte()
            request.reply(206 if start else 200, CONTENT[start:])

    target, ticked = fetch(tmp_path, answer)
    assert target.read_bytes() == CONTENT
    assert calls == [0, 1000, 0]
    assert ticked["file"] == len(CONTENT)


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(tmp_path: Path, code: int) -> None:
    calls: list[float] = []

    def answer(request: Request) -> None:
        calls.append(time.monotonic())
        if len(calls) < 3:
            request.reply(code, headers={"Retry-After": "0.2"})
        else:
            request.reply(200, CONTENT)

    assert fetch(tmp_path, answer)[0].read_bytes() == CONTENT
    assert calls[1] - calls[0] >= 0.2


def test_a_stalled_server_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPSTRAKE_TIMEOUT", "0.3")
    calls: list[int] = []

    def answer(request: Request) -> None:
        calls.append(request.first_byte())
        if len(calls) == 1:
            request.reply(200, CONTENT[:5000], announce=len(CONTENT))
            request.wfile.flush()
            time.sleep(1)
        else:
            request.reply(206, CONTENT[5000:])

    assert fetch(tmp_path, answer)[0].read_bytes() == CONTENT
    assert calls == [0, 5000]


def test_a_server_that_stays_broken_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"127\.0\.0\.1 can't be reached: HTTP 500"):
        fetch(tmp_path, lambda request: request.reply(500))
    assert not leftovers(tmp_path)


def test_a_wrong_file_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Mismatch, match="is not the file that the lock names"):
        fetch(tmp_path, lambda request: request.reply(200, b"something else"))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(Missing):
        fetch(tmp_path, lambda request: request.reply(404))


def test_refused_credentials_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"/file refuses \(HTTP 401\)"):
        fetch(tmp_path, lambda request: request.reply(401))


def test_the_next_address_is_tried(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(b"good")
    target = tmp_path / "out"
    with serve(serving(tmp_path)) as server, client() as http:
        urls = (f"{server.url}/gone", (tmp_path / "nothing").as_uri(), f"{server.url}/good")
        item = Item("good", urls, hashlib.sha256(b"good").hexdigest(), target)
        Downloader(http).fetch(item, lambda *_: None)
    assert target.read_bytes() == b"good"


def test_many_files_share_few_connections(tmp_path: Path) -> None:
    ports: set[int] = set()

    def answer(request: Request) -> None:
        ports.add(request.client_address[1])
        request.reply(200, request.path.encode())

    with serve(answer) as server, client() as http:
        items = [
            Item(
                f"f{i}",
                (f"{server.url}/f{i}",),
                hashlib.sha256(f"/f{i}".encode()).hexdigest(),
                tmp_path / f"f{i}",
            )
            for i in range(60)
        ]
        assert Downloader(http).fetch_all(items, lambda *_: None) == {}
    assert {(tmp_path / f"f{i}").read_text() for i in range(60)} == {f"/f{i}" for i in range(60)}
    assert len(ports) <= 8


def test_all_bad_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    items = [
        Item(n, ((tmp_path / n).as_uri(),), hashlib.sha256(b"a").hexdigest(), tmp_path / "to" / n)
        for n in ("a", "gone", "lost")
    ]
    with client() as http:
        failed = Downloader(http).fetch_all(items, lambda *_: None)
    assert list(failed) == ["gone", "lost"]
    assert (tmp_path / "to/a").exists()


def test_retry_after_may_be_a_date() -> None:
    assert retry_after("3") == 3
    assert retry_after(None) is None
    assert retry_after("soon") is None
    assert retry_after("Mon, 01 Jan 2024 00:00:00 GMT") == 0


def test_credentials_are_not_shown() -> None:
    assert shown("https://me:secret@example.invalid/x?token=1") == "https://example.invalid/x"
