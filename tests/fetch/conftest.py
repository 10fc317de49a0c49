from __future__ import annotations

from support.indexes import _own_indexes, links

__all__ = ["_own_indexes", "links"]
