"""GitHub's published description of its REST API: what requests and answers must look like.

The document is large, so it is read once for a process, and only the operation in question is
resolved.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from openapi_schema_validator import OAS30Validator, oas30_format_checker
from referencing import Registry, Resource, Specification

from lapstrake import process

Json = Any
Operation = Mapping[str, Any]

_TOP = Path(__file__).parents[2]
_URI = "urn:github"

# What GitHub may answer to any request, and does not repeat at every operation.
_ANYWHERE = {401, 403, 404, 429, 500, 502, 503, 504}


@functools.cache
def description() -> Description:
    """GitHub's; it is fetched where it is not there yet, and a test that can't have it fails."""
    found = process.run([_TOP / "setup/openapi.sh"], failure="GitHub's description can't be had")
    return Description(json.loads(Path(found.stdout.strip().splitlines()[-1]).read_bytes()))


class Description:
    """An OpenAPI 3.0 document."""

    def __init__(self, document: Json) -> None:
        self._document = document
        resource = Resource(contents=document, specification=Specification.OPAQUE)
        self._registry: Registry[Any] = Registry().with_resource(_URI, resource)
        self._validators: dict[str, OAS30Validator] = {}

    def operation(self, method: str, template: str) -> Operation:
        """What it says of a method and a path such as `/repos/{owner}/{repo}`; KeyError."""
        return self._document["paths"][template][method.lower()]

    def request_problems(
        self,
        method: str,
        template: str,
        path: Mapping[str, str],
        query: Mapping[str, str],
        content_type: str,
        body: bytes,
    ) -> Iterator[str]:
        """What is wrong with a request; nothing where it is as it should be."""
        operation = self.operation(method, template)
        known = {p["name"]: p for p in map(self.resolved, operation.get("parameters", []))}
        for name, value in (*path.items(), *query.items()):
            if name not in known:
                yield f"{name} is no parameter"
                continue
            schema = self.resolved(known[name]["schema"])
            for error in self._errors(schema, _typed(value, schema.get("type", ""))):
                yield f"{name}: {error}"
        for name, parameter in known.items():
            if parameter.get("required") and name not in {**path, **query}:
                yield f"{name} is missing"
        yield from self._body_problems(method, template, content_type, body)

    def _body_problems(
        self, method: str, template: str, content_type: str, body: bytes
    ) -> Iterator[str]:
        wanted = self.resolved(self.operation(method, template).get("requestBody", {}))
        if not wanted:
            if body not in {b"", b"{}"}:
                yield "it has a body, and may have none"
            return
        if not body:
            if wanted.get("required"):
                yield "it has no body"
            return
        kind = content_type.partition(";")[0]
        if kind not in wanted["content"]:
            yield f"its body is {kind or 'of no type'}, not {' or '.join(wanted['content'])}"
        elif kind == "application/json":
            pointer = (*self._pointer(method, template), "requestBody", "content", kind, "schema")
            value = json.loads(body)
            yield from self._errors_at(pointer, value)
            yield from self._unknown(wanted["content"][kind]["schema"], value)

    def answer_problems(
        self, method: str, template: str, status: int, value: Json
    ) -> Iterator[str]:
        """What is wrong with an answer; nothing where it is as it should be."""
        responses = self.operation(method, template)["responses"]
        pointer: tuple[str, ...] = (*self._pointer(method, template), "responses", str(status))
        if str(status) not in responses:
            if status not in _ANYWHERE:
                yield f"{status} is no answer to this"
                return
            pointer = ("components", "responses", "not_found")
        answer = self._at(pointer)
        while "$ref" in answer:
            pointer = tuple(answer["$ref"].removeprefix("#/").split("/"))
            answer = self._at(pointer)
        content = answer.get("content", {})
        if not content:
            if value is not None and status < 400:
                yield f"{status} has no body"
            return
        if "application/json" not in content:
            return
        yield from self._errors_at((*pointer, "content", "application/json", "schema"), value)

    def filled(self, name: str, address: str, /, **values: Json) -> Json:
        """An object of a schema: `values`, and something neutral for whatever else is required.

        Args:
            name: of the schema.
            address: where the addresses that nobody follows begin.
            values: the properties that count; each has to be one of the schema.
        """
        return self._filled({"$ref": f"#/components/schemas/{name}"}, address, values)

    def filled_at(self, name: str, property_name: str, address: str) -> Json:
        """An object of one property of a schema, all of it neutral."""
        schema = self.resolved(self._document["components"]["schemas"][name])
        return self._filled(schema["properties"][property_name], address, {})

    def _filled(self, schema: Json, address: str, values: Mapping[str, Json]) -> Json:
        schema = self.resolved(schema)
        properties = schema.get("properties", {})
        if unknown := set(values) - set(properties):
            raise AssertionError(f"{schema.get('title')} has no {sorted(unknown)}")
        required = schema.get("required", [])
        neutral = {k: self._neutral(k, properties[k], address) for k in required if k not in values}
        return {**neutral, **values}

    def _neutral(self, name: str, schema: Json, address: str) -> Json:
        schema = self.resolved(schema)
        kind = schema.get("type")
        if schema.get("nullable"):
            return None
        if "enum" in schema:
            return schema["enum"][0]
        if kind == "string":
            if schema.get("format") == "date-time":
                return "2024-01-01T00:00:00Z"
            is_address = schema.get("format") == "uri" or name.endswith("url")
            return f"{address}/{name.removesuffix('_url')}" if is_address else ""
        if kind == "object":
            return self._filled(schema, address, {})
        simple: dict[str, Json] = {"integer": 0, "number": 0, "boolean": False, "array": []}
        return simple[kind]

    def resolved(self, value: Json) -> Json:
        """What a reference stands for; anything else as it is."""
        while "$ref" in value:
            value = self._at(value["$ref"].removeprefix("#/").split("/"))
        return value

    def _at(self, pointer: list[str] | tuple[str, ...]) -> Json:
        value = self._document
        for part in pointer:
            value = value[part]
        return value

    def _pointer(self, method: str, template: str) -> tuple[str, ...]:
        return ("paths", template, method.lower())

    def _unknown(self, schema: Json, value: Json) -> Iterator[str]:
        """What GitHub would silently leave aside."""
        schema = self.resolved(schema)
        if isinstance(value, dict) and "properties" in schema:
            for name in sorted(set(value) - set(schema["properties"])):
                yield f"{name} is no property"

    def _errors_at(self, pointer: tuple[str, ...], value: Json) -> Iterator[str]:
        parts = [quote(p.replace("~", "~0").replace("/", "~1"), safe="~") for p in pointer]
        yield from self._errors({"$ref": f"{_URI}#/{'/'.join(parts)}"}, value)

    def _errors(self, schema: Json, value: Json) -> Iterator[str]:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            # references within a schema that stands alone are to the document as well
            full = json.loads(key.replace('"#/', f'"{_URI}#/'))
            self._validators[key] = OAS30Validator(
                full, registry=self._registry, format_checker=oas30_format_checker
            )
        for error in self._validators[key].iter_errors(value):
            yield f"{'.'.join(map(str, error.absolute_path))}: {error.message[:300]}"


def _typed(value: str, kind: str) -> Json:
    """A parameter's value as a type has it: in an address all are text."""
    if kind == "boolean" and value in {"true", "false"}:
        return value == "true"
    return int(value) if kind == "integer" and value.isdecimal() else value
