"""`lapstrake release verify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lapstrake.cli.common import dist_folder, open_repository
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.report.progress import Mode, open_progress
from lapstrake.version import Version
from lapstrake_release.journal import journal_path, read_state
from lapstrake_release.targets import find_targets
from lapstrake_release.verify.model import Findings
from lapstrake_release.verify.run import verify


@click.command("verify")
@click.argument("version")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--only", multiple=True, metavar="TARGET", help="Look at these targets alone.")
@click.option("--rebuild", is_flag=True, help="Build its commit again, and compare the digests.")
@click.option("--progress", type=click.Choice(["auto", "live", "plain", "json"]), default="auto")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    version: str,
    dist: str,
    only: tuple[str, ...],
    rebuild: bool,
    progress: Mode,
    as_json: bool,
) -> None:
    """Pull everything that is public of VERSION, and see that it all agrees.

    Every blob of every image and every wheel is fetched and hashed. What dist/ holds of the
    version, the checksums and bills of materials of the release on GitHub, and its notes have to
    say the same.
    """
    wanted = Version.parse(version)
    repo = open_repository(directory)
    folder = dist_folder(repo, dist)
    targets = find_targets(repo.release, repo.family.name, only)
    with open_progress(progress) as shown:
        commit = _commit(repo, folder, wanted) if rebuild else ""
        found = verify(repo, folder, wanted, targets, commit, shown)
    if as_json:
        console.say_json([asdict(f) for f in found.all])
    else:
        _show(found)
    if found.wrong:
        lines = [f"{f.what} {f.wrong}" for f in found.wrong]
        raise UserError(f"{wanted}: {lines[0]}", "", tuple(lines[1:]))


def _commit(repo: Repository, dist: Path, version: Version) -> str:
    """What to build again: the release's tag, or what its journal says while it is a draft."""
    from lapstrake import process

    tagged = f"refs/tags/{version.git_tag}^{{commit}}"
    args = ["git", "-C", str(repo.root), "rev-parse", "-q", "--verify", tagged]
    result = process.run(args, check=False)
    if result.code == 0:
        return result.stdout.strip()
    state = read_state(journal_path(dist, version.ours))
    if state is None or not state.commit:
        raise UserError(f"there is no tag {version.git_tag}", "git fetch --tags")
    return state.commit


def _show(found: Findings) -> None:
    parts: dict[str, list[str]] = {}
    for finding in found.all:
        parts.setdefault(finding.part, []).append(finding.wrong)
    console.table(
        ["PART", "LOOKED AT", "WRONG"],
        [[p, str(len(w)), str(sum(map(bool, w)))] for p, w in parts.items()],
        right=(1, 2),
    )
