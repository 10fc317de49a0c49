"""Wheels and source archives of the repository's projects, into dist/.

Those of projects that images have lie there already: the build left them.
"""

from __future__ import annotations

from pathlib import Path

from lapstrake.projects.build import build
from lapstrake.projects.model import Project, Projects
from lapstrake.projects.stamp import stamp
from lapstrake.store.scratch import temporary_folder
from lapstrake.store.store import write_staged
from lapstrake_release.evidence.sums import sha256_of
from lapstrake_release.files import SDISTS, WHEELS
from lapstrake_release.job import Job
from lapstrake_release.journal import Facts


def make_files(job: Job) -> None:
    """Have a wheel and a source archive of each project in dist/, and of nothing else.

    Raises:
        UserError: a project can't be built.
    """
    projects = job.definition.projects
    wanted = {file.name for file in job.built.files}
    in_images = {file.project for file in job.built.files}
    for project in projects.all:
        if project.name not in in_images:
            wanted |= _made(job, project, projects)
    for folder in (WHEELS, SDISTS):
        for path in (job.dist / folder).glob("*"):
            if path.name not in wanted:
                path.unlink()


def _made(job: Job, project: Project, projects: Projects) -> set[str]:
    """Build one project, unless this commit's files are there; their names."""
    key = f"project {project.name}"
    known = job.journal.fact("build", key) or {}
    if job.commit and known.get("commit") == job.commit and _are_there(job.dist, known):
        return set(known["files"])
    bound = job.definition.family.release.python.bound
    with (
        job.progress.step(key, f"wheel  {project.title}"),
        temporary_folder("wheels") as folder,
    ):
        into = folder / project.stem
        staged = stamp(project, job.version, into, family=projects, bound=bound)
        built = build(staged, folder / "out")
        files = {
            path.name: _placed(job.dist / kind, path)
            for kind, path in ((WHEELS, built.wheel), (SDISTS, built.sdist))
        }
    job.journal.done("build", key, commit=job.commit, files=files, tools=list(built.tools))
    return set(files)


def _are_there(dist: Path, known: Facts) -> bool:
    files = known.get("files")
    if not isinstance(files, dict):
        return False
    places = {n: dist / (WHEELS if n.endswith(".whl") else SDISTS) / n for n in files}
    return all(p.is_file() and sha256_of(p) == files[n] for n, p in places.items())


def _placed(folder: Path, path: Path) -> str:
    """Give a file its place in dist/; its SHA-256."""
    hashed = sha256_of(path)
    target = folder / path.name
    if not target.exists() or sha256_of(target) != hashed:
        write_staged(target, path.read_bytes())
    return hashed
