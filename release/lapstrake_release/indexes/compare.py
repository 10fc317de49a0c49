"""What an index has, beside what it is to have."""

from __future__ import annotations

from collections.abc import Iterable

from lapstrake.errors import UserError
from lapstrake_release.facts import FileFacts
from lapstrake_release.indexes.client import IndexClient
from lapstrake_release.indexes.model import normalised
from lapstrake_release.problems import Problems


def lacking(client: IndexClient, files: Iterable[FileFacts]) -> list[FileFacts]:
    """The files that an index lacks.

    Raises:
        Refusal: it has other bytes under some of their names; all are said.
    """
    files = list(files)
    there = {p: client.files(p) for p in sorted({f.project for f in files})}
    problems = Problems()
    missing = []
    for file in files:
        found = there[file.project].get(file.name)
        if found is None:
            missing.append(file)
        elif (hashed := client.sha256(found)) != file.sha256:
            with problems.collected():
                raise UserError(
                    f"{client.index.name} has another {file.name} (sha256 {hashed[:12]}…)",
                    "an index takes no file twice: give the family a new version",
                )
    problems.check()
    return missing


def check_beside(client: IndexClient, files: Iterable[FileFacts]) -> None:
    """See, before anything is sent, that an index would have our files beside its own.

    Raises:
        Refusal: it has other bytes under their names, or a project of another spelling.
    """
    files = list(files)
    problems = Problems()
    with problems.collected():
        lacking(client, files)
    for project in sorted({f.project for f in files}):
        with problems.collected():
            ours = {_spelling(f.name, project) for f in files if f.project == project}
            check_spelling(client, project, ours)
    problems.check()


def check_spelling(client: IndexClient, project: str, ours: set[str]) -> None:
    """Refuse a project that an index would take for one of another name.

    Args:
        client: of the index.
        project: the normalised name.
        ours: how its files, or itself, spell it.

    Raises:
        UserError: the index has a project of that normalised name, never spelled as ours.
    """
    theirs = {_spelling(n, project) for n in client.files(project)} - {""}
    if theirs and not ours & theirs:
        raise UserError(
            f"{client.index.name} has a project {min(theirs)}, which to it is the same name as "
            f"{min(ours)}",
            "choose another name; or spell it so, if that project is yours",
        )


def _spelling(name: str, project: str) -> str:
    """How a file's name spells its project; empty where that isn't the project's."""
    parts = name.split("-")
    for count in range(len(parts) - 1, 0, -1):
        if normalised("-".join(parts[:count])) == project:
            return "-".join(parts[:count])
    return ""
