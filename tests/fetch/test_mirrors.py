from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lapstrake.errors import UserError
from lapstrake.fetch.apt_sources import read_apt_sources
from lapstrake.fetch.debs import fetch_debs
from lapstrake.fetch.mirrors import find_archives
from lapstrake.lock.model import Deb
from lapstrake.store.store import Store
from support.tiny import AptRepository, Request, serve, serving, sha256


def suite(folder: Path, *names: str, origin: str = "Debian") -> str:
    """A mirror's folder with some suites, as a URL."""
    repository = AptRepository(folder, origin)
    for name in names:
        repository.publish(name)
    return repository.url


def find(url: str, tmp_path: Path, name: str = "bookworm") -> list[tuple[str, str]]:
    env = {"LAPSTRAKE_DEBIAN_MIRROR": url}
    found = find_archives(name, ["main"], env=env, etc=tmp_path / "none")
    return [(a.suite, a.base) for a in found]


def test_a_mirror_with_some_of_the_suites(tmp_path: Path) -> None:
    url = suite(tmp_path / "m", "bookworm", "bookworm-updates", "trixie")
    assert find(url + "/", tmp_path) == [("bookworm", url), ("bookworm-updates", url)]


def test_security_updates_beside_the_mirror_are_found(tmp_path: Path) -> None:
    url = suite(tmp_path / "debian/2024", "bookworm")
    other = suite(tmp_path / "debian-security/2024", "bookworm-security")
    assert find(url, tmp_path) == [("bookworm", url), ("bookworm-security", other)]


def test_several_mirrors_and_a_snapshot_before_them(tmp_path: Path) -> None:
    one = suite(tmp_path / "one", "bookworm")
    two = suite(tmp_path / "two", "bookworm-security")
    assert find(f"{one}, {two}", tmp_path) == [("bookworm", one), ("bookworm-security", two)]
    env = {"LAPSTRAKE_DEBIAN_MIRROR": one}
    old = suite(tmp_path / "old", "bookworm")
    assert [a.base for a in find_archives("bookworm", ["main"], old, env)] == [old]


def test_a_mirror_without_the_suite(tmp_path: Path) -> None:
    url = suite(tmp_path / "m", "bookworm")
    with pytest.raises(UserError, match="has no suite trixie"):
        find(url, tmp_path, "trixie")


def test_a_mirror_that_does_not_answer(tmp_path: Path) -> None:
    with serve(lambda request: request.reply(404)) as server:
        gone = server.url
    with pytest.raises(UserError, match="can't be reached") as caught:
        find(gone.replace("http://", "http://me:secret@"), tmp_path)
    assert "secret" not in caught.value.message


def test_the_sources_of_this_machine(tmp_path: Path) -> None:
    mine = suite(tmp_path / "mine", "bookworm", "bookworm-updates", "trixie")
    vendor = suite(tmp_path / "vendor", "bookworm", "trixie", origin="Vendor")
    etc = tmp_path / "etc"
    (etc / "sources.list.d").mkdir(parents=True)
    (etc / "sources.list").write_text(
        f"# comment\ndeb [signed-by=/k.gpg arch=amd64] {mine} bookworm main contrib # more\n"
        f"deb-src {mine} bookworm main\n"
    )
    (etc / "sources.list.d/a.sources").write_text(
        f"Types: deb deb-src\n# comment\nURIs: {mine}/\nSuites: bookworm-updates\n"
        f"Components: main\nSigned-By:\n -----BEGIN\n .\n -----END\n\n"
        f"Enabled: no\nTypes: deb\nURIs: {mine}\nSuites: bookworm-backports\nComponents: main\n\n"
        f"Types: deb\nURIs: {vendor}\nSuites: bookworm\nComponents: main\n"
    )
    (etc / "sources.list.d/ignored.list.disabled").write_text(f"deb {mine} sid main\n")
    assert [(s.base, s.suite) for s in read_apt_sources(etc)] == [
        (mine, "bookworm"),
        (mine, "bookworm-updates"),
        (vendor, "bookworm"),
    ]
    found = find_archives("bookworm", ["main"], env={}, etc=etc)
    assert [(a.suite, a.base, a.components) for a in found] == [
        ("bookworm", mine, ("main",)),
        ("bookworm-updates", mine, ("main",)),
    ]
    assert found[0].signed_by == "/k.gpg"
    assert found[1].signed_by == "\n -----BEGIN\n .\n -----END"
    other = find_archives("trixie", ["main"], env={}, etc=etc)
    assert [(a.suite, a.base) for a in other] == [("trixie", mine)]


