"""Makes small wheels, right ones and wrong ones."""

from __future__ import annotations

import base64
import hashlib
import sys
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lapstrake.layers.kinds import Wheels
from lapstrake.layers.wheels_layer import write_wheels
from lapstrake.lock.model import Wheel
from lapstrake.store.records import Blob

# The tests' own Python runs what they unpack.
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"opt/venv/lib/python{PYTHON}/site-packages"


def line(name: str, data: bytes, algorithm: str = "sha256") -> str:
    """A line of RECORD."""
    value = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).decode().rstrip("=")
    return f"{name},{algorithm}={value},{len(data)}\n"


@dataclass
class Maker:
    """A wheel to be; what is left alone makes a good one.

    `files` may hold any member; `lines` replaces lines of RECORD by the member's name, `modes`
    sets a member's mode in the zip's external attributes.
    """

    name: str = "demo"
    version: str = "1.0"
    files: dict[str, bytes] = field(default_factory=dict)
    wheel: str = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    requires: Iterable[str] = ()
    entry_points: str = ""
    lines: Mapping[str, str] = field(default_factory=dict)
    algorithm: str = "sha256"
    modes: Mapping[str, int] = field(default_factory=dict)
    method: int = zipfile.ZIP_DEFLATED

    @property
    def dist_info(self) -> str:
        return f"{self.name}-{self.version}.dist-info"

    def members(self) -> dict[str, bytes]:
        metadata = f"Metadata-Version: 2.1\nName: {self.name}\nVersion: {self.version}\n"
        metadata += "".join(f"Requires-Dist: {r}\n" for r in self.requires)
        found = dict(self.files)
        found[f"{self.dist_info}/METADATA"] = metadata.encode()
        found[f"{self.dist_info}/WHEEL"] = self.wheel.encode()
        if self.entry_points:
            found[f"{self.dist_info}/entry_points.txt"] = self.entry_points.encode()
        path = f"{self.dist_info}/RECORD"
        lines = [
            self.lines.get(name, line(name, data, self.algorithm))
            for name, data in found.items()
            if not name.endswith("/")
        ]
        found[path] = "".join([*lines, f"{path},,\n"]).encode()
        return found

    def write(self, folder: Path) -> Path:
        """The wheel's file."""
        path = folder / f"{self.name}-{self.version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", self.method) as archive:
            for name, data in self.members().items():
                info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
                info.compress_type = self.method
                info.external_attr = self.modes.get(name, 0o100644) << 16
                archive.writestr(info, data)
        return path


def layer_of(paths: Iterable[Path], out: Path) -> Blob:
    """The layer of some wheels."""
    by_name = {p.name.partition("-")[0].replace("_", "-").lower(): p for p in paths}
    wheels = [
        Wheel(name=name, version="1.0", filename=path.name, sha256="0" * 64, size=1)
        for name, path in sorted(by_name.items())
    ]
    layer = Wheels(title="test", python=PYTHON, glibc="2.36", wheels=tuple(wheels))
    return write_wheels(layer, by_name, out)
