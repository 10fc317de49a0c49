from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from oci_images import push

from lapstrake.definition.load import load
from lapstrake.errors import UserError
from lapstrake.lock.check import stale
from lapstrake.lock.make import make_lock
from lapstrake.lock.model import Lock
from support.registry import serve_registry
from support.tiny import AptRepository, wheel

Write = Callable[..., Path]

FILES = {
    "lapstrake.yaml": "name: fam\n",
    "images/base/image.yaml": "root: {suite: bookworm, packages: [tini]}\n",
    "images/slim/image.yaml": (
        "extends: base\napt: [python3, tool]\npython: {requirements: [serve]}\n"
    ),
    "runtimes/one/runtime.yaml": "python: {requirements: [aa]}\n",
}


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AptRepository:
    """The only mirror: a root's essentials, tini, and a tool that needs a library."""
    repository = AptRepository(tmp_path / "mirror")
    repository.essentials()
    repository.add("tini", "0.19.0-1", "Depends: libc6")
    repository.add("libtool", "1:1.0-1", "Depends: libc6\nProvides: virtual-tool")
    repository.add("tool", "2.0", "Depends: libtool (>= 1:1.0), tini\nRecommends: extra")
    repository.add("extra", "1.0")
    repository.publish()
    monkeypatch.setenv("LAPSTRAKE_DEBIAN_MIRROR", repository.url)
    return repository


@pytest.fixture
def index(links: Path) -> Path:
    wheel(links, "serve", "1.0")
    wheel(links, "aa", "1.0", ["serve"])
    return links


def lock(root: Path, old: Lock | None = None, **options: object) -> Lock:
    return make_lock(load(root), old, progress=lambda _: None, **options)  # type: ignore[arg-type]


def names(debs: tuple[object, ...]) -> list[str]:
    return [str(getattr(d, "name", "")) for d in debs]


@pytest.mark.usefixtures("index")
def test_a_whole_family(write: Write, apt: AptRepository) -> None:
    root = write(FILES)
    found = lock(root)
    assert names(found.roots["base"]) == ["apt", "base-files", "libc6", "tini"]
    assert names(found.apt["slim"]) == ["libtool", "python3", "python3.11-minimal", "tool"]
    tool = found.apt["slim"][0]
    assert (tool.version, tool.archive) == ("1:1.0-1", "bookworm")
    assert tool.filename == "libtool_1%3a1.0-1_amd64.deb"
    assert (apt.folder / tool.path).stat().st_size == tool.size
    family = found.resolutions["family"]
    assert (family.python, family.glibc) == ("3.11", "2.36")
    assert family.closures == {"base": (), "one": ("aa", "serve"), "slim": ("serve",)}
    assert found.epoch % 86400 == 0
    assert abs(found.epoch - datetime.now(UTC).timestamp()) < 2 * 86400
    assert stale(load(root), found) == []
    text = found.model_dump_json()
    assert "://" not in text
    assert str(root.parent) not in text
    assert lock(root) == found


