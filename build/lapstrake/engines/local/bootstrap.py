"""A root filesystem from Debian packages: mmdebstrap, with just the locked packages to take."""

from __future__ import annotations

import os
import shlex
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from io import BufferedReader
from pathlib import Path
from typing import IO, BinaryIO, cast
from urllib.parse import quote

from lapstrake import process
from lapstrake.engines.local import mounts, namespace
from lapstrake.engines.local.repository import make_repository
from lapstrake.errors import UserError
from lapstrake.layers.from_tar import Times, write_rootfs
from lapstrake.layers.kinds import Bootstrap
from lapstrake.layers.root_split import Split, read_database
from lapstrake.lock.model import Deb
from lapstrake.store.records import Blob
from lapstrake.store.store import Store

Json = dict[str, object]
Tick = Callable[[int], None]

_SOURCES = "./usr/share/doc/apt/examples/sources.list"
_TAIL_LINES = 20

# How much larger packages get when they are installed, at most; and what else needs memory.
_GROWTH = 8
_SPARE = 2 << 30

# Kept in the image, so that packages installed later bring no documentation either.
_NO_DOCS = """\
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
path-exclude=/usr/share/info/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/man/*
"""

# mmdebstrap extracts the essential packages without dpkg, so they bring theirs all the same.
_REMOVE_DOCS = """\
cd "$1/usr/share"
find doc ! -type d ! -type l ! -name copyright -delete
find info locale man -mindepth 1 ! -type d -delete 2>/dev/null || true
chroot "$1" find /usr/share/doc -xtype l -delete
find doc info locale man -mindepth 1 -type d -empty -delete 2>/dev/null || true
"""

_CUSTOMIZE = """\
set -eu
here=$(dirname "$0")
rm -f "$1/etc/apt/apt.conf.d/99mmdebstrap" "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
install -m 644 "$here/sources.list" "$1/etc/apt/sources.list"
install -m 644 /dev/null "$1/etc/machine-id"
cp -r "$1/var/lib/dpkg" "$here/dpkg"
find "$1" -maxdepth 1 -type l -printf '%f %l\\n' > "$here/dpkg/links"
"""

# No image keeps host keys, and where there seem to be some, openssh-server makes none.
_WITHOUT_KEYS = """\
install -d -m 755 "$1/etc/ssh"
for kind in dsa ecdsa ed25519 rsa; do
    install -m 600 /dev/null "$1/etc/ssh/ssh_host_${kind}_key"
done
"""

_WITHOUT_DOCS = """\
install -m 644 "$(dirname "$0")/no-docs" "$1/etc/dpkg/dpkg.cfg.d/no-docs"
"""


def bootstrap(
    layer: Bootstrap, debs: Mapping[str, Path], store: Store, tick: Tick
) -> tuple[Blob, ...]:
    """Make a root filesystem of just the packages of `layer`.

    Args:
        layer: what it is made from.
        debs: where each package lies, by `Deb.filename`.
        store: takes the blobs.
        tick: called with the number of compressed bytes just written.

    Returns:
        the blobs, bottom to top, adopted by the store.

    Raises:
        UserError: mmdebstrap fails, with the last lines of what it said.
    """
    process.need("mmdebstrap")
    with namespace.workspace(store, "bootstrap") as work:
        make_repository(layer.debs, debs, work / "repository", store)
        _write_hooks(layer, debs, work)
        arguments = {
            "work": str(work),
            "suite": layer.suite,
            "epoch": layer.epoch,
            "options": _options(layer, work),
            "sizes": {deb.name: deb.size for deb in layer.debs},
            "blobs": layer.blobs,
        }
        answer = namespace.perform("bootstrap", arguments, tick)
        written = cast("list[dict[str, object]]", answer["blobs"])
        blobs = tuple(Blob(**fields) for fields in written)  # type: ignore[arg-type]
        for path, blob in zip(cast("list[str]", answer["paths"]), blobs, strict=True):
            store.adopt(Path(path), blob.digest)
    return blobs


def _options(layer: Bootstrap, work: Path) -> list[str]:
    # With the variant "apt" only the essential packages are unpacked twice; with "custom" all.
    options = ["--variant=apt", "--mode=root", "--format=tar", "--skip=check/empty"]
    options += ["--dpkgopt=force-unsafe-io", '--aptopt=Apt::Install-Recommends "false"']
    options += [f"--architectures={_architecture(layer.debs)}"]
    if any(deb.name == "usr-is-merged" for deb in layer.debs):
        options += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"]
    return [
        *options,
        _hook("setup", work),
        _hook("customize", work),
        f"--include={','.join(sorted(deb.name for deb in layer.debs))}",
    ]


def _hook(name: str, work: Path) -> str:
    return f'--{name}-hook=sh {shlex.quote(str(work / f"{name}.sh"))} "$1"'


