"""What the cache remembers of a layer that was built."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Blob:
    """One compressed layer.

    Attributes:
        digest: `sha256:…` of the compressed bytes.
        diff_id: `sha256:…` of the uncompressed tar.
        size: compressed bytes.
        unpacked: uncompressed bytes of the tar.
        toc: `sha256:…` of the eStargz table of contents; empty for layers made by others.
        media_type: as it stands in the manifest.
    """

    digest: str
    diff_id: str
    size: int
    unpacked: int
    toc: str = ""
    media_type: str = GZIP_LAYER


@dataclass(frozen=True)
class LayerRecord:
    """A built layer: most have one blob, a root that was pulled has as many as it had.

    `config` is the image config that came with a pulled root.
    """

    id: str
    kind: str
    title: str
    blobs: tuple[Blob, ...]
    inputs: dict[str, object]
    seconds: float
    config: dict[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """As plain JSON, for `layers/<id>.json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, object]) -> LayerRecord:
        """The inverse of `to_json`; `TypeError`, `KeyError` for what is no record."""
        fields = dict(value)
        blobs = fields.pop("blobs")
        if not isinstance(blobs, list):
            msg = "blobs"
            raise TypeError(msg)
        return cls(blobs=tuple(Blob(**b) for b in blobs), **fields)  # type: ignore[arg-type]