def test_nothing_changed_needs_no_network(
    write: Write, apt: AptRepository, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(FILES)
    found = lock(root)
    monkeypatch.setenv("LAPSTRAKE_DEBIAN_MIRROR", "http://127.0.0.1:9/")
    for file in index.iterdir():
        file.unlink()
    assert lock(root, found) == found


@pytest.mark.usefixtures("index")
def test_os_packages_stay_until_they_are_moved(write: Write, apt: AptRepository) -> None:
    root = write(FILES)
    first = lock(root)
    apt.add("tini", "0.20.0-1", "Depends: libc6")
    apt.add("libtool", "1:1.1-1", "Depends: libc6")
    apt.publish()
    assert lock(root, first) == first
    moved = lock(root, first, upgrade_os=True)
    assert moved.roots["base"][-1].version == "0.20.0-1"
    assert moved.apt["slim"][0].version == "1:1.1-1"
    assert moved.resolutions == first.resolutions


@pytest.mark.usefixtures("index")
def test_apt_over_a_root_that_the_mirror_no_longer_has(write: Write, apt: AptRepository) -> None:
    root = write(FILES)
    first = lock(root)
    apt.add("tini", "0.20.0-1", "Depends: libc6")
    apt.publish()
    slim = root / "images/slim/image.yaml"
    slim.write_text(slim.read_text().replace("tool]", "tool, extra]"))
    second = lock(root, first)
    assert second.roots == first.roots
    assert names(second.apt["slim"]) == ["extra", *names(first.apt["slim"])]
    assert second.apt["slim"][1:] == first.apt["slim"]


@pytest.mark.usefixtures("index")
def test_the_epoch_is_kept_and_can_be_given(
    write: Write, apt: AptRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(FILES)
    old = lock(root).model_copy(update={"epoch": 86400})
    assert lock(root, old).epoch == 86400
    assert lock(root, old, upgrade_os=True).epoch > 86400
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "12345")
    assert lock(root, old).epoch == 12345
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UserError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        lock(root, old)


@pytest.mark.usefixtures("apt", "index")
def test_an_unknown_package_names_its_line_and_those_like_it(write: Write) -> None:
    files = FILES | {"images/slim/image.yaml": "extends: base\napt:\n  - python3\n  - tooll\n"}
    with pytest.raises(UserError) as caught:
        lock(write(files))
    assert caught.value.message == "images/slim/image.yaml:4: bookworm has no package tooll"
    assert caught.value.hint.startswith("is it tool")


@pytest.mark.usefixtures("index")
def test_packages_that_can_not_be_installed_together(write: Write, apt: AptRepository) -> None:
    apt.add("foe", "1.0", "Conflicts: tini")
    apt.publish()
    files = FILES | {"images/slim/image.yaml": "extends: base\napt: [foe]\n"}
    with pytest.raises(UserError, match=r"slim/image\.yaml:2: bookworm: apt can't install foe"):
        lock(write(files))


@pytest.mark.usefixtures("index")
def test_security_updates_win(
    write: Write, apt: AptRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    security = AptRepository(tmp_path / "security")
    security.add("tini", "0.19.0-1+deb12u1", "Depends: libc6")
    security.publish("bookworm-security")
    monkeypatch.setenv("LAPSTRAKE_DEBIAN_MIRROR", f"{apt.url} {security.url}")
    tini = lock(write(FILES)).roots["base"][-1]
    assert (tini.version, tini.archive) == ("0.19.0-1+deb12u1", "bookworm-security")
    assert tini.path == "pool/tini_0.19.0-1+deb12u1_amd64.deb"


@pytest.mark.usefixtures("apt", "index")
def test_requirements_without_a_python(write: Write) -> None:
    files = FILES | {"images/base/image.yaml": FILES["images/base/image.yaml"] + "python:\n"
                     "  requirements: [serve]\n"}  # fmt: skip
    with pytest.raises(UserError) as caught:
        lock(write(files))
    assert caught.value.message == (
        "images/base/image.yaml:3: base has requirements, but its OS has no Python"
    )


@pytest.mark.usefixtures("apt", "index")
def test_the_python_that_the_family_asks_for(write: Write) -> None:
    root = write(FILES | {"lapstrake.yaml": "name: fam\npython: {version: '3.12'}\n"})
    with pytest.raises(UserError, match=r"asks for Python 3\.12, which the OS of one doesn't have"):
        lock(root)
    assert lock(write(FILES | {"lapstrake.yaml": "name: fam\npython: {version: '3.11'}\n"}))


@pytest.mark.usefixtures("apt")
def test_one_package_moves(write: Write, index: Path) -> None:
    root = write(FILES)
    first = lock(root)
    for name in ("serve", "aa"):
        wheel(index, name, "2.0")
    moved = lock(root, first, upgrade={"Serve"})
    found = {w.name: w.version for w in moved.resolutions["family"].wheels}
    assert found == {"aa": "1.0", "serve": "2.0"}
    assert (moved.roots, moved.apt, moved.epoch) == (first.roots, first.apt, first.epoch)
    with pytest.raises(UserError, match="no image needs nothing-of-it"):
        lock(root, first, upgrade={"nothing.of_it"})
    everything = lock(root, first, upgrade="all").resolutions["family"]
    assert {w.version for w in everything.wheels} == {"2.0"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    with serve_registry(tmp_path / "registry") as host:
        yield host


@pytest.mark.usefixtures("apt", "index")
def test_images_by_digest(write: Write, hub: str, tmp_path: Path) -> None:
    digest = push(tmp_path, f"{hub}/tools/cc:1", [{"bin/cc": "x"}])
    pinned = f"{hub}/other@sha256:{'0' * 64}"
    copies = f"copy:\n  - {{from: '{hub}/tools/cc:1', paths: [{{from: /bin/cc}}]}}\n"
    copies += f"  - {{from: '{pinned}', paths: [{{from: /x}}]}}\n"
    root = write(FILES | {"runtimes/one/runtime.yaml": copies})
    found = lock(root)
    assert found.images == {f"{hub}/tools/cc:1": digest, pinned: f"sha256:{'0' * 64}"}
    second = push(tmp_path, f"{hub}/tools/cc:1", [{"bin/cc": "y"}])
    assert lock(root, found).images == found.images
    assert lock(root, found, upgrade_os=True).images[f"{hub}/tools/cc:1"] == second != digest


@pytest.mark.usefixtures("apt", "index")
def test_an_image_that_is_not_there(write: Write, hub: str) -> None:
    copies = f"copy:\n  - {{from: '{hub}/gone:1', paths: [{{from: /x}}]}}\n"
    with pytest.raises(UserError, match=rf"^{hub}/gone:1: the registry has no such image"):
        lock(write(FILES | {"runtimes/one/runtime.yaml": copies}))


@pytest.mark.usefixtures("index")
def test_apt_and_wheels_over_a_pulled_root(
    write: Write, apt: AptRepository, hub: str, tmp_path: Path
) -> None:
    status = "\n".join(
        re.sub(r"^(Package: .*)$", r"\1\nStatus: install ok installed", apt.paragraphs[n], flags=8)
        for n in ("libc6", "libtool")
    )
    layers = [
        {"etc/os-release": "VERSION_CODENAME=trixie\n", "var/lib/dpkg/status": "old"},
        {"./var/lib/dpkg/status": status, "usr/lib/os-release": "VERSION_CODENAME=bookworm\n"},
    ]
    push(tmp_path, f"{hub}/debian:12", layers)
    base = f"root: {{image: '{hub}/debian:12', python: '3.11', glibc: '2.31'}}\n"
    files = FILES | {"images/base/image.yaml": base, "images/slim/image.yaml": (
        "extends: base\napt: [tool]\npython: {requirements: [serve]}\n")}  # fmt: skip
    found = lock(write(files))
    assert found.roots == {}
    assert names(found.apt["slim"]) == ["tini", "tool"]
    family = found.resolutions["family"]
    assert (family.python, family.glibc) == ("3.11", "2.31")


@pytest.mark.network
def test_this_repository_locks(top: Path) -> None:
    repo = load(top)
    found = make_lock(repo, None, progress=lambda _: None)
    assert stale(repo, found) == []
    assert "://" not in found.model_dump_json()
    assert {"tini", "openssh-server", "python3"} <= set(names(found.roots["base"]))
    assert "perl" not in names(found.roots["base"])
    family = found.resolutions["family"]
    assert {"mlserver", "pip"} <= set(family.closures["slim"]) < set(family.closures["full"])
    assert all(w.size > 0 and len(w.sha256) == 64 for w in family.wheels)
