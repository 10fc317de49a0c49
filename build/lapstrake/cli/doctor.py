"""`lapstrake doctor`."""

from __future__ import annotations

from pathlib import Path

import click

from lapstrake.doctor import Finding, examine
from lapstrake.errors import UserError
from lapstrake.report import console


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(directory: Path, as_json: bool) -> None:
    """What is missing on this machine, and the line that installs it.

    Fails where a build would; what only some commands need is marked so.
    """
    del directory
    findings = examine()
    if as_json:
        console.say_json([f.to_json() for f in findings])
    else:
        for finding in findings:
            _print(finding)
    packages = sorted({p for f in findings if not f.good for p in f.packages})
    if packages and not as_json:
        console.say(f"\napt-get install --no-install-recommends {' '.join(packages)}")
    bad = [f for f in findings if not f.good and f.needed_by == "build"]
    if bad:
        raise UserError(f"not ready to build: {', '.join(f.name for f in bad)}")


def _print(finding: Finding) -> None:
    mark = console.styled("ok     ", "good") if finding.good else console.styled("missing", "bad")
    more = "" if finding.good else f"  ({finding.needed_by}: {finding.remedy})"
    console.say(f"{mark}  {finding.name}: {finding.seen}{more}")
