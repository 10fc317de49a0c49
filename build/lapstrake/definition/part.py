"""What every part of the YAML files is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """What all parts have in common: unknown keys are errors, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
