"""What a handoff is made of, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from lapstrake.dist import BuiltImage
from lapstrake.smoke.report import ImageSmoke
from lapstrake_release.published import Published
from lapstrake_release.verdicts.model import Verdict


@dataclass(frozen=True)
class Source:
    """Where the family's files can be read: a commit on GitHub.

    Attributes:
        url: `https://HOST/OWNER/NAME`; empty where GitHub is not configured.
        commit: its full hash; empty where there is none.
        prefix: the folder of lapstrake.yaml below the checkout's top, with a slash at its end.
    """

    url: str = ""
    commit: str = ""
    prefix: str = ""

    def link(self, path: str) -> str:
        """The address of a file of the repository; its path where there is no commit to show."""
        if not (self.url and self.commit):
            return path
        return f"{self.url}/blob/{self.commit}/{self.prefix}{path}"


@dataclass(frozen=True)
class Documents:
    """What an image's folder has for testers.

    Attributes:
        page: the path of verify.md below the repository; `text` what it says.
        demo: the paths of the demo's files, sorted.
    """

    page: str
    text: str
    demo: tuple[str, ...] = ()


@dataclass(frozen=True)
class Handed:
    """One image as it is handed to testers.

    Attributes:
        image: what dist/ says of it.
        places: where it lies, one a registry, in the settings' order.
        smoke: the checks that this digest has passed.
        parts: the pages of runtimes that it unites, by their names.
        owners: whose its bugs are.
        verdicts: all that were given of this digest.
    """

    image: BuiltImage
    places: tuple[Published, ...]
    documents: Documents
    smoke: ImageSmoke
    parts: dict[str, str] = field(default_factory=dict)
    owners: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()

    @property
    def name(self) -> str:
        """What the family calls it."""
        return self.image.name

    @property
    def digest(self) -> str:
        """`sha256:…` of its manifest."""
        return self.image.digest


@dataclass(frozen=True)
class Handoff:
    """Images of one version, ready to be handed over; `images` are sorted by name.

    `needed` is how many people have to pass each; `domain` what ingress rules put hosts below.
    """

    family: str
    version: str
    source: Source
    images: tuple[Handed, ...]
    needed: int = 1
    domain: str | None = None
