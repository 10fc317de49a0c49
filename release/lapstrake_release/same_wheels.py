"""That a wheel is the one whose files lie in an image: by the wheel's own RECORD, file by file."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from lapstrake.dist import Build, BuiltFile
from lapstrake.errors import UserError
from lapstrake.layers.fixed import PREFIX

_PIECE = 1 << 20
_SITE = re.compile(re.escape(PREFIX.lstrip("/")) + r"/lib/python3\.\d+/site-packages/")
# Where the specification has a wheel's data folder installed, as far as that is one place.
_DATA = re.compile(r"^[^/]+\.data/(?:(?:purelib|platlib)/(?P<site>.+)|data/(?P<top>.+)|.*)$")


def check_same(build: Build, dist: Path) -> None:
    """See that the wheels in dist/ are those in its images.

    Raises:
        UserError: a file of one is missing, or has other bytes; it names the first.
    """
    for file in build.files:
        path = file.path(dist)
        if not path.is_file() or _hex(path.read_bytes()) != file.sha256:
            raise UserError(f"{file.name} in dist/ is not the one that was built", "build it again")
        if file.kind != "wheel":
            continue
        for layer in _layers(build, file):
            with (dist / "blobs/sha256" / layer.removeprefix("sha256:")).open("rb") as blob:
                wrong = differences(path.read_bytes(), blob)
            if wrong:
                raise UserError(
                    f"{file.name} is not what {', '.join(file.images)} has: {wrong[0]}",
                    "build it again",
                    tuple(wrong[1:]),
                )


def _layers(build: Build, file: BuiltFile) -> list[str]:
    """The digests of the layers that have a wheel's files, sorted."""
    return sorted({x.digest for i in build.images for x in i.layers if x.id in file.layers})


def differences(wheel: bytes, layer: BinaryIO) -> list[str]:
    """How a wheel differs from its files in a layer, a line each, sorted; empty where nothing does.

    Scripts are left out, whose first line an installation changes, and RECORD itself.

    Args:
        wheel: the file's bytes.
        layer: the compressed layer.

    Raises:
        UserError: it is no sound wheel, or no sound layer.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
            recorded = dict(_recorded(archive))
        with tarfile.open(fileobj=layer, mode="r:*") as tar:
            there = dict(_installed(tar, frozenset(recorded)))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, tarfile.TarError) as e:
        raise UserError(f"a wheel can't be compared with its layer: {e}") from e
    lacking = [f"{name} is missing" for name in recorded.keys() - there.keys()]
    other = [f"{name} differs" for name, sha256 in there.items() if sha256 != recorded[name]]
    return sorted((*lacking, *other))


def names_wheel(title: str, project: str, version: str) -> bool:
    """Whether a layer of that title may have a wheel's files."""
    return title == f"{project} {version}" or re.match(r"\d+ wheels of ", title) is not None


def holds(layer: BinaryIO, project: str, version: str) -> bool:
    """Whether a layer has the metadata of a project's version."""
    info = f"{project.replace('-', '_')}-{version}.dist-info/METADATA"
    with tarfile.open(fileobj=layer, mode="r:*") as tar:
        return any(m.name.endswith(f"/{info}") for m in tar)


def _recorded(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Where each file is installed, below site-packages or as `/…` below the environment: its hash.

    The hash is the one in RECORD, which is compared with the wheel's own bytes.
    """
    record = next(n for n in archive.namelist() if n.endswith(".dist-info/RECORD"))
    rows = csv.reader(io.StringIO(archive.read(record).decode()))
    for name, said, _ in (row for row in rows if row):
        if name == record:
            continue
        seen = _urlsafe(hashlib.sha256(archive.read(name)).digest())
        if said != f"sha256={seen}":
            msg = f"{name} is not what RECORD says"
            raise ValueError(msg)
        data = _DATA.match(name)
        place = name if data is None else data["site"] or (f"/{data['top']}" if data["top"] else "")
        if place:
            yield place, seen


def _installed(tar: tarfile.TarFile, wanted: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The hash of each wanted file of a layer."""
    for member in tar:
        if not member.isfile():
            continue
        path = member.name.removeprefix("./").lstrip("/")
        site = _SITE.match(path)
        top = PREFIX.lstrip("/")
        name = path[site.end() :] if site else path.removeprefix(top)
        content = tar.extractfile(member) if name in wanted else None
        if content is not None:
            yield name, _urlsafe(hashlib.sha256(content.read()).digest())


def _urlsafe(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
