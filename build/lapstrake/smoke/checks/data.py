"""Data are no part of an image: `lapstrake-fetch` has them, when somebody asks it to."""

from __future__ import annotations

from lapstrake.dist import BuiltImage
from lapstrake.guest.system import FETCH
from lapstrake.smoke.checking import Failed, check
from lapstrake.smoke.context import Context


def has_data(image: BuiltImage) -> bool:
    """Whether there is anything to fetch."""
    return bool(image.deploying.data)


@check("data-is-fetched", when=has_data, why="the image has no data")
def data_is_fetched(ctx: Context) -> None:
    """The command knows every file of the definition, and none of them is in the image."""
    said = ctx.guest.exec(FETCH, "--list").text.splitlines()
    wanted = [f"missing  {d.path}" for d in ctx.image.deploying.data]
    if said != wanted:
        raise Failed(f"`{FETCH} --list` to say {wanted}", f"{said}")
