"""A values file for Helm with every image pinned by its digest."""

from __future__ import annotations

from collections.abc import Sequence

from lapstrake.deploy.model import Deployable, Json
from lapstrake.deploy.text import documents, heading
from lapstrake.errors import UserError


def helm(images: Sequence[Deployable]) -> str:
    """`images.NAME.{registry,repository,tag,digest}`, as most charts read an image.

    Raises:
        UserError: nobody knows the digest of one.
    """
    found: Json = {i.name: _image(i) for i in images}
    return heading(images, "Helm values") + documents([{"images": found}])


def _image(image: Deployable) -> Json:
    if not image.digest:
        raise UserError(
            f"nobody knows the digest of {image.name}",
            f"build it, or push it to {image.repository}",
        )
    registry, _, repository = image.repository.partition("/")
    return {
        "registry": registry,
        "repository": repository,
        "tag": image.tag,
        "digest": image.digest,
    }
