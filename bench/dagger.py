"""Lapstrake's two engines beside each other: the family, cold, warm, and with nothing to do.

Only where a Dagger engine answers. Cold is a name in the engine's cache that nobody had before;
what is kept under it stays there until the engine prunes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from bench.figures import OWN, Figure
from bench.repositories import copy_repository
from bench.setting import Setting, lapstrake, say, seconds
from lapstrake.dist import read_build
from lapstrake.errors import UserError

DAGGER = "in Dagger"
_NAMED = ("DAGGER_SESSION_PORT", "_EXPERIMENTAL_DAGGER_RUNNER_HOST")


def measure_dagger(setting: Setting) -> list[Figure]:
    """Builds by both engines, in turn.

    Raises:
        UserError: a build fails, or the digests differ.
    """
    if not any(os.environ.get(name) for name in _NAMED):
        say("no Dagger engine: neither a session nor _EXPERIMENTAL_DAGGER_RUNNER_HOST")
        return []
    os.environ["LAPSTRAKE_DAGGER_CACHE"] = f"lapstrake-bench-{setting.run_id}"
    work = setting.work / "dagger"
    # the toolchain is there before anybody builds with it
    lapstrake("build", "toolchain", "--engine", "local", "--out", work / "toolchain")
    os.environ["LAPSTRAKE_TOOLCHAIN"] = str(work / "toolchain")
    family = copy_repository(work / "family")
    found = {
        title: {
            OWN: _built(family, work, "local", mine),
            DAGGER: _built(family, work, "dagger", its),
        }
        for title, mine, its in (
            ("family, cold (engine and client)", "local", "first"),
            ("family, a new client of a warm engine", "", "second"),
            ("family, nothing to do", "local", "first"),
        )
    }
    _compare(work / "local-dist", work / "first-dist")
    return [Figure(title, "s", _measured(values)) for title, values in found.items()]


def _built(family: Path, work: Path, engine: str, name: str) -> float | None:
    """Seconds of a build by one engine, with the client's cache of that name."""
    if not name:
        return None
    say(f"{engine}: {name}")
    out = work / f"{name}-dist"
    words: tuple[str | Path, ...] = ("build", "--engine", engine, "--out", out)
    return seconds(lambda: lapstrake(*words, cache=work / name, repository=family))


def _measured(values: Mapping[str, float | None]) -> dict[str, float]:
    return {whose: value for whose, value in values.items() if value is not None}


def _compare(one: Path, other: Path) -> None:
    digests = [{i.name: i.digest for i in read_build(d).images} for d in (one, other)]
    if digests[0] != digests[1]:
        raise UserError("the two engines made different digests", "this is a bug: please report it")
