"""Layers shared between caches through a repository of a registry."""
