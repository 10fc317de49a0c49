"""A registry that fails, and movers that are killed, at each request of a move."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lapstrake.errors import UserError
from lapstrake.report.progress import JsonLines
from lapstrake.version import Version
from lapstrake_release.channels.move import Author, Mover
from lapstrake_release.channels.promote import Order, promote
from lapstrake_release.channels.registry import ChannelRegistry
from lapstrake_release.channels.rollback import rollback
from lapstrake_release.channels.settings import find_channel
from lapstrake_release.channels.state import Standing, read_channel
from support.channels import Shelf, shelf_in
from support.fault_proxy import Fault, Proxy, Seen, fault_proxy
from support.processes import wait_for
from support.registry import serve_registry

VERSIONS = {1: "1.2.0.dev1", 2: "1.2.0.dev2"}
ACTS = ("promote", "rollback")

# The moments that are tried where not all are.
FEW = 12


@dataclass
class Place:
    """Two versions that `testing` has held, in a registry behind a proxy."""

    shelf: Shelf
    proxy: Proxy
    registry: str

    def do(self, act: str) -> None:
        """Let the channel hold the version that it doesn't, in this process."""
        other = self.other
        with self.shelf.client() as client:
            if act == "rollback":
                rollback(client, "testing", other, Author("t", "aaaa", "because"))
                return
            definition = self.shelf.definition
            order = Order(
                definition,
                find_channel(definition, "testing"),
                Version.parse(VERSIONS[other]),
                Author("t", "bbbb"),
            )
            with JsonLines() as progress:
                promote(order, [(client, client)], progress)

    def words(self, act: str) -> tuple[str, ...]:
        """The same as a command."""
        if act == "rollback":
            return ("rollback", "testing", "--to", str(self.other), "--why", "because")
        return ("promote", VERSIONS[self.other], "--to", "testing")

    @property
    def other(self) -> int:
        """The number of the version that the channel doesn't hold (which both moves are called)."""
        return 1 if self.now.version == VERSIONS[2] else 2

    @property
    def now(self) -> Standing:
        """What the channel holds, asked without the proxy."""
        with self.direct() as client:
            return read_channel(client, "testing")

    def direct(self) -> ChannelRegistry:
        return Shelf(self.shelf.root, self.registry, {}).client()

    def requests(self, act: str) -> int:
        """How many it takes."""
        before = self.proxy.asked
        self.do(act)
        return self.proxy.asked - before

    def check(self) -> Standing:
        """What holds at any moment: a mixture is visible as such, and numbers never move."""
        standing = self.now
        held = self.shelf.moving("testing")
        whole = [v for v in VERSIONS.values() if held == self.shelf.digests(v)]
        if not whole:
            assert standing.condition == "interrupted"
        if standing.condition == "settled":
            assert whole == [standing.version]
        for number, version in VERSIONS.items():
            assert self.shelf.number("testing", number) == self.shelf.digests(version)
        return standing

    def check_repaired(self) -> None:
        """What holds after the next command."""
        assert self.check().condition == "settled"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("faults")
    with serve_registry(folder / "registry") as host, fault_proxy(host) as proxy:
        shelf = shelf_in(folder, proxy.host)
        for version in VERSIONS.values():
            shelf.publish(version)
            shelf.good("promote", version, "--to", "testing")
        yield Place(shelf, proxy, host)


