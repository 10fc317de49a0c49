from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from lapstrake.report import console
from lapstrake.report.progress import JsonLines, Live, Plain, Progress, open_progress


def steps(progress: Progress) -> None:
    with progress:
        progress.start("a", "first [thing]", 100)
        progress.advance("a", 60)
        progress.advance("a", 40)
        progress.finish("a")
        progress.start("b", "second")
        progress.finish("b", "failed")
        progress.advance("gone", 1)
        progress.note("a word")


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    steps(Plain())
    said = capsys.readouterr()
    assert said.out == ""
    assert re.sub(r"\d+\.\d s", "N s", said.err).splitlines() == [
        "✓ first [thing] (N s, 100 B)",
        "✗ second failed (N s)",
        "a word",
    ]


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    steps(JsonLines())
    events = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(e["event"], e.get("key")) for e in events] == [
        ("start", "a"),
        ("done", "a"),
        ("start", "b"),
        ("failed", "b"),
        ("note", None),
    ]
    assert (events[1]["bytes"], events[1]["total"]) == (100, 100)


def test_a_step_that_raises_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    progress = JsonLines()

    def work() -> None:
        with progress.step("a", "t"):
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        work()
    assert '"failed"' in capsys.readouterr().err


def test_told_from_many_threads(capsys: pytest.CaptureFixture[str]) -> None:
    progress = JsonLines()

    def work(key: str) -> None:
        with progress.step(key, key):
            for _ in range(200):
                progress.advance(key, 1)

    threads = [threading.Thread(target=work, args=(str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = [json.loads(x) for x in capsys.readouterr().err.splitlines()]
    assert sorted(e["bytes"] for e in done if e["event"] == "done") == [200] * 8


def test_auto_is_plain_without_a_terminal() -> None:
    with open_progress("auto") as found:
        assert isinstance(found, Plain)


def test_live_on_a_terminal_leaves_lines_behind() -> None:
    code = (
        "from lapstrake.report.progress import *\n"
        "p = open_progress('auto')\n"
        "assert isinstance(p, Live), p\n"
        "with p:\n"
        "    p.start('a', 'first [thing]', 100); p.advance('a', 100); p.finish('a')\n"
        "    p.start('b', 'second'); p.finish('b', 'failed')\n"
    )
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    env.pop("NO_COLOR", None)
    child = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, stdout=theirs, env=env)
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 4096)
        except OSError:
            break
    assert child.wait() == 0, said
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())
    assert "✓ first [thing]" in text
    assert "✗ failed second" in text
    # the cursor is shown again
    assert said.rindex(b"\x1b[?25h") > said.rindex(b"\x1b[?25l")


def test_live_is_chosen_by_name_too() -> None:
    with open_progress("live") as found:
        assert isinstance(found, Live)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (45_300_000, "45.3 MB"), (2e9, "2.00 GB")],
)
def test_sizes_for_people(size: float, text: str) -> None:
    assert console.bytes_text(size) == text


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    console.table(["A", "LONG"], [["x", "1"], ["yyy", "22"]], right=[1])
    assert capsys.readouterr().out.splitlines() == ["A    LONG", "x       1", "yyy    22"]


def test_an_error_is_a_line_details_and_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    from lapstrake.errors import UserError

    console.complain(UserError("it broke", "mend it", ("one", "two")))
    assert capsys.readouterr().err.splitlines() == [
        "error: it broke",
        "  one",
        "  two",
        "hint: mend it",
    ]


def test_no_colour_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert console.styled("x", "good") != "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert console.styled("x", "good") == "x"
