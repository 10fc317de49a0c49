"""A page about a build for people who don't have it: one HTML file that needs nothing else."""

from __future__ import annotations
