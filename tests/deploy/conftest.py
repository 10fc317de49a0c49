"""Images for deploy files that are really run."""

from __future__ import annotations

import sys
from pathlib import Path

# the smoke tests' own maker of images
sys.path.append(str(Path(__file__).parents[1] / "smoke"))
