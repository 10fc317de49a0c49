"""An arbitrary user: as OpenShift starts containers, and Kubernetes with runAsNonRoot."""

from __future__ import annotations

import httpx

from lapstrake.definition.models import Service
from lapstrake.dist import BuiltImage
from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.checks.v2 import infer, port_of
from lapstrake.smoke.context import NON_ROOT, Context
from lapstrake.smoke.guest import Guest
from lapstrake.smoke.trained import MODELS


@check("runs-as-any-user")
def runs_as_any_user(ctx: Context) -> None:
    """As an arbitrary user of group 0, the main service answers; without one, a command runs."""
    main = ctx.image.main
    if main is None:
        command = ("sh", "-c", 'echo "$(id -u):$(id -g)" "${HOME:?}" && touch "$HOME/.smoke"')
        code, said = ctx.engine.run(ctx.image_id, command, NON_ROOT)
        if code != 0 or not said.startswith(f"{NON_ROOT} "):
            raise Failed(f"a command to run as {NON_ROOT}", f"exit {code}: {said.strip()[-300:]}")
        return
    guest = _started_by_anyone(ctx, main)
    seen = guest.need("sh", "-c", "id -u; cat /proc/[0-9]*/comm").split()
    if seen[0] == "0":
        raise Failed("the container to run as another user", "root")
    if extra := {"supervisord", "sshd"} & set(seen):
        raise Failed("the main service alone", f"also {', '.join(sorted(extra))}")


def _started_by_anyone(ctx: Context, main: Service) -> Guest:
    """The container that is locked down, if it answers: one start less; else one that isn't."""
    try:
        ctx.await_ready(ctx.locked, main)
    except (Failed, Skipped):
        try:
            ctx.await_ready(ctx.rootless, main)
        except Failed as failed:
            log = ctx.rootless.last_lines(None)
            raise Failed(f"{failed.expected}, as {NON_ROOT}", failed.seen, log=log) from failed
        return ctx.rootless
    return ctx.locked


def has_main(image: BuiltImage) -> bool:
    """Whether it has a service that can run alone."""
    return image.main is not None


@check("runs-locked-down", when=has_main, why="the image has no main service")
def runs_locked_down(ctx: Context) -> None:
    """As deploy files start it: any user, no capability, read-only; it answers, and infers."""
    main = ctx.image.main
    if main is None:  # `when` has seen to it
        raise Skipped("the image has no main service")
    guest = ctx.locked
    try:
        ctx.await_ready(guest, main)
    except Failed as failed:
        expected = f"{failed.expected}, in a read-only image"
        raise Failed(expected, failed.seen, log=guest.last_lines(None)) from failed
    _check_rights(guest)
    port = port_of(main, "http") if main.protocol == "v2" else None
    if port is not None:
        _check_v2(ctx, guest, port)


def _check_rights(guest: Guest) -> None:
    """No capability can be had, and the image can't be written to."""
    status = guest.need("cat", "/proc/self/status")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    had = [int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")]
    if any(had) or fields["NoNewPrivs"] != "1":
        raise Failed("no capability, and no way to any", f"{had}, {fields['NoNewPrivs']}")
    if guest.exec("sh", "-c", "touch /etc/lapstrake/x 2>/dev/null || touch /x").code == 0:
        raise Failed("an image that can't be written to", "a file was written")


def _check_v2(ctx: Context, guest: Guest, port: int) -> None:
    """It is live and ready; models that lie in a volume give what the library gives."""
    url = f"http://{guest.host}:{guest.port(port)}/v2/"
    with httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        for path in ("health/live", "health/ready"):
            code = client.get(path).status_code
            if code != 200:
                raise Failed(f"200 from GET /v2/{path}", f"{code}")
        if MODELS in ctx.image.deploying.volumes:
            for model, expected in ctx.trained.expected.items():
                infer(client, model, expected)
