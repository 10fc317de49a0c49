"""The channels of a family, as lapstrake.yaml has them."""

from __future__ import annotations

from lapstrake.definition.channels import ChannelSpec, clash
from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import UserError
from lapstrake.plan.tags import release_tag
from lapstrake.version import Version


def find_channel(definition: Definition, name: str) -> ChannelSpec:
    """The channel that is called so.

    Raises:
        UserError: there is none, or its tags could be mixed up with others.
    """
    channels = {c.name: c for c in definition.family.channels}
    if name not in channels:
        have = f"there are {', '.join(channels)}" if channels else "lapstrake.yaml has none"
        raise UserError(f"there is no channel {name!r}", have)
    if wrong := clash(name, channels.keys(), definition.images.keys()):
        raise UserError(wrong, "give it another name in `channels:` of lapstrake.yaml")
    return channels[name]


def check_kind(channel: ChannelSpec, version: Version) -> None:
    """See that a channel takes versions of this kind.

    Raises:
        UserError: it doesn't.
    """
    if version.kind not in channel.accepts:
        raise UserError(
            f"{channel.name} takes {_kinds(channel)}, and {version} is {_KINDS[version.kind]}",
            "`channels:` in lapstrake.yaml says what may enter which",
        )


_KINDS = {
    "dev": "a dev pre-release",
    "rc": "a candidate",
    "final": "an official release",
}
_MANY = {"dev": "dev pre-releases", "rc": "candidates", "final": "official releases"}


def _kinds(channel: ChannelSpec) -> str:
    return " and ".join(_MANY[k] for k in channel.accepts)


def suffix_of(definition: Definition, image: str) -> str:
    """What the tags of an image end with: empty for the one of all runtimes, else `-<name>`."""
    return release_tag(definition, image, "")
