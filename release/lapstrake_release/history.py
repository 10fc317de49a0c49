"""What was released already, which version comes next, and why one can't be.

A line (1.2) with a branch `release/1.2.x` is patched from there; every other branch goes forward
only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.version import Line, Triple, Version, branch_of, version_or_none

Step = Literal["dev", "rc", "final", "patch"]

_FIRST: Triple = (0, 1, 0)
_BRANCH = re.compile(
    r"(?:(?:refs/)?heads/|(?:refs/)?remotes/[^/]+/|origin/)?"
    r"release/(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.x"
)


@dataclass(frozen=True)
class History:
    """What was released, seen from one branch.

    Attributes:
        released: each version with the name that it was found under (a git tag).
        branched: lines that have a release branch.
        line: that of the release branch we are on; None on any other branch.
    """

    released: Mapping[Version, str] = field(default_factory=dict)
    branched: frozenset[Line] = frozenset()
    line: Line | None = None

    @classmethod
    def of(cls, tags: Iterable[str], branches: Iterable[str] = (), on: str = "main") -> History:
        """From the names of all tags and branches, and that of the branch we are on.

        Names that are no version and no release branch don't count; `origin/release/1.2.x` does.
        """
        found = ((version_or_none(tag), tag) for tag in sorted(tags))
        lines = {line for name in (*branches, on) if (line := _line_of(name))}
        return cls({v: tag for v, tag in found if v}, frozenset(lines), _line_of(on))

    @property
    def finals(self) -> list[Triple]:
        """What was released for good, ascending."""
        return sorted(v.triple for v in self.released if v.kind == "final")

    @property
    def begun(self) -> list[Triple]:
        """What anything was released of, ascending."""
        return sorted({v.triple for v in self.released})

    def number(self, version: Version) -> int:
        """The highest number of pre-releases of its kind and triple; 0 where there is none."""
        of_its_kind = (
            v.number for v in self.released if v.triple == version.triple and v.kind == version.kind
        )
        return max(of_its_kind, default=0)


def read_history(root: Path) -> History:
    """The history of a git checkout, seen from the branch that is checked out.

    Raises:
        UserError: it is no checkout, no branch is checked out, or tags may be missing.
    """
    tags = _git(root, "tag", "--list").splitlines()
    form = "--format=%(refname)"
    branches = _git(root, "for-each-ref", form, "refs/heads", "refs/remotes").splitlines()
    history = History.of(tags, branches, _current_branch(root))
    shallow = _git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
    if shallow and not history.released:
        raise UserError(
            "the checkout is shallow and has no version's tag: they may be missing",
            "git fetch --tags --unshallow; in GitHub Actions, actions/checkout with fetch-depth: 0",
        )
    return history


def next_version(step: Step, history: History, *, major: bool = False) -> Version:
    """The version that comes next.

    Args:
        step: `patch` goes on from the last final one; all others from the pre-releases that
            await their final one, and where there are none, to the next minor (on a release
            branch, patch) version.
        major: a new series is of the next major version instead.

    Raises:
        UserError: there is none such (a dev pre-release of what has candidates, a patch of what
            isn't final).
    """
    if major and (step == "patch" or history.line is not None):
        where = "a patch" if step == "patch" else branch_of(history.line or (0, 0))
        raise UserError(f"{where} keeps its major version", "leave --major out")
    version = _proposed(step, history, major=major)
    if version is None:
        where = f"of {branch_of(history.line)} " if history.line else ""
        hint = "lapstrake version next final"
        raise UserError(f"nothing {where}is final yet, so there is nothing to patch", hint)
    check_new(version, history)
    return version


def check_new(version: Version, history: History) -> None:
    """Refuse what can't be released next.

    Raises:
        UserError: it was released, goes backwards, skips, or isn't this branch's; says which, and
            what could be released instead.
    """
    refused = _refused(version, history)
    if refused:
        hint = refused.hint or _instead(version, history)
        raise UserError(f"{version} {refused.why}", hint)


@dataclass(frozen=True)
class _Refused:
    why: str
    hint: str = ""


def _refused(version: Version, history: History) -> _Refused | None:
    if version in history.released:
        return _Refused(f"was released already: tag {history.released[version]}")
    return (
        _of_other_branch(version, history)
        or _behind_its_series(version, history)
        or _behind_others(version, history)
        or _skipping(version, history)
    )


def _of_other_branch(version: Version, history: History) -> _Refused | None:
    if history.line is not None and version.line != history.line:
        hint = f"switch to {version.branch}, or to main for what is newer"
        return _Refused(f"is not of this branch, {branch_of(history.line)}", hint)
    if history.line is None and version.line in history.branched:
        hint = f"git switch {version.branch}"
        return _Refused(f"belongs to {version.branch}, which is not the branch here", hint)
    return None


def _behind_its_series(version: Version, history: History) -> _Refused | None:
    """Against what was released under the same three numbers."""
    later = [v for v in history.released if v.triple == version.triple and v > version]
    if later:
        return _Refused(f"goes backwards: {max(later)} was released")
    if not version.is_prerelease:
        return None
    wanted = Version(version.triple, version.kind, history.number(version) + 1)
    if version.number == 0:
        return _Refused("is what a checkout is called, not a release", f"{wanted} is the first")
    if version != wanted:
        return _Refused(f"skips {wanted}")
    return None


def _behind_others(version: Version, history: History) -> _Refused | None:
    """Against later ones; what the main branch reached doesn't count on a release branch."""
    ahead = [
        v for v in history.released if v.triple > version.triple and history.line in (None, v.line)
    ]
    if not ahead:
        return None
    why = f"goes backwards: {max(ahead)} was released"
    below = [t for t in history.finals if t[:2] == version.line and t < version.triple]
    if history.line is None and below:
        tag = history.released[Version(below[-1])]
        return _Refused(why, f"it can come from a branch: git switch -c {version.branch} {tag}")
    return _Refused(why)


def _skipping(version: Version, history: History) -> _Refused | None:
    if version.triple in history.begun or not history.begun:
        return None
    missing = _missing(version, history)
    return _Refused(f"skips {Version(missing)}, which isn't final") if missing else None


def _missing(version: Version, history: History) -> Triple | None:
    """What would have to be final before `version`, whose numbers are new; None if nothing."""
    major, minor, patch = version.triple
    if patch:
        before = (major, minor, patch - 1)
        return None if before in history.finals else before
    settled = [t for t in _settled(version, history) if t < version.triple]
    if settled:
        return _between(settled[-1], version.triple)
    begun = [t for t in history.begun if t < version.triple]
    # what was never final may become the next major version at once
    if not begun or version.triple == (begun[-1][0] + 1, 0, 0):
        return None
    return begun[-1]


def _settled(version: Version, history: History) -> list[Triple]:
    """What `version` may follow: what is final; before a dev pre-release also what has a branch."""
    found = set(history.finals)
    if version.kind == "dev":
        found |= {(*line, 0) for line in history.branched}
    return sorted(found)


def _between(last: Triple, wanted: Triple) -> Triple | None:
    """The first version that a step from `last` to `wanted` leaves out; None if it leaves none."""
    major, minor, _ = last
    if wanted in {(major, minor + 1, 0), (major + 1, 0, 0)}:
        return None
    return (major, minor + 1, 0) if wanted[0] == major else (major + 1, 0, 0)


def _proposed(step: Step, history: History, *, major: bool = False) -> Version | None:
    """What comes next, unless something forbids it; None for a patch of what isn't final."""
    if step == "patch":
        finals = [t for t in history.finals if history.line in (None, t[:2])]
        return Version((*finals[-1][:2], finals[-1][2] + 1)) if finals else None
    triple = _target(history, major=major) if history.line is None else _target_here(history)
    if step == "final":
        return Version(triple)
    return Version(triple, step, history.number(Version(triple, step)) + 1)


def _target(history: History, *, major: bool) -> Triple:
    """The three numbers of what comes next, on any branch but a release branch."""
    begun, finals = history.begun, history.finals
    lines = {*(t[:2] for t in begun), *history.branched}
    if not lines:
        return (1, 0, 0) if major else _FIRST
    newest = max(lines)
    awaited = bool(begun) and begun[-1][:2] == newest and newest not in history.branched
    if awaited and begun[-1] not in finals and not (major and any(begun[-1][1:])):
        return begun[-1]
    return (newest[0] + 1, 0, 0) if major else (newest[0], newest[1] + 1, 0)


def _target_here(history: History) -> Triple:
    """The three numbers of what comes next, on a release branch."""
    line = history.line or (0, 0)
    of_line = [t for t in history.begun if t[:2] == line]
    if not of_line:
        return (*line, 0)
    last = of_line[-1]
    return (*line, last[2] + 1) if last in history.finals else last


def _instead(version: Version, history: History) -> str:
    """What could be released here, of the same kind where that can be."""
    steps: tuple[Step, ...] = (version.kind, "rc", "final")
    for proposed in (_proposed(step, history) for step in steps):
        if proposed and not _refused(proposed, history):
            return f"{proposed} comes next"
    return ""


def _line_of(branch: str) -> Line | None:
    found = _BRANCH.fullmatch(branch)
    return (int(found[1]), int(found[2])) if found else None


def _current_branch(root: Path) -> str:
    found = process.run(["git", "-C", root, "symbolic-ref", "-q", "--short", "HEAD"], check=False)
    if found.code != 0:
        raise UserError(
            "no branch is checked out (HEAD is detached), so nothing says which version comes next",
            "git switch main, or the release branch",
        )
    return found.stdout.strip()


def _git(root: Path, *args: str) -> str:
    result = process.run(["git", "-C", root, *args], check=False)
    if result.code == 0:
        return result.stdout
    if "not a git repository" in result.stderr:
        raise UserError(f"{root} is no git checkout", "versions are counted from git's tags")
    raise UserError(f"git {args[0]} failed", "", result.tail)
