"""The folders above what a layer brings."""

from hypothesis import given
from hypothesis import strategies as st

from lapstrake.layers.parents import parents_of

parts = st.sampled_from(["opt", "tmp", "var", "root", "lib-1", "lib"])
paths = st.lists(parts, min_size=1, max_size=4).map("/".join)


def test_names_each_folder_once_before_what_is_in_it() -> None:
    assert parents_of(["opt/venv/bin/b", "opt/venv/bin/a", "etc/x"]) == (
        ("etc", 0o755),
        ("opt", 0o755),
        ("opt/venv", 0o755),
        ("opt/venv/bin", 0o755),
    )


def test_keeps_the_modes_of_a_debian_root() -> None:
    assert dict(parents_of(["root/.profile", "tmp/a", "var/tmp/b", "run/lock/c"])) == {
        "root": 0o700,
        "run": 0o755,
        "run/lock": 0o1777,
        "tmp": 0o1777,
        "var": 0o755,
        "var/tmp": 0o1777,
    }


def test_leaves_out_what_the_caller_describes() -> None:
    assert parents_of(["srv", "srv/data/x", "srv/data"]) == ()


@given(st.lists(paths))
def test_every_folder_above_is_there_or_named(names: list[str]) -> None:
    found = [folder for folder, _ in parents_of(names)]
    assert found == sorted(set(found))
    for name in names:
        above = name.rpartition("/")[0]
        assert not above or above in found or above in names
