"""Small models for the smoke tests, trained by the image's own libraries.

A runtime's `smoke/model.py OUT` trains a model and writes OUT/<model>/: what the server serves,
and `expected.json` with a request and the library's own answer to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lapstrake.dist import BuiltImage
from lapstrake.smoke.guest import Guest

MODELS = "/mnt/models"
_SCRIPTS = "/tmp"  # noqa: S108
_TAIL = 20


class Tensor(BaseModel):
    """An input or output as the V2 protocol's JSON has it; `data` may be nested."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class Output(BaseModel):
    """An output that is expected: its values, whatever their shape."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    data: list[Any]


class Request(BaseModel):
    """The V2 protocol's inference request."""

    model_config = ConfigDict(extra="allow", frozen=True)

    inputs: list[Tensor] = Field(min_length=1)


class Expected(BaseModel):
    """expected.json: a request (the V2 protocol's body) and the outputs that it must give."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: Request
    outputs: list[Output] = Field(min_length=1)


@dataclass(frozen=True)
class Trained:
    """What training gave: what each model must answer, by its name.

    `problem` says what went wrong, and `log` what was said then; empty where nothing did.
    """

    expected: dict[str, Expected] = field(default_factory=dict)
    problem: str = ""
    log: tuple[str, ...] = ()


def train(guest: Guest, image: BuiltImage, root: Path | None) -> Trained:
    """Run every model.py that the image has, in the container, where its server finds models."""
    folders = {
        owner: root / folder
        for owner, folder in sorted(image.smoke.items())
        if root is not None and (root / folder / "model.py").is_file()
    }
    if not folders:
        return Trained()
    for owner, folder in folders.items():
        guest.put(folder, _SCRIPTS, owner)
    script = [f"mkdir -p {MODELS}"]
    script += [f"python3 {_SCRIPTS}/{owner}/model.py {MODELS} >&2" for owner in folders]
    # libraries write some files for their owner alone; a volume's models are read by any user
    script.append(f"chmod -R a+rX {MODELS}")
    said = guest.exec("sh", "-ec", "\n".join(script))
    if said.code != 0:
        lines = said.err.decode(errors="replace").splitlines()
        return Trained(problem=f"model.py ended with {said.code}", log=tuple(lines[-_TAIL:]))
    return _expected(guest.take(MODELS))


def _expected(files: dict[str, bytes]) -> Trained:
    found = {}
    for path, content in sorted(files.items()):
        if not path.endswith("/expected.json"):
            continue
        model = path.split("/")[-2]
        try:
            found[model] = Expected.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(x) for x in first["loc"])
            return Trained(problem=f"{model}/expected.json: {where}: {first['msg']}")
    if not found:
        return Trained(problem="model.py wrote no MODEL/expected.json")
    return Trained(found)
