"""A version of a release, and how each ecosystem spells it.

A release has three numbers and is a dev pre-release (`1.2.0.dev3`), a candidate (`1.2.0.rc1`) or
final (`1.2.0`). Python's and SemVer's orders agree on these, which is why there are no others.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal

from packaging.version import InvalidVersion
from packaging.version import Version as Pep440

from lapstrake.errors import UserError

Kind = Literal["dev", "rc", "final"]
Triple = tuple[int, int, int]
Line = tuple[int, int]

KINDS: tuple[Kind, ...] = ("dev", "rc", "final")

# An image tag has at most 128 characters, and a runtime's name still has to follow.
_LONGEST = 64
_HINT = "a version is 1.2.0, 1.2.0.rc1 or 1.2.0.dev3"


@functools.total_ordering
@dataclass(frozen=True)
class Version:
    """One version.

    Attributes:
        triple: its three numbers.
        kind: dev comes before rc, and rc before final.
        number: of the pre-release, `1.2.0.rc<number>`; 0 where it is final.
    """

    triple: Triple
    kind: Kind = "final"
    number: int = 0

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read any spelling: ours, Python's (PEP 440), SemVer's, with or without a `v` before it.

        Raises:
            UserError: it is none, or one that isn't among ours (`1.2`, `1.2.0a1`, `1.2.0+gpu`).
        """
        wrong = _malformed(text)
        if wrong:
            raise UserError(f"{_shown(text)} is no version: {wrong}", _HINT)
        read = Pep440(text)
        foreign = _foreign(read)
        if foreign:
            raise UserError(f"{_shown(text)} is no version of a release: {foreign}", _HINT)
        major, minor, patch = read.release
        if read.dev is not None:
            return cls((major, minor, patch), "dev", read.dev)
        if read.pre is not None:
            return cls((major, minor, patch), "rc", read.pre[1])
        return cls((major, minor, patch))

    @property
    def line(self) -> Line:
        """Its first two numbers: patches of one line have one branch."""
        return self.triple[:2]

    @property
    def final(self) -> Version:
        """The version that it is a pre-release of, or itself."""
        return Version(self.triple)

    @property
    def is_prerelease(self) -> bool:
        """Whether it is a dev pre-release or a candidate."""
        return self.kind != "final"

    @property
    def ours(self) -> str:
        """`1.2.0.rc1`: what Lapstrake says, and image tags begin with."""
        return self.base if self.kind == "final" else f"{self.base}.{self.kind}{self.number}"

    @property
    def pep440(self) -> str:
        """`1.2.0rc1`: wheels, source archives, what pip is asked for."""
        return self.ours.replace(".rc", "rc")

    @property
    def semver(self) -> str:
        """`1.2.0-rc.1`: git tags, releases on GitHub."""
        return self.base if self.kind == "final" else f"{self.base}-{self.kind}.{self.number}"

    @property
    def git_tag(self) -> str:
        """`v1.2.0-rc.1`."""
        return f"v{self.semver}"

    @property
    def base(self) -> str:
        """The three numbers alone."""
        return ".".join(map(str, self.triple))

    @property
    def branch(self) -> str:
        """`release/1.2.x`: the branch that patches of it come from."""
        return branch_of(self.line)

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    @property
    def _key(self) -> tuple[Triple, int, int]:
        return self.triple, KINDS.index(self.kind), self.number

    def __str__(self) -> str:
        return self.ours


def version_or_none(text: str) -> Version | None:
    """What `text` says where it is a version of ours; git tags may be anything."""
    try:
        return Version.parse(text)
    except UserError:
        return None


def branch_of(line: Line) -> str:
    """The release branch of a line."""
    return f"release/{line[0]}.{line[1]}.x"


def _malformed(text: str) -> str:
    """What keeps `text` from being any version; empty where nothing does."""
    if not text:
        return "it is empty"
    # packaging would take blanks away at its ends
    if any(c.isspace() for c in text):
        return "it has a blank"
    if len(text) > _LONGEST:
        return f"it has more than {_LONGEST} characters"
    try:
        Pep440(text)
    except InvalidVersion:
        return "neither Python nor SemVer spells one so"
    return ""


def _foreign(read: Pep440) -> str:
    """What it has that a release of ours doesn't."""
    if read.epoch:
        return "it has an epoch"
    if read.local is not None:
        return f"+{read.local} can't be in a tag, nor on a package index"
    if read.post is not None:
        return "a correction of a release is its next patch"
    if len(read.release) != 3:
        return f"it has {len(read.release)} numbers, not three"
    if read.pre is not None and (read.pre[0] != "rc" or read.dev is not None):
        return "a pre-release is dev or rc, with a number"
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")
