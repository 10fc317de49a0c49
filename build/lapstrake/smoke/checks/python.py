"""The image's Python packages: they fit together, and what was asked for can be imported."""

from __future__ import annotations

import json

from lapstrake.dist import BuiltImage
from lapstrake.layers.fixed import PREFIX
from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.context import Context

PYTHON = f"{PREFIX}/bin/python3"

# Runs in the image. What a distribution can be imported as is in its own metadata.
_IMPORT = """
import importlib, importlib.metadata, json, sys

def modules(name):
    found = importlib.metadata.distribution(name)
    stated = (found.read_text("top_level.txt") or "").split()
    if not stated:
        files = [f for f in found.files or () if f.suffix in (".py", ".so")]
        stated = [f.parts[0] if len(f.parts) > 1 else f.name.split(".")[0] for f in files]
    return sorted({m for m in stated if m.isidentifier() and not m.startswith("_")})

problems = {}
for name in sys.argv[1:]:
    try:
        for module in modules(name):
            importlib.import_module(module)
    except BaseException as error:
        problems[name] = f"{type(error).__name__}: {error}"
sys.stdout.write("\\n" + json.dumps(problems))
"""


# What a container's engine says of a program that isn't there.
_NO_PROGRAM = (126, 127)


def has_python(image: BuiltImage) -> bool:
    """Whether it has a Python environment."""
    return image.python is not None


@check("pip-check", when=has_python, why="the image has no Python packages")
def pip_check(ctx: Context) -> None:
    """Every package's requirements are met."""
    command = (PYTHON, "-m", "pip", "--disable-pip-version-check", "check")
    said = ctx.guest.exec(*command)
    if said.last.endswith("No module named pip"):
        said = ctx.guest.exec("uv", "pip", "check", "--quiet", "--python", PYTHON)
        if said.code in _NO_PROGRAM:
            raise Skipped("the image has neither pip nor uv")
    if said.code != 0:
        lines = "; ".join(said.text.split("\n")[:5]).strip("; ") or said.last
        raise Failed("`pip check` to find nothing", lines)


@check("imports", when=has_python, why="the image has no Python packages")
def imports(ctx: Context) -> None:
    """Every package that the definition asks for can be imported."""
    said = ctx.guest.exec(PYTHON, "-c", _IMPORT, *ctx.image.requirements)
    if said.code != 0:
        raise Failed(f"{', '.join(ctx.image.requirements)} to import", said.last)
    problems = json.loads(said.text.splitlines()[-1])
    if problems:
        shown = "; ".join(f"{n}: {e}" for n, e in sorted(problems.items()))
        raise Failed(f"{', '.join(sorted(problems))} to import", shown)
