"""What an image has besides its files: data that it fetches, model formats that it serves."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from lapstrake.definition.fields import EnvName, EnvValue, ImageName, ImagePath, WebAddress
from lapstrake.definition.part import Part


def sha256_text(value: str) -> str:
    """A SHA-256 in hexadecimal, as `sha256sum` prints it; a leading `sha256:` may stand."""
    digits = value.removeprefix("sha256:").lower()
    if not re.fullmatch(r"[0-9a-f]{64}", digits):
        msg = f"{value!r} is no SHA-256 (64 hexadecimal digits, as sha256sum prints them)"
        raise ValueError(msg)
    return digits


def file_path(value: str) -> str:
    """The path of a file, not of a folder."""
    if value.endswith("/"):
        msg = f"{value!r} is a folder; write the name of the file, too"
        raise ValueError(msg)
    return value


class DataSpec(Part):
    """A file that is too large for an image: `lapstrake-fetch` downloads it into a volume."""

    url: WebAddress = Field(description="where it is had from; a login for it belongs in ~/.netrc")
    sha256: Annotated[str, AfterValidator(sha256_text)] = Field(
        description="its hash, as `sha256sum` prints it"
    )
    path: Annotated[ImagePath, AfterValidator(file_path)] = Field(
        description="where it goes: below one of the image's `volumes`"
    )


class ServesSpec(Part):
    """A model format that an image serves, for KServe."""

    format: ImageName = Field(description="what KServe calls it, such as `sklearn`")
    version: str | None = Field(
        default=None, pattern=r"^[0-9][0-9.]*$", description="the format's version, in quotes"
    )
    auto: bool = Field(
        default=False,
        description="let KServe choose this runtime where an InferenceService names none",
    )
    env: dict[EnvName, EnvValue] = Field(
        default={},
        description="variables for KServe alone; it replaces `{{.Name}}` by the InferenceService's",
    )
