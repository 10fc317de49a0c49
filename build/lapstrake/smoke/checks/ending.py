"""The end: the container stops when it is told to."""

from __future__ import annotations

from lapstrake.smoke.checking import ENDING, Failed, check
from lapstrake.smoke.context import Context

# What `docker stop` gives a container by default; Kubernetes gives three times as much.
GRACE = 10

_KILLED = 137


@check("stops-in-time", order=ENDING)
def stops_in_time(ctx: Context) -> None:
    """SIGTERM ends the container within the engine's grace: nothing has to be killed."""
    guest = ctx.guest
    if not guest.alive:
        raise Failed("a running container", guest.how_it_ended)
    guest.container.stop(timeout=GRACE)
    if guest.alive:
        raise Failed("the container to end", "it still runs")
    if guest.container.attrs["State"]["ExitCode"] == _KILLED:
        raise Failed(f"the container to end within {GRACE} s of SIGTERM", "it had to be killed")
