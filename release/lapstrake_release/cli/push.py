"""`lapstrake push`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lapstrake.definition.load import find_root
from lapstrake.dist import Build, BuiltImage, read_build
from lapstrake.report import console
from lapstrake.report.progress import Mode, Progress, open_progress
from lapstrake_release.registry import Pushed, Registry, Repository, check_moves


@click.command("push")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--registry", required=True, metavar="HOST/PATH", help="Where to push to.")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--progress", type=click.Choice(["auto", "live", "plain", "json"]), default="auto")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    names: tuple[str, ...],
    registry: str,
    dist: str,
    progress: Mode,
    as_json: bool,
) -> None:
    """Push built images, by default all of dist/, under their tags.

    Only blobs that the registry lacks travel. Every digest is read back and compared.
    """
    folder = find_root(directory) / dist
    build = read_build(folder)
    images = [build.image(n) for n in names] or list(build.images)
    target = Registry(Repository.parse(registry, build.family))
    check_moves(build, target, images)
    with open_progress(progress) as shown:
        pushed = [p for i in images for p in _push(target, folder, i, shown)]
    if as_json:
        console.say_json([asdict(p) | {"was_there": p.was_there} for p in pushed])
    else:
        _summary(build, pushed)


def _push(target: Registry, dist: Path, image: BuiltImage, progress: Progress) -> list[Pushed]:
    with progress.step(image.name, f"push   {image.name}"):
        return [target.push(dist, image, tag) for tag in image.tags]


def _summary(build: Build, pushed: list[Pushed]) -> None:
    console.table(
        ["REFERENCE", "DIGEST", "SENT"],
        [[p.reference, p.digest, _sent(p)] for p in pushed],
    )
    sent = sum(p.sent for p in pushed)
    console.say(f"{build.family} {build.version}: {len(pushed)} tags, {sent} layers sent")


def _sent(pushed: Pushed) -> str:
    if pushed.was_there:
        return "was there"
    moved = ", tag moved" if pushed.old else ""
    return f"{pushed.sent} of {pushed.blobs} layers{moved}"