def _write_hooks(layer: Bootstrap, debs: Mapping[str, Path], work: Path) -> None:
    customize = _CUSTOMIZE if layer.docs else _CUSTOMIZE + _REMOVE_DOCS
    (work / "customize.sh").write_text(customize)
    (work / "setup.sh").write_text(_setup(layer))
    (work / "no-docs").write_text(_NO_DOCS)
    (work / "sources.list").write_text(_default_sources(layer.debs, debs))


def _setup(layer: Bootstrap) -> str:
    keys = any(deb.name == "openssh-server" for deb in layer.debs)
    return "set -eu\n" + _WITHOUT_KEYS * keys + _WITHOUT_DOCS * (not layer.docs)


def _architecture(debs: tuple[Deb, ...]) -> str:
    found = sorted({deb.arch for deb in debs} - {"all"})
    if len(found) != 1:
        raise UserError(f"packages of {len(found)} architectures: {', '.join(found)}")
    return found[0]


def _default_sources(debs: tuple[Deb, ...], files: Mapping[str, Path]) -> str:
    """The sources that apt itself proposes, `main` alone; nothing where it proposes none."""
    for deb in debs:
        if deb.name == "apt":
            text = _file_of(files[deb.filename], _SOURCES)
            return "".join(f"{line}\n" for line in map(_main_only, text.splitlines()) if line)
    return ""


def _main_only(line: str) -> str:
    words = line.split()
    return " ".join((*words[:3], "main")) if words[:1] == ["deb"] and "main" in words else ""


def _file_of(deb: Path, name: str) -> str:
    with process.spawn(
        ["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        stream = cast("BinaryIO", child.stdout)
        text = ""
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for info in tar:
                found = tar.extractfile(info) if info.name == name else None
                text = found.read().decode() if found is not None else text
    return text


def bootstrap_inside(arguments: Json, tick: Tick) -> Json:
    """The job `bootstrap`: run mmdebstrap, and write its tar as layers while it comes."""
    work = Path(cast("str", arguments["work"]))
    epoch = cast("int", arguments["epoch"])
    size = sum(cast("dict[str, int]", arguments["sizes"]).values())
    os.umask(0o022)
    began = _now(work / "began")
    with (work / "log").open("w+b") as log:
        with process.spawn(
            _mmdebstrap(arguments, work),
            env=_environment(epoch, _target(work, size)),
            cwd=Path("/"),
            stdout=subprocess.PIPE,
            stderr=log.fileno(),
        ) as child:
            try:
                written = _written(arguments, began, cast("BufferedReader", child.stdout), tick)
            except UserError as error:
                child.wait()
                raise _failed(child.returncode, log) from error
        if child.returncode != 0:
            raise _failed(child.returncode, log)
    return {
        "paths": [str(path) for path, _ in written],
        "blobs": [asdict(blob) for _, blob in written],
    }


def _written(
    arguments: Json, began: int, tar: BufferedReader, tick: Tick
) -> tuple[tuple[Path, Blob], ...]:
    """The root's blobs, written while the tar comes; the hook ran before the tar began."""
    work = Path(cast("str", arguments["work"]))
    tar.peek(1)
    times = Times(cast("int", arguments["epoch"]), (began, _now(work / "ended")))
    sizes = cast("dict[str, int]", arguments["sizes"])
    split = Split(read_database(work / "dpkg"), sizes, cast("int", arguments["blobs"]))
    return write_rootfs(tar, work, times, split, tick)


def _now(path: Path) -> int:
    """The time that a file made now has."""
    path.touch()
    return int(path.stat().st_mtime)


def _mmdebstrap(arguments: Json, work: Path) -> list[str]:
    source = f"deb [trusted=yes] copy:{quote(str(work / 'repository'))} ./"
    options = cast("list[str]", arguments["options"])
    return ["mmdebstrap", *options, cast("str", arguments["suite"]), "-", source]


def _environment(epoch: int, target: Path) -> dict[str, str]:
    """All that mmdebstrap and the packages' scripts may know of this machine."""
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(epoch),
        "DEBIAN_FRONTEND": "noninteractive",
        "PERL_HASH_SEED": "0",
        "PYTHONHASHSEED": "0",
        "TMPDIR": str(target),
    }


def _target(work: Path, size: int) -> Path:
    """Where the tree is made: in memory where there is plenty (a sixth less time), else on disk."""
    target = work / "target"
    target.mkdir()
    target.chmod(0o755)
    if mounts.available_memory() > _GROWTH * size + _SPARE:
        mounts.mount("tmpfs", target, "tmpfs", options="mode=0755")
    return target


def _failed(code: int, log: IO[bytes]) -> UserError:
    log.seek(0)
    lines = [
        line
        for line in log.read().decode(errors="replace").splitlines()
        if line.strip() and not line.startswith("I:")
    ]
    if any("No space left on device" in line for line in lines):
        hint = "free some space, or put the cache elsewhere with LAPSTRAKE_CACHE"
        return UserError("no space left for the root filesystem", hint, tuple(lines[-2:]))
    return UserError(
        f"mmdebstrap failed (exit {code})",
        "see its own words below; a package's script may not run without a machine around it",
        tuple(lines[-_TAIL_LINES:]),
    )
