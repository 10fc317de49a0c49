"""What is put into an image besides packages: paths of other images, files of the repository."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from lapstrake.definition.fields import (
    FileMode,
    ImagePath,
    ImageReference,
    LinkTarget,
    RepositoryPath,
)
from lapstrake.definition.part import Part


class CopyPath(Part):
    """One path taken out of another image."""

    source: ImagePath = Field(alias="from", description="the path in that image")
    to: ImagePath | None = Field(default=None, description="where it goes; by default the same")


class CopySpec(Part):
    """Paths taken out of another image (multi-stage)."""

    image: ImageReference = Field(
        alias="from", description="an image of this family, or one in a registry"
    )
    paths: list[CopyPath] = Field(min_length=1, description="what is taken")


class FileSpec(Part):
    """A file or folder of the repository, or a symbolic link, put into the image."""

    source: RepositoryPath | None = Field(
        alias="from",
        default=None,
        description="below this file's folder, or `//` for the repository's top",
    )
    link: LinkTarget | None = Field(
        default=None, description="instead of `from`: the path that a symbolic link has"
    )
    to: ImagePath = Field(description="where it goes")
    mode: FileMode | None = Field(
        default=None, description="by default 0755 for what is executable in git, else 0644"
    )
    owner: int = Field(default=0, ge=0, description="the numeric user that owns it")
    group: int = Field(default=0, ge=0, description="the numeric group that owns it")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.source is None) == (self.link is None):
            msg = "what is put into the image comes either `from` the repository or is a `link`"
            raise ValueError(msg)
        if self.link is not None and self.mode is not None:
            msg = "a symbolic link has no mode"
            raise ValueError(msg)
        if self.link is not None and self.to.endswith("/"):
            msg = "`to` is the link itself, and so has no / at its end"
            raise ValueError(msg)
        return self
