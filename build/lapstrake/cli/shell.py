"""`lapstrake shell`."""

from __future__ import annotations

import click

from lapstrake.definition.load import find_root
from lapstrake.smoke.shell import open_shell, open_ssh
from lapstrake.store.store import Store


@click.command("shell", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.option("--ssh", is_flag=True, help="Start the image and log in over SSH.")
@click.option("--env", "-e", multiple=True, metavar="NAME=VALUE", help="With --ssh.")
@click.option("--dist", default="dist", show_default=True, help="The folder of the build.")
@click.pass_context
def command(
    ctx: click.Context,
    name: str,
    words: tuple[str, ...],
    ssh: bool,
    env: tuple[str, ...],
    dist: str,
) -> None:
    """A shell, or COMMAND, in the built image NAME.

    With --ssh the image is started as it is meant to be, with a key made for the occasion; the
    container is removed when the session ends.
    """
    folder = find_root(ctx.obj) / dist
    if ssh:
        code = open_ssh(folder, name, words, _pairs(env), Store())
    else:
        code = open_shell(folder, name, words)
    ctx.exit(code)


def _pairs(env: tuple[str, ...]) -> dict[str, str]:
    for pair in env:
        if "=" not in pair:
            raise click.UsageError(f"{pair!r} is no NAME=VALUE")
    return dict(pair.split("=", 1) for pair in env)
