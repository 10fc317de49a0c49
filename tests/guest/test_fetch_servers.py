"""lapstrake-fetch against real HTTP servers that cut, change, refuse and stall."""

from __future__ import annotations

import base64
import hashlib
import threading

import pytest
from fetch_place import CONTENT, Place, ranges, said

from lapstrake.guest import fetch
from support.tiny import Request, serve


def test_a_connection_that_is_cut_again_and_again(place: Place) -> None:
    with serve(ranges(most=700_000)) as served:
        assert fetch.main(place.one(served)) == 0
        starts = [r for _, _, r in served.seen]
    assert place.file.read_bytes() == CONTENT
    assert starts == [None, *(f"bytes={n * 700_000}-" for n in range(1, 5))]


def test_a_connection_that_brings_nothing_is_given_up(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(lambda r: r.reply(200, announce=10)) as served:
        assert fetch.main(place.one(served)) == 1
        assert len(served.seen) == fetch.ATTEMPTS
    (line,) = said(capsys)
    assert line == (
        f"{place.file}: {served.url}/model.bin: the connection was cut 0.0 MB before the end; "
        "6 times in a row"
    )


def test_a_server_that_knows_no_ranges(place: Place) -> None:
    place.part(CONTENT[:1000])
    with serve(lambda r: r.reply(200, CONTENT)) as served:
        assert fetch.main(place.one(served)) == 0
        assert [r for _, _, r in served.seen] == ["bytes=1000-"]
    assert place.file.read_bytes() == CONTENT


def test_a_server_that_sends_another_range(place: Place) -> None:
    place.part(CONTENT[:1000])

    def answer(request: Request) -> None:
        if request.first_byte():
            total = len(CONTENT)
            headers = {"Content-Range": f"bytes 5-{total - 1}/{total}"}
            request.reply(206, CONTENT[5:], headers=headers)
        else:
            request.reply(200, CONTENT)

    with serve(answer) as served:
        assert fetch.main(place.one(served)) == 0
    assert place.file.read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file(place: Place) -> None:
    place.part(CONTENT + b"more")
    with serve(ranges()) as served:
        assert fetch.main(place.one(served)) == 0
        assert [r for _, _, r in served.seen] == [f"bytes={len(CONTENT) + 4}-", None]
    assert place.file.read_bytes() == CONTENT


def test_a_part_of_what_the_server_no_longer_has(place: Place) -> None:
    place.part(b"x" * 1000)
    with serve(ranges()) as served:
        assert fetch.main(place.one(served)) == 0
        assert [r for _, _, r in served.seen] == ["bytes=1000-", None]
    assert place.file.read_bytes() == CONTENT


def test_a_file_that_changes_while_it_is_fetched(place: Place) -> None:
    old = bytes(len(CONTENT))
    conditions = []

    def answer(request: Request) -> None:
        conditions.append(request.headers.get("If-Range"))
        if request.first_byte() and conditions[-1] == '"old"':
            request.reply(200, CONTENT, headers={"ETag": '"new"'})  # as RFC 9110 has it
        else:
            ranges(old, most=1_000_000, ETag='"old"')(request)

    with serve(answer) as served:
        assert fetch.main(place.one(served)) == 0
    assert conditions == [None, '"old"']
    assert place.file.read_bytes() == CONTENT


def test_another_file_than_the_definition_means(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.file.parent.mkdir()
    place.file.write_bytes(b"what was there before")
    other = b"other" * 1000
    with serve(ranges(other)) as served:
        assert fetch.main(place.one(served)) == 1
        assert len(served.seen) == 1
    (line,) = said(capsys)
    wanted, found = (hashlib.sha256(x).hexdigest()[:12] for x in (CONTENT, other))
    assert line == f"{place.file}: {served.url}/model.bin has SHA-256 {found}…, not {wanted}…"
    assert place.file.read_bytes() == b"what was there before"


def test_a_file_in_its_place_that_is_another_is_replaced(place: Place) -> None:
    place.file.parent.mkdir()
    place.file.write_bytes(b"an older version")
    with serve(ranges()) as served:
        assert fetch.main(place.one(served)) == 0
    assert place.file.read_bytes() == CONTENT


def test_a_server_that_is_busy(place: Place) -> None:
    answers = [429, 503, 503]

    def answer(request: Request) -> None:
        if answers:
            request.reply(answers.pop(), headers={"Retry-After": "0"})
        else:
            request.reply(200, CONTENT)

    with serve(answer) as served:
        assert fetch.main(place.one(served)) == 0
        assert len(served.seen) == 4


def test_nobody_answers(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(ranges()) as served:
        pass
    assert fetch.main(place.one(served)) == 1
    (line,) = said(capsys)
    assert line.endswith("/model.bin: Connection refused; 6 times in a row")
    assert "geheim" not in line


def test_a_server_that_goes_silent(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "STALL_SECONDS", 0.2)
    silent = threading.Event()

    def answer(request: Request) -> None:
        silent.wait(60)

    with serve(answer) as served:
        assert fetch.main(place.one(served)) == 1
        silent.set()
    assert "nothing came for 0 s; 6 times in a row" in said(capsys)[0]


def test_a_login_goes_to_its_own_host_alone(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str | None] = {}

    def answer(request: Request) -> None:
        host = str(request.headers["Host"]).partition(":")[0]
        seen[host] = request.headers.get("Authorization")
        if host == "localhost":
            port = request.server.server_address[1]
            request.reply(302, headers={"Location": f"http://127.0.0.1:{port}/there"})
        else:
            request.reply(200, CONTENT)

    netrc = place.folder / "netrc"
    netrc.write_text("machine localhost login me password geheim\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serve(answer) as served:
        url = f"http://localhost:{served.port}/model.bin"
        assert fetch.main(place.listing((url, CONTENT, place.file))) == 0
    login = base64.b64encode(b"me:geheim").decode()
    assert seen == {"localhost": f"Basic {login}", "127.0.0.1": None}
