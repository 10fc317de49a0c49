"""What testers say of images: bound to a digest, kept beside it in the registry."""

from __future__ import annotations

from lapstrake_release.verdicts.model import KIND, Verdict, said, standing
from lapstrake_release.verdicts.store import give, now, read, read_all

__all__ = ["KIND", "Verdict", "give", "now", "read", "read_all", "said", "standing"]
