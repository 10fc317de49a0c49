"""A source archive to a wheel, in the root's own Python: offline, with just the locked tools.

Of one of the repository's own projects a source archive is made too, as it is released, and the
wheel out of that. Both are then written anew, so that their bytes depend on what they hold alone.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from lapstrake.engines.built import built_place, built_wheel, only_file
from lapstrake.engines.local import mounts, namespace
from lapstrake.engines.local.chroot import Root, base_environment, root_arguments, root_of
from lapstrake.engines.local.repository import link_file
from lapstrake.engines.local.settings import Settings
from lapstrake.engines.local.trees import lower_trees
from lapstrake.errors import UserError
from lapstrake.layers.fixed import FIXED_MTIME
from lapstrake.layers.kinds import BuiltWheel
from lapstrake.store.records import Blob
from lapstrake.store.store import Store, writing

Json = dict[str, object]

# In the root; /tmp is the build's alone, and always the same path, since some builds keep it.
_TOOLS = "/tmp/tools"  # noqa: S108
_OUT = "/tmp/wheel"  # noqa: S108
_SOURCE = "/tmp/source"  # noqa: S108
_PYTHON = f"{_TOOLS}/bin/python"
# pip would unpack an archive under a random name.
_UNPACK = "import shutil, sys; shutil.unpack_archive(sys.argv[1], sys.argv[2])"
_OFFLINE = ("--no-index", "--no-deps", "--disable-pip-version-check")


def build_wheel(
    built: BuiltWheel,
    source: Path,
    tools: Mapping[str, Path],
    below: Sequence[Blob],
    store: Store,
) -> Path:
    """Build a wheel, once for each set of inputs; where it lies, under its own name.

    Args:
        built: the archive and the wheels of its build tools, pip among them.
        source: where the archive lies.
        tools: where each tool's wheel lies, by name.
        below: the root's layers, bottom to top; it has a Python.
        store: keeps the wheel.

    Raises:
        UserError: the build fails; with the last lines of what it said.
    """
    with store.locked(f"wheel-{built.key}"):
        if (done := built_wheel(built, store)) is not None:
            return done
        if "pip" not in tools:
            raise UserError(
                f"nothing builds {source.name}: the lock has no tools for it", "lapstrake lock"
            )
        with namespace.workspace(store, "wheel") as work:
            _lay_out(source, tools, work)
            arguments = root_arguments(lower_trees(below, store), work, Settings())
            more = {"pip": tools["pip"].name, "own": built.own}
            namespace.perform("wheel", arguments | more)
            keep = _keep_own if built.own else _keep
            return keep(built, work / "built", built_place(built, store))


def _lay_out(source: Path, tools: Mapping[str, Path], work: Path) -> None:
    (work / "wheels").mkdir()
    (work / "source").mkdir()
    for path in tools.values():
        link_file(path, work / "wheels" / path.name)
    link_file(source, work / "source" / source.name)


def _keep(_: BuiltWheel, made: Path, place: Path) -> Path:
    wheel = _only(made, "*.whl", "wheel")
    with writing(place.parent):
        place.mkdir(parents=True, exist_ok=True)
        wheel.rename(place / wheel.name)
    return place / wheel.name


def _keep_own(built: BuiltWheel, made: Path, place: Path) -> Path:
    """Keep a project's wheel and source archive, each in the form that only their content gives."""
    from lapstrake.projects.model import Expected
    from lapstrake.projects.normal import normal_sdist, normal_wheel

    expected = Expected(built.name, built.source.version, "its backend")
    normal_sdist(_only(made, "*.tar.gz", "source archive"), expected, place)
    return normal_wheel(_only(made, "*.whl", "wheel"), expected, place)


def _only(folder: Path, pattern: str, what: str) -> Path:
    found = only_file(folder, pattern)
    if found is None:
        raise UserError(f"the build ended without just one {what}")
    return found


def build_inside(arguments: Json, _: object) -> Json:
    """The job `wheel`: an environment of the tools, then a build in it without isolation."""
    work = Path(cast("str", arguments["work"]))
    root = root_of(arguments)
    mounts.leave_network()
    wheels = root.show(work / "wheels", "wheels")
    archives = root.show(work / "source", "source")
    source = next((work / "source").iterdir()).name
    _make_tools(root, wheels, cast("str", arguments["pip"]), work)
    build = _build_own if arguments["own"] else _build
    build(root, f"{archives}/{source}")
    _take_out(root.temporary / Path(_OUT).name, work / "built")
    return {}


def _build(root: Root, archive: str) -> None:
    """Have pip build a wheel."""
    args = [_PYTHON, "-m", "pip", "wheel", *_OFFLINE, "--no-build-isolation", "--no-cache-dir"]
    args += ["--wheel-dir", _OUT, _unpacked(root, archive)]
    root.run(args, _environment(), f"{Path(archive).name} can't be built to a wheel")


def _build_own(root: Root, archive: str) -> None:
    """Build a source archive, and out of that the wheel: in one place, which some wheels keep."""
    args = [_PYTHON, "-I", "-m", "build", "--no-isolation", "--skip-dependency-check"]
    args += ["--outdir", _OUT]
    folder = _unpacked(root, archive)
    name = Path(archive).name
    root.run([*args, "--sdist", folder], _environment(), f"{name} can't be built to an archive")
    made = _only(root.temporary / Path(_OUT).name, "*.tar.gz", "source archive")
    shutil.rmtree(root.temporary / Path(_SOURCE).name)
    folder = _unpacked(root, f"{_OUT}/{made.name}")
    root.run([*args, "--wheel", folder], _environment(), f"{name} can't be built to a wheel")


def _unpacked(root: Root, archive: str) -> str:
    """Unpack an archive; its only folder, as the root sees it."""
    source = Path(archive).name
    unpack = [_PYTHON, "-c", _UNPACK, archive, _SOURCE]
    root.run(unpack, _environment(), f"{source} can't be unpacked")
    return _only_folder(root.temporary / Path(_SOURCE).name, source)


def _only_folder(unpacked: Path, source: str) -> str:
    """The project in an unpacked archive, as the root sees it."""
    found = [path.name for path in unpacked.iterdir()]
    if len(found) != 1:
        raise UserError(f"{source} is no source archive: it has {len(found)} folders")
    return f"{_SOURCE}/{found[0]}"


def _take_out(folder: Path, to: Path) -> None:
    """Copy what was built; a link in it could lead anywhere here, out of the root."""
    if not folder.is_symlink():
        shutil.copytree(folder, to, symlinks=True)


def _make_tools(root: Root, wheels: str, pip: str, work: Path) -> None:
    """An environment of the root's Python; pip, which installs itself, runs from its wheel."""
    env = _environment()
    failure = "the image's Python can't make an environment to build in"
    root.run(["python3", "-m", "venv", "--without-pip", _TOOLS], env, failure)
    names = sorted(f"{wheels}/{path.name}" for path in (work / "wheels").iterdir())
    args = [_PYTHON, f"{wheels}/{pip}/pip", "install", "--no-compile", *_OFFLINE, *names]
    root.run(args, env, "the build tools can't be installed")


def _environment() -> dict[str, str]:
    env = base_environment(FIXED_MTIME)
    return env | {"PATH": f"{_TOOLS}/bin:{env['PATH']}"}
