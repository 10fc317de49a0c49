"""The small types that the definition's models are made of: each refuses what it can't be.

Every message says what is wrong with the value in the words of someone who edits the YAML.
"""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath
from typing import Annotated, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

_NAME = re.compile(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_DEB = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)?")
_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
# docker's reference grammar, as far as a definition may use it
_REFERENCE = re.compile(
    r"[a-zA-Z0-9][a-zA-Z0-9.-]*(?::[0-9]+)?(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)

_GITHUB = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}(?:/[A-Za-z0-9][A-Za-z0-9._-]*)?")

_REGISTRY = re.compile(
    r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
    r"(?:/(?:[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*|\{owner\}|\{name\}))*"
)


def image_name(value: str) -> str:
    """A name that can be part of a tag and of a file name."""
    if not _NAME.fullmatch(value) or len(value) > 64:
        msg = f"{value!r} is no image name (lower-case letters, digits, single - _ . between them)"
        raise ValueError(msg)
    return value


def env_name(value: str) -> str:
    """An environment variable's name; dots and dashes are allowed, as Kubernetes allows them."""
    if not _ENV.fullmatch(value):
        msg = f"{value!r} is no environment name (letters, digits, _ . -; no digit first)"
        raise ValueError(msg)
    return value


def env_value(value: str) -> str:
    """An environment variable's value: any text but NUL, which no process can carry."""
    if "\0" in value:
        msg = "an environment value holds a NUL"
        raise ValueError(msg)
    return value


def debian_package(value: str) -> str:
    """The bare name of a Debian package: versions belong in the lock."""
    if not _DEB.fullmatch(value):
        msg = f"{value!r} is no Debian package name (its version belongs in the lock)"
        raise ValueError(msg)
    return value


def requirement(value: str) -> str:
    """A PEP 508 requirement without a URL (a URL is no name that a lock can hold)."""
    try:
        parsed = Requirement(value)
    except InvalidRequirement as error:
        reason = str(error).splitlines()[0]
        msg = f"{value!r} is no requirement: {reason}"
        raise ValueError(msg) from None
    if parsed.url is not None:
        msg = f"{value!r} names a URL; a lock holds names and hashes only"
        raise ValueError(msg)
    return value


def version(value: str) -> str:
    """A PEP 440 version."""
    try:
        return str(Version(value))
    except InvalidVersion:
        msg = f"{value!r} is no version (such as 1.2.0, 1.2.0rc1, 1.2.0.dev3)"
        raise ValueError(msg) from None


def byte_size(value: object) -> object:
    """A number of bytes, or text such as `20MB` or `1.5 GiB`."""
    if isinstance(value, str):
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            msg = f"{value!r} is no size (such as 20MB or 1.5GiB)"
            raise ValueError(msg)
        return int(float(found[1]) * _UNITS[found[2] or "B"])
    return value


# Linux takes no longer name of a file or folder, in bytes.
_LONGEST_NAME = 255
_LONGEST_PATH = 4095


def repository_path(value: str) -> str:
    """A path below the definition's own folder or, with a leading `//`, below the repository."""
    inside = value.removeprefix("//")
    path = PurePosixPath(inside)
    if not inside or path.is_absolute() or ".." in path.parts or "\0" in inside:
        msg = f"{value!r} leaves the repository (write it below this file, or // for the top)"
        raise ValueError(msg)
    if not value.isprintable() or any(len(p.encode()) > _LONGEST_NAME for p in path.parts):
        msg = f"{value[:40]!r} can't be the name of a file"
        raise ValueError(msg)
    return value


def image_path(value: str) -> str:
    """An absolute path inside an image."""
    path = PurePosixPath(value)
    if not path.is_absolute() or ".." in path.parts or "\0" in value:
        msg = f"{value!r} is no absolute path inside the image"
        raise ValueError(msg)
    return value


def link_target(value: str) -> str:
    """What a symbolic link in an image says: a path there, from the root or the link's folder."""
    if not value or not value.isprintable() or len(value.encode()) > _LONGEST_PATH:
        msg = f"{value[:40]!r} is nothing that a symbolic link can say"
        raise ValueError(msg)
    return value


