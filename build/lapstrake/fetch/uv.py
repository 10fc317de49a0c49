"""Running uv's resolver, and saying what it found wrong."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import uv

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.fetch.indexes import Indexes, read_indexes
from lapstrake.store.scratch import temporary_folder

# Settings of uv's that choose versions. They may steer a resolution; a file that the lock has
# named already must be found in spite of them.
CHOOSING = (
    "UV_BUILD_CONSTRAINT",
    "UV_CONSTRAINT",
    "UV_EXCLUDE",
    "UV_EXCLUDE_NEWER",
    "UV_NO_BINARY",
    "UV_NO_BINARY_PACKAGE",
    "UV_OVERRIDE",
    "UV_PRERELEASE",
    "UV_RESOLUTION",
)

# uv's own words for "the index didn't answer"
_UNREACHABLE = re.compile(
    r"error sending request|failed to fetch|dns error|connection refused|operation timed out|"
    r"could not connect|network connectivity is disabled|tcp connect error",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"\b(401|403)\b|unauthorized|forbidden", re.IGNORECASE)
_UNAUTHORIZED = re.compile(r"authentication credentials|\((401|403) ", re.IGNORECASE)
_UNSOLVED = re.compile(r"No solution found", re.IGNORECASE)
_PASSWORD = re.compile(r"(://)[^/@\s:]+(:[^/@\s]*)?@")
_WIDEST = 240


class Unsolvable(UserError):
    """No versions satisfy the requirements; `reason` is uv's, in one line."""

    def __init__(self, reason: str, details: tuple[str, ...]) -> None:
        super().__init__(f"the requirements can't be satisfied: {reason}", "", details)
        self.reason = reason


@dataclass(frozen=True)
class Target:
    """What wheels are chosen for.

    Attributes:
        python: `3.x`, or `3.x.y` where the patch is known.
        glibc: `2.x`.
        platform: `linux/amd64` or `linux/arm64`.
    """

    python: str
    glibc: str
    platform: str

    @property
    def minor(self) -> str:
        """Python's `3.x`."""
        return ".".join(self.python.split(".")[:2])


class Uv:
    """Runs `uv pip compile` for one target with the user's indexes.

    Args:
        target: what is resolved for.
        folder: where uv runs, so where it looks for a project's settings; by default here.
        indexes: by default the user's own.
    """

    def __init__(
        self, target: Target, folder: Path | None = None, indexes: Indexes | None = None
    ) -> None:
        self.target = target
        self.folder = folder
        self.indexes = indexes or read_indexes(folder)

    def compile(
        self,
        requirements: Sequence[str],
        *,
        options: Sequence[str] = (),
        constraints: Sequence[str] = (),
        overrides: Sequence[str] = (),
        preferences: Mapping[str, str] | None = None,
        pylock: bool = True,
        strict: bool = False,
    ) -> str:
        """What `uv pip compile` prints: a pylock.toml, or plain pins with `pylock` false.

        Args:
            requirements: PEP 508 requirements, one a line.
            options: more options.
            constraints: bounds.
            overrides: requirements that replace what packages ask for.
            preferences: versions by name, taken where they still satisfy.
            strict: leave settings that choose versions out of uv's environment.

        Raises:
            Unsolvable: no versions satisfy the requirements.
            UserError: the index doesn't answer or refuses, or uv fails otherwise.
        """
        with temporary_folder("uv") as name:
            folder = Path(name)
            output = folder / ("pylock.toml" if pylock else "pins.txt")
            if preferences:
                output.write_text(_preferring(preferences, pylock))
            args = [uv.find_uv_bin(), "pip", "compile", *self._files(folder, requirements)]
            if constraints:
                args += ["--constraints", _lines(folder / "constraints.txt", constraints)]
            if overrides:
                args += ["--overrides", _lines(folder / "overrides.txt", overrides)]
            args += [*self._options(pylock), *options, "--output-file", str(output)]
            result = process.run(args, env=self._env(strict), cwd=self.folder, check=False)
            if result.code != 0:
                raise _failed(result)
            return output.read_text(encoding="utf-8")

    def _files(self, folder: Path, requirements: Sequence[str]) -> list[str]:
        return [_lines(folder / "requirements.in", requirements)]

    def _options(self, pylock: bool) -> list[str]:
        options = ["--quiet", "--no-header", "--no-python-downloads", *self.indexes.args]
        options += ["--python", sys.executable, "--python-version", self.target.python]
        options += ["--python-platform", uv_platform(self.target)]
        options += ["--format", "pylock.toml"] if pylock else ["--no-annotate"]
        return options

    def _env(self, strict: bool) -> dict[str, str]:
        env = {**self.indexes.env, "NO_COLOR": "1", "UV_NO_WRAP": "1", "UV_NO_PROGRESS": "1"}
        env.pop("FORCE_COLOR", None)
        for name in ("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_WORKING_DIR", "UV_TORCH_BACKEND"):
            env.pop(name, None)
        for name in CHOOSING if strict else ():
            env.pop(name, None)
        return env


# The C libraries that uv knows a platform for, by minor version.
_UV_GLIBC = (17, 28, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40)
MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


def uv_platform(target: Target) -> str:
    """The platform as uv calls it: the newest C library that it knows and the target has."""
    minor = int(target.glibc.split(".")[1])
    known = [m for m in _UV_GLIBC if m <= minor]
    if not known:
        raise UserError(f"glibc {target.glibc} is too old: uv resolves for 2.17 and newer")
    return f"{MACHINES[target.platform]}-manylinux_2_{known[-1]}"


def _lines(path: Path, lines: Sequence[str]) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def _preferring(versions: Mapping[str, str], pylock: bool) -> str:
    """An earlier output, from which uv takes the versions that it prefers."""
    if not pylock:
        return "".join(f"{n}=={v}\n" for n, v in sorted(versions.items()))
    head = 'lock-version = "1.0"\ncreated-by = "lapstrake"\n'
    return head + "".join(
        f'\n[[packages]]\nname = "{n}"\nversion = "{v}"\n' for n, v in sorted(versions.items())
    )


def _failed(result: process.Result) -> UserError:
    said = _PASSWORD.sub(r"\1***@", result.stderr.strip() or result.stdout.strip())
    details = tuple(said.splitlines()[-40:])
    if _UNSOLVED.search(said) and not _UNAUTHORIZED.search(said):
        return Unsolvable(condensed(said), details)
    last = re.sub(r"^\W*(cause|error|Caused by):\s*", "", details[-1].strip()) if details else ""
    if _REFUSED.search(said) or _UNAUTHORIZED.search(said):
        return UserError("the package index refuses", "check the index's credentials", details)
    if _UNREACHABLE.search(said):
        return UserError(
            f"the package index can't be reached: {last}",
            "check the network, the proxy and the index settings of uv or pip",
            details,
        )
    stopped = process.failed(result, f"uv could not resolve: {last}")
    if isinstance(stopped, process.Stopped):
        return stopped
    return UserError(stopped.message, "", details)


def condensed(said: str) -> str:
    """What uv gives as a reason, in one line: its first sentence, without what follows from it."""
    text = " ".join(re.sub(r"[\u2500-\u257f\u25b6\u00d7]", " ", said).split())
    found = re.search(r"\bBecause (.*)", text)
    if found is None:
        return textwrap.shorten(text, _WIDEST, placeholder=" …")
    reason = re.split(r",? we can conclude that ", found[1])[0]
    reason = re.sub(r",? ?and you require [^,]*$", "", reason)
    return textwrap.shorten(reason, _WIDEST, placeholder=" …")
