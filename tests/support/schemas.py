"""What others publish of their formats: KServe, Kubernetes, Compose."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from lapstrake import process

Json = dict[str, Any]

_TOP = Path(__file__).parents[2]

# The oldest Kubernetes that is looked after, more or less, and a new one.
KUBERNETES = ("1.30", "1.34")


def kserve_problems(value: Json) -> Iterator[str]:
    """What KServe's own description has against a ClusterServingRuntime."""
    assert (value["apiVersion"], value["kind"]) == _runtime()[0]
    for error in jsonschema.Draft202012Validator(_runtime()[1]).iter_errors(value):
        yield f"{error.json_path}: {error.message}"


@functools.cache
def _runtime() -> tuple[tuple[str, str], Json]:
    """API version and kind, and the schema; unknown keys are errors, as a server prunes them."""
    found = process.run([_TOP / "setup/kserve.sh"], failure="KServe's description can't be had")
    crd = yaml.safe_load(Path(found.stdout.strip().splitlines()[-1]).read_text())
    version = next(v for v in crd["spec"]["versions"] if v["served"])
    names = crd["spec"]["names"]
    schema = version["schema"]["openAPIV3Schema"]
    _close(schema["properties"]["spec"])
    return (f"{crd['spec']['group']}/{version['name']}", names["kind"]), schema


def _close(schema: Json) -> None:
    """Forbid what isn't described."""
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    inner = [*schema.get("properties", {}).values(), schema.get("items")]
    for value in (*inner, schema.get("additionalProperties")):
        if isinstance(value, dict):
            _close(value)


def kubernetes_problems(value: Json) -> Iterator[str]:
    """What Kubernetes' own schemas have against an object; unknown keys are errors."""
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(value, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{version}: {error.message}"


def compose_problems(value: Json) -> Iterator[str]:
    """What the Compose specification has against a file."""
    for error in jsonschema.Draft202012Validator(_compose()).iter_errors(value):
        yield f"{error.json_path}: {error.message}"


@functools.cache
def _compose() -> Json:
    folder = resources.files("check_jsonschema") / "builtin_schemas/vendor"
    found: Json = json.loads((folder / "compose-spec.json").read_text())
    return found
