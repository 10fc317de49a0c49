"""SSH: with the key, and in no other way; and what a session sees."""

from __future__ import annotations

import base64
import re
import subprocess

from lapstrake import process
from lapstrake.dist import BuiltImage
from lapstrake.guest.system import IMAGE_JSON
from lapstrake.smoke.checking import Failed, Skipped, check
from lapstrake.smoke.context import SSH_PORT, TEST_ENV, Context
from lapstrake.smoke.guest import CrashWatch, parse_environ

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
    port = str(ctx.guest.port(SSH_PORT))
    return _run(
        ["ssh", "-p", port, *_options(ctx, key), *options, f"root@{ctx.guest.host}", *command], said
    )


def _options(ctx: Context, key: str | None) -> list[str]:
    """Options of ssh and sftp that leave out what the user has configured for themselves."""
    values = ["UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "IdentitiesOnly=yes"]
    values += ["IdentityAgent=none", "BatchMode=yes", "LogLevel=ERROR", "ConnectTimeout=10"]
    if key is None:
        values.append("PubkeyAuthentication=no")
    else:
        # as a line of its configuration: what has blanks is quoted, and % begins a token
        place = str(ctx.keys / key).replace("%", "%%")
        values.append(f'IdentityFile="{place}"')
    return ["-F", "none", *(word for value in values for word in ("-o", value))]


def _run(args: list[str], said: str) -> tuple[int, str, str]:
    with process.spawn(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            out, err = child.communicate(said.encode(), timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failed(f"{args[0]} to end", f"nothing for {_PATIENCE} s", "sshd") from None
    return child.returncode, out.decode(errors="replace"), err.decode(errors="replace").strip()


def await_sshd(ctx: Context) -> None:
    """Wait until the server greets; it makes its host keys first."""
    if process.which("ssh") is None:
        raise Skipped("the ssh client is not installed (apt-get install openssh-client)")
    ctx.once("sshd", lambda: _await_sshd(ctx))


def need_sshd(ctx: Context) -> None:
    """Wait until the server greets; `Skipped` where it doesn't, which another check tells of."""
    try:
        await_sshd(ctx)
    except Failed as failed:
        raise Skipped("the SSH server doesn't answer") from failed


def _await_sshd(ctx: Context) -> None:
    last = ""
    watch = CrashWatch(ctx.guest, "sshd")

    def attempt() -> bool | None:
        nonlocal last
        code, _, last = ssh(ctx, "true")
        if code == 0 or "ermission denied" in last:
            return True
        if ended := watch.look():
            raise Failed("an SSH server on port 22", ended, "sshd")
        return None

    if ctx.poll(attempt) is None:
        raise Failed("an SSH server on port 22", last or "nothing", "sshd")


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
    need_sshd(ctx)
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
    need_sshd(ctx)
    _compare(ctx, "`ssh host cmd`", _session(ctx, _DUMP))


@check("ssh-login-environment")
def ssh_login_environment(ctx: Context) -> None:
    """A login shell has it, too, and the container's PATH."""
    need_sshd(ctx)
    _compare(ctx, "a login shell", _session(ctx, f"bash -lc '{_DUMP}'"))


@check("ssh-interactive-environment")
def ssh_interactive_environment(ctx: Context) -> None:
    """An interactive session has it, too."""
    need_sshd(ctx)
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
    need_sshd(ctx)
    port, target = str(ctx.guest.port(SSH_PORT)), f"root@{ctx.guest.host}"
    copy = ctx.keys / f"{ctx.image.name}.image.json"
    args = ["sftp", "-q", "-P", port, *_options(ctx, "id"), "-b", "-", target]
    code, _, err = _run(args, f'get {IMAGE_JSON} "{copy}"\n')
    if code != 0:
        raise Failed(f"sftp to fetch {IMAGE_JSON}", err or f"exit {code}", "sshd")
    inside = ctx.guest.need("cat", IMAGE_JSON).encode()
    if copy.read_bytes() != inside:
        raise Failed(f"the {len(inside)} bytes of {IMAGE_JSON}", f"{copy.stat().st_size} others")


def has_services(image: BuiltImage) -> bool:
    """Whether it runs anything."""
    return bool(image.services)


@check("service-environment", when=has_services, why="the image has no services")
def service_environment(ctx: Context) -> None:
    """Supervised services have the container's environment, and their own."""
    for name, pid in ctx.running(ctx.image.services).items():
        own = next(s.env for s in ctx.image.services if s.name == name)
        _compare(ctx, name, ctx.guest.environ(pid), dict(own))


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
