"""The files that prove a release, written into a folder."""

from __future__ import annotations

from pathlib import Path

from lapstrake.store.store import write_staged
from lapstrake_release.evidence.provenance import file_provenance, image_provenance
from lapstrake_release.evidence.sbom import image_sbom
from lapstrake_release.evidence.sums import SUMS, checksums
from lapstrake_release.facts import ReleaseFacts


def write_evidence(facts: ReleaseFacts, folder: Path, source: str = "") -> tuple[Path, ...]:
    """Write every image's bill of materials, the provenance, and SHA256SUMS over all files.

    SHA256SUMS names the wheels, the source archives, `facts.evidence` and what is written here, so
    all of these are to be published beside each other.

    Args:
        facts: the release.
        folder: where to write; made where it is missing, other files in it are left alone.
        source: `https://HOST/OWNER/NAME` of the repository; may be empty.

    Returns:
        what was written, sorted.

    Raises:
        UserError: dist/ is not what the facts say, or the folder can't be written.
    """
    stem = f"{facts.family}-{facts.version}"
    content = {f"{stem}-{i.name}.spdx.json": image_sbom(facts, i) for i in facts.images}
    if facts.images:
        content[f"{stem}-images.intoto.json"] = image_provenance(facts, source)
    if facts.files:
        content[f"{stem}-python.intoto.json"] = file_provenance(facts, source)
    written = [folder / name for name in sorted(content)]
    for path in written:
        _write(path, content[path.name])
    _write(folder / SUMS, checksums(facts, written))
    return tuple(sorted((*written, folder / SUMS)))


def _write(path: Path, data: bytes) -> None:
    """Write a file unless it says just that already."""
    try:
        if path.read_bytes() == data:
            return
    except OSError:
        pass
    write_staged(path, data)
