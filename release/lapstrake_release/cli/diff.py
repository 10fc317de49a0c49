"""`lapstrake diff` of channels; of images and builds it is `lapstrake.cli.diff`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from lapstrake.cli.common import dist_folder, open_repository
from lapstrake.cli.diff import command as of_images
from lapstrake.definition.repository import Repository as Definition
from lapstrake.errors import Exit, UserError
from lapstrake.report import console
from lapstrake_release.channels.diff import (
    ChannelDifference,
    compare_channels,
    names_channel,
)
from lapstrake_release.channels.registry import opened
from lapstrake_release.channels.settings import find_channel
from lapstrake_release.page.facts import ImageChange
from lapstrake_release.published import find_repositories


@click.pass_context
def _diff(ctx: click.Context, /, a: str, b: str, registry: str | None, **options: Any) -> None:
    directory: Path = ctx.obj
    repo = _definition(directory, (a, b))
    if repo is None:
        if registry is not None:
            raise UserError(
                f"{a} and {b} aren't two channels", "--registry says where channels are"
            )
        ctx.invoke(of_images, a=a, b=b, **options)
        return
    if options["files"]:
        raise UserError(
            "files of channels aren't compared",
            f"compare two images: lapstrake diff HOST/PATH:{a} HOST/PATH:{b} --files",
        )
    place = find_repositories(repo, [registry] if registry else ())[0]
    with opened([place]) as clients:
        found = compare_channels(clients[place], a, b, dist_folder(repo, options["dist"]))
    if options["as_json"]:
        console.say_json(_json(found))
    else:
        _show(found)
    if options["exit_code"] and not found.equal:
        ctx.exit(Exit.USER)


command = click.Command(
    "diff",
    callback=_diff,
    params=[
        *of_images.params,
        click.Option(["--registry"], metavar="HOST/PATH", help="Where channels are."),
    ],
    help=f"""{of_images.help}

    A and B may also be two channels, or moves of them (CHANNEL.N). Then all images are compared:
    packages, sizes, and the vulnerabilities that scans have found.
    """,
)


def _definition(directory: Path, words: Sequence[str]) -> Definition | None:
    """The repository, where the words are channels of it; None where they are something else."""
    try:
        repo = open_repository(directory)
    except UserError:
        # builds and references can be compared outside of one, too
        return None
    if not all(names_channel(repo, w) for w in words):
        return None
    for word in words:
        find_channel(repo, word.partition(".")[0])
    return repo


def _show(found: ChannelDifference) -> None:
    console.say(f"{found.a} → {found.b}")
    if found.equal:
        console.say(f"both hold the same {len(found.images)} images")
    for image in found.images:
        if not image.equal:
            _show_image(image)
    for side, names in ((found.a, found.only_a), (found.b, found.only_b)):
        for name in names:
            console.say(f"{console.styled(name, 'strong')}: only in {side}")
    if found.unscanned:
        console.note(f"note: no scan of both sides is stored of {', '.join(found.unscanned)}")


def _show_image(image: ImageChange) -> None:
    console.say(f"{console.styled(image.name, 'strong')}: {_sizes(image)}")
    if image.packages is None:
        console.say("  packages: one side carries no bill of materials")
    for package in image.packages or ():
        console.say(f"  {package}")
    for mark, risks in (("-", image.risks.gone), ("+", image.risks.new)) if image.risks else ():
        for risk in risks:
            console.say(f"  {mark} {risk.id}, {risk.severity}: {', '.join(risk.packages)}")


def _sizes(image: ImageChange) -> str:
    before, now = (console.bytes_text(s) for s in (image.size_before, image.size))
    return f"{before} → {now}, {console.bytes_text(image.fetched)} of it new"


def _json(found: ChannelDifference) -> dict[str, Any]:
    return {
        "a": found.a,
        "b": found.b,
        "equal": found.equal,
        "only_a": list(found.only_a),
        "only_b": list(found.only_b),
        "images": [
            {
                "image": i.name,
                "equal": i.equal,
                "a": {"digest": i.digest_before, "size": i.size_before},
                "b": {"digest": i.digest, "size": i.size},
                "new_bytes": i.fetched,
                "packages": None if i.packages is None else [p.to_json() for p in i.packages],
                "findings": None
                if i.risks is None
                else {
                    "gone": [r.id for r in i.risks.gone],
                    "new": [r.id for r in i.risks.new],
                },
            }
            for i in found.images
        ],
    }
