"""The runtimes' own tests, each in an environment with what the project asks for.

Of those whose libraries take gigabytes, the images are tested by `make catalog`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uv

NAMES = ("python", "onnx", "pmml")

pytestmark = [
    pytest.mark.network,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("runtimes"),
]


def run(*args: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        args,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")},
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def python(top: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with all of them."""
    folder = tmp_path_factory.mktemp("environment")
    found = uv.find_uv_bin()
    run(found, "venv", "--quiet", "--python", sys.executable, folder, cwd=top)
    asked: list[str | Path] = []
    for name in NAMES:
        project = top / "runtimes" / name
        asked += ["--editable", project, "--group", f"{project}/pyproject.toml:test"]
    interpreter = folder / "bin/python"
    run(found, "pip", "install", "--quiet", "--python", interpreter, *asked, cwd=top)
    return interpreter


@pytest.mark.parametrize("name", NAMES)
def test_the_tests_of_a_runtime_pass(name: str, python: Path, top: Path) -> None:
    if name == "pmml" and shutil.which("java") is None:
        pytest.skip("PMML is evaluated by Java, and there is none on this machine")
    said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=top / "runtimes" / name)
    assert " passed" in said.splitlines()[-1]
