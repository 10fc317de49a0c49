"""What files have to be like to lie beside each other in a release on GitHub."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lapstrake.errors import UserError
from lapstrake_release.evidence.sums import published_name
from lapstrake_release.problems import Problems

# What GitHub takes, in bytes and files of a release.
_LARGEST = 2 << 30
_MOST = 1000


def check_publishable(paths: Iterable[Path]) -> None:
    """See that each has a name of its own and a size that GitHub takes, and can be read.

    Raises:
        Refusal: with everything that is wrong.
    """
    paths = sorted(set(paths))
    problems = Problems()
    names: dict[str, Path] = {}
    for path in paths:
        with problems.collected():
            first = names.setdefault(published_name(path), path)
            if first != path:
                raise UserError(
                    f"{path} and {first} would both be published as {published_name(path)}",
                    "rename one",
                )
            _check_size(path)
    with problems.collected():
        if len(paths) > _MOST:
            raise UserError(f"GitHub takes no more than {_MOST} files, and there are {len(paths)}")
    problems.check()


def _check_size(path: Path) -> None:
    try:
        with path.open("rb"):
            size = path.stat().st_size
    except OSError as error:
        raise UserError(f"{path} can't be read: {error.strerror}", "mend or remove it") from None
    if not 0 < size < _LARGEST:
        what = "is empty" if size == 0 else "has 2 GiB or more"
        raise UserError(f"{path} {what}, and GitHub takes no such file", "leave it away")
