"""What lapstrake.yaml says of channels: their order, and what may enter each."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from lapstrake.definition.part import Part

_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST = 32


def channel_name(value: str) -> str:
    """What a tag may begin with that no version begins with: a letter first, and no dot."""
    if not _NAME.fullmatch(value) or len(value) > _LONGEST:
        msg = f"{value!r} is no channel name (lower-case letters, digits, single - between them)"
        raise ValueError(msg)
    return value


ChannelName = Annotated[
    str,
    AfterValidator(channel_name),
    WithJsonSchema({"type": "string", "description": "a name that tags begin with"}),
]


class ChannelSpec(Part):
    """A channel: tags `NAME` and `NAME-IMAGE` that move together, and what may enter it."""

    name: ChannelName = Field(description="what its tags begin with")
    accepts: list[Literal["dev", "rc", "final"]] = Field(
        min_length=1, description="the kinds of versions that may enter it"
    )
    after: ChannelName | None = Field(
        default=None,
        description="a channel above in the list that has to hold the same images before; where "
        "that one takes no such versions, a pre-release of the same version",
    )
    needs: list[Literal["verdict", "scan", "signature"]] = Field(
        default=[], description="what every image needs to enter it; see `qa`"
    )


DEFAULT = [
    ChannelSpec(name="testing", accepts=["dev"]),
    ChannelSpec(name="staging", accepts=["rc"]),
    ChannelSpec(name="production", accepts=["final"], after="staging"),
]


def wrong_channels(channels: Sequence[ChannelSpec]) -> str:
    """What is wrong with a list of channels; empty where nothing is."""
    seen: list[str] = []
    for channel in channels:
        if channel.name in seen:
            return f"two channels are called {channel.name!r}"
        if channel.after is not None and channel.after not in seen:
            return f"{channel.name} is after {channel.after!r}, which is no channel above it"
        seen.append(channel.name)
    return ""


def clash(channel: str, channels: Collection[str], images: Collection[str]) -> str:
    """With what a channel's tags could be mixed up; empty where with nothing.

    Args:
        channel: its name.
        channels: the names of all channels.
        images: the names of all images.
    """
    if channel in images:
        return f"channel {channel!r} is called like an image"
    for other in sorted(channels):
        for image in sorted(images):
            if channel == f"{other}-{image}":
                return f"channel {channel!r} has the tag of {image} in channel {other!r}"
    return ""