def some(total: int) -> list[int]:
    """Numbers from 1 to `total`, spread."""
    return sorted({1 + (total - 1) * n // (FEW - 1) for n in range(FEW)})


def from_request(proxy: Proxy, number: int, fault: Fault) -> None:
    """Let everything fail from that request on."""
    first = proxy.asked
    proxy.harm = lambda n, _m, _p: fault if n >= first + number else None


def harmless(proxy: Proxy) -> None:
    proxy.harm, proxy.on_answer = (lambda *_: None), (lambda _: None)


def quiet(proxy: Proxy) -> None:
    """Wait until what a dead process has sent is answered: the proxy had it already."""
    end = time.monotonic() + 20
    while any("process_request_thread" in t.name for t in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.02)
    harmless(proxy)


def breaks_at(place: Place, act: str, number: int, fault: Fault) -> None:
    """The registry is gone from one request on; then it is back, and the next command repairs."""
    wanted = VERSIONS[place.other]
    from_request(place.proxy, number, fault)
    try:
        place.do(act)
    except UserError:
        harmless(place.proxy)
    else:
        harmless(place.proxy)
        # all that failed was to withdraw the claim
        assert place.now.version == wanted
    place.check()
    with place.shelf.client() as client:
        mover = Mover(client, "testing", Author("t", "cccc"))
        mover.settled()
    place.check_repaired()


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
def test_a_registry_that_breaks_at_any_request(place: Place, act: str) -> None:
    kinds: tuple[Fault, ...] = ("reset", "500")
    for number in range(1, place.requests(act) + 1):
        breaks_at(place, act, number, kinds[number % len(kinds)])


def passes(place: Place, act: str, number: int, fault: Fault) -> None:
    """One request fails, and it goes on."""
    other = place.other
    place.proxy.at(number, fault)
    place.do(act)
    harmless(place.proxy)
    assert place.check().version == VERSIONS[other]
    place.check_repaired()


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
def test_any_request_that_fails(place: Place, act: str) -> None:
    """In one of these ways each; at each request another one in a promotion than in a rollback."""
    kinds: tuple[Fault, ...] = ("lost", "reset", "truncate", "500", "lost", "429")
    for number in range(1, place.requests(act) + 1):
        passes(place, act, number, kinds[(number + ACTS.index(act)) % len(kinds)])


def test_a_registry_that_stalls(place: Place) -> None:
    total = place.requests("promote")
    for number in (1, total // 2, total - 1):
        first = place.proxy.asked
        words = place.words("promote")
        place.proxy.harm = lambda n, _m, _p, at=first + number: "stall" if n == at else None
        ran = place.shelf.run(*words, env={"LAPSTRAKE_TIMEOUT": "1"})
        harmless(place.proxy)
        assert ran.code == 0, ran.err
        place.check_repaired()


def killed_at(place: Place, words: tuple[str, ...], number: int, *, after: bool) -> bool:
    """Kill a command at its request of that number; whether it came so far.

    With `after` the registry has heard the request, but the answer is lost.
    """
    reached = threading.Event()
    first = place.proxy.asked

    def harm(asked: int, _method: str, _path: str) -> Fault | None:
        if asked != first + number:
            return None
        reached.set()
        if not after:
            child.send_signal(signal.SIGKILL)
        return "lost" if after else "reset"

    def heard(_: Seen) -> None:
        if after and reached.is_set():
            child.send_signal(signal.SIGKILL)

    place.proxy.harm, place.proxy.on_answer = harm, heard
    with place.shelf.begin(*words) as child:
        said = child.communicate(timeout=60)[1]
    wait_for(place.shelf.env["TMPDIR"])
    quiet(place.proxy)
    assert child.returncode in {-signal.SIGKILL, 0}, said
    return reached.is_set()


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
def test_killed_and_repaired_by_the_next_move(place: Place, act: str) -> None:
    for turn, number in enumerate(some(place.requests(act))):
        for after in (False, True):
            killed_at(place, place.words(act), number, after=after)
            place.check()
            place.do(ACTS[turn % 2])
            place.check_repaired()


def interrupt(place: Place) -> tuple[str, str]:
    """Kill a promotion when one of three tags has moved; the versions before and after."""
    before, wanted = place.now.version, VERSIONS[place.other]
    moved = threading.Event()

    def heard(seen: Seen) -> None:
        if seen.method == "PUT" and seen.path.endswith("/manifests/testing-slim"):
            moved.set()
            child.send_signal(signal.SIGKILL)

    # the other moving tags come too late
    def harm(_: int, method: str, path: str) -> Fault | None:
        late = path.endswith(("/manifests/testing", "/manifests/testing-srv"))
        if method == "PUT" and late:
            moved.wait(20)
            return "reset"
        return None

    place.proxy.harm, place.proxy.on_answer = harm, heard
    with place.shelf.begin(*place.words("promote")) as child:
        child.communicate(timeout=60)
    quiet(place.proxy)
    return before, wanted


def test_an_interrupted_move_is_shown_and_repaired(place: Place) -> None:
    before, wanted = interrupt(place)
    ran = place.shelf.good("channels")
    assert "interrupted" in ran.out
    assert f"{before} → {wanted}" in ran.out
    assert "when 1 of 3 tags held" in ran.err
    state = place.shelf.good("channels", "--json").json[0]
    assert state["state"] == "interrupted"
    assert set(state["amiss"]) == {"testing", "testing-srv"}
    ran = place.shelf.good("channels", "--repair")
    assert "is completed" in ran.err
    assert place.now.version == wanted
    place.check_repaired()


def test_a_move_that_had_moved_nothing_is_undone(place: Place) -> None:
    before, wanted = place.now, VERSIONS[place.other]

    def heard(seen: Seen) -> None:
        if seen.method == "PUT" and seen.path.endswith("/manifests/_channel.testing"):
            child.send_signal(signal.SIGKILL)

    place.proxy.on_answer = heard
    place.proxy.harm = lambda _n, m, p: "reset" if m == "PUT" and "/testing" in p else None
    with place.shelf.begin(*place.words("promote")) as child:
        child.communicate(timeout=60)
    quiet(place.proxy)
    ran = place.shelf.good("channels", "--repair")
    assert "is undone" in ran.err
    place.check_repaired()
    assert before.last is not None
    line = place.shelf.good("history", "testing", "-n", "1", "--json").json[0]
    assert (line["state"], line["wanted"], line["version"]) == ("undone", wanted, before.version)
    # its number is used up
    assert line["number"] == before.last.number + 1
    place.do("promote")
    assert place.now.last is not None
    assert place.now.last.number == before.last.number + 2


def test_tags_that_something_else_has_moved(place: Place) -> None:
    held = place.now.version
    with place.direct() as client:
        data = client.holder(f"{VERSIONS[place.other]}-slim")
        assert data is not None
        client.put_manifest("testing-slim", data)
    ran = place.shelf.good("channels")
    assert "strayed" in ran.out
    assert "testing-slim holds sha256:" in ran.err
    ran = place.shelf.good("channels", "--repair")
    assert "testing-slim holds again" in ran.err
    assert place.now.version == held
    place.check_repaired()


def test_a_move_whose_images_are_gone_is_undone(place: Place) -> None:
    before, wanted = interrupt(place)
    with place.direct() as client:
        digest = place.shelf.digests(wanted)["-srv"]
        manifest = client.holder(digest)
        assert manifest is not None
        client.delete(digest)
        ran = place.shelf.good("channels", "--repair")
        # as it was, for the tests after this one
        number = next(n for n, v in VERSIONS.items() if v == wanted)
        for name in (f"{wanted}-srv", f"testing.{number}-srv"):
            client.put_manifest(name, manifest)
    assert "is undone" in ran.err
    assert place.now.version == before
    place.check_repaired()
