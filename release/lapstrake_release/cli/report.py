"""`lapstrake report`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click

from lapstrake.cli.common import dist_folder, open_repository
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.report import console
from lapstrake.store.scratch import temporary_folder
from lapstrake.store.store import write_staged
from lapstrake.version import version_or_none
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.page import asked, before, earlier
from lapstrake_release.page.document import page
from lapstrake_release.page.facts import Changes, PageFacts
from lapstrake_release.page.gather import gather
from lapstrake_release.published import find_repositories


@click.command("report")
@click.option(
    "-o",
    "--output",
    default="report.html",
    show_default=True,
    metavar="FILE",
    help="What to write.",
)
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--registry", metavar="HOST/PATH", help="Ask there for verdicts and channels.")
@click.option(
    "--against",
    metavar="BUILD",
    help="A folder, a version or a channel to compare with; by default, where a registry is "
    "asked, the version before.",
)
@click.pass_obj
def command(
    directory: Path, output: str, dist: str, registry: str | None, against: str | None
) -> None:
    """Write a page about the build: one HTML file that needs no network and no other file.

    It shows the images with sizes, digests and how to pull them, the layers that they share, and
    what the smoke tests saw. With --registry, it shows testers' verdicts and the channels too.
    """
    repo = open_repository(directory)
    with _open(repo, registry) as client:
        report = _Report(directory, repo, dist_folder(repo, dist), client)
        facts = report.facts(_shown(dist), against)
    text = page(facts).encode()
    target = directory / output
    write_staged(target, text)
    console.say(f"{target}: {console.bytes_text(len(text))}, {_about(facts)}")


def _shown(dist: str) -> str:
    """What the page calls the folder of the build: where it lies on this machine is nobody's."""
    return Path(dist).name if Path(dist).is_absolute() else dist


@contextlib.contextmanager
def _open(repo: Repository, registry: str | None) -> Iterator[ChannelRegistry | None]:
    if registry is None:
        yield None
        return
    with ChannelRegistry(find_repositories(repo, [registry])[0]) as client:
        yield client


@dataclass(frozen=True)
class _Report:
    """Where the facts come from; `client` is None where no registry is asked."""

    directory: Path
    repo: Repository
    dist: Path
    client: ChannelRegistry | None

    def facts(self, shown_as: str, against: str | None) -> PageFacts:
        """All of the page."""
        facts = gather(self.dist, shown_as)
        if self.client is not None:
            facts = asked.ask(facts, self.repo, self.client)
        return replace(facts, changes=self._changes(facts, against))

    def _changes(self, facts: PageFacts, against: str | None) -> Changes | None:
        if against is not None and (self.directory / against / "index.json").is_file():
            earlier_build = before.folder(self.directory / against)
            return before.differences(against, earlier_build, before.folder(self.dist))
        if self.client is None:
            if against is None:
                return None
            hint = "name a folder with a build; or give --registry for a version or a channel"
            raise UserError(f"{against} is no folder with a build", hint)
        named = self._named(facts, against, self.client)
        if named is None:
            return None
        with temporary_folder("report") as scratch:
            side = earlier.side(named[1], self.client, self.dist, scratch)
            return before.differences(named[0], side, before.folder(self.dist))

    def _named(
        self, facts: PageFacts, against: str | None, client: ChannelRegistry
    ) -> tuple[str, earlier.Digests] | None:
        """What to call the images to compare with, and their digests; None where there are none."""
        if against in {c.name for c in self.repo.family.channels}:
            version, images = earlier.of_channel(str(against), client)
            return f"{against} ({version})", images
        if against is None:
            found = earlier.version_before(facts, self.repo, client)
            if found is None:
                return None
        else:
            found = version_or_none(against)
        if found is None:
            hint = "a version is 1.2.0, 1.2.0.rc1 or 1.2.0.dev3"
            raise UserError(f"{against} is no folder with a build, version or channel", hint)
        return found.ours, earlier.of_version(found, self.repo, client)


def _about(facts: PageFacts) -> str:
    failed = facts.count("failed")
    checks = f"{failed} checks failed" if failed else f"{facts.count('passed')} checks passed"
    return f"{len(facts.images)} images, {len(facts.layers)} layers, {checks}"
