"""`lapstrake list`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.cli.common import open_repository
from lapstrake.report import console


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(directory: Path, as_json: bool) -> None:
    """The images of the repository: what each extends and adds."""
    repo = open_repository(directory)
    rows: list[dict[str, object]] = [
        {
            "name": i.name,
            "kind": i.kind,
            "extends": i.extends,
            "unites": list(repo.united(i.name)),
            "apart": i.spec.apart,
            "optional": i.spec.optional,
            "file": i.source.name,
            "description": i.spec.description,
        }
        for i in repo.images.values()
    ]
    if as_json:
        console.say_json(rows)
        return
    console.table(
        ["NAME", "KIND", "EXTENDS", "DESCRIPTION"],
        [[str(r["name"]), _kind(r), str(r["extends"] or "-"), str(r["description"])] for r in rows],
    )


def _kind(row: dict[str, object]) -> str:
    words = [str(row["kind"]), *(word for word in ("apart", "optional") if row[word])]
    return ", ".join(words)