def test_a_machine_without_sources(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no source of the suite bookworm") as caught:
        find_archives("bookworm", ["main"], env={}, etc=tmp_path)
    assert "LAPSTRAKE_DEBIAN_MIRROR" in caught.value.hint


def deb(path: Path, folder: Path, archive: str = "bookworm") -> Deb:
    name, version, arch = path.stem.split("_")
    return Deb(
        name=name,
        version=version.replace("%3a", ":"),
        arch=arch,
        sha256=sha256(path),
        size=path.stat().st_size,
        path=path.relative_to(folder).as_posix(),
        archive=archive,
    )


def fetch(debs: list[Deb], store: Store) -> dict[str, Path]:
    ticked: Counter[str] = Counter()

    def tick(name: str, count: int) -> None:
        ticked[name] += count

    paths = fetch_debs(debs, "bookworm", ["main"], store, tick)
    assert ticked in ({}, {d.filename: d.size for d in debs})
    return paths


def test_packages_over_http(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = AptRepository(tmp_path / "apt")
    debs = [deb(repository.add(n, v), repository.folder) for n, v in (("a", "1:2+b1"), ("b", "1"))]
    repository.publish()

    def answer(request: Request) -> None:
        # what a real server does with an address: decode it once
        request.path = request.path.replace("%253a", "%3a")
        serving(repository.folder)(request)

    with serve(answer) as server:
        monkeypatch.setenv("LAPSTRAKE_DEBIAN_MIRROR", server.url)
        paths = fetch(debs, store)
        assert {n: sha256(p) for n, p in paths.items()} == {d.filename: d.sha256 for d in debs}
    assert fetch(debs, store) == paths  # from the cache: the server is gone


def test_all_packages_that_a_mirror_no_longer_has_are_named(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = AptRepository(tmp_path / "apt")
    debs = [deb(repository.add(n), repository.folder) for n in ("a", "b", "c")]
    repository.publish()
    monkeypatch.setenv("LAPSTRAKE_DEBIAN_MIRROR", repository.url)
    (repository.folder / debs[0].path).unlink()
    (repository.folder / debs[2].path).write_bytes(b"another")
    with pytest.raises(UserError, match=r"the mirror no longer has a 1\.0, c 1\.0") as caught:
        fetch(debs, store)
    assert "--upgrade-os" in caught.value.hint
    assert "LAPSTRAKE_SNAPSHOT" in caught.value.hint
    assert store.deb(debs[1].sha256).exists()


def test_a_snapshot_has_what_the_mirror_lacks(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = AptRepository(tmp_path / "snapshot")
    debs = [deb(repository.add("a"), repository.folder)]
    repository.publish()
    monkeypatch.setenv("LAPSTRAKE_DEBIAN_MIRROR", suite(tmp_path / "empty", "bookworm"))
    with pytest.raises(UserError, match="no longer has a"):
        fetch(debs, store)
    monkeypatch.setenv("LAPSTRAKE_SNAPSHOT", repository.url)
    assert fetch(debs, store)[debs[0].filename].exists()


def test_no_mirror_and_nothing_to_fetch(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAPSTRAKE_DEBIAN_MIRROR", "file:///nowhere")
    assert fetch([], store) == {}
