"""The descriptive tag tells the truth: each token is measured in the running container."""

from __future__ import annotations

import re
import shlex

from lapstrake.dist import BuiltImage, Token
from lapstrake.plan.tags import upstream_version
from lapstrake.smoke.checking import Failed, check
from lapstrake.smoke.checks import cuda
from lapstrake.smoke.checks.python import PYTHON
from lapstrake.smoke.context import Context
from lapstrake.smoke.guest import Guest

_VERSION = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


def has_tokens(image: BuiltImage) -> bool:
    """Whether it has a descriptive tag."""
    return bool(image.tokens)


@check("tag-is-true", when=has_tokens, why="the image has no descriptive tag")
def tag_is_true(ctx: Context) -> None:
    """Every token of the descriptive tag is what the container says of itself."""
    for token in ctx.image.tokens:
        seen = measure(ctx.guest, token, has_environment=ctx.image.python is not None)
        if seen != str(token):
            raise Failed(f"{token} in the tag to be true", f"{seen} in the container")


def measure(guest: Guest, token: Token, *, has_environment: bool) -> str:
    """What a token would have to be, by the container's own account."""
    kind, _, name = token.by.partition(":")
    if kind in {"cuda", "cuda-flavour"}:
        return cuda.measure(guest, token, has_environment=has_environment)
    if kind in {"wheel", "package", "command"}:
        return f"{token.name}{_told(guest, kind, name)}"
    if kind == "python":
        python = PYTHON if has_environment else "python3"
        version = guest.need(python, "--version").split()[-1]
        parts = version.split(".")[: token.version.count(".") + 1]
        return f"{token.name}{'.'.join(parts)}"
    if kind == "os":
        return _system(guest)
    return f"something measured by {token.by!r}, which is not known"


def _told(guest: Guest, kind: str, name: str) -> str:
    """The version that a wheel or a package has, or that a command says."""
    if kind == "wheel":
        return guest.need(PYTHON, "-c", _VERSION, name).strip().replace("+", "-")
    if kind == "package":
        said = guest.need("dpkg-query", "-W", "-f", "${Version}", name)
        return upstream_version(said.strip())
    said = guest.need(*shlex.split(name))
    found = re.search(r"\d+(?:\.\d+)+[0-9A-Za-z.]*", said)
    return found[0] if found else said.strip()


def _system(guest: Guest) -> str:
    fields = dict(
        line.split("=", 1)
        for line in guest.need("cat", "/etc/os-release").splitlines()
        if "=" in line
    )
    return "".join("".join(shlex.split(fields.get(k, ""))) for k in ("ID", "VERSION_ID"))
