from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from as_user import User
from debian_root import Debian
from layouts import make_layout

from lapstrake import process
from lapstrake.engines.local import namespace
from lapstrake.engines.local.bootstrap import bootstrap
from lapstrake.engines.local.repository import make_repository
from lapstrake.errors import UserError
from lapstrake.layers.tarread import layer_members
from lapstrake.store.records import Blob
from lapstrake.store.store import Store

pytestmark = [pytest.mark.root, pytest.mark.network, pytest.mark.slow]


@pytest.fixture(scope="module")
def content(debian: Debian) -> dict[str, bytes]:
    """The root's files that are looked at below, and all of its names."""
    wanted = re.compile(r"etc/(apt|dpkg|shadow|machine-id).*|var/lib/dpkg/status")
    return {
        m.entry.name: m.content.read() if m.content and wanted.fullmatch(m.entry.name) else b""
        for m in layer_members(debian.store.blob(debian.blob.digest))
    }


def test_just_the_locked_packages_are_installed(debian: Debian, content: dict[str, bytes]) -> None:
    status = content["var/lib/dpkg/status"].decode()
    found = set()
    for paragraph in status.strip().split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", paragraph, re.MULTILINE))
        assert fields["Status"] == "install ok installed"
        found.add((fields["Package"], fields["Version"]))
    assert found == {(deb.name, deb.version) for deb in debian.layer.debs}


def test_nothing_of_the_builder_is_in_it(content: dict[str, bytes]) -> None:
    assert "etc/ssh/sshd_config" in content
    for pattern in (
        r"etc/ssh/ssh_host_.*",
        r"etc/(hostname|resolv\.conf|.*-)",
        r"dev/.*",
        r"var/log/.*\.log",
        r"var/lib/apt/lists/[^/]+\.?.*Packages.*",
        r"var/cache/apt/.*\.(deb|bin)",
        r".*mmdebstrap.*",
    ):
        assert [n for n in content if re.fullmatch(pattern, n)] == [], pattern
    assert content["etc/machine-id"] == b""
    assert not any(b"copy:" in content[n] for n in content if n.startswith("etc/apt/"))


def test_no_password_opens_it(content: dict[str, bytes]) -> None:
    hashes = {line.split(":")[1] for line in content["etc/shadow"].decode().splitlines()}
    assert hashes <= {"*", "!", "!*"}


def test_apt_has_the_sources_that_it_ships_with(content: dict[str, bytes]) -> None:
    lines = content["etc/apt/sources.list"].decode().splitlines()
    assert len(lines) >= 2
    for line in lines:
        kind, address, suite, component = line.split()
        assert (kind, component) == ("deb", "main")
        assert suite.startswith("bookworm")
        assert address.startswith("http")


def test_documentation_stays_out_but_licences_stay(content: dict[str, bytes]) -> None:
    assert "usr/share/doc/bash/copyright" in content
    docs = re.compile(r"usr/share/(doc/.*/(?!copyright)[^/]+|man/.*|locale/.*|info/.*)")
    folders = {n.rpartition("/")[0] for n in content}
    assert [n for n in content if docs.fullmatch(n) and n not in folders] == []
    assert b"path-exclude=/usr/share/man/*" in content["etc/dpkg/dpkg.cfg.d/no-docs"]


def test_times_are_no_later_than_the_epoch(debian: Debian) -> None:
    members = layer_members(debian.store.blob(debian.blob.digest))
    assert max(m.entry.mtime for m in members) == debian.layer.epoch


@pytest.fixture(scope="module")
def parts(debian: Debian) -> tuple[Blob, ...]:
    """The same root in several blobs."""
    layer = replace(debian.layer, blobs=12)
    return bootstrap(layer, debian.debs, debian.store, lambda _: None)


def test_a_root_of_several_blobs_is_the_same_root(
    debian: Debian, parts: tuple[Blob, ...], tmp_path: Path
) -> None:
    assert len(parts) == 12
    whole = _unpacked([debian.blob], debian.store, tmp_path / "whole")
    assert _unpacked(parts, debian.store, tmp_path / "parts") == whole


