"""`lapstrake handoff`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lapstrake.cli.common import dist_folder, open_repository
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.version import Version
from lapstrake_release.beside.referrers import opened
from lapstrake_release.handoff.body import body, title
from lapstrake_release.handoff.criteria import gather
from lapstrake_release.handoff.facts import Handoff
from lapstrake_release.published import find_repositories
from lapstrake_release.verdicts import now


@click.command("handoff")
@click.argument("version")
@click.option("--per", type=click.Choice(["image", "family"]), help="What gets an issue.")
@click.option("--image", "names", multiple=True, metavar="NAME", help="Only these images.")
@click.option("--registry", "registries", multiple=True, metavar="HOST/PATH")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--dry-run", is_flag=True, help="Print the issues' text; open none.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    version: str,
    per: str | None,
    names: tuple[str, ...],
    registries: tuple[str, ...],
    dist: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Hand VERSION to testers: an issue on GitHub for each image, or for the family.

    It says how to get the image and what to look at. No image is handed over without its verify.md
    (a runtime's demo/, too), passed smoke tests of its very digest, and that digest in every
    registry. Run again, it brings the issues up to date.
    """
    repo = open_repository(directory)
    whole = (per or repo.family.qa.per) == "family"
    wanted = Version.parse(version)
    if whole and names:
        raise UserError("an issue for the family is about all of its images", "leave --image away")
    github = None if dry_run else _github(repo)
    folder = dist_folder(repo, dist)
    with opened(find_repositories(repo, registries)) as clients:
        handoff = gather(repo, folder, wanted, clients, names, _url(repo))
    if github is None:
        _print(handoff, whole=whole, as_json=as_json)
    else:
        _hand_over(repo, handoff, whole=whole, as_json=as_json)


def _github(repo: Repository) -> str:
    if repo.release.github is None:
        raise UserError(
            "nothing says where the issues go",
            "lapstrake.yaml: release.github; --dry-run prints them",
        )
    return repo.release.github


def _url(repo: Repository) -> str:
    """The repository's page; its own host where the API is another GitHub's."""
    import os
    from urllib.parse import urlsplit

    if repo.release.github is None:
        return ""
    server = os.environ.get("GITHUB_SERVER_URL") or "https://github.com"
    return f"{server.rstrip('/')}/{repo.release.github}" if urlsplit(server).netloc else ""


def _print(handoff: Handoff, *, whole: bool, as_json: bool) -> None:
    groups = [("", handoff.images)] if whole else [(i.name, (i,)) for i in handoff.images]
    texts = [(title(handoff, about), body(handoff, images)) for about, images in groups]
    if as_json:
        console.say_json([{"title": name, "body": text} for name, text in texts])
        return
    for name, text in texts:
        console.say(f"# {name}\n\n{text}")


def _hand_over(repo: Repository, handoff: Handoff, *, whole: bool, as_json: bool) -> None:
    from lapstrake_release.github import GithubClient, find_settings
    from lapstrake_release.handoff.issues import PERMISSION, hand_over

    settings = find_settings(_github(repo), repo.root)
    labels = repo.family.qa.labels
    with GithubClient(settings, PERMISSION) as client:
        results = hand_over(client, handoff, whole=whole, labels=labels, now=now())
    if as_json:
        console.say_json([asdict(r) for r in results])
        return
    console.table(
        ["IMAGE", "ISSUE", "STATE", ""],
        [[r.about or "(all)", f"#{r.number}", r.state, r.url] for r in results],
    )