def reference(value: str) -> str:
    """An image's reference, or the name of an image of this family."""
    if not _REFERENCE.fullmatch(value):
        msg = f"{value!r} is no image reference (HOST/PATH:TAG or HOST/PATH@sha256:…)"
        raise ValueError(msg)
    return value


def registry_place(value: str) -> str:
    """A registry, or a folder of one: images go to repositories below it."""
    if not _REGISTRY.fullmatch(value):
        msg = f"{value!r} is no registry (HOST[:PORT][/PATH], without scheme and tag)"
        raise ValueError(msg)
    return value


def web_address(value: str) -> str:
    """An http(s) URL without a login: this file is no place for one."""
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", value):
        msg = "no address (http:// or https://)"
        raise ValueError(msg)
    if "@" in value.split("/")[2]:
        msg = "an address with a login in it; logins belong in the environment"
        raise ValueError(msg)
    return value


def github_name(value: str) -> str:
    """A person's login on GitHub, or a team as OWNER/TEAM; a leading @ is left out."""
    name = value.removeprefix("@")
    if not _GITHUB.fullmatch(name):
        msg = f"{value!r} is no login on GitHub, nor a team (OWNER/TEAM)"
        raise ValueError(msg)
    return name


def file_mode(value: object) -> object:
    """A file mode, in octal as chmod takes it: `"0755"`, `755` or YAML's own `0755`."""
    if isinstance(value, str | int) and not isinstance(value, bool):
        text = f"{value:o}" if isinstance(value, int) else value
        if not re.fullmatch(r"0?o?[0-7]{3,4}", text):
            msg = f'{value!r} is no file mode (such as "0755")'
            raise ValueError(msg)
        return int(text.replace("o", ""), 8)
    return value


def command(value: object) -> object:
    """A command as words; a string is split as a shell would, and nothing is expanded."""
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            msg = f"{value!r} can't be split into words: {str(error).lower()}"
            raise ValueError(msg) from None
        if not words:
            msg = "a command has no words"
            raise ValueError(msg)
        return words
    return value


def _text(description: str) -> Any:
    return WithJsonSchema({"type": "string", "description": description})


ImageName = Annotated[str, AfterValidator(image_name), _text("a name for tags and folders")]
EnvName = Annotated[str, AfterValidator(env_name)]
EnvValue = Annotated[str, AfterValidator(env_value)]
DebianPackage = Annotated[str, AfterValidator(debian_package), _text("a Debian package")]
RequirementText = Annotated[str, AfterValidator(requirement), _text("a PEP 508 requirement")]
VersionText = Annotated[str, AfterValidator(version), _text("a PEP 440 version")]
ByteSize = Annotated[
    int,
    BeforeValidator(byte_size),
    Field(ge=0),
    WithJsonSchema({"type": ["integer", "string"], "description": "bytes, or such as 20MB, 1GiB"}),
]
RepositoryPath = Annotated[str, AfterValidator(repository_path), _text("a path in the repository")]
ImagePath = Annotated[str, AfterValidator(image_path), _text("an absolute path in the image")]
LinkTarget = Annotated[str, AfterValidator(link_target), _text("a path in the image")]
ImageReference = Annotated[str, AfterValidator(reference), _text("an image's reference")]
RegistryPlace = Annotated[
    str, AfterValidator(registry_place), _text("a registry, as HOST[:PORT][/PATH]")
]
WebAddress = Annotated[str, AfterValidator(web_address), _text("an http(s) address")]
GithubName = Annotated[str, AfterValidator(github_name), _text("a GitHub login or OWNER/TEAM")]
FileMode = Annotated[
    int,
    BeforeValidator(file_mode),
    WithJsonSchema({"type": ["string", "integer"], "description": 'octal, such as "0755"'}),
]
Command = Annotated[
    list[str],
    BeforeValidator(command),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            "description": "words, or a string that is split as a shell would",
        }
    ),
]
Port = Annotated[int, Field(ge=1, le=65535)]
