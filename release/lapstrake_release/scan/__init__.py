"""What scanners find in images: read from their JSON, judged, kept beside the image's digest."""

from __future__ import annotations

from lapstrake_release.scan.compare import Risk, Risks, compare
from lapstrake_release.scan.judge import Judged, judge
from lapstrake_release.scan.model import KIND, Finding, Findings
from lapstrake_release.scan.store import latest_of_all, store

__all__ = [
    "KIND",
    "Finding",
    "Findings",
    "Judged",
    "Risk",
    "Risks",
    "compare",
    "judge",
    "latest_of_all",
    "store",
]
