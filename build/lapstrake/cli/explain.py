"""`lapstrake explain`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import existing_store
from lapstrake.definition.load import find_root
from lapstrake.dist import Build, read_build
from lapstrake.inspect.explain import LayerFacts, explain
from lapstrake.report import console

# Packages that a line names before it says how many more there are.
_NAMED = 6


@click.command("explain")
@click.argument("name", metavar="NAME")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.option("--files", is_flag=True, help="List every file of each layer.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(directory: Path, name: str, dist: str, files: bool, as_json: bool) -> None:
    """What a built image is made of, layer by layer from the bottom up.

    Of each: its size, what lies in it, which other images of the build share it, and why the last
    build made it.
    """
    folder = find_root(directory) / dist
    build = read_build(folder)
    facts = explain(name, build, folder, existing_store())
    if as_json:
        console.say_json(_as_json(name, build, facts, files))
        return
    for number, fact in enumerate(facts, 1):
        _print(number, fact, files)
    image = build.image(name)
    shared = sum(f.layer.size for f in facts if f.shared)
    console.say(
        f"{len(facts)} layers, {console.bytes_text(image.size)} "
        f"({console.bytes_text(sum(f.layer.unpacked for f in facts))} unpacked), "
        f"{console.bytes_text(shared)} shared with other images: {image.digest}"
    )


def _as_json(name: str, build: Build, facts: list[LayerFacts], files: bool) -> dict[str, object]:
    return {
        "name": name,
        "digest": build.image(name).digest,
        "layers": [_layer_json(f, files) for f in facts],
    }


def _layer_json(fact: LayerFacts, files: bool) -> dict[str, object]:
    known = {
        **fact.layer.model_dump(mode="json"),
        "files": len(fact.files),
        "largest": [{"path": p, "bytes": b} for p, b in fact.largest],
        "packages": [
            {"system": p.system, "name": p.name, "version": v} for p, v in fact.packages.items()
        ],
        "shared": list(fact.shared),
        "why": list(fact.why),
    }
    if files:
        known["entries"] = [
            {"path": f.path, "type": f.type, "mode": f.mode, "bytes": f.size, "target": f.target}
            for f in fact.files
        ]
    return known


def _print(number: int, fact: LayerFacts, files: bool) -> None:
    layer = fact.layer
    console.say(console.styled(f"{number:>2}  {layer.kind:<6}  {layer.title}", "strong"))
    sizes = f"{console.bytes_text(layer.size)} ({console.bytes_text(layer.unpacked)} unpacked)"
    _line(f"{sizes}, {len(fact.files)} files, {layer.digest}")
    if fact.packages:
        _line(_package_line(fact))
    if fact.largest:
        _line(", ".join(f"{path} {console.bytes_text(size)}" for path, size in fact.largest))
    _line(f"shared with {', '.join(fact.shared)}" if fact.shared else "in no other image")
    if layer.state == "reused":
        _line("reused: nothing that it depends on has changed")
    for reason in fact.why:
        _line(f"built: {reason}")
    for file in fact.files if files else ():
        target = f" → {file.target}" if file.target else ""
        _line(f"{file.mode:04o} {file.size:>11} {file.path}{target}")


def _package_line(fact: LayerFacts) -> str:
    named = [f"{p.name} {v}" for p, v in fact.packages.items()]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    count = f"{len(named)} package{'s' if len(named) > 1 else ''}"
    return f"{count}: {', '.join(named[:_NAMED])}{more}"


def _line(text: str) -> None:
    console.say(f"    {text}")
