"""The sections of the page: facts in, markup out."""

from __future__ import annotations
