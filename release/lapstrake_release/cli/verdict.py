"""`lapstrake verdict`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lapstrake.cli.common import open_repository
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.version import Version
from lapstrake_release import verdicts
from lapstrake_release.beside.referrers import Referrers, opened
from lapstrake_release.published import Published, find_repositories
from lapstrake_release.verdicts.everywhere import agreed, give_everywhere
from lapstrake_release.verdicts.model import LONGEST_NOTE, Outcome, Verdict, checked_name

if TYPE_CHECKING:
    from lapstrake_release.github import GithubClient
    from lapstrake_release.handoff.bugs import Bug
    from lapstrake_release.handoff.issues import HandedIssue


@click.command("verdict")
@click.argument("version", required=False)
@click.argument("outcome", required=False, type=click.Choice(["pass", "fail"]))
@click.option("--image", "names", multiple=True, metavar="NAME", help="What was tested.")
@click.option("--all", "all_images", is_flag=True, help="All images of the version were.")
@click.option("--by", metavar="WHO", help="By default $GITHUB_ACTOR.")
@click.option("--note", default="", help="What was seen.")
@click.option("--digest", metavar="SHA256", help="What the image has to be still.")
@click.option("--from-comments", is_flag=True, help="Take those of the handoff's issues.")
@click.option("--no-issues", is_flag=True, help="Tell GitHub nothing.")
@click.option("--registry", "registries", multiple=True, metavar="HOST/PATH")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    directory: Path,
    version: str | None,
    outcome: Outcome | None,
    names: tuple[str, ...],
    all_images: bool,
    by: str | None,
    note: str,
    digest: str | None,
    from_comments: bool,
    no_issues: bool,
    registries: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say that images of VERSION pass or fail; without a word, list what was said.

    A verdict is about a digest, and is kept beside it in the registry, also when a later one of
    the same person overrides it. A fail opens a bug for the image's owners. --from-comments without
    VERSION reads all issues that are open.
    """
    repo = open_repository(directory)
    if version is None and not from_comments:
        raise UserError("a verdict is about a version", "lapstrake verdict VERSION …")
    if outcome and from_comments:
        raise UserError("comments say themselves whether an image passes", f"leave {outcome} away")
    if outcome and not (names or all_images):
        raise UserError("a verdict is about an image", "--image NAME, or --all")
    with opened(find_repositories(repo, registries)) as clients:
        wanted = Version.parse(version) if version else None
        given = _Giving(repo, wanted, clients, no_issues=no_issues)
        if wanted is None or from_comments:
            given.from_comments()
        elif outcome:
            given.give(wanted, outcome, names, by, note, digest)
        else:
            given.recall(wanted, names)
    given.show(as_json=as_json)


