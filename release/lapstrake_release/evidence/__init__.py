"""What proves a release: bills of materials, provenance, checksums.

Everything here is made from `ReleaseFacts` and dist/ alone, and holds no time but the build's
epoch: the same release gives the same bytes, however often it is made.
"""

from __future__ import annotations

from lapstrake_release.evidence.sbom import image_sbom
from lapstrake_release.evidence.sums import SUMS, published_name
from lapstrake_release.evidence.write import write_evidence

__all__ = ["SUMS", "image_sbom", "published_name", "write_evidence"]
