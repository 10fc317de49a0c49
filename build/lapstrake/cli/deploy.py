"""`lapstrake deploy`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import dist_folder, open_lock, open_repository
from lapstrake.errors import UserError
from lapstrake.report import console

# As in lapstrake.deploy.formats, which help needn't import.
FORMATS = ("kserve", "ingress", "helm", "kubernetes", "compose", "docker")


@click.command("deploy")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--format", "kind", required=True, type=click.Choice(FORMATS), help="What to write.")
@click.option(
    "--registry",
    metavar="HOST/PATH",
    help="Where the images are; by default the first of `release.registries`.",
)
@click.option("--storage", metavar="SIZE", help="With kubernetes: what a volume holds (10Gi).")
@click.option("--dist", default="dist", show_default=True, help="The last build's folder.")
@click.option("-o", "--output", metavar="FILE", help="The file to write, instead of printing.")
@click.pass_obj
def command(
    directory: Path,
    names: tuple[str, ...],
    kind: str,
    registry: str | None,
    storage: str | None,
    dist: str,
    output: str | None,
) -> None:
    """A file that deploys images, made from their definition.

    kserve: a ClusterServingRuntime; ingress: which ports are routed; helm: a values file of all
    images; kubernetes: a Deployment with its Service and volumes; compose: a Compose file; docker:
    the line that runs it.

    Images are named by digest where the last build was of this definition, or else the registry
    has their tag.
    """
    if not names and kind != "helm":
        raise UserError(f"which image? {kind} is for those that are named", "lapstrake list")
    if storage is not None and kind != "kubernetes":
        raise UserError("--storage goes with --format kubernetes")
    repo = open_repository(directory)
    for name in names:
        repo.image(name)
    from lapstrake.deploy.find import deployables, repository_of
    from lapstrake.deploy.formats import FORMATS as WRITERS
    from lapstrake.deploy.kubernetes import kubernetes
    from lapstrake.plan.make import make_plan

    place = repository_of(repo, registry)
    plan = make_plan(repo, open_lock(repo), names)
    images = deployables(plan, place, dist_folder(repo, dist), console.note)
    text = kubernetes(images, storage) if storage else WRITERS[kind](images)
    if output is None:
        console.say(text.rstrip("\n"))
    else:
        _write(directory / output, text)


def _write(path: Path, text: str) -> None:
    from lapstrake.store.store import write_staged

    try:
        write_staged(path, text.encode())
    except OSError as error:
        raise UserError(f"{path} can't be written: {error.strerror}") from None
