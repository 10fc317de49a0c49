"""docs/cli.md, written from the commands: `python -m lapstrake.cli.reference FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from lapstrake.cli.main import cli
from lapstrake.store.store import write_staged

_HEAD = """\
# The commands

Written from the commands themselves by `make docs`. `lapstrake COMMAND --help` says the same.

| exit code | what it means |
|---|---|
| 0 | done |
| 1 | something in the input or on the machine: one line says what and where, a hint what to do |
| 2 | wrong usage of the command line |
| 3 | a bug in Lapstrake: the message names the log to report |
| 130 | interrupted |

What a command answers goes to stdout, progress and errors to stderr.

| command | what it does |
|---|---|
"""


def commands_page() -> str:
    """The whole page, in Markdown."""
    context = click.Context(cli, info_name="lapstrake")
    found = list(_commands(cli, context))
    summaries = "".join(f"| [`{_title(c)}`](#{_anchor(c)}) | {_summary(c)} |\n" for c in found)
    return _HEAD + summaries + _whole(context) + "".join(_section(c) for c in found)


def _commands(group: click.Group, context: click.Context) -> Iterator[click.Context]:
    """Every command that is no group, as the context that its help is made in."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None  # noqa: S101  # it was listed
        inner = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)
        else:
            yield inner


def _title(context: click.Context) -> str:
    return context.command_path.removeprefix("lapstrake ")


def _anchor(context: click.Context) -> str:
    return _title(context).replace(" ", "-")


def _summary(context: click.Context) -> str:
    return context.command.get_short_help_str(limit=200)


def _whole(context: click.Context) -> str:
    rows = "".join(_option_rows(context))
    return f"\n## For all commands\n\nThese go before the command.\n\n{_TABLE}{rows}"


_TABLE = "| option | what it does |\n|---|---|\n"


def _section(context: click.Context) -> str:
    usage = context.get_usage().removeprefix("Usage: ")
    usage = " ".join(usage.split()).replace("lapstrake [OPTIONS]", "lapstrake")
    text = _text(context.command.help or "")
    rows = "".join(_option_rows(context))
    table = f"\n{_TABLE}{rows}" if rows else ""
    return f"\n## {_title(context)}\n\n```\n{usage}\n```\n\n{text}\n{table}"


def _text(help_text: str) -> str:
    r"""A docstring's paragraphs; click ends what `--help` shows at \f."""
    lines = (line.strip() for line in help_text.partition("\f")[0].strip().splitlines())
    return "\n".join(line for line in lines if line != "\b")


def _option_rows(context: click.Context) -> Iterator[str]:
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context)
        wanted = isinstance(parameter, click.Option) and "--help" not in parameter.opts
        if wanted and record is not None:
            option, text = (part.replace("|", "\\|") for part in record)
            yield f"| `{option}` | {text} |\n"


if __name__ == "__main__":
    write_staged(Path(sys.argv[1]), commands_page().encode())
