"""`python -m bench.run`: measure both sides in turn, print ratios, write bench/results/.

Everything that it starts or makes in Docker is removed at the end, after ^C as well.
"""

from __future__ import annotations

import argparse
import datetime
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from bench import family
from bench.catalog import measure_catalog
from bench.channels import measure_channels
from bench.dagger import measure_dagger
from bench.docker import find_client
from bench.figures import HEAD, Figure, describe_machine, rows, write_results
from bench.many import measure_plan, measure_start
from bench.release import measure_release
from bench.setting import TOP, Setting, say
from bench.wheels import measure_wheels
from lapstrake import process
from lapstrake.errors import UserError
from lapstrake.report import console

ALONE = {
    "start": measure_start,
    "plan": measure_plan,
    "wheels": measure_wheels,
    "release": measure_release,
    "channels": measure_channels,
    "dagger": measure_dagger,
    "catalog": measure_catalog,
}
PARTS = (*ALONE, *family.PARTS)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What is asked for; exits with 2 where it can't be understood."""
    parser = argparse.ArgumentParser(prog="python -m bench.run", description=__doc__)
    parser.add_argument(
        "--only",
        type=_listed(PARTS),
        default=frozenset(PARTS),
        metavar="PART,…",
        help=f"some of: {', '.join(PARTS)} (same, bump, update and serve need cold)",
    )
    parser.add_argument(
        "--variants",
        type=_listed(tuple(family.LABELS)),
        default=frozenset(family.LABELS),
        metavar="NAME,…",
        help="Docker's sides: pip, uv",
    )
    parser.add_argument("--quick", action="store_true", help="measure everything once")
    parser.add_argument("--out", type=Path, default=TOP / "bench/results", metavar="FOLDER")
    return parser.parse_args(arguments)


def _needs_docker(asked: argparse.Namespace) -> bool:
    return "release" in asked.only or bool(asked.only & set(family.PARTS) and asked.variants)


def _listed(known: Sequence[str]) -> Callable[[str], frozenset[str]]:
    def read(text: str) -> frozenset[str]:
        names = frozenset(filter(None, text.split(",")))
        if unknown := sorted(names - set(known)):
            raise argparse.ArgumentTypeError(f"there is no {unknown[0]}")
        return names

    return read


def measure(setting: Setting, parts: frozenset[str], variants: Sequence[str]) -> list[Figure]:
    """Every figure of the parts asked for."""
    found: list[Figure] = []
    if parts & set(family.PARTS):
        figures = family.Figures()
        family.Family(setting, parts, tuple(variants), figures).run()
        found += figures.found.values()
    for name, act in ALONE.items():
        if name in parts:
            say(name)
            found += act(setting)
    return found


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 also where a goal was missed; the table says so."""
    asked = parse(arguments)
    signal.signal(signal.SIGTERM, _terminated)
    with tempfile.TemporaryDirectory(prefix="lapstrake-bench-") as folder:
        work = Path(folder)
        client = find_client(work) if _needs_docker(asked) else ""
        setting = Setting(uuid.uuid4().hex[:8], work, client, asked.quick)
        machine = describe_machine(client)
        variants = [v for v in family.LABELS if v in asked.variants]
        figures = measure(setting, asked.only, variants)
    command = " ".join(["python -m bench.run", *arguments])
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    console.table(HEAD, rows(figures), right=(1, 2, 3, 4, 5))
    page = write_results(asked.out, today, figures, machine, command)
    console.say(f"{page}")
    return 0


def _terminated(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        console.complain(error)
        sys.exit(1)
    except KeyboardInterrupt:
        process.stop_all()
        console.note("interrupted")
        sys.exit(130)
