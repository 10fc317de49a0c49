"""The folder of a CUDA toolkit, as links to what NVIDIA's wheels bring into site-packages.

The files stay where the wheels' own RECORD says that they are, and where torch and others look for
them; /usr/local/cuda-12.4 has a link to each. So CUDA is in an image once, and a link lies in the
layer of its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lapstrake.layers.fixed import PREFIX

# Up to CUDA 12 each wheel has a folder of its own below nvidia/; from 13 on they share one.
_INSIDE = re.compile(rf"{PREFIX.lstrip('/')}/lib/python3\.\d+/site-packages/nvidia/[a-z0-9_]+/(.+)")
_SHARED = re.compile(r"(lib[^/]*\.so)\.[0-9.]+")

# A wheel's folders -> where NVIDIA's own packages have the same.
_FOLDERS = {
    "lib": "lib64",
    "lib64": "lib64",
    "include": "include",
    "bin": "bin",
    "nvvm": "nvvm",
}

# Names of CUDA's wheels: nvidia-cublas-cu12; from 13 on most have no number.
_WHEEL = re.compile(r"nvidia-(?:[a-z0-9-]+-cu\d\d|(?:cu|nv|npp)[a-z0-9-]*)")


def is_part(wheel: str) -> bool:
    """Whether a wheel, by its normalised name, is a part of CUDA."""
    return _WHEEL.fullmatch(wheel) is not None


def toolkit(version: str) -> str:
    """The folder of a toolkit, without a leading slash."""
    return f"usr/local/cuda-{version}"


def links(version: str, paths: Iterable[str]) -> Mapping[str, str]:
    """The links of a layer: path, without a leading slash -> target.

    Args:
        version: the toolkit's, such as `12.4`.
        paths: the files of CUDA's wheels, without a leading slash.
    """
    found: dict[str, str] = {}
    plain: dict[str, str] = {}
    for path in sorted(paths):
        place = _place(path)
        if place is None:
            continue
        found[f"{toolkit(version)}/{place}"] = f"/{path}"
        folder, _, name = place.rpartition("/")
        if folder == "lib64" and (shared := _SHARED.fullmatch(name)):
            # what a linker looks for, and wheels can't hold: a zip has no links
            plain[f"{toolkit(version)}/lib64/{shared[1]}"] = name
    return plain | found


def _place(path: str) -> str | None:
    """Where in the toolkit's folder a file belongs; None where it doesn't."""
    inside = _INSIDE.fullmatch(path)
    if inside is None or inside[1].endswith("__init__.py") or "__pycache__" in inside[1]:
        return None
    top, _, rest = inside[1].partition("/")
    folder = _FOLDERS.get(top)
    return f"{folder}/{rest}" if folder and rest else None
