"""dist/smoke.json: one verdict a check and image."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from lapstrake.dist import Build
from lapstrake.store.scratch import remove_abandoned_files
from lapstrake.store.store import write_staged

SMOKE_NAME = "smoke.json"


# What a verdict rests on: files alone, code that runs anywhere, a GPU; empty where it's no matter.
Kind = Literal["", "static", "cpu", "gpu"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CheckResult(_Part):
    """What one check found in one image.

    Attributes:
        kind: what the verdict rests on.
        expected: what should have been seen, where it failed.
        seen: what was seen instead.
        why: why it was skipped; where it passed, what was let pass and why, if anything.
        log: the last lines of the service's log, where it failed.
    """

    image: str
    name: str
    verdict: Literal["passed", "failed", "skipped"]
    kind: Kind = ""
    expected: str = ""
    seen: str = ""
    why: str = ""
    seconds: float = 0.0
    log: tuple[str, ...] = ()


class ImageSmoke(_Part):
    """All checks of one image; `digest` is that of the manifest that was tested."""

    name: str
    digest: str
    seconds: float
    checks: tuple[CheckResult, ...]

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(c for c in self.checks if c.verdict == "failed")

    @property
    def passed(self) -> bool:
        """Whether it was checked, and no check failed."""
        return bool(self.checks) and not self.failed

    def count(self, verdict: str) -> int:
        """How many checks ended with `verdict`."""
        return sum(c.verdict == verdict for c in self.checks)


class SmokeReport(_Part):
    """dist/smoke.json; `engine` says what ran the containers."""

    format: Literal[1] = 1
    lapstrake: str
    engine: str
    seconds: float
    images: tuple[ImageSmoke, ...]

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """The checks that failed, of all images."""
        return tuple(c for i in self.images for c in i.failed)


def read_report(dist: Path) -> SmokeReport | None:
    """What dist/smoke.json says; None where there is none that can be read."""
    try:
        return SmokeReport.model_validate_json((dist / SMOKE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def merged(old: SmokeReport | None, new: SmokeReport, build: Build) -> SmokeReport:
    """`new`, and what `old` says of images that were not tested again and are still in dist/."""
    tested = {i.name: i for i in new.images}
    kept = {i.name: i for i in (old.images if old else ()) if i.name not in tested}
    found = [
        tested.get(i.name) or kept[i.name]
        for i in build.images
        if i.name in tested or (i.name in kept and kept[i.name].digest == i.digest)
    ]
    return new.model_copy(update={"images": tuple(found)})


def write_report(dist: Path, report: SmokeReport) -> Path:
    """Write dist/smoke.json in one step."""
    path = dist / SMOKE_NAME
    remove_abandoned_files(dist, SMOKE_NAME)
    write_staged(path, report.model_dump_json(indent=1).encode() + b"\n")
    return path
