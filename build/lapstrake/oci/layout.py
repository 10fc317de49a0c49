"""dist/: an OCI image layout, written so that an interruption leaves the old one whole.

Blobs are added first, then index.json and build.json are replaced, and only then are blobs
removed that nothing names any more. A blob is a hard link to the cache where that is possible.
Wheels and source archives, if the images have some of the repository's own, lie beside it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lapstrake.dist import BUILD_NAME, Build, BuiltFile, read_build
from lapstrake.errors import UserError
from lapstrake.oci.image import INDEX_TYPE, Assembled, Document
from lapstrake.store.scratch import claimed_file, remove_abandoned_files
from lapstrake.store.store import Store, write_staged, writing

# The files of a layout besides its blobs.
LAYOUT_FILES = ("oci-layout", "index.json")

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'


def write_layout(
    out: Path,
    images: Sequence[Assembled],
    build: Build,
    files: Sequence[tuple[BuiltFile, Path]],
    store: Store,
) -> None:
    """Make `out` hold exactly these images, files and build.json.

    Files that other commands made beside them stay.

    Raises:
        UserError: `out` is something else than a layout of ours, or can't be written.
    """
    # two builds into one folder take turns: each removes the blobs that the other named
    with store.locked(f"out-{hashlib.sha256(os.fsencode(out.absolute())).hexdigest()}"):
        _write(out, images, build, files, store)


def _write(
    out: Path,
    images: Sequence[Assembled],
    build: Build,
    files: Sequence[tuple[BuiltFile, Path]],
    store: Store,
) -> None:
    check_ours(out)
    before = _files_before(out)
    blobs = out / "blobs" / "sha256"
    with _undone_where_it_fails(out, blobs):
        wanted = write_blobs(out, images, build.platform, store)
    for file, path in files:
        _replace(file.path(out), path.read_bytes())
    _replace(out / BUILD_NAME, build.model_dump_json(indent=1).encode() + b"\n")
    _remove_others(blobs, wanted)
    for path in before - {file.path(out) for file, _ in files}:
        path.unlink(missing_ok=True)
    remove_abandoned_files(out)


def _files_before(out: Path) -> set[Path]:
    """The wheels and source archives of the build that `out` holds so far."""
    try:
        return {file.path(out) for file in read_build(out).files}
    except UserError:
        return set()


def write_blobs(out: Path, images: Sequence[Assembled], platform: str, store: Store) -> set[str]:
    """Write a layout of images into a folder, beside what it may hold; the names of its blobs."""
    blobs = out / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    wanted = _put_blobs(blobs, images, store)
    _replace(out / "oci-layout", _LAYOUT)
    _replace(out / "index.json", _index(images, platform))
    return wanted


def _put_blobs(blobs: Path, images: Sequence[Assembled], store: Store) -> set[str]:
    """Have every blob of the images in `blobs`; their names."""
    wanted: set[str] = set()
    for image in images:
        for document in (image.config, image.manifest):
            _put_document(blobs, document)
            wanted.add(_hex(document.digest))
        for _, blob in image.blobs:
            _put_link(blobs, store.blob(blob.digest))
            wanted.add(_hex(blob.digest))
    return wanted


@contextlib.contextmanager
def _undone_where_it_fails(out: Path, blobs: Path) -> Iterator[None]:
    """Make the folders; where the block fails, remove blobs and folders that weren't there."""
    missing = [p for p in (blobs, blobs.parent, out) if not p.exists()]
    with writing(out):
        blobs.mkdir(parents=True, exist_ok=True)
    before = {p.name for p in blobs.iterdir()}
    try:
        yield
    except BaseException:
        _remove_others(blobs, before)
        if out in missing:
            (out / "oci-layout").unlink(missing_ok=True)
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def check_ours(out: Path) -> None:
    """Refuse a folder that holds something else: its blobs would be removed."""
    if not out.exists():
        return
    if not out.is_dir():
        raise UserError(f"{out} is no folder", "choose another with --out")
    if any(out.iterdir()) and not (out / "oci-layout").exists():
        known = {"blobs", BUILD_NAME, "smoke.json", "wheels", "sdists"}
        # an interrupted first build may have left what it was about to rename; a release that
        # begins with a build has its journal here by then
        ours = (".oci-layout.", "release-")
        if not {p.name for p in out.iterdir() if not p.name.startswith(ours)} <= known:
            raise UserError(f"{out} holds something else than a build", "choose another with --out")


def _index(images: Iterable[Assembled], platform: str) -> bytes:
    system, architecture = platform.split("/")
    manifests = [
        {
            **image.manifest.descriptor(),
            "platform": {"os": system, "architecture": architecture},
            "annotations": {"org.opencontainers.image.ref.name": image.name},
        }
        for image in images
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": manifests}
    return json.dumps(index, sort_keys=True, indent=1).encode() + b"\n"


def _put_document(blobs: Path, document: Document) -> None:
    path = blobs / _hex(document.digest)
    if not path.exists():
        write_staged(path, document.data)


def _put_link(blobs: Path, source: Path) -> None:
    target = blobs / source.name
    if target.exists() and not _is_older_link(target, source):
        return
    # links are made beside their places, since an older one may be there
    staged = blobs / f".link-{source.name}"
    with writing(blobs):
        try:
            staged.unlink(missing_ok=True)
            staged.hardlink_to(source)
            staged.replace(target)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP}:
                raise
            _copy(source, target)


def _is_older_link(target: Path, source: Path) -> bool:
    """Whether the blob was made anew in the cache since: what was linked may have been bad."""
    there, now = target.stat(), source.stat()
    return there.st_dev == now.st_dev and there.st_ino != now.st_ino


def _copy(source: Path, target: Path) -> None:
    handle, staged = claimed_file(target.parent, ".staged-")
    try:
        with os.fdopen(handle, "wb") as file, source.open("rb") as read:
            shutil.copyfileobj(read, file)
            file.flush()
            staged.chmod(0o644)
            staged.replace(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            staged.unlink()


def _replace(path: Path, data: bytes) -> None:
    """Write a file unless it says just that already."""
    try:
        if path.read_bytes() == data:
            return
    except OSError:
        pass
    write_staged(path, data)


def _remove_others(blobs: Path, wanted: set[str]) -> None:
    for path in blobs.iterdir():
        if path.name not in wanted:
            with contextlib.suppress(OSError):
                path.unlink()


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
