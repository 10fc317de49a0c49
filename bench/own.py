"""Lapstrake's side: a cache, a folder and a registry of its own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from bench.setting import LAPSTRAKE, PYTHON, TOP, lapstrake
from lapstrake import process


@dataclass(frozen=True)
class OwnSide:
    """Builds with the cache `cache` into `out`, and pushes to `prefix` (HOST:PORT/PATH)."""

    cache: Path
    out: Path
    prefix: str

    def build(self, repository: Path) -> None:
        """`lapstrake build` of the whole family."""
        lapstrake("build", "--out", self.out, cache=self.cache, repository=repository)

    def build_noting_peak(self, repository: Path, noted: Path) -> None:
        """The same, and its peak memory in KiB into `noted`."""
        args = ["-C", str(repository), "build", "--out", str(self.out)]
        env = {**os.environ, "LAPSTRAKE_CACHE": str(self.cache)}
        process.run([PYTHON, TOP / "bench/peak.py", noted, *args], env=env)

    def push(self, repository: Path) -> dict[str, str]:
        """`lapstrake push`; one reference of each image, by name."""
        args: list[str | Path] = ["push", "--registry", self.prefix, "--dist", self.out, "--json"]
        said = process.run([LAPSTRAKE, "-C", repository, *args]).stdout
        return {p["image"]: p["reference"] for p in reversed(json.loads(said))}


def peak_over(noted: Path) -> int:
    """Bytes that a noted peak is above what a bare interpreter needs; `noted` is overwritten."""
    peak = int(noted.read_text())
    process.run([PYTHON, TOP / "bench/peak.py", noted])
    return (peak - int(noted.read_text())) * 1024
