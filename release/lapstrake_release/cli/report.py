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
from lapstrake_release.page import asked, before, earlier, fetched
from lapstrake_release.page.document import page
from lapstrake_release.page.facts import PageFacts
from lapstrake_release.page.gather import gather
from lapstrake_release.published import find_repositories


@click.command("report")
@click.argument("version", required=False, metavar="[VERSION]")
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
    directory: Path,
    version: str | None,
    output: str,
    dist: str,
    registry: str | None,
    against: str | None,
) -> None:
    """Write a page about the build: one HTML file that needs no network and no other file.

    It shows the images with sizes, digests and how to pull them, the layers that they share, and
    what the smoke tests saw. With --registry, it shows testers' verdicts and the channels too.

    With VERSION, or the name of a channel, it is about the images that a registry has, and dist/
    isn't needed; nothing is known of checks then.
    """
    repo = open_repository(directory)
    with _open(repo, registry, bool(version)) as client, temporary_folder("report") as scratch:
        report = _Report(directory, repo, dist_folder(repo, dist), client, scratch)
        facts = report.facts(version, _shown(dist), against)
    text = page(facts).encode()
    target = directory / output
    write_staged(target, text)
    console.say(f"{target}: {console.bytes_text(len(text))}, {_about(facts)}")


def _shown(folder: str) -> str:
    """What the page calls a folder: where it lies on this machine is nobody's."""
    return Path(folder).name if Path(folder).is_absolute() else folder


@contextlib.contextmanager
def _open(repo: Repository, registry: str | None, needed: bool) -> Iterator[ChannelRegistry | None]:
    if registry is None and not needed:
        yield None
        return
    place = find_repositories(repo, [registry] if registry else ())[0]
    with ChannelRegistry(place) as client:
        yield client


@dataclass(frozen=True)
class _Report:
    """Where the facts come from; `client` is None where no registry is asked."""

    directory: Path
    repo: Repository
    dist: Path
    client: ChannelRegistry | None
    scratch: Path

    def facts(self, version: str | None, shown_as: str, against: str | None) -> PageFacts:
        """All of the page."""
        if self.client is not None and version is not None:
            facts, now = self._published(version, self.client)
        else:
            facts, now = gather(self.dist, shown_as), before.folder(self.dist)
        if self.client is not None:
            facts = asked.ask(facts, self.repo, self.client)
        earlier_build = self._before(facts, against)
        if earlier_build is None:
            return facts
        name, side = earlier_build
        changes = before.differences(name, side, now)
        if self.client is not None:
            changes = before.with_risks(changes, self.client)
        return replace(facts, changes=changes)

    def _published(self, word: str, client: ChannelRegistry) -> tuple[PageFacts, before.Side]:
        """A version, or what a channel holds, as the registry has it."""
        version, digests = self._named(word, client)
        folder = self.scratch / "now"
        side = earlier.side(digests, client, self.dist, folder)
        return fetched.gather(version, self.repo, side, folder), side

    def _before(self, facts: PageFacts, against: str | None) -> tuple[str, before.Side] | None:
        """What to compare with, and what it is called; None where there is nothing."""
        if against is not None and (self.directory / against / "index.json").is_file():
            return _shown(against), before.folder(self.directory / against)
        if self.client is None:
            if against is None:
                return None
            hint = "name a folder with a build; or give --registry for a version or a channel"
            raise UserError(f"{against} is no folder with a build", hint)
        if against is None:
            last = earlier.version_before(facts, self.repo, self.client)
            if last is None:
                return None
            against = last.ours
        name, digests = self._named(against, self.client)
        called = name if name == against else f"{against} ({name})"
        return called, earlier.side(digests, self.client, self.dist, self.scratch / "before")

    def _named(self, word: str, client: ChannelRegistry) -> tuple[str, earlier.Digests]:
        """The version that a word means, and the digests of its images."""
        if word in {c.name for c in self.repo.family.channels}:
            return earlier.of_channel(word, client)
        version = version_or_none(word)
        if version is None:
            hint = "a version is 1.2.0, 1.2.0.rc1 or 1.2.0.dev3"
            raise UserError(f"{word} is no folder with a build, version or channel", hint)
        return version.ours, earlier.of_version(version, self.repo, client)


def _about(facts: PageFacts) -> str:
    parts = [f"{len(facts.images)} images", f"{len(facts.layers)} layers"]
    if failed := facts.count("failed"):
        parts.append(f"{failed} checks failed")
    elif facts.checked:
        parts.append(f"{facts.count('passed')} checks passed")
    return ", ".join(parts)
