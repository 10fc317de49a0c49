"""What a check gets: the image, its containers, and the means to look at them."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from lapstrake.definition.models import Service
from lapstrake.deploy.model import SCRATCH
from lapstrake.dist import Build, BuiltImage
from lapstrake.errors import UserError
from lapstrake.smoke.checking import Failed, Skipped
from lapstrake.smoke.engine import Engine, Start
from lapstrake.smoke.guest import CrashWatch, Guest
from lapstrake.smoke.layers import LayerFiles
from lapstrake.smoke.trained import MODELS, Trained, train
from lapstrake.smoke.waiting import T, Waiter

# What every container is started with, to be found again in each kind of session.
TEST_ENV = {
    "LAPSTRAKE_SMOKE_PLAIN": "plain",
    "LAPSTRAKE_SMOKE_QUOTES": """it's "quoted" \\ and $HOME `id` %d %% ; # = , !!""",
    "LAPSTRAKE_SMOKE_LINES": "first line\nsecond=line\n\n\tlast \u2013 line\n",
    "LAPSTRAKE.SMOKE.DOTS": "a name that no shell can say",
}

NON_ROOT = "12345:0"

# The key of the container that is locked down, whoever runs in it. Its user is one of those that
# engines without root can map, too.
_LOCKED = "locked"
_FIRST_USER, _USERS = 10_000, 50_000

SSH_PORT = 22


@dataclass
class Context:
    """One image under test.

    Attributes:
        image_id: the engine's id of it.
        patience: how long a service may take to answer, in seconds.
        root: the repository, with the definition's smoke folders; None: do without them.
        keys: a folder with the SSH key `id` that the container was given, and `other`, that
            it wasn't.
        layers: what lies in the image's layers.
        gpu: whether containers may be given GPUs.
    """

    build: Build
    image: BuiltImage
    dist: Path
    engine: Engine
    image_id: str
    waiter: Waiter
    patience: float
    root: Path | None
    keys: Path
    layers: LayerFiles
    gpu: bool = False
    _guests: dict[str, Guest | Exception] = field(default_factory=dict)
    _waited: dict[str, Failed | None] = field(default_factory=dict)
    _trained: Trained | None = None

    # --- containers --------------------------------------------------------------------------

    @property
    def guest(self) -> Guest:
        """The container that runs as root, with an SSH key, the test environment, the models."""
        return self._guest("")

    @property
    def rootless(self) -> Guest:
        """The container that runs as user 12345 of group 0, without any capability.

        It is started when it is first asked for, and has no models.
        """
        if NON_ROOT not in self._guests:
            self._start(NON_ROOT, Start(env=TEST_ENV, ports=self.image.ports, user=NON_ROOT))
        return self._guest(NON_ROOT)

    @property
    def locked(self) -> Guest:
        """The container that runs as deploy files have it (see lapstrake.deploy.container).

        Some user of group 0 runs in it, another each time, without any capability and without a
        way to more rights. The image is read-only, but for /tmp and its volumes. The models are
        those of the first container, and can't be written to. It is started when it is first
        asked for.
        """
        if _LOCKED not in self._guests:
            user = f"{_FIRST_USER + secrets.randbelow(_USERS)}:0"
            volumes = self.image.deploying.volumes
            models = MODELS in volumes and self._has_models()
            how = Start(
                env=TEST_ENV,
                ports=self.image.ports,
                user=user,
                writable=(SCRATCH, *(v for v in volumes if v != MODELS)),
                volumes_of=str(self.guest.container.id) if models else "",
            )
            self._start(_LOCKED, how)
        return self._guest(_LOCKED)

    def _has_models(self) -> bool:
        """Whether the first container has models for others to serve."""
        try:
            return bool(self.trained.expected)
        except (Failed, Skipped):
            return False

    def start(self) -> None:
        """Start the first container; what goes wrong is told to who asks for it."""
        key = (self.keys / "id.pub").read_text()
        ports = (*self.image.ports, SSH_PORT)
        self._start("", Start(env={**TEST_ENV, "PUBLIC_KEY": key}, ports=ports))

    def started(self) -> None:
        """Raise what kept the first container from starting, if anything did."""
        found = self._guests[""]
        if isinstance(found, Exception):
            raise found

    def end(self) -> None:
        """Remove the containers: the next image's need the room."""
        for found in self._guests.values():
            if isinstance(found, Guest):
                self.engine.remove(found.container)
        self._guests = {}

    def _start(self, name: str, how: Start) -> None:
        try:
            started = self.engine.start(self.image_id, how)
            self._guests[name] = Guest(self.engine, started, alone=bool(how.user))
        except UserError as error:
            self._guests[name] = error

    def _guest(self, user: str) -> Guest:
        found = self._guests.get(user)
        if isinstance(found, Guest):
            return found
        raise Skipped("the container doesn't start")

    # --- models ------------------------------------------------------------------------------

    @property
    def trained(self) -> Trained:
        """The models, which are trained in the first container when they are first asked for.

        There, because what Python then compiles and what the disk has read is what the server
        needs next: the imports are by far the most work in a smoke test.
        """
        if self._trained is None:
            self._trained = train(self.guest, self.image, self.root)
        return self._trained

    def need_models(self) -> Service:
        """The main service, with the models loaded; `Skipped` where it doesn't answer.

        A server loads its models when it starts; it is started again by being killed, which
        another check wants to see anyway.
        """
        service = self.need_main()
        if self.trained.expected:
            try:
                self.restart()
            except Failed as failed:
                raise Skipped(f"{service.name} doesn't come back") from failed
        return service

    def restart(self) -> None:
        """Kill every service, and wait until all run and answer again. This is done once."""
        self.once("restart", self._restart)

    def _restart(self) -> None:
        before = self.running(self.image.services)
        self.guest.need("kill", "-9", *map(str, before.values()))

        def dead() -> list[str]:
            after = self.guest.supervised()
            return [name for name, pid in before.items() if after.get(name, pid) == pid]

        self.poll(lambda: None if dead() else True)
        for name in dead():
            seen = "supervisor sees it not running"
            raise Failed(f"{name} to run again after kill -9", seen, name)
        for service in self.image.services:
            self.await_answer(self.guest, service)

    # --- services ----------------------------------------------------------------------------

    def need_main(self) -> Service:
        """The main service, which answers; `Skipped` where it doesn't."""
        service = self.image.main
        if service is None:
            raise Skipped("the image has no main service")
        try:
            self.await_ready(self.guest, service)
        except Failed as failed:
            raise Skipped(f"{service.name} doesn't answer") from failed
        return service

    def await_ready(self, guest: Guest, service: Service) -> None:
        """Wait until a service answers; `Failed` where it doesn't in time. Waits only once."""
        key = f"{guest.container.id} {service.name}"
        self.once(key, lambda: self.await_answer(guest, service))

    def once(self, key: str, wait: Callable[[], None]) -> None:
        """Wait for something the first time only; how that failed is raised every time."""
        if key not in self._waited:
            try:
                wait()
                self._waited[key] = None
            except Failed as failed:
                self._waited[key] = failed
        known = self._waited[key]
        if known is not None:
            raise known

    def await_answer(self, guest: Guest, service: Service) -> None:
        """Wait until a service answers now: its health, else its ports; `Failed` otherwise."""
        last = "nothing yet"
        watch = CrashWatch(guest, service.name)

        def attempt() -> bool | None:
            nonlocal last
            try:
                last = answer(guest, service)
            except Failed as failed:  # the container has ended
                raise Failed(expected(service), failed.seen, service.name) from failed
            if last and (ended := watch.look()):
                raise Failed(expected(service), ended, service.name)
            return True if last == "" else None

        if self.poll(attempt) is None:
            seen = f"{last} after {self.patience:g} s"
            raise Failed(expected(service), seen, service.name)

    def running(self, services: Iterable[Service]) -> dict[str, int]:
        """The PIDs of services by name, once supervisor sees all of them running; else `Failed`."""
        names = [s.name for s in services]

        def attempt() -> dict[str, int] | None:
            found = self.guest.supervised()
            return {n: found[n] for n in names} if found.keys() >= set(names) else None

        pids = self.poll(attempt, min(self.patience, 20))
        if pids is None:
            missing = sorted(set(names) - self.guest.supervised().keys())
            seen = f"not {', '.join(missing)}"
            raise Failed("supervisor to run every service", seen, next(iter(missing), None))
        return pids

    def poll(self, attempt: Callable[[], T | None], patience: float | None = None) -> T | None:
        """The first result of `attempt` that isn't None, within the patience (seconds)."""
        return self.waiter.until(attempt, self.patience if patience is None else patience)

    def last_lines(self, service: str | None) -> tuple[str, ...]:
        """The end of a service's log, by default the main service's; what there is of it."""
        main = self.image.main
        found = self._guests.get("")
        if not isinstance(found, Guest) or self.waiter.stopped:
            return ()
        try:
            return found.last_lines(service or (main.name if main else None))
        except Exception as error:  # the log is a courtesy: it never hides the verdict
            return (f"(no log: {error})",)


