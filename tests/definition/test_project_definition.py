"""`python: {project: FOLDER}` as it is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lapstrake.definition.load import load
from lapstrake.errors import DefinitionError

Write = Callable[..., Path]

PYPROJECT = '[project]\nname = "Fam.One"\nversion = "0.0.0"\n'
FILES = {
    "lapstrake.yaml": "name: fam\nversion: 1.0.0\n",
    "images/base/image.yaml": "root: {suite: bookworm}\n",
    "images/slim/image.yaml": "extends: base\npython: {project: //core}\n",
    "core/pyproject.toml": '[project]\nname = "fam-core"\nversion = "0.0.0"\n',
    "runtimes/one/runtime.yaml": "python:\n  requirements: [numpy]\n  project: .\n",
    "runtimes/one/pyproject.toml": PYPROJECT,
}


def problems(root: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        load(root)
    return [str(p) for p in caught.value.problems]


def test_a_project_is_below_its_image_or_the_top(write: Write) -> None:
    repo = load(write(FILES))
    assert repo.has_projects
    one = repo.project(repo.images["one"])
    assert one is not None
    assert (one.name, one.folder) == ("fam-one", repo.root / "runtimes/one")
    assert repo.project(repo.images["base"]) is None
    # that of the slim image is neither the core's nor a runtime's
    assert repo.projects.names == {"fam-core", "fam-one"}
    assert repo.projects.core is None


def test_the_top_itself_can_be_the_project(write: Write) -> None:
    files = FILES | {"pyproject.toml": FILES["core/pyproject.toml"]}
    files["images/slim/image.yaml"] = "extends: base\npython: {project: //.}\n"
    repo = load(write({k: v for k, v in files.items() if not k.startswith("core/")}))
    assert repo.projects.core == repo.project(repo.images["slim"])


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("nothing", "runtimes/one/nothing has no Python project"),
        ("../../core", "python.project: '../../core' leaves the repository"),
        ("tools", "runtimes/one/tools has no Python project"),
    ],
)
def test_a_folder_without_a_project_is_one_line(write: Write, folder: str, said: str) -> None:
    files = FILES | {
        "runtimes/one/runtime.yaml": f"python:\n  project: {folder}\n",
        "runtimes/one/tools/pyproject.toml": "[tool.ruff]\n",
    }
    (line,) = problems(write(files))
    assert line.startswith(f"runtimes/one/runtime.yaml:2: {said}")


def test_all_projects_are_judged_at_once(write: Write) -> None:
    files = FILES | {
        "runtimes/one/pyproject.toml": "[project]\nname = 'x'\n",
        "core/pyproject.toml": "[project\n",
        "lapstrake.yaml": "name: fam\nversion: '1.2'\n",
    }
    found = problems(write(files))
    assert [f.partition(" ")[0] for f in found] == [
        "core/pyproject.toml:1:",
        "lapstrake.yaml:2:",
        "runtimes/one/pyproject.toml:1:",
    ]
    assert "it has 2 numbers, not three" in found[1]


def test_a_version_that_is_stamped_nowhere_may_be_any(write: Write) -> None:
    files = {k: v for k, v in FILES.items() if "one" not in k and "slim" not in k}
    assert load(write(files | {"lapstrake.yaml": "name: fam\nversion: '1.2'\n"})).images
