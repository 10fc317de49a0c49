"""A wheel and a source archive of a staged copy, by whatever backend it has, always the same bytes.

What the backend needs is installed into an environment of its own. The backend itself runs without
a network, with a fixed time, zone, language and hash seed, and sees no secrets.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess  # its exception alone: programs run through lapstrake.process
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import build as pep517
import uv

from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.fetch.indexes import Indexes, read_indexes
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.projects.files import set_times
from lapstrake.projects.model import Built, Staged
from lapstrake.projects.normal import normal_sdist, normal_wheel
from lapstrake.projects.offline import without_network
from lapstrake.redact import is_secret_name, redact
from lapstrake.store.scratch import temporary_folder

# Settings of uv's that would lead to another environment than the build's.
_STEERING = ("UV_PYTHON", "UV_SYSTEM_PYTHON", "UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV", "UV_TARGET")
# Of our environment, what a build is about; the rest could steer it unseen.
_KEPT = re.compile(r"PATH|HOME|USER|LOGNAME|TMPDIR|LD_LIBRARY_PATH|CC|CXX|CARGO_HOME|RUSTUP_HOME")
_NETWORK = re.compile(
    r"name resolution|Name or service not known|Network is unreachable|URLError|getaddrinfo|"
    r"Could not resolve host|NewConnectionError|ConnectError|ConnectionRefused|"
    r"Connection refused|Cannot assign requested address",
    re.IGNORECASE,
)
_NEEDS_NETWORK = (
    "a build has no network: what it fetches belongs in build-system.requires or the repository"
)


def build(
    staged: Staged,
    out: Path,
    *,
    constraints: Sequence[str] = (),
    python: str = sys.executable,
) -> Built:
    """Build the source archive, and out of it the wheel, into `out`.

    Args:
        staged: what `stamp` made.
        out: a folder; files of the same names in it are replaced.
        constraints: bounds on build tools, as `Built.tools` of an earlier build has them.
        python: the interpreter that the backend runs in.

    Raises:
        UserError: the tools can't be had, the backend fails or needs a network, or what it built
            is not of the stamped version.
    """
    out.mkdir(parents=True, exist_ok=True)
    with temporary_folder("project") as name:
        job = _Job(staged, Path(name), read_indexes(staged.project.folder), tuple(constraints))
        # one folder for both: its path must not be what makes two builds differ
        source = job.work / "source"
        shutil.copytree(staged.folder, source, symlinks=True)
        job.make_environment(source, python)
        sdist = normal_sdist(job.run_hook(source, "sdist"), staged.expected, out)
        shutil.rmtree(source)
        process.run(["tar", "-x", "-z", "--no-same-owner", "-f", sdist, "-C", job.work])
        (job.work / staged.stem).rename(source)
        set_times(source, FIXED_MTIME)
        wheel = normal_wheel(job.run_hook(source, "wheel"), staged.expected, out)
        return Built(wheel, sdist, job.tools())


def build_requirements(staged: Staged, python: str = sys.executable) -> tuple[str, ...]:
    """What must be installed before a staged copy can be built: stated, and asked for by hooks.

    Raises:
        UserError: what is stated can't be installed, or the backend fails.
    """
    with temporary_folder("project") as name:
        job = _Job(staged, Path(name), read_indexes(staged.project.folder), ())
        source = job.work / "source"
        shutil.copytree(staged.folder, source, symlinks=True)
        return tuple(sorted(job.make_environment(source, python)))


@dataclass(frozen=True)
class _Job:
    """One build: its own folder with the environment, and what goes in and comes out."""

    staged: Staged
    work: Path
    indexes: Indexes
    constraints: tuple[str, ...]

    @property
    def python(self) -> Path:
        return self.work / "env" / "bin" / "python"

    def make_environment(self, source: Path, python: str) -> set[str]:
        """Install what the build system requires, and what its hooks then ask for; all of it."""
        self._uv("venv", "--quiet", "--no-project", "--python", python, self.work / "env")
        builder = self._builder(source)
        self._install(builder.build_system_requires)
        later = [self._hook(builder, kind, None) for kind in ("sdist", "wheel")]
        asked = {str(r) for found in later for r in found}
        self._install(asked)
        return {*builder.build_system_requires, *asked}

    def run_hook(self, source: Path, kind: str) -> Path:
        """Build a `sdist` or a `wheel`; where it lies."""
        out = self.work / kind
        out.mkdir()
        self._hook(self._builder(source), kind, out)
        found = sorted(p for p in out.iterdir() if not p.is_symlink())
        if len(found) != 1:
            title = self.staged.project.title
            raise UserError(f"{title}: {self._backend} ended with {len(found)} files, not one")
        return found[0]

    def tools(self) -> tuple[str, ...]:
        """Everything in the environment, as `name==version`."""
        said = self._uv("pip", "freeze", "--python", self.python).stdout.splitlines()
        return tuple(sorted(line for line in said if "==" in line))

    @property
    def _backend(self) -> str:
        return self.staged.project.backend

    def _builder(self, source: Path) -> pep517.ProjectBuilder:
        try:
            return pep517.ProjectBuilder(source, str(self.python), self._run)
        except pep517.BuildException as error:
            title = self.staged.project.title
            raise UserError(
                f"{title} can't be built: {error}", "mend its pyproject.toml"
            ) from error

    def _hook(self, builder: pep517.ProjectBuilder, kind: str, out: Path | None) -> set[str]:
        """Call the backend: to build into `out`, or for what it requires where that is None."""
        try:
            # what the backend warns of would be printed beside our progress, once for each hook
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if out is None:
                    return builder.get_requires_for_build(_kind(kind))
                builder.build(_kind(kind), out)
        except pep517.BuildBackendException as error:
            raise self._failure(kind, error) from error
        return set()

    def _failure(self, kind: str, error: pep517.BuildBackendException) -> UserError:
        message = f"{self.staged.project.title}: {self._backend} can't build the {kind}"
        cause = error.exception
        if not isinstance(cause, _HookFailed):
            return UserError(f"{message}: {_last(str(cause or error))}", "mend its pyproject.toml")
        failed = process.failed(cause.result)
        if isinstance(failed, process.Stopped):
            return failed
        said = cause.result.stderr + cause.result.stdout
        hint = _NEEDS_NETWORK if _NETWORK.search(said) else "what it said stands above"
        return UserError(f"{message}: {_last(said)}", hint, cause.result.tail)

    def _run(
        self,
        cmd: Sequence[str],
        cwd: str | None = None,
        extra_environ: Mapping[str, str] | None = None,
    ) -> None:
        """What pyproject-hooks runs the backend with."""
        env = {**_environment(self.python.parent, self.work), **(extra_environ or {})}
        args = [*without_network(), *cmd]
        result = process.run(args, env=env, cwd=Path(cwd) if cwd else None, check=False)
        if result.code != 0:
            raise _HookFailed(result)

    def _install(self, requirements: set[str]) -> None:
        if not requirements:
            return
        (self.work / "requires.txt").write_text("".join(f"{r}\n" for r in sorted(requirements)))
        (self.work / "tools.txt").write_text("".join(f"{c}\n" for c in self.constraints))
        args: list[str | Path] = ["pip", "install", "--quiet", *self.indexes.args]
        args += ["--python", self.python, "-c", self.work / "tools.txt"]
        names = ", ".join(sorted(requirements))
        self._uv(
            *(*args, "-r", self.work / "requires.txt"),
            failure=f"{self.staged.project.title}: what builds it can't be installed ({names})",
        )

    def _uv(self, *args: str | Path, failure: str = "") -> process.Result:
        env = {k: v for k, v in self.indexes.env.items() if k not in _STEERING}
        return process.run(
            [uv.find_uv_bin(), *args],
            env=env | {"NO_COLOR": "1", "UV_NO_PROGRESS": "1"},
            cwd=self.staged.project.folder,
            failure=failure,
            hint="check build-system.requires, and the settings of the package index",
        )


class _HookFailed(subprocess.CalledProcessError):
    """A backend ended badly; `result` has what it said."""

    def __init__(self, result: process.Result) -> None:
        super().__init__(result.code, list(result.args))
        self.result = result


def _environment(programs: Path, work: Path) -> dict[str, str]:
    """What a backend sees: no secrets, and nothing that differs from one machine to the next."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if _KEPT.fullmatch(name) and not is_secret_name(name)
    }
    return kept | {
        "PATH": os.pathsep.join((str(programs), kept.get("PATH", os.defpath))),
        "SOURCE_DATE_EPOCH": str(FIXED_MTIME),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_INDEX": "1",
        # compilers write down where they were
        "CFLAGS": f"-ffile-prefix-map={work}=.",
        "CXXFLAGS": f"-ffile-prefix-map={work}=.",
        "RUSTFLAGS": f"--remap-path-prefix={work}=.",
        # a repository that our temporary folder happens to lie in is none of the project's
        "GIT_CEILING_DIRECTORIES": str(work),
    }


def _kind(kind: str) -> Literal["sdist", "wheel"]:
    return "sdist" if kind == "sdist" else "wheel"


def _last(said: str) -> str:
    """The last line that says something."""
    lines = [line.strip() for line in redact(said).splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it says nothing"
