"""Services: they answer, they log, they listen where they should and nowhere else."""

from __future__ import annotations

import contextlib

from lapstrake.dist import BuiltImage
from lapstrake.smoke.checking import DISTURBING, Failed, Skipped, check
from lapstrake.smoke.context import SSH_PORT, Context
from lapstrake.smoke.guest import Guest

# 127.0.0.11 is Docker's own name server, which it puts into the container's network.
_DOCKER_DNS = "127.0.0.11"
_ANYWHERE = frozenset(("0.0.0.0", "::"))  # noqa: S104
_LISTENING = "0A"


def has_services(image: BuiltImage) -> bool:
    """Whether it runs anything."""
    return bool(image.services)


@check("container-starts")
def container_starts(ctx: Context) -> None:
    """The container starts as root, and goes on running."""
    try:
        ctx.started()
    except Exception as error:
        raise Failed("a container that starts", str(error)) from error
    if not ctx.guest.alive:
        raise Failed("a container that goes on running", ctx.guest.how_it_ended)


def has_models(image: BuiltImage) -> bool:
    """Whether there are smoke tests of its own, which may bring models."""
    return bool(image.smoke)


@check("models-train", when=has_models, why="the image has no smoke tests of its own")
def models_train(ctx: Context) -> None:
    """model.py runs in the image's Python, and says what the server must answer."""
    trained = ctx.trained
    if trained.problem:
        raise Failed("models to serve", trained.problem, log=trained.log)
    if not trained.expected:
        raise Skipped("its smoke tests have no model.py")


@check("services-answer", when=has_services, why="the image has no services")
def services_answer(ctx: Context) -> None:
    """Every service answers: its health, else its ports, else supervisor sees it running."""
    main = ctx.image.main
    for service in sorted(ctx.image.services, key=lambda s: s is not main):
        ctx.await_ready(ctx.guest, service)


@check("ports")
def ports(ctx: Context) -> None:
    """Every declared port listens on all addresses, and nothing else listens."""
    if ctx.image.main is not None:
        ctx.need_main()
    _let_sshd_start(ctx)
    declared = {*ctx.image.ports, SSH_PORT}

    def attempt() -> bool | None:
        return True if declared <= set(listeners(ctx.guest)) else None

    ctx.poll(attempt, min(ctx.patience, 15))
    seen = listeners(ctx.guest)
    shown = ", ".join(f"{a}:{p}" for p, found in sorted(seen.items()) for a in sorted(found))
    wanted = f"listeners on 0.0.0.0 at {', '.join(map(str, sorted(declared)))} and no others"
    confined = [p for p in declared if not seen.get(p, set()) & _ANYWHERE]
    if set(seen) != declared or confined:
        raise Failed(wanted, shown or "none")


def _let_sshd_start(ctx: Context) -> None:
    """It makes its host keys first, which takes its time on a busy machine."""
    # not above: the order in which modules are loaded is that of the checks
    from lapstrake.smoke.checks.ssh import await_sshd

    with contextlib.suppress(Failed, Skipped):
        await_sshd(ctx)


def listeners(guest: Guest) -> dict[int, set[str]]:
    """The addresses that TCP ports listen on, inside the container."""
    said = guest.exec("cat", "/proc/net/tcp", "/proc/net/tcp6")
    found: dict[int, set[str]] = {}
    for line in said.text.splitlines():
        words = line.split()
        if len(words) < 4 or words[3] != _LISTENING:
            continue
        address, _, port = words[1].partition(":")
        shown = _address(address)
        if shown != _DOCKER_DNS:
            found.setdefault(int(port, 16), set()).add(shown)
    return found


def _address(text: str) -> str:
    """An address of /proc/net/tcp: 32-bit words in the machine's own order."""
    if set(text) == {"0"}:
        return "0.0.0.0" if len(text) == 8 else "::"  # noqa: S104
    if len(text) == 8:
        return ".".join(str(b) for b in reversed(bytes.fromhex(text)))
    if text == "00000000000000000000000001000000":
        return "::1"
    return f"[{text}]"


@check("service-logs", when=has_services, why="the image has no services")
def service_logs(ctx: Context) -> None:
    """What a service says is in /tmp/<service>.log and in the container's log."""
    for service in ctx.image.services:
        path = f"/tmp/{service.name}.log"  # noqa: S108
        if ctx.guest.exec("test", "-f", path).code != 0:
            raise Failed(f"a log at {path}", "no such file", service.name)
        lines = [x for x in ctx.guest.exec("head", "-c", "4000", path).text.splitlines() if x]
        if lines and lines[0] not in ctx.guest.logs():
            raise Failed(f"{service.name}'s words in the container's log", f"not: {lines[0]}")


@check("killed-service-returns", when=has_services, why="it has no services", order=DISTURBING)
def killed_service_returns(ctx: Context) -> None:
    """Every service that was killed runs again, as another process, and answers."""
    ctx.restart()