def _unpacked(blobs: Sequence[Blob], store: Store, folder: Path) -> dict[str, object]:
    """All that umoci makes of some layers, but the times; of a hard link, its first name too."""
    folder.mkdir()
    make_layout(folder / "layout", [(store.blob(blob.digest), blob) for blob in blobs])
    args = ["umoci", "unpack", "--image", f"{folder}/layout:image", folder / "bundle"]
    process.run(args)
    inodes: dict[int, str] = {}
    found: dict[str, object] = {}
    root = folder / "bundle/rootfs"
    for path in sorted(root.rglob("*")):
        info, name = path.lstat(), str(path.relative_to(root))
        content = b""
        if stat.S_ISREG(info.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(info.st_mode):
            content = os.fsencode(path.readlink())
        first = name if path.is_dir() else inodes.setdefault(info.st_ino, name)
        found[name] = (info.st_mode, info.st_uid, info.st_gid, content, first)
    # the table of contents is a file to whoever doesn't know it
    del found["stargz.index.json"]
    return found


def test_an_update_moves_the_blob_of_its_package_and_the_topmost(
    debian: Debian, parts: tuple[Blob, ...], tmp_path: Path
) -> None:
    (old,) = (deb for deb in debian.layer.debs if deb.name == "libexpat1")
    path = _updated(debian.debs[old.filename], tmp_path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    change = {"version": f"{old.version}.1", "sha256": sha256, "size": path.stat().st_size}
    new = old.model_copy(update=change)
    debs = tuple(new if deb is old else deb for deb in debian.layer.debs)
    # the lock's epoch moves with every update
    layer = replace(debian.layer, debs=debs, blobs=12, epoch=debian.layer.epoch + 86400)
    files = {**debian.debs, new.filename: path}
    after = bootstrap(layer, files, debian.store, lambda _: None)
    moved = [blob for blob in after if blob not in parts]
    names = [{m.entry.name for m in layer_members(debian.store.blob(b.digest))} for b in moved]
    assert len(moved) == 2
    assert "usr/share/doc/libexpat1/copyright" in names[0]
    assert "var/lib/dpkg/status" in names[1]
    assert moved[1].digest == after[-1].digest
    assert sum(b.size for b in moved) < sum(b.size for b in after) / 5


def _updated(deb: Path, folder: Path) -> Path:
    """A package with another version and one changed file."""
    tree = folder / "tree"
    process.run(["dpkg-deb", "--raw-extract", deb, tree])
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1.1", control.read_text()))
    changed = tree / "usr/share/doc/libexpat1/copyright"
    with changed.open("a") as file:
        file.write("changed\n")
    os.utime(changed, (1_700_000_000, 1_700_000_000))
    process.run(["dpkg-deb", "--root-owner-group", "--build", tree, folder / "new.deb"])
    return folder / "new.deb"


def test_another_user_in_another_zone_makes_the_same_bytes(
    debian: Debian, parts: tuple[Blob, ...], user: User
) -> None:
    debs = {name: _readable(path, user) for name, path in debian.debs.items()}
    made = user.call(
        "rootless_calls:build_root",
        user.folder / "root-cache",
        replace(debian.layer, blobs=12),
        debs,
        env={"TZ": "Asia/Tokyo", "LANG": "tr_TR.UTF-8", "HOSTNAME": "elsewhere"},
    )
    assert made == parts


def _readable(path: Path, user: User) -> Path:
    """A copy where an ordinary user may read it: a test's own folders are root's."""
    copy = user.folder / path.name
    copy.write_bytes(path.read_bytes())
    return copy


def test_a_set_that_lacks_something_is_an_error_with_apts_words(
    debian: Debian, store: Store
) -> None:
    debs = tuple(deb for deb in debian.layer.debs if deb.name != "libpython3-stdlib")
    with pytest.raises(UserError, match="mmdebstrap failed") as raised:
        bootstrap(replace(debian.layer, debs=debs), debian.debs, store, lambda _: None)
    assert any("libpython3-stdlib" in line for line in raised.value.details)
    assert list((store.root / "tmp").iterdir()) == []
    assert list((store.root / "blobs/sha256").iterdir()) == []


def test_what_is_no_package_is_named(debian: Debian, store: Store, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"no deb")
    deb = debian.more[0]
    with pytest.raises(UserError, match=r"/broken has changed since it came into the cache"):
        make_repository([deb], {deb.filename: broken}, tmp_path / "repository", store)
    locked = deb.model_copy(update={"sha256": hashlib.sha256(b"no deb").hexdigest()})
    with pytest.raises(UserError, match="broken is no Debian package") as raised:
        make_repository([locked], {deb.filename: broken}, tmp_path / "other", store)
    assert raised.value.details


def test_this_machine_can_make_namespaces() -> None:
    assert namespace.problem() is None
