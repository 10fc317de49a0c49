"""lapstrake-fetch against a real HTTP server that cuts, changes, refuses and stalls."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lapstrake.guest import fetch
from support.tiny import Answer, Request, Served, serve

PROGRAM = [sys.executable, "-IS", str(Path(fetch.__file__))]
CONTENT = random.Random(1).randbytes(3_000_000)  # noqa: S311


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Short rests; the program's signal handlers don't stay in this process."""
    monkeypatch.setattr(fetch, "FIRST_REST", 0.01)
    monkeypatch.setattr(fetch, "LONGEST_REST", 0.05)
    monkeypatch.setenv("NETRC", os.devnull)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@dataclass
class Place:
    """A volume, and the list of what belongs there."""

    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "volume/model.bin"

    @property
    def left(self) -> list[str]:
        """What else lies in the volume."""
        return sorted(p.name for p in self.file.parent.iterdir() if p != self.file)

    def listing(self, *files: tuple[str, bytes, Path]) -> list[str]:
        """The arguments that name a list of (address, content, path)."""
        entries = [
            {"url": url, "sha256": hashlib.sha256(content).hexdigest(), "path": str(path)}
            for url, content, path in files
        ]
        path = self.folder / "data.json"
        path.write_text(json.dumps(entries))
        return ["--data", str(path)]

    def one(self, served: Served, content: bytes = CONTENT) -> list[str]:
        """The arguments for the one file."""
        return self.listing((f"{served.url}/model.bin?signature=geheim", content, self.file))

    def part(self, data: bytes, content: bytes = CONTENT) -> Path:
        """Leave a part behind, as a start that was ended does."""
        self.file.parent.mkdir(exist_ok=True)
        path = self.file.with_name(f".model.bin.{hashlib.sha256(content).hexdigest()[:12]}.part")
        path.write_bytes(data)
        return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def ranges(content: bytes = CONTENT, most: int | None = None, **headers: str) -> Answer:
    """Answers as a good server does; with `most`, cuts each after so many bytes."""

    def answer(request: Request) -> None:
        start = request.first_byte()
        if start >= len(content):
            request.reply(416, headers={"Content-Range": f"bytes */{len(content)}"})
            return
        body = content[start:]
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        sent = body if most is None else body[:most]
        cut = len(body) if len(sent) < len(body) else None
        request.reply(206 if start else 200, sent, headers=dict(headers), announce=cut)

    return answer


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the program said, without its name."""
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("lapstrake-fetch: ") for line in lines)
    return [line.removeprefix("lapstrake-fetch: ") for line in lines]


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
