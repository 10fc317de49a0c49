"""What is put into an image besides packages: paths of other images, files of the repository."""

from __future__ import annotations

from pydantic import Field

from lapstrake.definition.fields import FileMode, ImagePath, ImageReference, RepositoryPath
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
    """A file or folder of the repository, put into the image."""

    source: RepositoryPath = Field(
        alias="from", description="below this file's folder, or `//` for the repository's top"
    )
    to: ImagePath = Field(description="where it goes")
    mode: FileMode | None = Field(
        default=None, description="by default 0755 for what is executable in git, else 0644"
    )
    owner: int = Field(default=0, ge=0, description="the numeric user that owns it")
    group: int = Field(default=0, ge=0, description="the numeric group that owns it")
