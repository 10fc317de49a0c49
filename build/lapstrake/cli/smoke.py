"""`lapstrake smoke`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.definition.load import find_root
from lapstrake.dist import BuiltImage, read_build
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.smoke.report import CheckResult, ImageSmoke, SmokeReport, read_report
from lapstrake.smoke.run import run_smoke
from lapstrake.store.store import Store

_STYLES = {"passed": "good", "failed": "bad", "skipped": "quiet"}


@click.command("smoke")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--unless-passed", is_flag=True, help="Leave out digests that passed already.")
@click.option("--jobs", type=click.IntRange(1), default=3, show_default=True, help="At a time.")
@click.option("--patience", type=float, default=120.0, show_default=True, help="Seconds to wait.")
@click.option("--gpu", is_flag=True, help="Make the checks that need a GPU, where there is one.")
@click.option("--remove", is_flag=True, help="Remove the images from the engine afterwards.")
@click.option("--quiet", "-q", is_flag=True, help="Show the checks that failed alone.")
@click.option("--json", "as_json", is_flag=True, help="Print smoke.json.")
@click.pass_obj
def command(
    directory: Path,
    names: tuple[str, ...],
    dist: str,
    unless_passed: bool,
    jobs: int,
    patience: float,
    gpu: bool,
    remove: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Start built images, by default all of dist/, in Docker, and check them.

    Every verdict goes to dist/smoke.json. One failed check fails the command.
    """
    root = find_root(directory)
    folder = root / dist
    build = read_build(folder)
    images = [build.image(n) for n in names] or list(build.images)
    chosen = [i for i in images if not (unless_passed and _passed(folder, i))]
    if not chosen:
        console.say(f"nothing to check: {len(images)} images have passed already")
        return
    report = run_smoke(
        folder,
        [i.name for i in chosen],
        root,
        store=Store(),
        jobs=jobs,
        patience=patience,
        gpu=gpu,
        remove=remove,
        progress=lambda result: _show(result, quiet),
    )
    if as_json:
        console.say_json(report.model_dump(mode="json"))
    else:
        _summary(report, {i.name for i in chosen})
    _fail(report, {i.name for i in chosen})


def _passed(dist: Path, image: BuiltImage) -> bool:
    """Whether dist/smoke.json has this very digest, and no failed check of it."""
    report = read_report(dist)
    found = [i for i in report.images if i.digest == image.digest] if report else []
    return any(i.passed for i in found)


def _show(result: CheckResult, quiet: bool) -> None:
    if quiet and result.verdict != "failed":
        return
    mark = console.styled(f"{result.verdict:<7}", _STYLES[result.verdict])
    kind = f" [{result.kind}]" if result.kind else ""
    console.note(f"{mark}  {result.image}: {result.name}{kind}{_more(result)}")
    if result.verdict == "failed":
        console.note(f"         expected {result.expected}")
        console.note(f"         seen     {result.seen}")
        for line in result.log:
            console.note(f"         | {line}")


def _more(result: CheckResult) -> str:
    return f" ({result.why})" if result.why else ""


def _summary(report: SmokeReport, names: set[str]) -> None:
    console.table(
        ["IMAGE", "PASSED", "FAILED", "SKIPPED", "SECONDS"],
        [
            [i.name, *(str(_count(i, v)) for v in _STYLES), f"{i.seconds:.1f}"]
            for i in report.images
            if i.name in names
        ],
        right=(1, 2, 3, 4),
    )


def _count(image: ImageSmoke, verdict: str) -> int:
    return sum(c.verdict == verdict for c in image.checks)


def _fail(report: SmokeReport, names: set[str]) -> None:
    failed = [
        f"{i.name}: {c.name}"
        for i in report.images
        if i.name in names
        for c in i.checks
        if c.verdict == "failed"
    ]
    if failed:
        count = f"{len(failed)} checks" if len(failed) > 1 else "a check"
        raise UserError(f"{count} failed: {failed[0]}", "", tuple(failed[1:]))
