"""`lapstrake promote`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import open_repository
from lapstrake.definition.repository import Repository as Definition
from lapstrake.registry.repository import Repository
from lapstrake.report import console
from lapstrake.report.progress import Mode, open_progress
from lapstrake.version import Version
from lapstrake_release.channels import tags
from lapstrake_release.channels.author import find_author
from lapstrake_release.channels.family import Family
from lapstrake_release.channels.promote import Order, check_promotion, promote
from lapstrake_release.channels.registry import opened
from lapstrake_release.channels.settings import find_channel
from lapstrake_release.channels.shown import moved_json, show_moved
from lapstrake_release.published import find_repositories


@click.command("promote")
@click.argument("version")
@click.option("--to", "channel", required=True, metavar="CHANNEL", help="What is to hold it.")
@click.option("--registry", metavar="HOST/PATH", help="There; by default where it was released to.")
@click.option("--from", "source", metavar="HOST/PATH", help="Where the images are.")
@click.option("--why", metavar="TEXT", help="For the history.")
@click.option("--by", metavar="NAME", help="Who does so; by default as git or GitHub know you.")
@click.option("--without", multiple=True, metavar="IMAGE", help="The version lacks this image.")
@click.option("--dry-run", is_flag=True, help="Check everything, and move nothing.")
@click.option("--progress", type=click.Choice(["auto", "live", "plain", "json"]), default="auto")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    version: str,
    channel: str,
    registry: str | None,
    source: str | None,
    why: str | None,
    by: str | None,
    without: tuple[str, ...],
    dry_run: bool,
    progress: Mode,
    as_json: bool,
) -> None:
    """Let a channel hold VERSION: all images at once, by digest; nothing is built.

    With --registry they are copied there first, unless they are there: from the registry of the
    release, or the one that --from names.
    """
    repo = open_repository(directory)
    wanted = Version.parse(version)
    spec = find_channel(repo, channel)
    order = Order(repo, spec, wanted, find_author(repo.root, by, why), without)
    pairs = places(repo, registry, source)
    with opened(r for pair in pairs for r in pair) as clients, open_progress(progress) as shown:
        found = [(clients[one], clients[two]) for one, two in pairs]
        if dry_run:
            _show_plan(order, check_promotion(order, found), pairs, as_json)
            return
        moved = promote(order, found, shown)
    if as_json:
        console.say_json([moved_json(m) for m in moved])
    else:
        show_moved(moved)


def places(
    repo: Definition, registry: str | None, source: str | None
) -> list[tuple[Repository, Repository]]:
    """From which repository into which.

    Raises:
        UserError: nothing says where the images are, or a name is none.
    """
    targets = find_repositories(repo, [registry] if registry else ())
    if source is not None:
        (place,) = find_repositories(repo, [source])
        return [(place, target) for target in targets]
    if registry is None or not repo.family.release.registries:
        return [(target, target) for target in targets]
    # elsewhere than it was released to: from the first of those
    released = find_repositories(repo)
    return [(t if t in released else released[0], t) for t in targets]


def _show_plan(
    order: Order, family: Family, pairs: list[tuple[Repository, Repository]], as_json: bool
) -> None:
    rows = [
        (f"{target}:{tags.moving(order.channel.name, i.suffix)}", i.name, i.digest)
        for _, target in pairs
        for i in family.images
    ]
    if as_json:
        keys = ("reference", "image", "digest")
        console.say_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    console.table(["TAG", "IMAGE", "DIGEST"], rows)
    console.say(f"nothing is in the way of {order.version} in {order.channel.name}")