def expected(service: Service) -> str:
    """What a service that answers looks like."""
    if service.health is not None:
        return f"{service.name} to answer GET :{service.health.port}{service.health.path} with 200"
    if service.ports:
        return f"{service.name} to listen on {', '.join(str(p.port) for p in service.ports)}"
    return f"{service.name} to run"


def answer(guest: Guest, service: Service) -> str:
    """Nothing where the service answers, else what is seen instead."""
    if service.health is not None:
        return _get(guest, service.health.port, service.health.path)
    if not service.ports:
        return "" if guest.runs(service.name) else "it isn't running"
    closed = [p.port for p in service.ports if not _listens(guest, p.port)]
    return f"nothing on {', '.join(map(str, closed))}" if closed else ""


def _get(guest: Guest, port: int, path: str) -> str:
    url = f"http://{guest.host}:{guest.port(port)}{path}"
    try:
        code = httpx.get(url, timeout=5, trust_env=False).status_code
    except httpx.TransportError as error:
        return f"{type(error).__name__}"
    return "" if code == 200 else f"{code}"


def _listens(guest: Guest, port: int) -> bool:
    """Whether somebody answers: an engine's proxy may accept and then hang up at once."""
    try:
        with socket.create_connection((guest.host, guest.port(port)), timeout=2) as connection:
            connection.settimeout(0.2)
            try:
                return connection.recv(1) != b""
            except TimeoutError:
                return True
    except OSError:
        return False
