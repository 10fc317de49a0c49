"""A shell, or an SSH login, in a built image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lapstrake import process
from lapstrake.dist import read_build
from lapstrake.errors import UserError
from lapstrake.smoke.checking import Failed
from lapstrake.smoke.engine import Engine, Start
from lapstrake.smoke.guest import Guest
from lapstrake.smoke.waiting import Waiter
from lapstrake.store.store import Store

_SSH_PORT = 22
_PATIENCE = 60.0


def open_shell(dist: Path, name: str, command: tuple[str, ...]) -> int:
    """A container with a shell (or `command`) on this terminal, removed at the end; its exit code.

    Raises:
        UserError: no build, an unknown name, no Docker engine, no docker client.
    """
    client = process.need("docker")
    with Engine() as engine:
        container = engine.create(
            _loaded(engine, dist, name),
            command or ("bash",),
            stdin_open=True,
            tty=process.on_terminal(),
        )
        return process.interactive([client, "start", "--attach", "--interactive", container])


def open_ssh(
    dist: Path, name: str, command: tuple[str, ...], env: Mapping[str, str], store: Store
) -> int:
    """The image started as it is meant to be, and an SSH login into it; the session's exit code.

    Raises:
        UserError: as `open_shell`; or sshd does not answer.
    """
    with Engine() as engine, store.scratch("ssh") as folder:
        key = folder / "id"
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lapstrake", "-f", key])
        image_id = _loaded(engine, dist, name)
        public = key.with_suffix(".pub").read_text()
        ports = (_SSH_PORT, *read_build(dist).image(name).ports)
        started = engine.start(image_id, Start(env={**env, "PUBLIC_KEY": public}, ports=ports))
        guest = Guest(engine, started)
        login = ssh_command(guest, key)
        _await_sshd(guest, login)
        return process.interactive([*login, *command])


def ssh_command(guest: Guest, key: Path) -> list[str]:
    """What logs in as root with `key`; the host's key was made a moment ago, and is not kept."""
    return [
        "ssh",
        *("-i", str(key), "-p", str(guest.port(_SSH_PORT))),
        *("-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
        f"root@{guest.host}",
    ]


def _loaded(engine: Engine, dist: Path, name: str) -> str:
    build = read_build(dist)
    image = build.image(name)
    with engine.source(dist, build) as source:
        return source.load(image)


def _await_sshd(guest: Guest, login: list[str]) -> None:
    def attempt() -> bool | None:
        if not guest.alive:
            ended = f"the image doesn't stay up: {guest.how_it_ended}"
            raise UserError(ended, "", guest_tail(guest))
        return process.run([*login, "true"], check=False).code == 0 or None

    try:
        answered = Waiter().until(attempt, _PATIENCE)
    except Failed as failed:
        raise UserError(str(failed), "", guest_tail(guest)) from None
    if not answered:
        raise UserError("sshd does not answer", "see the container's log", guest_tail(guest))


def guest_tail(guest: Guest) -> tuple[str, ...]:
    """The last lines of what the container said."""
    return tuple(guest.logs().splitlines()[-20:])
