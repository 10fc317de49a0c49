"""What is in the image and what mustn't be: read from the layers in dist/."""

from __future__ import annotations

import fnmatch
import json

from lapstrake.dist import BuiltImage
from lapstrake.errors import UserError
from lapstrake.guest.system import ENTRYPOINT
from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.context import Context
from lapstrake.smoke.layers import LayerFile

_KEYS = ("etc/ssh/ssh_host_*_key", "etc/ssh/ssh_host_*_key.pub")
_LOGINS = ("root/.ssh/authorized_keys*", "home/*/.ssh/authorized_keys*")
_HASHES = ("etc/shadow", "etc/shadow-", "etc/passwd", "etc/passwd-", "etc/gshadow", "etc/gshadow-")

# What stands for "no password can be right", or for "see the other file".
_NO_HASH = frozenset("*!x")

_ANNOTATIONS = ("created", "title", "version")


def matters(path: str) -> bool:
    """Whether these checks look at a path of a layer."""
    return any(fnmatch.fnmatch(path, p) for p in (*_KEYS, *_LOGINS, *_HASHES))


def wanted(path: str) -> bool:
    """Whether they look into it."""
    return path in _HASHES


@check("no-host-keys")
def no_host_keys(ctx: Context) -> None:
    """No layer holds an SSH host key or a login for somebody."""
    for file in _files(ctx):
        if any(fnmatch.fnmatch(file.path, p) for p in (*_KEYS, *_LOGINS)):
            raise Failed(
                "no SSH host key and no authorized_keys in any layer",
                f"/{file.path} in the layer {file.layer!r}",
            )


@check("no-password-hashes")
def no_password_hashes(ctx: Context) -> None:
    """No layer holds a password's hash, nor an account that needs no password."""
    for file in _files(ctx):
        for line in (file.content or b"").decode(errors="replace").splitlines():
            fields = line.split(":")
            if len(fields) < 2 or fields[1][:1] in _NO_HASH:
                continue
            if fields[1] == "" and file.path.startswith("etc/gshadow"):
                continue  # a group without a password is a group that nobody can join with one
            what = "a password hash" if fields[1] else "an empty password"
            raise Failed(
                "no password in any layer",
                f"{what} of {fields[0]} in /{file.path} of the layer {file.layer!r}",
            )


def _files(ctx: Context) -> list[LayerFile]:
    try:
        return list(ctx.layers.of(ctx.image))
    except UserError as error:
        raise Skipped(error.message) from error


def has_budget(image: BuiltImage) -> bool:
    """Whether its definition states a size."""
    return image.budget is not None


@check("size", when=has_budget, why="the definition states no size")
def size(ctx: Context) -> None:
    """The stored size stays within the definition's."""
    budget = ctx.image.budget
    if budget is not None and ctx.image.size > budget:
        largest = max(ctx.image.layers, key=lambda x: x.size)
        raise Failed(
            f"at most {budget / 1e6:.1f} MB",
            f"{ctx.image.size / 1e6:.1f} MB, of which {largest.size / 1e6:.1f} MB are the layer "
            f"{largest.title!r}",
        )


@check("image-config")
def image_config(ctx: Context) -> None:
    """The engine sees the entry point, the ports, the labels; the manifest has annotations."""
    found = ctx.engine.client.images.get(ctx.image_id).attrs["Config"]
    if tuple(found.get("Entrypoint") or ()) != ENTRYPOINT:
        raise Failed(f"the entry point {' '.join(ENTRYPOINT)}", f"{found.get('Entrypoint')}")
    if found.get("Cmd"):
        raise Failed("no command in the config", f"{found['Cmd']}")
    exposed = {int(p.split("/")[0]) for p in found.get("ExposedPorts") or {}}
    if exposed != set(ctx.image.ports):
        raise Failed(f"the ports {list(ctx.image.ports)} in the config", f"{sorted(exposed)}")
    blob = ctx.dist / "blobs" / "sha256" / ctx.image.digest.removeprefix("sha256:")
    annotations = json.loads(blob.read_bytes()).get("annotations") or {}
    for where, values in (("label", found.get("Labels") or {}), ("annotation", annotations)):
        for name in _ANNOTATIONS:
            key = f"org.opencontainers.image.{name}"
            if not values.get(key):
                raise Failed(f"the {where} {key}", "none")
