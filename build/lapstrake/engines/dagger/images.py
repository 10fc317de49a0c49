"""The family's images as `dagger.Container`, for pipelines of one's own.

All need a connection (`dagger.connection()`, or a session that the program runs in) and a
repository: the one that the current folder lies in, or `repository`. Images are lazy, as all of
Dagger is: nothing is built until something is asked of them. Their layers are built and cached as
`lapstrake build --engine dagger` does it, and an image's digest is the one in its dist/.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import dagger
from dagger import dag

from lapstrake.built_files import keep_archives
from lapstrake.cli.common import open_lock
from lapstrake.definition.load import find_root, load
from lapstrake.engines.dagger import places
from lapstrake.engines.dagger.carried import carried
from lapstrake.engines.dagger.graph import Bench, Toolchain
from lapstrake.engines.dagger.logins import registry_logins
from lapstrake.engines.dagger.priming import hosts_of
from lapstrake.engines.dagger.toolchain import Toolchains
from lapstrake.engines.dagger.wire import Interpreters, required
from lapstrake.errors import UserError
from lapstrake.layers.kinds import Layer
from lapstrake.plan.make import make_plan
from lapstrake.plan.model import Plan
from lapstrake.report.progress import Plain
from lapstrake.skopeo import host_of, is_loopback
from lapstrake.store.store import Store, write_staged

Where = str | os.PathLike[str] | None


def base(repository: Where = None) -> dagger.Container:
    """The image `base`."""
    return image("base", repository)


def slim(repository: Where = None) -> dagger.Container:
    """The image that runtimes extend by default."""
    return image(_family(repository).repo.family.slim, repository)


def full(repository: Where = None) -> dagger.Container:
    """The image that unites all runtimes."""
    repo = _family(repository).repo
    name = next((n for n, i in repo.images.items() if i.spec.runtimes == "all"), "full")
    return image(name, repository)


def runtime(name: str, repository: Where = None) -> dagger.Container:
    """A runtime's image.

    Raises:
        UserError: there is no such runtime.
    """
    found = _family(repository).repo.image(name)
    if found.kind != "runtime":
        raise UserError(f"{name} is no runtime", "`image` has images of either kind")
    return image(name, repository)


def image(name: str, repository: Where = None) -> dagger.Container:
    """Any image: its layout, assembled in the engine, whose blobs are kept as they are.

    Raises:
        UserError: there is no such image, or the lock is stale.
    """
    family = _family(repository)
    archive = family.assembled(name).file(places.ARCHIVE)
    return dag.container(platform=dagger.Platform(family.plan(name).platform)).import_(archive)


def service(name: str, repository: Where = None) -> dagger.Service:
    """The image as a running service, with its ports: for smoke checks within the engine."""
    container = image(name, repository)
    planned = _family(repository).plan(name).image(name)
    for port in planned.config.ports:
        container = container.with_exposed_port(port)
    return container.as_service(use_entrypoint=True)


async def health(name: str, repository: Where = None, seconds: int = 120) -> str:
    """Start an image as a service and wait until its health checks answer 200; what they said.

    Raises:
        UserError: it declares no health check.
        dagger.ExecError: it didn't become healthy in time.
    """
    family = _family(repository)
    checks = [s.health for s in family.plan(name).image(name).services if s.health]
    if not checks:
        raise UserError(f"{name} declares no health check", "add `health:` to a service")
    addresses = [f"http://image:{check.port}{check.path}" for check in checks]
    asking = family.bench.container.with_service_binding("image", service(name, repository))
    words = ["python3", "-m", places.MODULE, "health", str(seconds), *addresses]
    # a service that was healthy once says nothing of now
    return await asking.with_env_variable("LAPSTRAKE_BUILD", family.run).with_exec(words).stdout()


async def publish(
    name: str,
    reference: str,
    *,
    user: str = "",
    password: dagger.Secret | None = None,
    repository: Where = None,
) -> str:
    """Push an image from within the engine, its bytes as they are; its digest.

    Dagger's own `publish` makes a new config, and with it another digest.

    Args:
        name: the image.
        reference: `REGISTRY/NAME:TAG`.
        user: with `password`; without one, the client's own logins are used.
        password: a secret.
        repository: where the definition lies.

    Raises:
        UserError: a user without a password.
        dagger.ExecError: the registry refuses.
    """
    if bool(user) != (password is not None):
        raise UserError("a user needs a password, and a password a user", "pass both or none")
    family = _family(repository)
    pushing = family.bench.container.with_mounted_directory(
        str(places.IMAGE), family.assembled(name)
    )
    words = ["python3", "-m", places.MODULE, "publish", reference]
    if password is not None:
        pushing = pushing.with_mounted_secret(str(places.PASSWORD), password)
        words.append(user)
    elif logins := registry_logins([host_of(reference)]):
        path = family.secret("logins.json", logins)
        pushing = pushing.with_mounted_secret(str(places.LOGINS), dag.secret(f"file://{path}"))
    if is_loopback(reference):
        words[4], pushing = _through_client(reference, pushing)
    # a registry may have lost what it was given before
    pushing = pushing.with_env_variable("LAPSTRAKE_BUILD", uuid.uuid4().hex)
    return (await pushing.with_exec(words).stdout()).strip()


def _through_client(reference: str, pushing: dagger.Container) -> tuple[str, dagger.Container]:
    """A registry on the client's own machine, as a container sees it."""
    host, _, rest = reference.partition("/")
    port = int(host.rpartition(":")[2]) if ":" in host else 80
    forward = dagger.PortForward(backend=port, frontend=port)
    registry = dag.host().service([forward], host="127.0.0.1")
    return f"{places.CLIENT}:{port}/{rest}", pushing.with_service_binding(places.CLIENT, registry)


