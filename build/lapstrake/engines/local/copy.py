"""Paths taken out of another image."""

from __future__ import annotations

from collections.abc import Sequence

from lapstrake.engines.local.pulled import fetch_image
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Copy
from lapstrake.layers.pick import pick_paths
from lapstrake.store.intact import check_blobs
from lapstrake.store.records import Blob
from lapstrake.store.store import Store


def copy_layer(layer: Copy, blobs: Sequence[Blob], store: Store) -> tuple[Blob, ...]:
    """Take paths out of an image; one blob, adopted by the store.

    Args:
        layer: the paths, and the image where it is one in a registry.
        blobs: the image's layers, bottom to top, where it is one of the family.
        store: has the blobs, and takes the new one.

    Raises:
        UserError: the image can't be had, or lacks one of the paths.
    """
    if layer.digest:
        files = fetch_image(layer.reference, layer.digest, layer.platform, store).files
    else:
        check_blobs(blobs, store)
        files = [store.blob(blob.digest) for blob in blobs]
    with store.scratch("copy") as work:
        try:
            blob = pick_paths(files, layer.paths, work / "layer")
        except UserError as error:
            message = f"{layer.title}: {error.message}"
            raise UserError(message, error.hint, error.details) from error
        store.adopt(work / "layer", blob.digest)
    return (blob,)
