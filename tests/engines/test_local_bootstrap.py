from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from as_user import User
from debian_root import Debian

from lapstrake.engines.local import namespace
from lapstrake.engines.local.bootstrap import bootstrap
from lapstrake.engines.local.repository import make_repository
from lapstrake.errors import UserError
from lapstrake.layers.tarread import layer_members
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


def test_another_user_in_another_zone_makes_the_same_bytes(debian: Debian, user: User) -> None:
    debs = {name: _readable(path, user) for name, path in debian.debs.items()}
    blob = user.call(
        "rootless_calls:build_root",
        user.folder / "root-cache",
        debian.layer,
        debs,
        env={"TZ": "Asia/Tokyo", "LANG": "tr_TR.UTF-8", "HOSTNAME": "elsewhere"},
    )
    assert blob == debian.blob


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


def test_what_is_no_package_is_named(debian: Debian, tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no deb")
    deb = debian.more[0]
    with pytest.raises(UserError, match=f"{deb.name}.* is no Debian package"):
        make_repository([deb], {deb.filename: tmp_path / "broken"}, tmp_path / "repository")


def test_this_machine_can_make_namespaces() -> None:
    assert namespace.problem() is None
