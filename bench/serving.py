"""From `docker run` to a served model that is ready, as the V2 protocol tells it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.registry import get_status
from bench.setting import Setting, seconds
from lapstrake import process
from lapstrake.errors import UserError

_PATIENCE_SECONDS = 180.0
_PORT = "8080"


@dataclass(frozen=True)
class Served:
    """What is served: the model that `script` trains (see docs/smoke.md), in each image."""

    setting: Setting
    script: Path


def measure_starts(served: Served, images: Mapping[str, str], count: int) -> dict[str, float]:
    """Median seconds by image; each was started once before the clock runs.

    The images take turns, and at being the first of a round as well.
    """
    folder = _trained(served, next(iter(images.values())))
    took: dict[str, list[float]] = {name: [] for name in images}
    for number in range(count + 1):
        turns = list(images.items())
        for name, image in turns if number % 2 else reversed(turns):
            value = _start(served.setting, image, folder)
            if number > 0:
                took[name].append(value)
    return {name: statistics.median(values) for name, values in took.items()}


def _trained(served: Served, image: str) -> Path:
    out = served.setting.work / "model"
    out.mkdir()
    mounts = ["-v", f"{served.script}:/model.py:ro", "-v", f"{out}:/out"]
    python = ["--entrypoint=/opt/venv/bin/python", image, "/model.py", "/out"]
    process.run([served.setting.docker, "run", "--rm", *mounts, *python])
    return next(out.iterdir())


def _start(setting: Setting, image: str, model: Path) -> float:
    """Seconds from `docker run` to the model's readiness; the container is removed."""
    client, name = setting.docker, f"lapstrake-bench-{setting.run_id}"
    options = ["--rm", "--detach", f"--name={name}", f"--publish=127.0.0.1::{_PORT}"]
    mount = ["-v", f"{model}:/mnt/models/{model.name}:ro"]

    def start() -> None:
        process.run([client, "run", *options, *mount, image])
        said = process.run([client, "port", name, _PORT]).stdout
        _wait(int(said.split()[0].rpartition(":")[2]), f"/v2/models/{model.name}/ready", image)

    try:
        return seconds(start)
    finally:
        process.run([client, "rm", "--force", name], check=False)


def _wait(port: int, path: str, image: str) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while get_status(port, path) != 200:
        if time.monotonic() > end:
            raise UserError(f"{image} is not ready after {_PATIENCE_SECONDS:.0f} s")
        time.sleep(0.005)
