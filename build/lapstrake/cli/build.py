"""`lapstrake build`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from lapstrake.build import build
from lapstrake.cli.cache_share import Sharing
from lapstrake.cli.common import dist_folder, open_lock, open_repository
from lapstrake.dist import Build
from lapstrake.engines.choice import NAMES, chosen_engine, open_engine
from lapstrake.plan.make import make_plan
from lapstrake.report import console
from lapstrake.report.progress import Mode, open_progress
from lapstrake.store.store import Store


@click.command("build")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--out", default="dist", show_default=True, help="The OCI layout to write.")
@click.option(
    "--engine",
    type=click.Choice(NAMES),
    help="What builds layers; by default $LAPSTRAKE_ENGINE, or what fits where this runs.",
)
@click.option("--jobs", type=click.IntRange(1), help="Layers at a time; by default the cores.")
@click.option("--cache-from", multiple=True, metavar="REF", help="First pull cached layers.")
@click.option("--cache-to", multiple=True, metavar="REF", help="Then push cached layers.")
@click.option(
    "--progress",
    type=click.Choice(["auto", "live", "plain", "json"]),
    default="auto",
    show_default=True,
    help="How to show what goes on.",
)
@click.option("--json", "as_json", is_flag=True, help="Print build.json.")
@click.pass_obj
def command(
    directory: Path,
    names: tuple[str, ...],
    out: str,
    engine: str | None,
    jobs: int | None,
    cache_from: tuple[str, ...],
    cache_to: tuple[str, ...],
    progress: Mode,
    as_json: bool,
) -> None:
    """Build images, by default all but the optional ones, into an OCI image layout.

    Each distinct layer is built once; what the cache has is reused. dist/build.json says what
    every image is made of.

    --cache-from and --cache-to do what `cache pull` and `cache push` do; where layers can't be
    pulled they are built.
    """
    name = chosen_engine(engine)
    sharing = Sharing.parse(cache_from, cache_to)
    repo = open_repository(directory)
    lock = open_lock(repo)
    plan = make_plan(repo, lock, names)
    target = dist_folder(repo, out)
    with open_progress(progress) as shown:
        store = Store()
        sharing.before(plan, store, shown)
        built = build(plan, open_engine(name, repo, lock), store, target, shown, jobs or _cores())
        sharing.after(plan, store, shown)
    if as_json:
        console.say_json(built.model_dump(mode="json"))
    else:
        _summary(built, target)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _summary(built: Build, target: Path) -> None:
    console.table(
        ["IMAGE", "LAYERS", "BUILT", "SIZE", "DIGEST"],
        [
            [
                i.name,
                str(len(i.layers)),
                str(sum(x.state == "built" for x in i.layers)),
                console.bytes_text(i.size),
                i.digest,
            ]
            for i in built.images
        ],
        right=(1, 2, 3),
    )
    blobs = {x.digest: x for i in built.images for x in i.layers}
    new = sum(x.state == "built" for x in blobs.values())
    total = console.bytes_text(sum(x.size for x in blobs.values()))
    console.say(
        f"{len(blobs)} distinct layers ({new} built), {total} in all, "
        f"{console.seconds_text(built.seconds)}: {target}"
    )
