"""GitHub is told of verdicts: a bug for each fail, and the state in the handoff's issues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import UserError
from lapstrake_release import verdicts
from lapstrake_release.beside.referrers import Referrers
from lapstrake_release.github.client import GithubClient
from lapstrake_release.handoff.body import verdict_lines
from lapstrake_release.handoff.bugs import Bug, report_bug
from lapstrake_release.handoff.issues import HandedIssue, rewrite_verdicts
from lapstrake_release.handoff.reading import Ignored, read_comments
from lapstrake_release.verdicts.everywhere import give_everywhere, lacking
from lapstrake_release.verdicts.model import Verdict, standing


@dataclass(frozen=True)
class Taken:
    """What the comments of all issues of a version gave.

    Attributes:
        new: verdicts that were not stored before.
        standing_fails: those that fail an image still.
        ignored: comments that mean to be verdicts and are none.
    """

    new: tuple[Verdict, ...]
    standing_fails: tuple[Verdict, ...]
    ignored: tuple[Ignored, ...]


def take_comments(
    client: GithubClient,
    found: Sequence[HandedIssue],
    registries: Sequence[Referrers],
    people: Sequence[str],
) -> Taken:
    """Store every verdict of the issues' comments that isn't stored yet.

    Raises:
        UserError: GitHub or a registry refuses, or has no such digest any more.
    """
    new: list[Verdict] = []
    ignored: list[Ignored] = []
    for issue in found:
        read = read_comments(client, issue, people)
        ignored += read.ignored
        for verdict in read.verdicts:
            if missing := lacking(registries, verdict):
                new.append(give_everywhere(missing, verdict))
    digests = {d for issue in found for d in issue.digests.values()}
    given = verdicts.read_all(registries[0], digests)
    fails = [v for vs in given.values() for v in standing(vs) if v.outcome == "fail"]
    return Taken(tuple(new), tuple(sorted(fails, key=lambda v: v.order)), tuple(ignored))


def check_handed(found: Sequence[HandedIssue], digests: Mapping[str, str]) -> None:
    """See that images still are what was handed to testers.

    Raises:
        UserError: one has another digest by now.
    """
    for issue in found:
        for name, digest in sorted(issue.digests.items()):
            if name in digests and digests[name] != digest:
                raise UserError(
                    f"{name} {issue.marker.version} is no longer what was handed to testers",
                    "hand it over again: lapstrake handoff",
                    (f"#{issue.issue.number}: {digest}", f"now: {digests[name]}"),
                )


def report_fails(
    client: GithubClient,
    definition: Definition,
    fails: Sequence[Verdict],
    registries: Sequence[Referrers],
    found: Sequence[HandedIssue],
) -> list[Bug]:
    """Have a bug for each fail, with its owners.

    Raises:
        UserError: GitHub refuses, or can't be reached.
    """
    bugs = []
    for fail in fails:
        handed = next((i.issue.html_url for i in found if fail.image in i.digests), "")
        pinned = [f"{r.repository}@{fail.digest}" for r in registries]
        owners = definition.owners(fail.image) if fail.image in definition.images else ()
        bugs.append(report_bug(client, fail, owners, pinned, handed))
    return bugs


def refresh(
    client: GithubClient, found: Sequence[HandedIssue], registry: Referrers, needed: int
) -> list[int]:
    """Show the verdicts as they are now in the issues; the numbers of those that it changed.

    Raises:
        UserError: GitHub or the registry refuses, or can't be reached.
    """
    changed = []
    for issue in found:
        given = verdicts.read_all(registry, set(issue.digests.values()))
        rows = [(name, given[digest]) for name, digest in sorted(issue.digests.items())]
        if rewrite_verdicts(client, issue, verdict_lines(rows, needed)):
            changed.append(issue.issue.number)
    return changed
