"""Two movers at once: one wins, and the other one says so."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.report.progress import JsonLines
from lapstrake.version import Version
from lapstrake_release.channels import claim as claims
from lapstrake_release.channels import tags
from lapstrake_release.channels.claim import Busy, claimed, living
from lapstrake_release.channels.move import Author
from lapstrake_release.channels.moved import Moved
from lapstrake_release.channels.promote import Order, promote
from lapstrake_release.channels.settings import find_channel
from lapstrake_release.channels.state import read_channel
from support.channels import INDEX, Shelf, shelf_in
from support.fault_proxy import Fault, Proxy, fault_proxy
from support.registry import serve_registry

ROUNDS = 4
VERSIONS = tuple(f"1.2.0.dev{n}" for n in range(1, 5))


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[tuple[Shelf, Proxy]]:
    """Some versions in a registry behind a proxy."""
    with serve_registry(tmp_path / "registry") as host, fault_proxy(host) as proxy:
        shelf = shelf_in(tmp_path, proxy.host)
        for version in VERSIONS:
            shelf.publish(version)
        yield shelf, proxy


def promoted(shelf: Shelf, version: str, job: str) -> Moved | UserError:
    definition = shelf.definition
    author = Author(f"author of {version}", job)
    order = Order(definition, find_channel(definition, "testing"), Version.parse(version), author)
    with shelf.client() as client, JsonLines() as progress:
        try:
            return promote(order, [(client, client)], progress)[0]
        except UserError as error:
            return error


def at_once(shelf: Shelf, wanted: dict[str, str]) -> list[Moved | UserError]:
    """Promote several versions at once, each by a job; what became of each."""
    with ThreadPoolExecutor(len(wanted)) as pool:
        return list(pool.map(lambda v: promoted(shelf, v, wanted[v]), sorted(wanted)))


def meeting(count: int) -> Callable[[int, str, str], Fault | None]:
    """Harm for a proxy: whoever claims a move waits until so many do."""
    barrier = threading.Barrier(count)
    seen: set[str] = set()

    def harm(_: int, method: str, path: str) -> Fault | None:
        if method == "PUT" and "/_claim." in path and path not in seen:
            seen.add(path)
            barrier.wait(20)
        return None

    return harm


@pytest.mark.parametrize("count", [2, 3])
def test_one_of_several_wins(proxied: tuple[Shelf, Proxy], count: int) -> None:
    shelf, proxy = proxied
    for number in range(ROUNDS):
        with shelf.client() as client:
            held = read_channel(client, "testing").version
        others = [v for v in VERSIONS if v != held][:count]
        proxy.harm = meeting(count)
        # now the one, now the other has the smaller job
        found = at_once(
            shelf, {v: f"{(at + number) % count}{number:07x}" for at, v in enumerate(others)}
        )
        proxy.harm = lambda *_: None
        (won,) = [f for f in found if isinstance(f, Moved)]
        errors = [f for f in found if isinstance(f, UserError)]
        assert len(errors) == count - 1
        for error in errors:
            assert "is being moved by" in error.message or "moved meanwhile" in error.message
            assert error.hint
        with shelf.client() as client:
            now = read_channel(client, "testing")
        assert (now.condition, now.version) == ("settled", won.move.line.version)
        assert shelf.moving("testing") == shelf.digests(now.version)


def foreign(shelf: Shelf, *, seconds: float, machine: str = "another") -> None:
    """Claim the first move of `testing` from another machine."""
    with shelf.client() as client:
        client.names()
        ours = claims._ours("testing", 1, "00000000", client.now + seconds)
        other = replace(ours, machine=machine, host="far.example", user="eve", pid=1, began=1)
        claims._write(client, other)


def test_a_living_claim_of_another_machine_is_respected(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    foreign(shelf, seconds=60)
    ran = shelf.run("promote", "1.2.0.dev1", "--to", "testing")
    assert ran.code == 1
    assert "testing is being moved by eve on far.example (process 1, job 00000000)" in ran.err
    assert "start again when it is done; if it is dead, in " in ran.err
    assert shelf.moving("testing") == {}


def test_a_claim_ends_by_itself(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    foreign(shelf, seconds=-1)
    shelf.good("promote", "1.2.0.dev1", "--to", "testing")
    assert shelf.moving("testing") == shelf.digests("1.2.0.dev1")


def test_a_dead_process_of_this_machine_claims_nothing(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    # there is a process 1, but it began at another time
    foreign(shelf, seconds=60, machine=claims._machine())
    shelf.good("promote", "1.2.0.dev1", "--to", "testing")


def test_what_a_claim_says(shelf: Shelf) -> None:
    with shelf.client() as client:
        with claimed(client, "testing", 1, "cccc"):
            (one,) = living(client, "testing", 1)
            assert one.job == "cccc"
            assert living(client, "testing", 1, "cccc") == ()
            with pytest.raises(Busy), claimed(client, "testing", 1, "dddd"):
                raise AssertionError
            assert living(client, "testing", 2) == ()
        assert living(client, "testing", 1) == ()


def test_a_claim_that_cannot_be_read_keeps_nobody_away(shelf: Shelf) -> None:
    shelf.publish("1.2.0.dev1")
    with shelf.client() as client:
        data = client.holder("1.2.0.dev1")
        assert data is not None
        client.put_manifest(tags.claim("testing", 1, "eeee"), data)
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
        client.put_index(tags.claim("testing", 1, "ffff"), json.dumps(index).encode())
        assert living(client, "testing", 1) == ()
    shelf.good("promote", "1.2.0.dev1", "--to", "testing")
