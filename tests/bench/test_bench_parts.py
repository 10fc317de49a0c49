from __future__ import annotations

import json
import sys
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
sys.path.append(str(TOP))

from bench.context import write_context  # noqa: E402
from bench.figures import OWN, PIP, UV, Figure, Goal, markdown, write_results  # noqa: E402
from bench.host import apt_list, pip_conf, uv_toml  # noqa: E402
from bench.many import count_blobs, write_many  # noqa: E402
from bench.repositories import copy_repository  # noqa: E402
from bench.run import PARTS, parse  # noqa: E402

from lapstrake.definition.load import load  # noqa: E402
from lapstrake.fetch.indexes import read_indexes  # noqa: E402
from lapstrake.fetch.mirrors import Archive  # noqa: E402
from lapstrake.fetch.pip_config import read_pip_config  # noqa: E402
from lapstrake.lock.check import stale  # noqa: E402
from lapstrake.lock.file import read_lock  # noqa: E402
from lapstrake.lock.model import LOCK_NAME  # noqa: E402

pytest_plugins = ("support.indexes",)


def test_goals_are_met_or_missed() -> None:
    figure = Figure("x", "s", {OWN: 2.0, PIP: 12.0}, (Goal(6, PIP), Goal(7, PIP), Goal(1.9)))
    assert [figure.met(g) for g in figure.goals] == [True, False, False]
    assert figure.met(Goal(4, UV)) is None


def test_results_hold_every_value_and_goal(tmp_path: Path) -> None:
    figures = [
        Figure("cold", "s", {OWN: 2.0, PIP: 13.0}, (Goal(6, PIP),)),
        Figure("alone", "s", {"one thread": 0.5}),
    ]
    write_results(tmp_path / "out", "day", figures, {"cores": "2"}, "make bench")
    value = json.loads((tmp_path / "out/day.json").read_text())
    assert [f["values"] for f in value["figures"]] == [f.values for f in figures]
    page = (tmp_path / "out/day.md").read_text()
    assert page == markdown(figures, {"cores": "2"}, "make bench")
    assert "| cold | 2.00 s | 13.0 s |  | 6.50 |  | at least 6 times, Docker + pip: met |" in page


def test_the_context_has_each_wheel_of_the_lock_once(tmp_path: Path) -> None:
    repository = copy_repository(tmp_path / "family")
    assert not stale(load(repository), read_lock(repository / LOCK_NAME))
    write_context(repository, "pip", tmp_path / "context")
    family = read_lock(repository / LOCK_NAME).resolutions["family"]
    files = {p.stem: p.read_text() for p in (tmp_path / "context/requirements").iterdir()}
    for name, text in files.items():
        own = {line.partition("==")[0] for line in text.splitlines()}
        below = {x.partition("==")[0] for x in files["slim"].splitlines()} - own
        assert own | below == set(family.closures[name])
    assert set(files) == {n for n, closure in family.closures.items() if closure}
    hashes = {line.rpartition(":")[2] for text in files.values() for line in text.splitlines()}
    assert hashes == {w.sha256 for w in family.wheels}


def test_the_context_has_lapstrake_s_own_services(tmp_path: Path) -> None:
    write_context(copy_repository(tmp_path / "family"), "uv", tmp_path / "context")
    slim = tmp_path / "context/rootfs/slim"
    assert (slim / "usr/lib/lapstrake/boot").stat().st_mode & 0o777 == 0o755
    assert "mlserver" in (slim / "etc/supervisor/conf.d/mlserver.conf").read_text()
    assert (tmp_path / "context/tools/uv").stat().st_mode & 0o111
    # a bill of materials would change with every version, and no Dockerfile writes one
    assert not (slim / "usr/share/lapstrake/sbom.spdx.json").exists()


def test_a_requirement_that_moves_leaves_the_other_images_files_alone() -> None:
    for variant in ("pip", "uv"):
        text = (TOP / "bench/docker" / variant / "Dockerfile").read_text()
        stages = {s.split()[2]: s for s in text.split("\nFROM ")[1:]}
        assert set(stages) == {"base", "slim", "sklearn", "xgboost", "lightgbm", "full"}
        for name, stage in stages.items():
            mounted = [x for x in stage.split() if "source=requirements" in x]
            assert all(f"source=requirements/{name}.txt" in x for x in mounted)
            assert bool(mounted) == (name != "base")


def test_settings_of_this_machine_reach_the_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", 'https://u:p"w@index.invalid/simple')
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere https://links.invalid/x")
    pip = ConfigParser(interpolation=None)
    pip.read_string(pip_conf(read_indexes(), read_pip_config()))
    assert pip["global"]["index-url"] == 'https://u:p"w@index.invalid/simple'
    assert pip["global"]["find-links"] == "https://links.invalid/x"
    uv = tomllib.loads(uv_toml(read_indexes()))
    assert uv["index-url"] == 'https://u:p"w@index.invalid/simple'
    assert uv["find-links"] == ["https://links.invalid/x"]


def test_apt_s_sources_are_signed_or_trusted() -> None:
    archives = (
        Archive("bookworm", "http://a.invalid/debian", ("main",), "/elsewhere/key.gpg"),
        Archive("bookworm", "file:///srv/b", ("main",), trusted=True),
    )
    first, second = apt_list(archives).splitlines()
    assert first.endswith("archive-keyring.gpg] http://a.invalid/debian bookworm main")
    assert second == "deb [trusted=yes] file:///srv/b bookworm main"


def test_the_generated_repository_is_locked_and_always_the_same(tmp_path: Path) -> None:
    one, two = (write_many(tmp_path / n, runtimes=12, wheels=120) for n in ("one", "two"))
    lock = read_lock(one.root / LOCK_NAME)
    assert not stale(one, lock)
    assert (one.root / LOCK_NAME).read_bytes() == (two.root / LOCK_NAME).read_bytes()
    assert count_blobs(one, lock) > 12


def test_parts_are_checked() -> None:
    assert parse(["--only", "plan,start"]).only == {"plan", "start"}
    assert parse([]).only == set(PARTS)
    with pytest.raises(SystemExit):
        parse(["--only", "nothing"])
