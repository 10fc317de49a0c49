"""What only some commands need is named where it is missing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lapstrake.cli.main import EXTRAS

TOP = Path(__file__).parents[2]

# A command that imports what isn't there, through the entry point.
CODE = """
import sys, types
name = sys.argv[1]
sys.modules[name] = None
import lapstrake.cli.main as main
module = types.ModuleType("absent_command")
main.COMMANDS["absent"] = ("absent_command", "")
class Loader:
    def find_spec(self, wanted, path=None, target=None):
        if wanted == "absent_command":
            __import__(name)
sys.meta_path.insert(0, Loader())
sys.argv = ["lapstrake", "absent"]
main.main()
"""


@pytest.mark.parametrize("name", [*sorted(EXTRAS), "sqlite3"])
def test_a_missing_module_names_its_extra(name: str) -> None:
    said = subprocess.run(
        [sys.executable, "-c", CODE, name], capture_output=True, text=True, check=False
    )
    if name in EXTRAS:
        assert said.returncode == 1
        assert f"pip install 'lapstrake[{EXTRAS[name]}]'" in said.stderr
    else:
        assert said.returncode == 3


def test_each_extra_exists() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) <= project["optional-dependencies"].keys()
