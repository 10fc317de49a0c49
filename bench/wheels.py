"""Wheels to layers, beside what SHA-256 and inflate alone take on the same bytes."""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from struct import unpack_from

from isal import isal_zlib

from bench.figures import OWN, Figure, Goal
from bench.repositories import copy_repository
from bench.setting import Setting, lapstrake, median, say
from lapstrake.definition.load import load
from lapstrake.fetch.wheels import fetch_wheels
from lapstrake.layers.kinds import Wheels
from lapstrake.layers.wheels_layer import write_wheels
from lapstrake.lock.file import read_lock
from lapstrake.lock.model import LOCK_NAME, Wheel
from lapstrake.plan.make import make_plan
from lapstrake.store.store import Store

_CHUNK = 1 << 20
# The local header of a zip's member: its fixed part, and where its two lengths are in it.
_HEADER, _LENGTHS = 30, 26


def measure_wheels(setting: Setting) -> list[Figure]:
    """Seconds per 100 MB of wheels, for all wheel layers of the family, one after another."""
    repository = copy_repository(setting.work / "wheels")
    lapstrake("build", "--out", setting.work / "root", repository=repository)
    store = Store()
    layers = _layers(repository)
    paths = _paths(layers, store)
    size = sum(p.stat().st_size for p in paths.values())
    say(f"{len(paths)} wheels to {len(layers)} layers, {size / 1e6:.0f} MB")
    count = setting.times(3)
    took = median(count, lambda: _write(layers, paths))
    alone = median(count, lambda: _alone(paths.values()))
    scale = 1e8 / size
    bound = Goal(2.5 * alone * scale)
    return [
        Figure("wheels to layers, for 100 MB", "s", {OWN: took * scale}, (bound,)),
        Figure("SHA-256 and inflate alone, for 100 MB", "s", {"one thread": alone * scale}),
    ]


def _layers(repository: Path) -> list[Wheels]:
    plan = make_plan(load(repository), read_lock(repository / LOCK_NAME))
    return [x for x in plan.layers if isinstance(x, Wheels)]


def _paths(layers: Sequence[Wheels], store: Store) -> dict[str, Path]:
    """Every wheel in the user's cache; downloaded where only its layer is left."""
    wheels = [w for x in layers for w in x.wheels if isinstance(w, Wheel)]
    paths = {w.name: store.wheel(w.sha256, w.filename) for w in wheels}
    lacking = [w for w in wheels if not paths[w.name].is_file()]
    if lacking:
        one = layers[0]
        fetch_wheels(lacking, store, one.python, one.glibc, "linux/amd64", lambda *_: None)
    return paths


def _write(layers: Sequence[Wheels], paths: dict[str, Path]) -> None:
    with tempfile.TemporaryDirectory(dir=Store().root / "tmp") as folder:
        for layer in layers:
            write_wheels(layer, paths, Path(folder) / "layer")


def _alone(paths: Iterable[Path]) -> None:
    """What no writer can go without: inflate, and SHA-256 of packed and of unpacked bytes."""
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")
        _inflate(path)


def _inflate(path: Path) -> None:
    unpacked = hashlib.sha256()
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for member in archive.infolist():
            file.seek(member.header_offset)
            head = file.read(_HEADER)
            file.seek(sum(unpack_from("<HH", head, _LENGTHS)), 1)
            deflated = member.compress_type == zipfile.ZIP_DEFLATED
            inflate = isal_zlib.decompressobj(wbits=-15) if deflated else None
            left = member.compress_size
            while left and (data := file.read(min(_CHUNK, left))):
                left -= len(data)
                unpacked.update(inflate.decompress(data) if inflate else data)
