"""The demo's last words: a table of what dist/ holds, from build.json and smoke.json.

Arguments: the folder, and when the demo began, in seconds since 1970.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from lapstrake.dist import BuiltImage, read_build
from lapstrake.report import console
from lapstrake.smoke.report import SMOKE_NAME, ImageSmoke, SmokeReport

HEAD = ("IMAGE", "LAYERS", "SIZE", "DIGEST", "CHECKS", "BUILD", "SMOKE")


def row(image: BuiltImage, smoke: ImageSmoke) -> tuple[str, ...]:
    """One image."""
    checks = [f"{n} {v}" for v in ("passed", "failed", "skipped") if (n := smoke.count(v))]
    return (
        image.name,
        str(len(image.layers)),
        console.bytes_text(image.size),
        image.digest[: len("sha256:") + 12],
        ", ".join(checks),
        console.seconds_text(image.seconds),
        console.seconds_text(smoke.seconds),
    )


def main(dist: Path, began: float) -> None:
    """Print the table and a line below it."""
    build = read_build(dist)
    smoke = SmokeReport.model_validate_json((dist / SMOKE_NAME).read_bytes())
    tested = {i.digest: i for i in smoke.images}
    console.say()
    console.table(HEAD, [row(i, tested[i.digest]) for i in build.images], right=(1, 2, 5, 6))
    blobs = {x.digest: x for i in build.images for x in i.layers}
    built = sum(x.state == "built" for x in blobs.values())
    size = console.bytes_text(sum(x.size for x in blobs.values()))
    console.say(
        f"{len(build.images)} images of {len(blobs)} distinct layers ({built} built now), "
        f"{size}, in {console.seconds_text(time.time() - began)}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
