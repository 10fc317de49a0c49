"""Where a checkout is at home: what `{owner}` and `{name}` stand for in the release's settings.

A fork, and a copy under another name, so releases to its own places and never to the original's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from lapstrake import process
from lapstrake.definition.models import ReleaseSpec
from lapstrake.errors import UserError

# What a workflow has; elsewhere it is git's remote `origin` on some host. A folder's path says
# nothing of who owns it.
VARIABLE = "GITHUB_REPOSITORY"
_NAMED = r"(?P<owner>[A-Za-z0-9-]+)/(?P<name>[A-Za-z0-9._-]+?)"
_SAID = re.compile(_NAMED)
_REMOTE = re.compile(rf"(?:[a-z+]+://[^/]+/|[^/:]+:){_NAMED}(?:\.git)?/?")


def at_home(spec: ReleaseSpec, root: Path, env: Mapping[str, str] = os.environ) -> ReleaseSpec:
    """The settings with `{owner}` and `{name}` filled in, if they stand there.

    Args:
        spec: as written.
        root: the checkout.
        env: where a workflow's variables are.

    Raises:
        UserError: they stand there, and nothing says what they are.
    """
    if not any("{" in place for place in (*spec.registries, spec.github or "")):
        return spec
    owner, name = find_home(root, env)
    # a registry's paths are lower case; GitHub doesn't mind which
    places = [p.format(owner=owner.lower(), name=name.lower()) for p in spec.registries]
    github = spec.github and spec.github.format(owner=owner, name=name)
    return spec.model_copy(update={"registries": places, "github": github})


def find_home(root: Path, env: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The owner and the name of the repository that a folder is a checkout of.

    Raises:
        UserError: nothing says it.
    """
    if said := env.get(VARIABLE):
        found = _SAID.fullmatch(said)
    else:
        asked = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
        found = _REMOTE.fullmatch(process.run(asked, check=False).stdout.strip())
    if found is None:
        raise UserError(
            "lapstrake.yaml releases to {owner}'s places, and nothing says who that is",
            f"set {VARIABLE}=OWNER/NAME, or give git a remote `origin`",
        )
    return found["owner"], found["name"]