class _Giving:
    """One command: what it found or stored, and what became of it on GitHub."""

    def __init__(
        self,
        repo: Repository,
        version: Version | None,
        clients: Sequence[Referrers],
        *,
        no_issues: bool,
    ) -> None:
        self._repo = repo
        self._version = version
        self._clients = clients
        self._no_issues = no_issues
        self._verdicts: list[Verdict] = []
        self._bugs: list[Bug] = []
        self._ignored: list[dict[str, str]] = []

    def recall(self, version: Version, names: Sequence[str]) -> None:
        """All that was said."""
        places = agreed(self._clients, self._repo, version, names)
        given = verdicts.read_all(self._clients[0], {p.digest for p in places})
        self._verdicts = [v for p in places for v in given[p.digest]]

    def give(
        self,
        version: Version,
        outcome: Outcome,
        names: Sequence[str],
        by: str | None,
        note: str,
        digest: str | None,
    ) -> None:
        """Store one for each image."""
        who = _who(by)
        if len(note) > LONGEST_NOTE:
            raise UserError(f"a note has at most {LONGEST_NOTE} characters", "shorten it")
        places = agreed(self._clients, self._repo, version, names)
        _check_digest(places, digest)
        with self._github(must=outcome == "fail") as (client, found):
            if client:
                from lapstrake_release.handoff.tell import check_handed

                check_handed(found, {p.image: p.digest for p in places})
            for place in places:
                verdict = self._of(place, outcome, who, note)
                self._verdicts.append(give_everywhere(self._clients, verdict))
            fails = [v for v in self._verdicts if v.outcome == "fail"]
            self._tell(client, found, fails)

    def from_comments(self) -> None:
        """Take what the comments of this version's issues say."""
        from lapstrake_release.handoff.tell import take_comments

        if self._no_issues:
            raise UserError("comments can't be read without GitHub", "leave --no-issues away")
        with self._github(must=True) as (client, found):
            if client is None:
                raise UserError(
                    "nothing says where the issues are", "lapstrake.yaml: release.github"
                )
            if not found:
                about = f" about {self._version}" if self._version else " that is open"
                raise UserError(f"there is no issue{about}", "lapstrake handoff opens them")
            people = self._repo.family.qa.people
            taken = take_comments(client, found, self._clients, people)
            self._verdicts = list(taken.new)
            self._ignored = [{"url": i.url, "by": i.by, "why": i.why} for i in taken.ignored]
            self._tell(client, found, taken.standing_fails)

    def show(self, *, as_json: bool) -> None:
        """What was found, or done."""
        if as_json:
            console.say_json(self._json())
            return
        rows = [
            [v.image, v.outcome, v.by, v.at.strftime("%Y-%m-%d %H:%M"), v.digest[:19], v.note]
            for v in self._verdicts
        ]
        console.table(
            ["IMAGE", "VERDICT", "BY", "AT (UTC)", "DIGEST", "NOTE"],
            [[*row[:-1], " ".join(row[-1].split())[:60]] for row in rows],
        )
        for bug in self._bugs:
            console.say(f"bug of {bug.image}: {bug.state} {bug.url}")
        for ignored in self._ignored:
            console.note(f"ignored: {ignored['by']} {ignored['url']}: {ignored['why']}")

    def _json(self) -> dict[str, Any]:
        said = [v.model_dump(mode="json") | {"artifact": v.artifact} for v in self._verdicts]
        bugs = [{"image": b.image, "state": b.state, "url": b.url} for b in self._bugs]
        return {"verdicts": said, "bugs": bugs, "ignored": self._ignored}

    def _of(self, place: Published, outcome: Outcome, by: str, note: str) -> Verdict:
        return Verdict(
            outcome=outcome,
            family=self._repo.family.name,
            version=place.version.ours,
            image=place.image,
            digest=place.digest,
            by=by,
            note=note,
            at=verdicts.now(),
        )

    @contextlib.contextmanager
    def _github(self, *, must: bool) -> Iterator[tuple[GithubClient | None, list[HandedIssue]]]:
        """GitHub and the issues about this version; none where it isn't to be told."""
        name = self._repo.release.github
        if name is None or self._no_issues:
            yield None, []
            return
        from lapstrake_release.github import GithubClient, find_settings
        from lapstrake_release.handoff.issues import PERMISSION, find_issues

        try:
            settings = find_settings(name, self._repo.root)
        except UserError as error:
            if must:
                hint = f"{error.hint}; or --no-issues"
                raise UserError(error.message, hint, error.details) from None
            console.note(f"GitHub isn't told: {error.message}")
            yield None, []
            return
        with GithubClient(settings, PERMISSION) as client:
            family = self._repo.family.name
            version = self._version.ours if self._version else None
            yield client, find_issues(client, family, version)

    def _tell(
        self, client: GithubClient | None, found: list[HandedIssue], fails: Sequence[Verdict]
    ) -> None:
        if client is None:
            return
        from lapstrake_release.handoff.tell import refresh, report_fails

        try:
            self._bugs = report_fails(client, self._repo, fails, self._clients, found)
            refresh(client, found, self._clients[0], self._repo.family.qa.verdicts)
        except UserError as error:
            raise UserError(
                f"the verdicts are stored, but GitHub isn't told: {error.message}",
                "the same command again tells it",
                (*filter(None, [error.hint]), *error.details),
            ) from None


def _who(by: str | None) -> str:
    name = by if by is not None else os.environ.get("GITHUB_ACTOR", "")
    if not name.strip():
        raise UserError("nothing says whose verdict it is", "--by WHO")
    return checked_name(name)


def _check_digest(places: Sequence[Published], digest: str | None) -> None:
    if digest is None:
        return
    if len(places) != 1:
        raise UserError("a digest is that of one image", "name it with --image")
    if places[0].digest != digest:
        raise UserError(
            f"{places[0].repository}:{places[0].tag} is not what you tested",
            "test what is there now",
            (f"tested: {digest}", f"now: {places[0].digest}"),
        )
