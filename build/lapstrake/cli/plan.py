"""`lapstrake plan`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import dist_folder, existing_store, open_lock, open_repository
from lapstrake.definition.repository import Repository
from lapstrake.dist import Build, read_build
from lapstrake.errors import UserError
from lapstrake.plan.make import make_plan
from lapstrake.plan.matrix import matrix
from lapstrake.plan.model import Plan
from lapstrake.plan.why import LayerState, layer_states
from lapstrake.report import console


@click.command("plan")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--why", is_flag=True, help="Say which input of each layer changed.")
@click.option("--matrix", "as_matrix", is_flag=True, help="Print a GitHub Actions matrix.")
@click.option("--shards", type=click.IntRange(1), help="With --matrix: the number of jobs.")
@click.option("--changed", metavar="REF", help="Keep the images that differ from a git revision.")
@click.option("--dist", default="dist", show_default=True, help="The last build's folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    names: tuple[str, ...],
    why: bool,
    as_matrix: bool,
    shards: int | None,
    changed: str | None,
    dist: str,
    as_json: bool,
) -> None:
    """What would be built, from what, and what is cached already.

    Needs neither root nor network nor Docker, and changes nothing.
    """
    repo = open_repository(directory)
    plan = make_plan(repo, open_lock(repo), names)
    if changed is not None:
        plan = _only_changed(repo, plan, changed)
    if as_matrix:
        console.say_json(matrix(plan, shards))
        return
    last = _last_build(dist_folder(repo, dist))
    store = existing_store()
    states = {i.name: layer_states(i, last, store) for i in plan.images}
    if as_json:
        console.say_json(_as_json(plan, states))
    else:
        _print(plan, states, why)


def _only_changed(repo: Repository, plan: Plan, base: str) -> Plan:
    from dataclasses import replace

    from lapstrake.plan.changed import changed_images

    kept = changed_images(repo, plan, base)
    return replace(plan, images=tuple(i for i in plan.images if i.name in kept))


def _last_build(dist: Path) -> Build | None:
    try:
        return read_build(dist)
    except UserError:
        return None


def _as_json(plan: Plan, states: dict[str, list[LayerState]]) -> dict[str, object]:
    return {
        "family": plan.family,
        "version": plan.version,
        "platform": plan.platform,
        "epoch": plan.epoch,
        "images": [
            {
                "name": i.name,
                "id": i.id,
                "tags": list(i.tags),
                "layers": [_layer_json(s) for s in states[i.name]],
            }
            for i in plan.images
        ],
    }


def _layer_json(state: LayerState) -> dict[str, object]:
    return {
        "id": state.layer.id,
        "kind": state.layer.kind,
        "title": state.layer.title,
        "cached": state.cached,
        "size": state.size,
        "why": list(state.reasons),
    }


def _print(plan: Plan, states: dict[str, list[LayerState]], why: bool) -> None:
    distinct: dict[str, bool] = {}
    for image in plan.images:
        console.say(f"{console.styled(image.name, 'strong')}  {', '.join(image.tags)}")
        for state in states[image.name]:
            _print_layer(state, distinct.get(state.layer.id) is not None, why)
            distinct[state.layer.id] = state.cached
    if not plan.images:
        console.say("nothing to build")
        return
    cached = sum(distinct.values())
    images = f"{len(plan.images)} image{'s' if len(plan.images) > 1 else ''}"
    console.say(
        f"{images}, {len(distinct)} distinct layers: {cached} cached, "
        f"{len(distinct) - cached} to build"
    )


def _print_layer(state: LayerState, shared: bool, why: bool) -> None:
    mark = console.styled("cached", "good") if state.cached else console.styled("build ", "warn")
    size = f"  {console.bytes_text(state.size)}" if state.cached else ""
    more = "  (shared)" if shared else ""
    layer = state.layer
    console.say(f"  {mark}  {layer.kind:<6}  {layer.id[:12]}  {layer.title}{size}{more}")
    if why:
        for reason in state.reasons:
            console.say(f"            {reason}")
