"""`lapstrake sign`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import dist_folder, open_repository
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.report.progress import Mode, open_progress
from lapstrake.version import Version
from lapstrake_release.beside.referrers import Referrers, opened
from lapstrake_release.published import Published, find_repositories, published
from lapstrake_release.scan.run import Target, find_bill
from lapstrake_release.sign.signing import find_signer, sign
from lapstrake_release.sign.verify import unsigned


@click.command("sign")
@click.argument("version")
@click.option("--image", "names", multiple=True, metavar="NAME", help="Only these images.")
@click.option("--key", metavar="KEY", help="By default $COSIGN_PRIVATE_KEY, or the job's identity.")
@click.option("--verify", "only_verify", is_flag=True, help="Sign nothing; see who has.")
@click.option("--registry", "registries", multiple=True, metavar="HOST/PATH")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--progress", type=click.Choice(["auto", "live", "plain", "json"]), default="auto")
@click.pass_obj
def command(
    directory: Path,
    version: str,
    names: tuple[str, ...],
    key: str | None,
    only_verify: bool,
    registries: tuple[str, ...],
    dist: str,
    progress: Mode,
) -> None:
    """Sign images of VERSION with cosign, and attest what is in them.

    What `qa.signatures` in lapstrake.yaml asks for is verified afterwards, as it is on promote.
    """
    repo = open_repository(directory)
    wanted, folder = Version.parse(version), dist_folder(repo, dist)
    with opened(find_repositories(repo, registries)) as clients, open_progress(progress) as shown:
        places = [(c, p) for c in clients for p in published(c, repo, wanted, names)]
        if not only_verify:
            spec = repo.family.qa.signatures
            signer = find_signer(key, log=bool(spec and spec.log))
            for client, place in places:
                with shown.step(place.pinned, f"sign   {place.image}"):
                    sign(place, signer, _bill(repo, client, place, folder))
        wrong = _wrong(repo, places)
    console.table(
        ["IMAGE", "REFERENCE", "SIGNED"],
        [[p.image, p.pinned, _said(repo, wrong.get(p))] for _, p in places],
    )
    if wrong:
        first = next(iter(wrong.items()))
        raise UserError(f"{first[0].image} {first[1].message}", first[1].hint, first[1].details)


def _bill(repo: Repository, client: Referrers, place: Published, dist: Path) -> bytes | None:
    """What is in an image, where that is known here."""
    target = Target(place.image, place.digest)
    try:
        return find_bill(repo.family.name, place.version, target, dist, client)
    except UserError as error:
        console.note(f"{place.image} is signed without a bill: {error.message}")
        return None


def _wrong(
    repo: Repository, places: list[tuple[Referrers, Published]]
) -> dict[Published, UserError]:
    spec = repo.family.qa.signatures
    if spec is None:
        return {}
    found: dict[Published, UserError] = {}
    for client in dict.fromkeys(c for c, _ in places):
        own = [p for c, p in places if c is client]
        errors = unsigned(client, {p.digest for p in own}, spec, repo.root)
        found |= {p: errors[p.digest] for p in own if p.digest in errors}
    return found


def _said(repo: Repository, error: UserError | None) -> str:
    if repo.family.qa.signatures is None:
        return "not verified: no qa.signatures"
    return "verified" if error is None else error.message
