"""An arbitrary user: as OpenShift starts containers, and Kubernetes with runAsNonRoot."""

from __future__ import annotations

from lapstrake.smoke.checking import Failed, check
from lapstrake.smoke.context import NON_ROOT, Context


@check("runs-as-any-user")
def runs_as_any_user(ctx: Context) -> None:
    """As user 12345 of group 0, the main service answers; without one, a command runs."""
    main = ctx.image.main
    if main is None:
        command = ("sh", "-c", 'echo "$(id -u):$(id -g)" "${HOME:?}" && touch "$HOME/.smoke"')
        code, said = ctx.engine.run(ctx.image_id, command, NON_ROOT)
        if code != 0 or not said.startswith(f"{NON_ROOT} "):
            raise Failed(f"a command to run as {NON_ROOT}", f"exit {code}: {said.strip()[-300:]}")
        return
    try:
        ctx.await_ready(ctx.rootless, main)
    except Failed as failed:
        log = ctx.rootless.last_lines(None)
        raise Failed(f"{failed.expected}, as {NON_ROOT}", failed.seen, log=log) from failed
    seen = ctx.rootless.need("sh", "-c", "id -u; cat /proc/[0-9]*/comm").split()
    if seen[0] != NON_ROOT.split(":", maxsplit=1)[0]:
        raise Failed(f"the container to run as {NON_ROOT}", f"{seen[0]}")
    if extra := {"supervisord", "sshd"} & set(seen):
        raise Failed("the main service alone", f"also {', '.join(sorted(extra))}")
