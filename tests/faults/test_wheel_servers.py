"""Wheel servers that misbehave, through the whole command: retried where that helps, else a line.

What a download does byte by byte is tests/fetch/test_download.py's.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from small_family import Family, check_clean, digests, simple_index

from support.tiny import Request, serve

pytestmark = [pytest.mark.root, pytest.mark.slow]

Trick = Callable[[Request, bytes], None]


def _stall(request: Request, content: bytes) -> None:
    request.send_response(200)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content[: len(content) // 2])
    request.wfile.flush()
    threading.Event().wait(3)
    request.close_connection = True


def _truncate(request: Request, content: bytes) -> None:
    half = content[request.first_byte() :][: len(content) // 2]
    request.reply(206 if request.first_byte() else 200, half, announce=len(content))


def _too_many(request: Request, content: bytes) -> None:
    request.reply(429, headers={"Retry-After": "0"})


def _broken(request: Request, content: bytes) -> None:
    request.reply(500)


def _other_file(request: Request, content: bytes) -> None:
    request.reply(200, content[:-1] + bytes([content[-1] ^ 1]))


def _empty(request: Request, content: bytes) -> None:
    request.reply(200)


def build_from(
    family: Family, folder: Path, trick: Trick, times: int
) -> tuple[int, str, Counter[str]]:
    """Build where each wheel's first answers are a trick: exit code, what was said, requests."""
    seen: Counter[str] = Counter()
    honest = simple_index(family.wheels)

    def answer(request: Request) -> None:
        name = request.path.rpartition("/")[2]
        seen[name] += 1
        if name.endswith(".whl") and seen[name] <= times:
            trick(request, (family.wheels / name).read_bytes())
        else:
            honest(request)

    with serve(answer) as server:
        env = {"PIP_INDEX_URL": f"{server.url}/simple/", "LAPSTRAKE_TIMEOUT": "1"}
        said = family.build(folder / "cache", folder / "dist", env=env)
    return said.returncode, said.stderr, seen


@pytest.mark.parametrize("trick", [_stall, _truncate, _too_many, _broken])
def test_trouble_that_passes_is_waited_for(family: Family, tmp_path: Path, trick: Trick) -> None:
    code, said, seen = build_from(family, tmp_path, trick, times=1)
    assert code == 0, said
    assert digests(tmp_path / "dist") == family.digests
    assert seen["alpha-1.0-py3-none-any.whl"] > 1
    check_clean(tmp_path / "cache", tmp_path / "dist")


LASTING = {
    _stall: "127.0.0.1 can't be reached: ",
    _too_many: "127.0.0.1 can't be reached: HTTP 429",
    _broken: "127.0.0.1 can't be reached: HTTP 500",
    _other_file: " is not the file that the lock names",
    _empty: " is not the file that the lock names",
}


@pytest.mark.parametrize("trick", LASTING)
def test_trouble_that_lasts_is_one_line(family: Family, tmp_path: Path, trick: Trick) -> None:
    code, said, _ = build_from(family, tmp_path, trick, times=1000)
    assert code == 1, said
    lines = [x for x in said.splitlines() if not x.startswith("{")]
    assert LASTING[trick] in lines[0]
    assert lines[0].startswith("error: ")
    assert "Traceback" not in said
    assert not (tmp_path / "dist").exists()
    wheels = tmp_path / "cache/wheels"
    assert [p for p in wheels.rglob("*") if p.is_file()] == []
    assert not any(_is_of_wheels(p) for p in (tmp_path / "cache/layers").iterdir())
    # and once the server is well, all is well
    code, said, _ = build_from(family, tmp_path, trick, times=0)
    assert code == 0, said
    assert digests(tmp_path / "dist") == family.digests


def _is_of_wheels(record: Path) -> bool:
    return bool(json.loads(record.read_bytes())["kind"] == "wheels")