async def export(name: str, path: Where = "dist", repository: Where = None) -> Path:
    """Write an image's layout to a folder of this machine.

    It is a layout as dist/ is one, without build.json, which `lapstrake build` writes.

    Raises:
        UserError: the folder holds something else than a layout.
    """
    from lapstrake.oci.layout import check_ours

    family = _family(repository)
    target = (family.repo.root / (path or "dist")).absolute()
    check_ours(target)
    layout = family.assembled(name).directory(places.LAYOUT)
    await layout.export(str(target), wipe=True)
    return target


class _Family:
    """A repository as it was first read, and what this process tells the engine of itself."""

    def __init__(self, root: Path) -> None:
        self.repo = load(root)
        self.run = uuid.uuid4().hex
        self._lock = open_lock(self.repo)
        self._folder = Path(tempfile.mkdtemp(prefix="lapstrake-dagger-"))
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)

    @functools.cached_property
    def toolchain(self) -> Toolchain:
        """The image that layers are built in."""
        with Plain() as progress:
            return Toolchains(self.repo, self._lock)(Store(), progress, os.cpu_count() or 1)

    @functools.cached_property
    def _whole(self) -> Plan:
        return make_plan(self.repo, self._lock, tuple(self.repo.images))

    def plan(self, name: str) -> Plan:
        """The plan of one image."""
        self.repo.image(name)
        return replace(self._whole, images=(self._whole.image(name),))

    @functools.cached_property
    def bench(self) -> Bench:
        """What all layers are built on."""
        every = {x.id: x for layer in self._whole.layers for x in (layer, *required(layer))}
        settings = carried(
            self.run, Interpreters.of(every.values()).to_json(), hosts_of(every.values())
        )
        path = self.secret("client.json", settings.to_json())
        store = Store()
        keep_archives(self._whole, store)
        return Bench.of(self.toolchain, path, self._whole.platform, store.root / "wheels")

    def secret(self, name: str, text: str) -> Path:
        """A file that nobody else may read, and that is gone with us."""
        path = self._folder / name
        write_staged(path, text.encode())
        path.chmod(0o600)
        return path

    def assembled(self, name: str) -> dagger.Directory:
        """An image's layout, and an archive of it."""
        plan = self.plan(name)
        bench = self.bench
        results: dict[str, dagger.Directory] = {}
        for layer in plan.images[0].layers:
            _add(layer, bench, results)
        used = {layer.id: results[layer.id] for layer in plan.images[0].layers}
        return bench.assembled(plan, used)


def _add(layer: Layer, bench: Bench, results: dict[str, dagger.Directory]) -> None:
    if layer.id not in results:
        for needed in required(layer):
            _add(needed, bench, results)
        results[layer.id] = bench.layer(layer, results)


def _family(repository: Where) -> _Family:
    return _families(find_root(Path(repository or ".").absolute()))


@functools.cache
def _families(root: Path) -> _Family:
    return _Family(root)
