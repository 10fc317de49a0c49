"""Git repositories made of a few files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from support.pyprojects import Files


def write_files(folder: Path, files: Files) -> None:
    """Write files below a folder; scripts can be executed."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755 if name.endswith(".sh") else 0o644)


def git(folder: Path, *args: str) -> str:
    """Run git there, as somebody, at a fixed time."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env |= {
        f"GIT_{who}_{what}": "x@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    env["GIT_OPTIONAL_LOCKS"] = "0"  # looking changes nothing
    done = subprocess.run(
        ["git", "-C", folder, *args], env=env, check=True, capture_output=True, text=True
    )
    return done.stdout


def repository(folder: Path, files: Files) -> Path:
    """A git repository with the files committed on `main`, and a tag of an earlier version."""
    folder.mkdir(parents=True, exist_ok=True)
    write_files(folder, files)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "all")
    git(folder, "tag", "v0.1.0")
    return folder
