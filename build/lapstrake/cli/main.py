"""The `lapstrake` command. Each subcommand's module is imported only when it is called."""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from types import FrameType

import click

from lapstrake import __version__, process
from lapstrake.errors import Exit, UserError
from lapstrake.redact import redact
from lapstrake.report import console

# Subcommand -> module with its `command`, and what `lapstrake --help` says of it. Modules are
# named, not imported: `release` imports `lapstrake`, never the other way round.
COMMANDS: dict[str, tuple[str, str]] = {
    "doctor": ("lapstrake.cli.doctor", "What is missing on this machine, and what installs it."),
    "init": ("lapstrake.cli.init", "Begin a repository: a base, a slim and one runtime."),
    "new": ("lapstrake.cli.new", "Add a runtime to the repository."),
    "list": ("lapstrake.cli.list", "The images of the repository."),
    "schema": ("lapstrake.cli.schema", "The JSON Schema of the YAML files."),
    "lock": ("lapstrake.cli.lock", "Choose versions once for the whole family."),
    "plan": ("lapstrake.cli.plan", "What would be built, from what, and what is cached."),
    "tags": ("lapstrake.cli.tags", "Every tag that an image gets."),
    "build": ("lapstrake.cli.build", "Build images into dist/."),
    "smoke": ("lapstrake.cli.smoke", "Start the built images in Docker and check them."),
    "push": ("lapstrake_release.cli.push", "Push the built images to a registry."),
    "release": ("lapstrake_release.cli.release", "Publish one version, or nothing at all."),
    "scan": ("lapstrake_release.cli.scan", "Look for known vulnerabilities in images."),
    "sign": ("lapstrake_release.cli.sign", "Sign images, and attest what is in them."),
    "handoff": ("lapstrake_release.cli.handoff", "Hand a version to testers, by issues on GitHub."),
    "candidates": ("lapstrake_release.cli.candidates", "What is to be tested, and who has."),
    "verdict": ("lapstrake_release.cli.verdict", "Say that an image passes its test, or fails."),
    "promote": ("lapstrake_release.cli.promote", "Let a channel hold a version: only tags move."),
    "rollback": ("lapstrake_release.cli.rollback", "Let a channel hold what it held before."),
    "channels": ("lapstrake_release.cli.channels", "What is in which channel; repair one."),
    "history": ("lapstrake_release.cli.history", "What a channel held when, and why."),
    "prune": ("lapstrake_release.cli.prune", "Delete what no channel, number or version holds."),
    "report": ("lapstrake_release.cli.report", "A page about the build: one HTML file."),
    "version": ("lapstrake_release.cli.version", "A version's spellings, and which comes next."),
    "deploy": ("lapstrake.cli.deploy", "A file that deploys images."),
    "shell": ("lapstrake.cli.shell", "A shell, or an SSH login, in a built image."),
    "explain": ("lapstrake.cli.explain", "What a built image is made of, and why."),
    "diff": ("lapstrake_release.cli.diff", "What differs between images, builds or channels."),
    "cache": ("lapstrake.cli.cache", "What lies in the cache; check it, make room."),
}

# Module -> the extra of the distribution that brings it.
EXTRAS = {
    "build": "projects",
    "dagger": "dagger",
    "docker": "smoke",
    "github": "release",
    "tomlkit": "projects",
    "twine": "release",
}


class _Commands(click.Group):
    """A group whose commands are loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a working day, not of the alphabet."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a module in `COMMANDS`."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        found = _imported(COMMANDS[cmd_name][0])
        return found if isinstance(found, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Their one-liners, from the table: help imports nothing."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _imported(module: str) -> object:
    """The `command` of a module.

    Imports make much and throw away little: looking for garbage meanwhile, and among what they
    made ever after, would be a tenth of a short command's time.
    """
    gc.disable()
    try:
        return importlib.import_module(module).command
    finally:
        gc.freeze()
        gc.enable()


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-C", "directory", metavar="DIR", default=".", help="Run as if started in DIR.")
@click.version_option(__version__, prog_name="lapstrake")
@click.pass_context
def cli(ctx: click.Context, directory: str) -> None:
    """Build, test and release families of ML container images."""
    ctx.obj = Path(directory).absolute()


def main() -> None:
    """The command's entry point: runs it and ends the process with its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = _run()
    except KeyboardInterrupt:
        process.end_all()
        console.note("interrupted")
        code = Exit.INTERRUPTED
    sys.stdout.flush()
    # not sys.exit: a thread that still waits for a stalled server must not keep us
    os._exit(code)


def _run() -> int:
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        raise KeyboardInterrupt from None
    except click.ClickException as error:
        error.show()
        return Exit.USAGE
    except UserError as error:
        console.complain(error)
        return Exit.USER
    except ModuleNotFoundError as error:
        return _lacking(error)
    except Exception as error:
        return _bug(error)
    # what `ctx.exit` was given comes back so; a command itself returns nothing
    return code if isinstance(code, int) else Exit.OK


def _lacking(error: ModuleNotFoundError) -> int:
    """Say what installs a module that only some commands need; any other is our fault."""
    extra = EXTRAS.get((error.name or "").partition(".")[0])
    if extra is None:
        return _bug(error)
    hint = f"pip install 'lapstrake[{extra}]'"
    console.complain(UserError(f"this needs {error.name}, which isn't installed", hint))
    return Exit.USER


def _bug(error: Exception) -> int:
    """Say that it is our fault, and where the traceback is."""
    first = next(iter(str(error).splitlines()), "")
    text = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile(
        "w", prefix="lapstrake-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(redact(f"lapstrake {__version__}\n{' '.join(sys.argv)}\n\n{text}"))
    console.complain(
        UserError(
            f"a bug in lapstrake: {type(error).__name__}: {first}",
            f"please report it with {log.name}",
        )
    )
    return Exit.BUG


def _terminated(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt
