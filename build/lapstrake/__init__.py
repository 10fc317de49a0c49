"""Lapstrake: build, test and release families of ML container images."""

__version__ = "0.1.0.dev0"
