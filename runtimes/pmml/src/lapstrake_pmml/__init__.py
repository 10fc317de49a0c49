"""Serves PMML models with MLServer."""

from lapstrake_pmml.model import PmmlModel

__all__ = ["PmmlModel"]
