"""`lapstrake diff`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.definition.load import find_root
from lapstrake.errors import Exit, UserError
from lapstrake.inspect.compare import Bytes, Comparison, LayerChange, compare
from lapstrake.inspect.images import Place, open_place
from lapstrake.inspect.layers import Difference
from lapstrake.report import console
from lapstrake.store.scratch import temporary_folder

# Lines about one layer before it is said how many more there are.
_MOST = 12


@click.command("diff")
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--dist", default="dist", show_default=True, help="The build of bare image names.")
@click.option("--files", is_flag=True, help="Name every file that differs, however many.")
@click.option("--exit-code", is_flag=True, help="Exit with 1 where anything differs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(
    ctx: click.Context, a: str, b: str, dist: str, files: bool, exit_code: bool, as_json: bool
) -> None:
    """What differs between A and B.

    Each is an image of dist/ (NAME), of another build (DIST:NAME), a whole build (its folder), or
    an image in a registry (HOST/PATH:TAG or HOST/PATH@DIGEST). Shown are packages, bytes, config,
    and for layers that stand for each other which file and which field of it differ.
    """
    directory: Path = ctx.obj
    folder = _root(directory) / dist
    with temporary_folder("diff") as one, temporary_folder("diff") as two:
        sides = (open_place(a, directory, folder, one), open_place(b, directory, folder, two))
        found = _compare_all(*sides)
    only = [sorted(x.images.keys() - y.images.keys()) for x, y in (sides, sides[::-1])]
    if not sides[0].is_build:
        only = [[], []]
    if as_json:
        console.say_json(
            {
                "equal": _equal(found, only),
                "only_a": only[0],
                "only_b": only[1],
                "images": [_as_json(c) for c in found],
            }
        )
    else:
        _print_all(a, b, found, only, files)
    if exit_code and not _equal(found, only):
        ctx.exit(Exit.USER)


def _root(directory: Path) -> Path:
    """Two builds can be compared outside of a repository, too."""
    try:
        return find_root(directory)
    except UserError:
        return directory


def _compare_all(a: Place, b: Place) -> list[Comparison]:
    if a.is_build != b.is_build:
        build, other = (a, b) if a.is_build else (b, a)
        raise UserError(
            f"{build.word} is a whole build, {other.word} one image",
            f"name one of its images: {build.word}:{next(iter(build.images), 'NAME')}",
        )
    if not a.is_build:
        return [compare(next(iter(a.images.values())), next(iter(b.images.values())))]
    return [compare(a.images[n], b.images[n]) for n in a.images if n in b.images]


def _equal(found: list[Comparison], only: list[list[str]]) -> bool:
    return all(c.equal for c in found) and not any(only)


def _as_json(found: Comparison) -> dict[str, object]:
    return {
        "a": {"name": found.a.name, "digest": found.a.digest},
        "b": {"name": found.b.name, "digest": found.b.digest},
        "equal": found.equal,
        "packages": [c.to_json() for c in found.packages],
        "bytes": {
            key: {"size": part.size, "layers": part.layers}
            for key, part in (
                ("shared", found.shared),
                ("only_a", found.only_a),
                ("only_b", found.only_b),
            )
        },
        "config": [_difference_json(d) for d in found.config],
        "layers": [
            {
                "number": c.number,
                "title": c.a.title,
                "id": c.a.id,
                "same_inputs": c.same_inputs,
                "a": c.a.digest,
                "b": c.b.digest,
                "differences": [_difference_json(d) for d in c.differences],
            }
            for c in found.layers
        ],
        "layers_only_a": [{"title": x.title, "digest": x.digest} for x in found.alone_a],
        "layers_only_b": [{"title": x.title, "digest": x.digest} for x in found.alone_b],
    }


def _difference_json(found: Difference) -> dict[str, str]:
    return {"path": found.path, "field": found.field, "a": found.a, "b": found.b}


def _print_all(a: str, b: str, found: list[Comparison], only: list[list[str]], files: bool) -> None:
    for comparison in found:
        _print(comparison, files)
    for side, names in zip((a, b), only, strict=True):
        for name in names:
            console.say(f"{console.styled(name, 'strong')}: only in {side}")
    if _equal(found, only) and len(found) > 1:
        console.say(f"{a} and {b} are equal: {len(found)} images")


def _print(found: Comparison, files: bool) -> None:
    name = found.a.name if found.a.name == found.b.name else f"{found.a.name} → {found.b.name}"
    title = console.styled(name, "strong")
    if found.equal:
        console.say(f"{title}: equal, {found.a.digest}")
        return
    console.say(f"{title}: {found.a.digest} → {found.b.digest}")
    for change in found.packages:
        console.say(f"  {change}")
    console.say(
        f"  bytes: {_bytes(found.shared)} shared, {_bytes(found.only_a)} only in A, "
        f"{_bytes(found.only_b)} only in B"
    )
    for difference in found.config:
        console.say(f"  config {difference}")
    for layer in found.layers:
        _print_layer(layer, files)
    for side, layers in (("A", found.alone_a), ("B", found.alone_b)):
        for blob in layers:
            console.say(f"  layer {blob.title}: only in {side}, {console.bytes_text(blob.size)}")


def _bytes(part: Bytes) -> str:
    return f"{console.bytes_text(part.size)} in {part.layers} layers"


def _print_layer(change: LayerChange, files: bool) -> None:
    renamed = f" → {change.b.title}" if change.a.title != change.b.title else ""
    said = ": same inputs, other bytes" if change.same_inputs else ""
    console.say(f"  layer {change.number} {change.a.title}{renamed}{said}")
    shown = change.differences if files else change.differences[:_MOST]
    for difference in shown:
        console.say(f"    {difference}")
    if more := len(change.differences) - len(shown):
        console.say(f"    and {more} more (--files)")
