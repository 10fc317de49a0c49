"""A repository on a GitHub on loopback, and all that its workflows reach."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tiny_family import make_repository
from workflow_artifacts import Artifacts
from workflow_machine import Action, Machine, Ran
from workflow_runner import Runner, read_workflow

from lapstrake.definition.channels import DEFAULT
from support.github_api import TOKEN, GithubApi, serve_github
from support.gitrepo import git
from support.registry import serve_registry
from support.targets import LOGIN, Targets, serve_targets

READER = "ghs_" + "read" * 9

# What a developer's shell or a workflow may have set, but for where packages come from.
_OURS = ("ACTIONS_", "GH_", "GITHUB_", "LAPSTRAKE_", "REGISTRY_", "TWINE_", "XDG_")

# Those of every job, of which there are none, and of each environment.
SECRETS: dict[str, dict[str, str]] = {
    "": {},
    "release": {"PYPI_TOKEN": LOGIN[1], "REGISTRY_PASSWORD": LOGIN[1]},
    **{channel.name: {"REGISTRY_PASSWORD": LOGIN[1]} for channel in DEFAULT},
}

EXTRAS = "dagger,release,smoke"


@dataclass(frozen=True)
class Built:
    """What the job `build` of release.yml has left: how it went, and the folder of artifacts."""

    version: str
    ran: Ran
    artifacts: Path


@dataclass(frozen=True)
class Scene:
    """What all tests share: the servers, and the repository as it is at first.

    Attributes:
        machine: one on which the action has installed Lapstrake with all extras.
        built: what was built by a first test that needs it; the others go on from there.
    """

    folder: Path
    targets: Targets
    origin: Path
    machine: Machine
    built: list[Built] = field(default_factory=list)

    @property
    def lapstrake(self) -> str:
        """The folder that the action has put on the PATH."""
        return self.machine.path[-1]


@dataclass
class Place:
    """A repository, its GitHub, and what runs its workflows; the servers are empty at first."""

    folder: Path
    scene: Scene
    origin: Path
    api: GithubApi
    artifacts: Artifacts
    runs: int = 0
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def targets(self) -> Targets:
        return self.scene.targets

    def dispatch(
        self,
        name: str,
        only: tuple[str, ...] = (),
        done: Mapping[str, Ran] | None = None,
        **inputs: Any,
    ) -> dict[str, Ran]:
        """Somebody starts a workflow by hand; `_` stands for `-` in the inputs' names."""
        filled = {k.replace("_", "-"): v for k, v in inputs.items()}
        return self.run("workflow_dispatch", name, filled, only=only, done=done)

    def build(self, version: str) -> Ran:
        """The job `build` of release.yml, of the repository as it is at first."""
        known = {b.version: b for b in self.scene.built}
        if version not in known:
            ran = self.dispatch(
                "release.yml", ("build",), version=version, dry_run=False, engine="local"
            )["build"]
            assert ran.result == "success", ran.log
            kept = self.scene.folder / f"built {version}"
            shutil.copytree(self.artifacts.folder, kept)
            known[version] = Built(version, ran, kept)
            self.scene.built.append(known[version])
        shutil.copytree(known[version].artifacts, self.artifacts.folder, dirs_exist_ok=True)
        return known[version].ran

    def release(self, version: str, targets: str = "") -> Ran:
        """The job `release` of release.yml, after that one, as a re-run of it alone."""
        done = {"build": self.build(version)}
        inputs = {"version": version, "dry_run": False, "engine": "local", "targets": targets}
        return self.dispatch("release.yml", ("release",), done, **inputs)["release"]

    def run(
        self,
        event: str,
        name: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        about: Mapping[str, Any] | None = None,
        ref: str = "refs/heads/main",
        only: tuple[str, ...] = (),
        done: Mapping[str, Ran] | None = None,
    ) -> dict[str, Ran]:
        """Run a workflow of `ref` for an event.

        `about` is what `github.event` has; `only` are the jobs to run, where others are `done`.
        """
        runner = self.runner(event, about or {}, ref)
        runner.ran |= done or {}
        text = git(self.origin, "show", f"{ref}:.github/workflows/{name}")
        path = runner.folder / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
        return runner.run(read_workflow(path), inputs or {}, only)

    def runner(self, event: str, about: Mapping[str, Any], ref: str) -> Runner:
        """What runs a workflow for an event."""
        self.runs += 1
        github = {
            "event_name": event,
            "event": about,
            "ref": ref,
            "actor": "ada",
            "repository": "octo/fam",
            "token": self._token,
        }
        env = {
            **environment(),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": "ada",
            "GITHUB_API_URL": self.api.url,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_REF": ref,
            "GITHUB_REPOSITORY": "octo/fam",
            "GITHUB_SERVER_URL": "https://github.com",
        }
        contexts = {"github": github, "runner": {"os": "Linux"}, "vars": self._variables()}
        folder = self.folder / f"run{self.runs}"
        return Runner(folder, env, contexts, SECRETS, self._actions())

    def _variables(self) -> dict[str, str]:
        return {
            "LAYERS": f"{self.targets.first.host}/x/Layers",
            "LAPSTRAKE_TOOLCHAIN": "",
            "PYPI_USER": LOGIN[0],
            "REGISTRY": self.targets.second.host,
            "REGISTRY_USER": LOGIN[0],
            **self.variables,
        }

    def _actions(self) -> dict[str, Action]:
        return {
            "actions/checkout": self._checkout,
            "actions/setup-python": set_python_up,
            "actions/upload-artifact": self.artifacts.upload,
            "actions/download-artifact": self.artifacts.download,
            "./": self._install,
        }

    def _token(self, rights: Mapping[str, str]) -> str:
        """The job's own token: it can do what the job's permissions say."""
        return TOKEN if rights.get("contents") == "write" else READER

    def _checkout(self, machine: Machine, said: Mapping[str, Any], _: object) -> None:
        check_out(self.origin, machine, said)

    def _install(self, machine: Machine, said: Mapping[str, Any], _: object) -> None:
        """What the action does, where it has done it before: see `Scene.machine`."""
        known = read_workflow(machine.workspace / "action.yml")["inputs"]
        assert set(said) <= set(known)
        assert set(said.get("extras", "").split(",")) <= {"", *EXTRAS.split(",")}
        machine.path.append(self.scene.lapstrake)


