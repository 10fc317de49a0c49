"""The program that makes one layer, in a container of the engine.

It is Lapstrake's own builder over a cache of its own. What lies in the cache's volumes makes it
faster and nothing else: blobs of the layers below come from mounted folders, and results go to a
folder that the engine keeps. Its last line on standard output is JSON: what went wrong.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx

from lapstrake import process, skopeo
from lapstrake.engines.built import built_place
from lapstrake.engines.dagger import places
from lapstrake.engines.dagger.carried import Carried, wear
from lapstrake.engines.dagger.wire import Interpreters, decode, decode_image, is_pulled
from lapstrake.engines.local.compiling import Compiling
from lapstrake.engines.local.fetching import Fetching
from lapstrake.engines.local.making import Making
from lapstrake.engines.model import Outcome
from lapstrake.engines.schedule import run_tasks
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Bootstrap, Interpreter, Layer, Run, Wheels, bytecode_key
from lapstrake.oci.archive import pack
from lapstrake.oci.image import assemble
from lapstrake.oci.layout import write_blobs
from lapstrake.plan.model import own_wheels
from lapstrake.report import console
from lapstrake.report.progress import Plain, Progress
from lapstrake.store.records import Blob, LayerRecord
from lapstrake.store.store import Store
from lapstrake.store.sweep import sweep
from lapstrake.store.use import in_use

# What containers share, each in its folder or volume; blobs and records are each one's own.
_SHARED = ("bytecode", "debs", "images", "inflated", "locks", "tmp", "trees", "wheels")


def main() -> None:
    """Do what the first argument names; exit 1 with a line of JSON where the user can mend it."""
    job, *arguments = sys.argv[1:]
    jobs: dict[str, Callable[..., None]] = {
        "assemble": _assemble,
        "fetch": _fetch,
        "health": _health,
        "make": _make,
        "prime": _prime,
        "publish": _publish,
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = Carried.from_json(places.CARRIED.read_text(encoding="utf-8"))
            wear(settings, Path(folder), places.APT_SOURCES, os.environ)
            with _own_store(Store(places.CACHE)) as store:
                jobs[job](settings, store, *arguments)
    except UserError as error:
        console.complain(error)
        said = {"message": error.message, "hint": error.hint, "details": list(error.details)}
        console.say(json.dumps({"error": said}))
        sys.exit(1)


@contextlib.contextmanager
def _own_store(shared: Store) -> Iterator[Store]:
    """A cache whose downloads, trees and compiled modules are those of the volumes.

    Its blobs and records are its own: another container's would be taken for made, without the
    engine knowing of it.
    """
    sweep(shared)
    with in_use(shared), shared.scratch("store") as folder:
        for part in _SHARED:
            (folder / part).symlink_to(shared.root / part)
        yield Store(folder)


def _make(settings: Carried, store: Store, platform: str, *_title: str) -> None:
    """Make the layer that `LAYER` describes."""
    interpreters = Interpreters.from_json(settings.interpreters)
    layer = decode(places.LAYER.read_text(encoding="utf-8"), places.FILES, interpreters)
    there = {r.id: Outcome(r, "reused") for r in _below(store)}
    with Plain() as progress:
        _have_interpreter(layer, store, progress, platform)
        for wheel in own_wheels(layer):
            sha256 = wheel.source.sha256
            _copy(places.ARCHIVES / sha256, store.root / "wheels" / sha256, store)
        making = Making({layer.id: layer}, there, platform, store, progress)
        record = making.run(os.cpu_count() or 1)[layer.id].record
    _hand_over(record, store, settings.run)
    for wheel in own_wheels(layer):
        shutil.copytree(built_place(wheel, store), places.OUT / places.RELEASED / wheel.key)


def _below(store: Store) -> Iterator[LayerRecord]:
    """What is known of the layers below, whose blobs the cache then names."""
    if not places.BELOW.is_dir():
        return
    for folder in sorted(places.BELOW.iterdir()):
        record = LayerRecord.from_json(json.loads((folder / places.RECORD).read_bytes()))
        for blob in record.blobs:
            store.blob(blob.digest).symlink_to(folder / places.BLOBS / _hex(blob))
        yield record


def _have_interpreter(layer: Layer, store: Store, progress: Progress, platform: str) -> None:
    """Fetch the packages of the Python that compiles wheels, where some were never compiled."""
    if isinstance(layer, Wheels) and layer.interpreter and _lacks([layer], store):
        for task in Fetching(store, progress, platform).deb_tasks(_packaged(layer)):
            task.work()


def _fetch(settings: Carried, store: Store, platform: str, *_title: str) -> None:
    """Fetch the wheels of the layers in `LAYERS`, and compile them where packages suffice."""
    interpreters = Interpreters.from_json(settings.interpreters)
    texts = json.loads(places.LAYERS.read_text(encoding="utf-8"))
    layers = [decode(text, places.FILES, interpreters) for text in texts]
    with Plain() as progress:
        fetching = Fetching(store, progress, platform)
        wheels = tuple(fetching.wheel_tasks(layers))
        users = {x.id: x for x in layers if isinstance(x, Wheels) and _is_packaged(x.interpreter)}
        packaged = {p.id: p for x in users.values() for p in _packaged(x)}
        debs = tuple(fetching.deb_tasks(packaged.values()) if _lacks(users.values(), store) else ())
        compiling = Compiling(store, progress, fetching, lambda _: [])
        after = frozenset(task.key for task in (*wheels, *debs))
        run_tasks((*wheels, *debs, *compiling.tasks(users, after)), os.cpu_count() or 1)


def _is_packaged(interpreter: Interpreter | None) -> bool:
    return interpreter is not None and not is_pulled(interpreter)


def _packaged(layer: Wheels) -> list[Bootstrap | Run]:
    layers = layer.interpreter.layers if layer.interpreter else ()
    return [x for x in layers if isinstance(x, Bootstrap | Run)]


def _lacks(layers: Iterable[Wheels], store: Store) -> bool:
    """Whether some wheel was never compiled."""
    keys = [bytecode_key(layer, w) for layer in layers for w in layer.wheels]
    return not all(store.bytecode(key).is_file() for key in keys)


def _hand_over(record: LayerRecord, store: Store, run: str) -> None:
    """Put a layer where the engine keeps it."""
    blobs = places.OUT / places.BLOBS
    blobs.mkdir(parents=True)
    for digest in sorted({blob.digest for blob in record.blobs}):
        shutil.move(store.blob(digest), blobs / digest.removeprefix("sha256:"))
    (places.OUT / places.RUN).write_text(run)
    (places.OUT / places.RECORD).write_text(json.dumps(record.to_json(), sort_keys=True))


def _prime(_settings: Carried, store: Store) -> None:
    """Take what the client has fetched into the cache."""
    for part in ("wheels", "debs", "images"):
        folder = places.PRIMED / part
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            process.check_stopped()
            target = store.root / part / path.name
            if not target.exists():
                _copy(path, target, store)


def _copy(source: Path, target: Path, store: Store) -> None:
    # beside its place, since each part may be a volume of its own
    staged = target.with_name(f".{target.name}.{os.getpid()}")
    with store.locked(f"primed-{target.name}"):
        if not target.exists():
            if source.is_dir():
                shutil.copytree(source, staged)
            else:
                shutil.copyfile(source, staged)
            staged.rename(target)


def _assemble(_settings: Carried, store: Store, *_title: str) -> None:
    """Write the layout of the image that `PLAN` describes, and the same as an archive."""
    plan = decode_image(places.PLAN.read_text(encoding="utf-8"))
    records = {record.id: record for record in _below(store)}
    image = assemble(plan.images[0], records, plan.platform, plan.epoch)
    layout = places.OUT / places.LAYOUT
    write_blobs(layout, [image], plan.platform, store)
    pack(layout, places.OUT / places.ARCHIVE)
    console.say(json.dumps({"digest": image.manifest.digest}))


def _health(_settings: Carried, _store: Store, seconds: str, *addresses: str) -> None:
    """Wait until every address answers 200."""
    end = time.monotonic() + int(seconds)
    with httpx.Client(timeout=10, trust_env=False) as http:
        for address in addresses:
            while (said := _answer(http, address)) != "200":
                if time.monotonic() > end:
                    raise UserError(f"{address} doesn't answer 200 in {seconds} s: {said}")
                time.sleep(0.2)
            console.say(f"{address} 200")


def _answer(http: httpx.Client, address: str) -> str:
    try:
        return str(http.get(address).status_code)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__


def _publish(_settings: Carried, store: Store, reference: str, user: str = "") -> None:
    """Push the layout at `IMAGE`; its digest is printed."""
    layout = places.IMAGE / places.LAYOUT
    with store.scratch("push") as work:
        digest = work / "digest"
        options = ["--preserve-digests", "--digestfile", str(digest)]
        if reference.startswith(f"{places.CLIENT}:"):
            # the client's own machine, where a registry may go without TLS
            options.append("--dest-tls-verify=false")
        if logins := _logins(reference, user):
            (work / "logins.json").touch(mode=0o600)
            (work / "logins.json").write_text(logins)
            options += ["--dest-authfile", str(work / "logins.json")]
        skopeo.copy(f"oci:{layout}", f"docker://{reference}", options)
        console.say(digest.read_text().strip())


def _logins(reference: str, user: str) -> str:
    if places.PASSWORD.is_file():
        password = places.PASSWORD.read_text().rstrip("\n")
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        return json.dumps({"auths": {skopeo.host_of(reference): {"auth": login}}})
    return places.LOGINS.read_text() if places.LOGINS.is_file() else ""


def _hex(blob: Blob) -> str:
    return blob.digest.removeprefix("sha256:")


if __name__ == "__main__":
    main()
