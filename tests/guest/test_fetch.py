"""lapstrake-fetch: volumes, ends, several at once, what it says."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fetch_place import CONTENT, Place, ranges, said

from lapstrake.guest import fetch
from support.tiny import Request, Served, serve

PROGRAM = [sys.executable, "-IS", str(Path(fetch.__file__))]


def test_what_is_missing_is_fetched_and_what_is_there_is_left_alone(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(ranges()) as served:
        assert fetch.main(place.one(served)) == 0
        assert place.file.read_bytes() == CONTENT
        assert (place.file.stat().st_mode & 0o777, place.left) == (0o644, [])
        before = place.file.stat()
        assert fetch.main(place.one(served)) == 0
        assert place.file.stat().st_mtime_ns == before.st_mtime_ns
        assert served.seen == [("GET", "/model.bin?signature=geheim", None)]
    first, second = said(capsys)
    assert re.fullmatch(rf"{place.file} fetched: 3.0 MB, \d+\.\d s", first)
    assert second == f"{place.file} is there"


def start(place: Place, served: Served) -> subprocess.Popen[str]:
    """The program in a process of its own."""
    return subprocess.Popen([*PROGRAM, *place.one(served)], stderr=subprocess.PIPE, text=True)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)],
    ids=["killed", "interrupted", "terminated"],
)
def test_what_an_ended_start_had_is_not_fetched_again(
    place: Place, number: signal.Signals, code: int
) -> None:
    half, going_on = len(CONTENT) // 2, threading.Event()

    def stalls(request: Request) -> None:
        if request.first_byte():
            ranges()(request)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[:half])
        request.wfile.flush()
        going_on.wait(60)

    part = place.part(b"")
    with serve(stalls) as served:
        process = start(place, served)
        wait_for(lambda: part.exists() and part.stat().st_size == half)
        process.send_signal(number)
        _, words = process.communicate(timeout=60)
        assert process.returncode == code
        told = "lapstrake-fetch: interrupted; the next start goes on from here\n"
        assert words == ("" if number == signal.SIGKILL else told)
        assert not place.file.exists()
        assert fetch.main(place.one(served)) == 0
        assert served.seen[-1][2] == f"bytes={half}-"
        going_on.set()
    assert place.file.read_bytes() == CONTENT
    assert place.left == []


def test_a_whole_part_is_not_asked_for_again(place: Place) -> None:
    place.part(CONTENT)
    with serve(ranges()) as served:
        assert fetch.main(place.one(served)) == 0
        assert served.seen == []
    assert place.file.read_bytes() == CONTENT


def test_several_at_once_and_one_that_there_is_not(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    together = threading.Barrier(3, timeout=60)
    contents = {f"/{n}": CONTENT[n * 100_000 :] for n in range(3)}

    def answer(request: Request) -> None:
        if request.path in contents:
            together.wait()  # nobody gets anything before all three have asked
            request.reply(200, contents[request.path])
        else:
            request.reply(404)

    paths = {url: place.folder / f"volume{url}/file" for url in (*contents, "/none")}
    with serve(answer) as served:
        files = [(f"{served.url}{url}", contents.get(url, b"?"), p) for url, p in paths.items()]
        assert fetch.main([*place.listing(*files), "--jobs", "4"]) == 1
    assert all(paths[url].read_bytes() == content for url, content in contents.items())
    lines = said(capsys)
    assert len(lines) == 4
    assert f"{paths['/none']}: {served.url}/none answers 404 Not Found" in lines


def test_only_what_is_asked_for(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    other = place.folder / "volume/other"
    with serve(ranges()) as served:
        files = [(f"{served.url}/x", CONTENT, p) for p in (place.file, other)]
        arguments = place.listing(*files)
        assert fetch.main([*arguments, str(other)]) == 0
        assert (other.exists(), place.file.exists()) == (True, False)
        assert fetch.main([*arguments, "/nope"]) == 2
    assert said(capsys)[-1] == f"the image knows no /nope; it knows {place.file}, {other}"


def test_two_containers_with_one_volume_fetch_it_once(place: Place) -> None:
    asked = threading.Event()

    def answer(request: Request) -> None:
        asked.set()
        time.sleep(0.5)
        request.reply(200, CONTENT)

    with serve(answer) as served:
        first = start(place, served)
        assert asked.wait(60)
        second = start(place, served)
        lines = first.communicate(timeout=60)[1] + second.communicate(timeout=60)[1]
        assert (first.returncode, second.returncode, len(served.seen)) == (0, 0, 1)
    assert sorted(line.split()[2] for line in lines.splitlines()) == ["fetched:", "is"]
    assert place.left == []


def test_a_disk_that_takes_no_more(place: Place) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    with serve(ranges()) as served:
        done = subprocess.run(
            [*PROGRAM, *place.one(served)],
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limited,
            check=False,
        )
    assert (done.returncode, done.stderr) == (
        1,
        f"lapstrake-fetch: {place.file}: File too large\n",
    )
    assert not place.file.exists()


def test_a_place_that_cannot_be(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    (place.folder / "volume").write_text("a file")
    with serve(ranges()) as served:
        assert fetch.main(place.one(served)) == 1
    assert said(capsys) == [f"{place.file}: Not a directory"]


def test_progress_is_told(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "PROGRESS_SECONDS", 0.05)
    told = threading.Event()
    say = fetch.say

    def listening(message: str) -> None:
        say(message)
        if "%" in message:
            told.set()

    monkeypatch.setattr(fetch, "say", listening)

    def answer(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(CONTENT)))
        request.end_headers()
        request.wfile.write(CONTENT[:1_500_000])
        request.wfile.flush()
        assert told.wait(60)
        request.wfile.write(CONTENT[1_500_000:])

    with serve(answer) as served:
        assert fetch.main(place.one(served)) == 0
    lines = said(capsys)
    assert f"{place.file}: 1.5 MB, 50%" in lines
    assert "fetched" in lines[-1]


def test_the_list_says_what_is_there(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [place.folder / f"volume/{n}" for n in ("there", "other", "missing")]
    arguments = place.listing(*(("http://localhost/x", CONTENT, p) for p in (*paths, place.file)))
    place.part(b"a beginning")
    paths[0].write_bytes(CONTENT)
    paths[1].write_bytes(b"something else")
    assert fetch.main([*arguments, "--list"]) == 1
    shown = dict(reversed(line.split()) for line in capsys.readouterr().out.splitlines())
    assert shown == {**{str(p): p.name for p in paths}, str(place.file): "begun"}
    assert fetch.main([*arguments, "--list", str(paths[0])]) == 0


@pytest.mark.parametrize("text", [None, "", "{}", '[{"url": 1}]', "[1]"])
def test_no_list(text: str | None, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.folder / "data.json"
    if text is not None:
        path.write_text(text)
    code = fetch.main(["--data", str(path)])
    if text == "{}":  # nothing to do is no error
        assert code == 0
    else:
        assert code == 2
        words = "No such file or directory" if text is None else "is no list of files"
        assert words in said(capsys)[0]
