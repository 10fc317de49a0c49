"""Building what was released again: the same digests, from nothing but the commit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lapstrake import process
from lapstrake.build import build
from lapstrake.cli.common import open_lock
from lapstrake.definition.load import load
from lapstrake.definition.repository import Repository
from lapstrake.dist import Build
from lapstrake.engines.choice import chosen_engine, open_engine
from lapstrake.plan.make import make_plan
from lapstrake.projects.build import build as build_project
from lapstrake.projects.stamp import stamp
from lapstrake.report.progress import Progress
from lapstrake.store.scratch import temporary_folder
from lapstrake.store.store import Store
from lapstrake.version import Version
from lapstrake_release.evidence.sums import sha256_of
from lapstrake_release.verify.model import Findings

PART = "rebuilt"


def check_rebuild(
    root: Path,
    version: Version,
    commit: str,
    digests: Mapping[str, str],
    files: Mapping[str, tuple[str, str]],
    progress: Progress,
    findings: Findings,
) -> None:
    """Build a commit with an empty cache, and compare each image and file with what is public.

    Args:
        root: the checkout that has the commit.
        version: what it was released as.
        commit: a revision.
        digests: the digest of each public name.
        files: the project and the SHA-256 of each wheel and source archive, by name.
        progress: shows the build.
        findings: takes what is found.

    Raises:
        UserError: the commit isn't there, or can't be built.
    """
    with temporary_folder("rebuild") as folder:
        tree = folder / "tree"
        process.run(
            ["git", "-C", root, "worktree", "add", "-q", "--detach", tree, commit],
            failure=f"there is no commit {commit}",
            hint="git fetch --tags",
        )
        try:
            repo = _released(tree / _prefix(root), version)
            built = _built(repo, folder, progress)
            made = _files(repo, version, built, folder, progress)
        finally:
            process.run(["git", "-C", root, "worktree", "remove", "--force", tree], check=False)
    for image in built.images if built else ():
        findings.same(PART, image.tags[0], digests.get(image.tags[0], ""), image.digest)
    for name, hashed in sorted(made.items()):
        findings.same(PART, name, files.get(name, ("", ""))[1], hashed)


def _released(root: Path, version: Version) -> Repository:
    """The definition of a commit, with the version that it was released as."""
    repo = load(root)
    return replace(repo, family=repo.family.model_copy(update={"version": version.ours}))


def _files(
    repo: Repository, version: Version, done: Build | None, folder: Path, progress: Progress
) -> dict[str, str]:
    """The SHA-256 of each wheel and source archive of the commit's projects."""
    files = done.files if done else ()
    found = {file.name: file.sha256 for file in files}
    projects = repo.projects
    bound = repo.family.release.python.bound
    in_images = {file.project for file in files}
    for project in projects.all:
        if project.name in in_images:
            continue
        with progress.step(project.name, f"wheel  {project.title}"):
            into = folder / project.stem
            staged = stamp(project, version, into, family=projects, bound=bound)
            built = build_project(staged, folder / "files")
        found |= {p.name: sha256_of(p) for p in (built.wheel, built.sdist)}
    return found


def _built(repo: Repository, folder: Path, progress: Progress) -> Build | None:
    """The commit's images; None where it has none."""
    if not repo.images:
        return None
    lock = open_lock(repo)
    plan = make_plan(repo, lock)
    engine = open_engine(chosen_engine(None), repo, lock)
    return build(plan, engine, Store(folder / "cache"), folder / "dist", progress, 2)


def _prefix(root: Path) -> str:
    """Where the definition lies in its checkout; empty at its top."""
    return process.run(["git", "-C", root, "rev-parse", "--show-prefix"]).stdout.strip()
