"""`lapstrake tags`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import open_lock, open_repository
from lapstrake.report import console


@click.command("tags")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with what each part is of.")
@click.pass_obj
def command(directory: Path, names: tuple[str, ...], as_json: bool) -> None:
    """Every tag that an image gets; of one image, one on each line.

    The first is the release's own. The second, which says what is in the image, is put together
    from the lock: no part of it is typed, and a smoke check measures each in the container.
    """
    from lapstrake.plan.make import make_plan

    repo = open_repository(directory)
    plan = make_plan(repo, open_lock(repo), names)
    if as_json:
        console.say_json(
            [
                {
                    "name": i.name,
                    "tags": list(i.tags),
                    "parts": [t.model_dump() for t in i.tokens],
                }
                for i in plan.images
            ]
        )
    elif len(names) == 1:
        for tag in plan.images[0].tags:
            console.say(tag)
    else:
        console.table(["NAME", "TAG"], [[i.name, tag] for i in plan.images for tag in i.tags])
