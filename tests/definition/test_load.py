from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lapstrake.definition.load import find_root, load
from lapstrake.errors import DefinitionError, UserError

Write = Callable[..., Path]

FAMILY = "name: fam\n"
BASE = "root: {suite: bookworm, packages: [tini]}\n"


def problems(root: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load(root)
    return [str(p) for p in caught.value.problems]


def base(**files: str) -> dict[str, str]:
    found = {"lapstrake.yaml": FAMILY, "images/base/image.yaml": BASE}
    return found | {f"images/{n}/image.yaml": t for n, t in files.items()}


def test_this_repository_loads(top: Path) -> None:
    repo = load(top)
    assert {"base", "full", "lightgbm", "sklearn", "slim", "toolchain"} <= set(repo.images)
    assert list(repo.images) == sorted(repo.images)
    assert {"lightgbm", "sklearn", "xgboost"} < set(repo.united("full"))
    assert not {n for n in repo.united("full") if repo.images[n].spec.apart}
    assert [i.name for i in repo.ancestry("xgboost")] == ["base", "slim", "xgboost"]
    assert repo.images["xgboost"].extends == "slim"


def test_all_problems_of_all_files_at_once(write: Write) -> None:
    root = write(
        base(
            one="extends: base\nsizes: 3\nenv: {1BAD: x}\nservices:\n  - {name: web}\n",
            two="extends: base\napt: [not a package]\n",
        )
    )
    assert problems(root) == [
        "images/one/image.yaml:2: unknown key 'sizes'",
        "images/one/image.yaml:3: env.1BAD: '1BAD' is no environment name"
        " (letters, digits, _ . -; no digit first)",
        "images/one/image.yaml:5: 'services[0].command' is missing",
        "images/two/image.yaml:2: apt[0]: 'not a package' is no Debian package name"
        " (its version belongs in the lock)",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("extends: 3", "1: 'extends' must be text"),
        ("extends: base\napt: tini", "2: 'apt' must be a list"),
        ("extends: base\nenv: [a]", "2: 'env' must be a mapping"),
        ("extends: base\nsize: big", "2: size: 'big' is no size (such as 20MB or 1.5GiB)"),
        ("extends: base\nextends: base", "2: 'extends' is given twice (first in line 1)"),
        ("extends: [", "2: is no YAML: did not find expected node content"),
        ("- a", "1: is no mapping of keys to values"),
        ("extends: base\nrun: ['']", "2: a command is empty"),
        ("extends: base\nworkdir: here", "2: workdir: 'here' is no absolute path inside the image"),
        (
            "extends: base\nfiles: [{from: ../x, to: /x}]",
            "2: files[0].from: '../x' leaves the repository"
            " (write it below this file, or // for the top)",
        ),
        ("extends: base\nfiles: [{from: gone, to: /x}]", "2: there is no images/i/gone"),
        (
            "extends: base\nfiles: [{to: /x}]",
            "2: files[0]: what is put into the image comes either `from` the repository or is a"
            " `link`",
        ),
        (
            "extends: base\nfiles: [{from: x, link: y, to: /x}]",
            "2: files[0]: what is put into the image comes either `from` the repository or is a"
            " `link`",
        ),
        (
            "extends: base\nfiles: [{link: y, to: /x, mode: 755}]",
            "2: files[0]: a symbolic link has no mode",
        ),
        (
            "extends: base\nfiles: [{link: y, to: /x/}]",
            "2: files[0]: `to` is the link itself, and so has no / at its end",
        ),
        (
            "extends: base\nfiles: [{link: '', to: /x}]",
            "2: files[0].link: '' is nothing that a symbolic link can say",
        ),
        (
            "extends: base\npython: {requirements: ['a ==']}",
            "2: python.requirements[0]: 'a ==' is no requirement",
        ),
        (
            "extends: base\nservices:\n- name: a\n  command: x\n  ports: [70000]",
            "5: services[0].ports[0].port: input should be less than or equal to 65535",
        ),
        (
            "extends: base\nservices:\n- {name: a, command: x, ports: [80]}\n"
            "- {name: b, command: x, ports: [80]}",
            "4: port 80 is both a's and b's",
        ),
        (
            "extends: base\nservices: [{name: a, command: x, ports: [22]}]",
            "2: port 22 is both sshd's and a's",
        ),
        (
            "extends: base\nservices:\n- {name: a, command: x}\n- {name: a, command: y}",
            "4: two services named 'a'",
        ),
        ("extends: base\ncopy: [{from: 'Bad Ref', paths: [{from: /a}]}]", "2: copy[0].from: "),
        ("extends: base\ntag: {service: x}", "2: tag: a tag's version comes from either"),
        (
            "extends: base\napart: true\nruntimes: all",
            "2: an image that unites runtimes can't be set apart",
        ),
        ("description: x", "1: an image needs a root, or extends another"),
        ("extends: nowhere", "1: there is no image 'nowhere' to extend"),
        ("extends: i", "1: extends goes in a circle: i → i"),
        ("extends: base\ncopy: [{from: i, paths: [{from: /a}]}]", "1: copy goes in a circle"),
        ("extends: base\nruntimes: [gone]", "2: there is no runtime 'gone'"),
        ("extends: base\nname: Bad_Name", "2: name: 'Bad_Name' is no image name"),
        ("extends: base\nname: base", "2: 'base' is also the name of images/base/image.yaml"),
        ("extends: base\nenv: !!python/none x", "2: the tag !!python/none is not understood"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(write: Write, text: str, expected: str) -> None:
    root = write(base(i=text))
    said = problems(root)
    assert len(said) == 1
    assert said[0].startswith(f"images/i/image.yaml:{expected}")


def test_circle_over_two_images_names_the_way(write: Write) -> None:
    said = problems(write(base(a="extends: b\n", b="extends: a\n")))
    assert said == [
        "images/a/image.yaml:1: extends goes in a circle: a → b → a",
        "images/b/image.yaml:1: extends goes in a circle: b → a → b",
    ]


def test_ports_clash_over_what_is_inherited(write: Write) -> None:
    root = write(
        base(
            a="extends: base\nservices: [{name: one, command: x, ports: [80]}]\n",
            b="extends: a\nservices: [{name: two, command: x, ports: [80]}]\n",
        )
    )
    assert problems(root) == ["images/b/image.yaml:2: port 80 is both one's and two's"]


def test_a_service_is_replaced_by_name(write: Write) -> None:
    from lapstrake.definition.check import inherited_services

    root = write(
        base(
            a="extends: base\nservices: [{name: one, command: old, ports: [80]}]\n",
            b="extends: a\nservices: [{name: one, command: new, ports: [80]}]\n",
        )
    )
    [service] = inherited_services(load(root), "b")
    assert service.command == ["new"]


def test_file_that_is_a_link_out_of_the_repository_is_refused(write: Write) -> None:
    root = write(base(i="extends: base\nfiles: [{from: link, to: /x}]\n"))
    (root / "images/i/link").symlink_to("/etc/passwd")
    assert problems(root) == ["images/i/image.yaml:2: 'link' leaves the repository"]


def test_a_runtime_that_extends_a_runtime_brings_it_into_the_union(write: Write) -> None:
    files = base(full="extends: base\nruntimes: [b]\n")
    files |= {
        "runtimes/a/runtime.yaml": "extends: base\n",
        "runtimes/b/runtime.yaml": "extends: a\n",
    }
    assert load(write(files)).united("full") == ("a", "b")


def test_apart_runtimes_are_left_out_of_all(write: Write) -> None:
    files = base(full="extends: base\nruntimes: all\n")
    files |= {
        "runtimes/a/runtime.yaml": "extends: base\n",
        "runtimes/b/runtime.yaml": "extends: base\napart: true\n",
    }
    repo = load(write(files))
    assert repo.united("full") == ("a",)
    assert (repo.resolution("a"), repo.resolution("b")) == ("family", "b")


def test_uniting_an_apart_runtime_is_refused(write: Write) -> None:
    files = base(full="extends: base\nruntimes: [b]\n")
    files |= {"runtimes/b/runtime.yaml": "extends: base\napart: true\n"}
    assert "'b' is set apart" in problems(write(files))[0]


def test_missing_repository_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no lapstrake\.yaml"):
        find_root(tmp_path)


def test_yaml_bombs_and_self_references_end(write: Write) -> None:
    root = write(base(i="a: &a [*a]\n"))
    assert "images/i/image.yaml:1: " in problems(root)[0]


def test_a_version_that_yaml_takes_for_a_number(write: Write) -> None:
    root = write(base() | {"lapstrake.yaml": "name: fam\nversion: 1.0\n"})
    with pytest.raises(
        DefinitionError, match=r"lapstrake\.yaml:2: 'version' must be text"
    ) as caught:
        load(root)
    assert "quotes" in caught.value.hint
