"""`lapstrake cache`: stats, verify, gc."""

from __future__ import annotations

import os
import re
import time

import click

from lapstrake.cli import cache_share
from lapstrake.cli.common import existing_store
from lapstrake.errors import Exit, UserError
from lapstrake.report import console
from lapstrake.store.contents import PARTS, Contents, bytes_of, read_contents
from lapstrake.store.gc import Collection, Limits, choose, collect
from lapstrake.store.store import Store, default_root
from lapstrake.store.use import in_use, unused
from lapstrake.store.verify import repair, verify

_AGE = re.compile(r"(\d+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|[kKMGT]i?B)?")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class _Age(click.ParamType):  # type: ignore[type-arg]  # no generic before click 8.2
    """`14d` as seconds."""

    name = "AGE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        found = _AGE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value} is no age: a number and s, m, h, d or w, as in 14d", param, ctx)
        return int(found[1]) * _SECONDS[found[2]]


class _Size(click.ParamType):  # type: ignore[type-arg]  # no generic before click 8.2
    """`10GB`, `1.5GiB` as bytes."""

    name = "SIZE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        found = _SIZE.fullmatch(str(value))
        if found is None:
            self.fail(f"{value} is no size: a number and B, kB, MB, GB, as in 10GB", param, ctx)
        unit = (found[2] or "B").removesuffix("B")
        base = 1024 if unit.endswith("i") else 1000
        power: int = _POWERS[unit.removesuffix("i").lower()]
        return int(float(found[1]) * base**power)


@click.group("cache")
def command() -> None:
    """What lies in the cache; check it, share it, and remove what is not needed."""


command.add_command(cache_share.push_command)
command.add_command(cache_share.pull_command)


@command.command("stats")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def stats(as_json: bool) -> None:
    """How much lies in the cache, by part.

    A file that two parts share (as a pulled layer does) counts once in the sum.
    """
    store = existing_store()
    contents = read_contents(store) if store else Contents((), ())
    parts = {p: contents.part(p) for p in reversed(PARTS)}
    rows = {p: {"count": len(e), "bytes": bytes_of(e)} for p, e in parts.items()}
    rows["tmp"] = _temporary(store)
    total = bytes_of(contents.entries) + rows["tmp"]["bytes"]
    if as_json:
        console.say_json(
            {
                "root": str(default_root()),
                "parts": rows,
                "records": len(contents.records),
                "bytes": total,
            }
        )
        return
    console.table(
        ["PART", "COUNT", "SIZE"],
        [[p, str(r["count"]), console.bytes_text(r["bytes"])] for p, r in rows.items()],
        right=(1, 2),
    )
    console.say(f"{console.bytes_text(total)} in all, {len(contents.records)} layers known")
    console.say(str(default_root()))


def _temporary(store: Store | None) -> dict[str, int]:
    files = [p for p in (store.root / "tmp").rglob("*") if p.is_file()] if store else []
    top = list((store.root / "tmp").iterdir()) if store else []
    return {
        "count": sum(p.is_dir() for p in top),
        "bytes": sum(p.lstat().st_size for p in files),
    }


@command.command("verify")
@click.option("--repair", "mend", is_flag=True, help="Remove what is bad.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def verify_command(ctx: click.Context, mend: bool, as_json: bool) -> None:
    """Hash everything in the cache again.

    Blobs against their digests, and against diffID, sizes and table of contents in their records;
    wheels, Debian packages and pulled images against their hashes; records against the blobs that
    they name; unpacked trees against their layers. Exit code 1 where something is bad, also with
    --repair.
    """
    store = existing_store()
    if store is None:
        raise UserError(f"there is no cache in {default_root()}")
    with unused(store, _wait) if mend else in_use(store):
        verdict = verify(store, len(os.sched_getaffinity(0)))
        removed = repair(store, verdict) if mend and verdict.faults else 0
    if as_json:
        faults = [{"part": f.part, "name": f.name, "what": f.what} for f in verdict.faults]
        console.say_json({"checked": verdict.checked, "faults": faults, "removed": removed})
    else:
        for fault in verdict.faults:
            console.say(str(fault))
        counts = ", ".join(f"{n} {p}" for p, n in verdict.checked.items())
        bad = f"{len(verdict.faults)} bad" if verdict.faults else "all good"
        console.say(f"{counts}: {bad}{f', {removed} removed' if mend else ''}")
    if verdict.faults:
        ctx.exit(Exit.USER)


@command.command("gc")
@click.option("--older-than", type=_Age(), help="Remove what nobody used for so long, as in 14d.")
@click.option("--keep-bytes", type=_Size(), help="Keep at most so much, as in 10GB.")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("--no-wait", is_flag=True, help="Fail where a build runs, instead of waiting.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def gc_command(
    older_than: int | None, keep_bytes: int | None, dry_run: bool, no_wait: bool, as_json: bool
) -> None:
    """Remove what wasn't used for long, or what is too much, longest unused first.

    Without limits only what is of no use goes: what killed commands left, and blobs of no known
    layer. Never while a build runs. dist/ keeps its blobs: they are its own links or copies.
    """
    store = existing_store()
    if store is None:
        raise UserError(f"there is no cache in {default_root()}")
    limits = Limits(None if older_than is None else time.time() - older_than, keep_bytes)
    if dry_run:
        with in_use(store):
            collection, swept = choose(read_contents(store), limits), 0
    else:
        with unused(store, _fail if no_wait else _wait):
            collection, swept = collect(store, limits)
    if as_json:
        console.say_json(_gc_json(collection, swept) | {"dry_run": dry_run})
    else:
        _gc_print(collection, swept, dry_run)


def _gc_json(collection: Collection, swept: int) -> dict[str, object]:
    return {
        "removed": [f"{e.part}/{e.name}" for e in collection.entries],
        "records": [k.path.stem for k in collection.records],
        "swept": swept,
        "freed": collection.freed,
        "kept": collection.kept,
    }


def _gc_print(collection: Collection, swept: int, dry_run: bool) -> None:
    for entry in collection.entries if dry_run else ():
        console.say(f"{entry.part}/{entry.name}")
    what = f"{len(collection.entries)} entries and {len(collection.records)} records"
    verb = "would be removed" if dry_run else "removed"
    freed, kept = console.bytes_text(collection.freed), console.bytes_text(collection.kept)
    console.say(f"{what} {verb} ({freed}), {swept} leftovers swept; {kept} stay")


def _wait() -> bool:
    console.note("a build uses the cache: waiting for its end (^C gives up)")
    return True


def _fail() -> bool:
    raise UserError("a build uses the cache", "try again later, or leave --no-wait out")
