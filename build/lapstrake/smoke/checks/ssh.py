"""SSH: with the key, and in no other way; and what a session sees."""

from __future__ import annotations

import base64
import re
import subprocess

from lapstrake import process
from lapstrake.dist import BuiltImage
from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.context import SSH_PORT, TEST_ENV, Context
from lapstrake.smoke.guest import parse_environ

_PATIENCE = 30
_DENIED = re.compile(r"Permission denied \(([^)]*)\)")
_DUMP = "env -0 | base64 -w0"

# What a session has of its own; see the session program.
_OWN = frozenset(("HOME", "USER", "LOGNAME", "SHELL", "TERM", "MAIL", "PWD", "OLDPWD", "SHLVL"))


def ssh(
    ctx: Context,
    *command: str,
    key: str | None = "id",
    options: tuple[str, ...] = (),
    said: str = "",
) -> tuple[int, str, str]:
    """Run OpenSSH's client as root@container; its exit code, output and errors.

    Args:
        key: the file below ctx.keys to log in with; None for no key at all.
        options: more of the client's options.
        said: for its standard input.
    """
    identity = ("-o", "PubkeyAuthentication=no") if key is None else ("-i", str(ctx.keys / key))
    args = [
        *("ssh", "-F", "none", "-p", str(ctx.guest.port(SSH_PORT))),
        *("-o", "UserKnownHostsFile=/dev/null", "-o", "StrictHostKeyChecking=no"),
        *("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes"),
        *("-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10"),
        *identity,
        *options,
        f"root@{ctx.guest.host}",
        *command,
    ]
    with process.spawn(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            out, err = child.communicate(said.encode(), timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed("ssh to end", f"nothing for {_PATIENCE} s", "sshd") from None
    return child.returncode, out.decode(errors="replace"), err.decode(errors="replace").strip()


def await_sshd(ctx: Context) -> None:
    """Wait until the server greets; it makes its host keys first."""
    if process.which("ssh") is None:
        raise Skipped("the ssh client is not installed (apt-get install openssh-client)")

    def attempt() -> bool | None:
        code, _, err = ssh(ctx, "true")
        return True if code == 0 or "ermission denied" in err else None

    if ctx.poll(attempt, _PATIENCE) is None:
        _, _, err = ssh(ctx, "true")
        raise Failed("an SSH server on port 22", err or "nothing", "sshd")


@check("ssh-with-key")
def ssh_with_key(ctx: Context) -> None:
    """The key that the container was given logs root in."""
    await_sshd(ctx)
    code, out, err = ssh(ctx, "id -un")
    if (code, out.strip()) != (0, "root"):
        raise Failed("a login as root with the key", err or f"exit {code}: {out}", "sshd")


@check("ssh-without-key")
def ssh_without_key(ctx: Context) -> None:
    """Neither another key nor a password gets in: the server doesn't even ask for one."""
    await_sshd(ctx)
    for key in ("other", None):
        code, _, err = ssh(ctx, "true", key=key)
        denied = _DENIED.search(err)
        if code == 0:
            raise Failed("no login without the key", "a login", "sshd")
        if denied is None:
            raise Failed("`Permission denied (publickey)`", err, "sshd")
        if denied[1] != "publickey":
            raise Failed("keys as the only way in", f"also {denied[1]}", "sshd")


@check("ssh-command-environment")
def ssh_command_environment(ctx: Context) -> None:
    """`ssh host cmd` has the container's environment."""
    await_sshd(ctx)
    _compare(ctx, "`ssh host cmd`", _session(ctx, _DUMP))


@check("ssh-login-environment")
def ssh_login_environment(ctx: Context) -> None:
    """A login shell has it, too, and the container's PATH."""
    await_sshd(ctx)
    _compare(ctx, "a login shell", _session(ctx, f"bash -lc '{_DUMP}'"))


@check("ssh-interactive-environment")
def ssh_interactive_environment(ctx: Context) -> None:
    """An interactive session has it, too."""
    await_sshd(ctx)
    # the shell's answer has sums where the typed line, which the terminal echoes, has not
    typed = f"echo begin-$((40+2)); {_DUMP}; echo; echo end-$((40+2)); exit\n"
    _, out, err = ssh(ctx, options=("-tt",), said=typed)
    found = re.search(r"begin-42\s+(\S+)\s+end-42", out)
    if found is None:
        raise Failed("an interactive session", err or out[-200:] or "nothing", "sshd")
    _compare(ctx, "an interactive session", parse_environ(base64.b64decode(found[1])))


@check("ssh-file-transfer")
def ssh_file_transfer(ctx: Context) -> None:
    """A file transfer works, although every session has a forced command."""
    await_sshd(ctx)
    code, out, err = ssh(ctx, "sftp", options=("-s",), said="\0\0\0\5\1\0\0\0\3")
    # SSH_FXP_INIT with version 3 is answered with SSH_FXP_VERSION
    if code != 0 or out[4:5] != "\2":
        raise Failed("an answer of the sftp server", err or f"exit {code}: {out!r}", "sshd")


def has_services(image: BuiltImage) -> bool:
    """Whether it runs anything."""
    return bool(image.services)


@check("service-environment", when=has_services, why="the image has no services")
def service_environment(ctx: Context) -> None:
    """Supervised services have the container's environment, and their own."""
    ctx.need_main() if ctx.image.main else None
    running = ctx.guest.supervised()
    for service in ctx.image.services:
        if service.name not in running:
            raise Failed(f"supervisor to run {service.name}", "it doesn't", service.name)
        seen = ctx.guest.environ(running[service.name])
        _compare(ctx, service.name, seen, dict(service.env))


def _session(ctx: Context, command: str) -> dict[str, str]:
    code, out, err = ssh(ctx, command)
    if code != 0:
        raise Failed(f"`ssh host {command}` to succeed", f"exit {code}: {err}", "sshd")
    return parse_environ(base64.b64decode(out))


def _compare(
    ctx: Context, where: str, seen: dict[str, str], more: dict[str, str] | None = None
) -> None:
    """Every variable of the container, with its exact value."""
    wanted = {**ctx.image.env, **TEST_ENV, **(more or {})}
    for name, value in sorted(wanted.items()):
        if name not in _OWN and seen.get(name) != value:
            got = repr(seen[name]) if name in seen else "no such variable"
            raise Failed(f"{name}={value!r} in {where}", got)
