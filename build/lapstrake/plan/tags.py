"""Tags that tell the truth: the release's own, and the descriptive one.

Every token of a descriptive tag is computed here from the lock, and measured in the running
container by the smoke test before the image may be published.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from lapstrake.definition.models import TagSpec
from lapstrake.definition.repository import ImageDef, Repository
from lapstrake.dist import BuiltCuda, Token
from lapstrake.errors import UserError
from lapstrake.lock.model import Deb, Wheel
from lapstrake.plan.cuda import cuda_tokens

# What each suite calls itself in /etc/os-release: ID and VERSION_ID. Debian's own list.
SUITES = {
    "bullseye": "debian11",
    "bookworm": "debian12",
    "trixie": "debian13",
    "forky": "debian14",
    "focal": "ubuntu20.04",
    "jammy": "ubuntu22.04",
    "noble": "ubuntu24.04",
    "resolute": "ubuntu26.04",
}

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


def upstream_version(version: str) -> str:
    """The upstream part of a Debian version: without epoch and revision, fit for a tag."""
    bare = version.partition(":")[2] or version
    upstream = bare.rpartition("-")[0] or bare
    return re.sub(r"[^A-Za-z0-9_.]", "-", upstream)


def release_tag(repo: Repository, name: str, version: str) -> str:
    """`<version>` for the image of all runtimes, else `<version>-<name>`."""
    whole = [n for n, i in repo.images.items() if i.spec.runtimes == "all"]
    return version if whole == [name] else f"{version}-{name}"


def tokens(
    repo: Repository,
    name: str,
    wheels: Iterable[Wheel],
    debs: Iterable[Deb],
    python: str | None,
    cuda: BuiltCuda | None = None,
) -> tuple[Token, ...]:
    """The parts of an image's descriptive tag; empty where its definition has no `tag`."""
    chain = repo.ancestry(name)
    spec = chain[-1].spec.tag
    if spec is None:
        return ()
    found = [_service(chain[-1], spec, wheels, debs)]
    if python is not None:
        found.append(Token(name="python", version=python, by="python"))
    if cuda is not None:
        found += cuda_tokens(cuda)
    if system := _system(chain[0]):
        letters = system.rstrip("0123456789.")
        found.append(Token(name=letters, version=system[len(letters) :], by="os"))
    return tuple(found)


def descriptive_tag(parts: Iterable[Token]) -> str | None:
    """The tokens as one tag: `<service><v>-python<v>-cuda<v>-<flavour>-<os>`; None without any."""
    tag = "-".join(str(p) for p in parts)
    if not tag:
        return None
    if not _TAG.fullmatch(tag):
        raise UserError(f"{tag!r} is no tag", "shorten the tag's service")
    return tag


def _service(image: ImageDef, spec: TagSpec, wheels: Iterable[Wheel], debs: Iterable[Deb]) -> Token:
    if spec.command is not None and spec.version is not None:
        by = f"command:{shlex.join(spec.command)}"
        return Token(name=spec.service, version=spec.version, by=by)
    if spec.wheel is not None:
        wanted = re.sub(r"[-_.]+", "-", spec.wheel).lower()
        for wheel in wheels:
            if wheel.name == wanted:
                version = wheel.version.replace("+", "-")
                return Token(name=spec.service, version=version, by=f"wheel:{wanted}")
    for deb in debs:
        if deb.name == spec.package:
            version = upstream_version(deb.version)
            return Token(name=spec.service, version=version, by=f"package:{deb.name}")
    raise UserError(
        f"{image.source.name}:{image.line('tag')}: the image has no {spec.wheel or spec.package}, "
        "whose version its tag should tell",
        "name a package that the image has",
    )


def _system(first: ImageDef) -> str | None:
    root = first.spec.root
    if root is None:
        return None
    return SUITES.get(root.suite) if root.suite else root.os
