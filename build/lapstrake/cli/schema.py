"""`lapstrake schema`."""

from __future__ import annotations

import click
from pydantic import BaseModel

from lapstrake.definition.models import Family, Image
from lapstrake.report import console

_MODELS: dict[str, type[BaseModel]] = {"family": Family, "image": Image, "runtime": Image}


@click.command("schema")
@click.argument("which", type=click.Choice(sorted(_MODELS)), default="image")
def command(which: str) -> None:
    """The JSON Schema of lapstrake.yaml (family), image.yaml or runtime.yaml.

    Editors complete and check the files with it: save it, and name it in the first line of a
    file, as `# yaml-language-server: $schema=PATH`.
    """
    schema = _MODELS[which].model_json_schema(by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    console.say_json(schema)
