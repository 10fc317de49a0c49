"""docs/reference.md, written from the models: `python -m lapstrake.definition.reference FILE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from lapstrake.definition.models import Family, Image
from lapstrake.store.store import write_staged

_Schema = dict[str, Any]

_HEAD = """\
# The YAML files

Written from the models in `build/lapstrake/definition/` by `make docs`.

Editors complete and check these files with the JSON Schema that `lapstrake schema family`,
`lapstrake schema image` and `lapstrake schema runtime` print. An unknown key, a wrong type or a
bad value is an error that names file and line; all errors are reported at once.

Paths in the repository are relative to the folder of the file that names them; with a leading
`//` they begin at the folder of lapstrake.yaml. No path may leave the repository.
"""

_FILES = (
    ("lapstrake.yaml", Family, "The family as a whole. It lies at the top of the repository."),
    (
        "image.yaml and runtime.yaml",
        Image,
        "One image: `images/NAME/image.yaml` or `runtimes/NAME/runtime.yaml`. A runtime differs "
        "in this: it extends the family's slim image unless it says otherwise, it can be `apart`, "
        "and it is among the `runtimes` that another image unites.",
    ),
)

_WORDS = {
    "string": "text",
    "integer": "number",
    "number": "number",
    "boolean": "true or false",
    "null": "nothing",
    "object": "mapping",
}


def reference() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD]
    for title, model, text in _FILES:
        parts += [f"## {title}\n\n{text}\n", *_Page(model, title).sections()]
    return "\n".join(parts)


class _Page:
    """The sections of one file: its own keys, then each part that is a mapping."""

    def __init__(self, model: type[BaseModel], file: str) -> None:
        self.schema: _Schema = model.model_json_schema(by_alias=True)
        self.file = file

    def sections(self) -> Iterator[str]:
        """Tables of keys, each followed by those of its parts."""
        yield self._table("", self.schema)
        yield from self._below("", self.schema)

    def _below(self, path: str, schema: _Schema) -> Iterator[str]:
        for key, value in schema["properties"].items():
            inner = f"{path}.{key}".removeprefix(".")
            part = next((s for s in self._kinds(value) if "properties" in s), None)
            if part is not None:
                yield f"### {_heading(inner, self.file)}\n\n{part['description']}\n"
                yield self._table(inner, part)
                yield from self._below(inner, part)

    def _kinds(self, schema: _Schema) -> Iterator[_Schema]:
        """All that a value may be, or be a list of."""
        if "$ref" in schema:
            schema = self.schema["$defs"][schema["$ref"].removeprefix("#/$defs/")]
        yield schema
        for inner in (*schema.get("anyOf", []), *filter(None, [schema.get("items")])):
            yield from self._kinds(inner)

    def _table(self, path: str, schema: _Schema) -> str:
        rows = ["| key | value | default | what it says |", "|---|---|---|---|"]
        for key, value in schema["properties"].items():
            anchor = _anchor(_heading(f"{path}.{key}".removeprefix("."), self.file))
            required = key in schema.get("required", [])
            cells = (
                f"`{key}`",
                _words(value, anchor),
                "**required**" if required else _default(value),
                value.get("description", "").replace("<", "&lt;"),
            )
            rows.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
        return "\n".join(rows) + "\n"


def _words(schema: _Schema, anchor: str) -> str:
    """What a value may be; `anchor` is that of the section that tells its keys."""
    if "anyOf" in schema:
        kinds = [_words(s, anchor) for s in schema["anyOf"] if s.get("type") != "null"]
        return _either(list(dict.fromkeys(kinds)))
    if "const" in schema or "enum" in schema:
        return _either([f"`{v}`" for v in schema.get("enum", [schema.get("const")])])
    if "$ref" in schema:
        return f"[mapping](#{anchor})"
    if schema["type"] == "array":
        items = schema["items"]
        note = f" ({items['description']})" if "description" in items else ""
        return f"list of {_words(items, anchor)}{note}"
    if isinstance(schema["type"], list):
        return _either([_WORDS[k] for k in schema["type"]])
    return _WORDS[schema["type"]] + _bounds(schema)


def _bounds(schema: _Schema) -> str:
    if "maximum" in schema:
        return f", {schema['minimum']} to {schema['maximum']}"
    if "minimum" in schema:
        return f", {schema['minimum']} or more"
    if "pattern" in schema:
        return f" like `{schema['pattern']}`"
    if "additionalProperties" in schema:
        return f" of {_words(schema['additionalProperties'], '')}"
    return ""


def _default(schema: _Schema) -> str:
    value = schema.get("default")
    if value in (None, "", []) or isinstance(value, dict):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _heading(path: str, file: str) -> str:
    """Both files have a `python`: a heading says whose it is, and so gives an anchor of its own."""
    return f"`{path}` in {file}"


def _anchor(heading: str) -> str:
    """The anchor that Markdown viewers give a heading."""
    kept = (c for c in heading.lower().replace(" ", "-") if c.isalnum() or c in "-_")
    return "".join(kept)


if __name__ == "__main__":
    write_staged(Path(sys.argv[1]), reference().encode())