def check_out(origin: Path, machine: Machine, said: Mapping[str, Any]) -> None:
    """`actions/checkout`: one commit, unless more is asked for."""
    assert set(said) <= {"fetch-depth", "persist-credentials", "ref"}, said
    ref = said.get("ref") or machine.env["GITHUB_REF"]
    history = [] if said.get("fetch-depth") == 0 else ["--depth", "1", "--no-tags"]
    git(machine.folder, "clone", "-q", *history, origin.as_uri(), str(machine.workspace))
    if not ref.startswith("refs/heads/"):
        git(machine.workspace, "fetch", "-q", *history, "origin", ref)
        git(machine.workspace, "checkout", "-q", "--detach", "FETCH_HEAD")


def set_python_up(machine: Machine, said: Mapping[str, Any], _: object) -> None:
    """`actions/setup-python`: the Python that runs the tests, whichever version was asked for."""
    assert set(said) == {"python-version"}
    folder = machine.folder / "python"
    folder.mkdir(exist_ok=True)
    (folder / "python3").symlink_to(Path(sys.base_exec_prefix, "bin/python3"))
    machine.path.append(str(folder))


def environment() -> dict[str, str]:
    """Ours, with the settings of package indexes, without what else may have been set."""
    return {
        "PIP_CACHE_DIR": str(Path.home() / ".cache/pip"),
        "UV_CACHE_DIR": str(Path.home() / ".cache/uv"),
        **{k: v for k, v in os.environ.items() if not k.startswith(_OURS)},
    }


@contextlib.contextmanager
def serve_scene(folder: Path) -> Iterator[Scene]:
    """The servers and the repository; Lapstrake is installed by the action."""
    with serve_targets(folder / "servers") as targets, serve_registry(folder / "root") as registry:
        release = (
            f'  registries: ["{targets.first.host}/x", "{targets.second.host}/x"]\n'
            f'  indexes: [{{name: index0, upload: "http://{targets.index.host}/"}}]\n'
            "  github: octo/fam\n"
        )
        origin = make_repository(folder, registry, release, environment())
        yield Scene(folder, targets, origin, installed(folder / "installed", origin))


def installed(folder: Path, origin: Path) -> Machine:
    """A machine on which action.yml has installed what its own commit holds."""
    env = {**environment(), "GITHUB_REF": "refs/heads/main", "PIP_NO_COMPILE": "1"}
    machine = Machine(folder, env, {"actions/setup-python": set_python_up})
    check_out(origin, machine, {})
    known = {"runner": {"os": "Linux"}, "status": "success"}
    machine.composite(machine.workspace, {"extras": EXTRAS}, known)
    assert machine.ran.result == "success", machine.ran.log
    return machine


@contextlib.contextmanager
def serve_place(folder: Path, scene: Scene) -> Iterator[Place]:
    """A repository of its own, as long as the context lasts."""
    scene.targets.reset()
    origin = folder / "origin"
    shutil.copytree(scene.origin, origin, symlinks=True)
    with serve_github(origin) as api:
        api.tokens[READER] = ("ada", False)
        yield Place(folder, scene, origin, api, Artifacts(folder / "kept"))
