"""The digests of images in registries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from lapstrake import process
from lapstrake.definition.repository import Repository
from lapstrake.errors import UserError
from lapstrake.lock.inputs import references


def lock_images(
    repo: Repository,
    old: Mapping[str, str],
    *,
    upgrade: bool,
    progress: Callable[[str], None],
) -> dict[str, str]:
    """The digest of each image that the definition refers to, by the reference as written.

    Args:
        repo: the definition.
        old: digests of an earlier lock, which are kept without `upgrade`.
        upgrade: ask the registries again.
        progress: told what goes on.

    Raises:
        UserError: a registry doesn't answer, refuses, or has no such image.
    """
    found: dict[str, str] = {}
    for reference in references(repo):
        _, at, digest = reference.partition("@")
        if at:
            found[reference] = digest
        elif reference in old and not upgrade:
            found[reference] = old[reference]
        else:
            progress(f"asking for the digest of {reference}")
            found[reference] = registry_digest(reference)
    return found


def registry_digest(reference: str) -> str:
    """The digest of what a registry has under a reference: of the index, where it is one."""
    args = ["skopeo", "inspect", "--raw", *tls(reference, "--tls-verify"), f"docker://{reference}"]
    result = process.run(args, check=False)
    if result.code != 0:
        error = process.failed(result, f"{reference}: the registry has no such image, or refuses")
        raise UserError(error.message, _hint(result.stderr), error.details)
    raw = result.stdout.encode(errors="surrogateescape")
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def tls(reference: str, option: str) -> tuple[str, ...]:
    """The option that lets a registry on loopback do without TLS; none for any other."""
    host = reference.partition("/")[0].partition(":")[0]
    try:
        local = ip_address(host).is_loopback
    except ValueError:
        local = host == "localhost"
    return (f"{option}=false",) if local else ()


def _hint(said: str) -> str:
    if "unauthorized" in said or "denied" in said:
        return "log in to the registry (skopeo login), or check the reference"
    if "manifest unknown" in said or "name unknown" in said:
        return "check the reference's name and tag"
    return "check the network and the reference"
