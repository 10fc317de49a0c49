"""Serves TensorFlow's SavedModels with MLServer."""

from lapstrake_tensorflow.model import TensorFlowModel

__all__ = ["TensorFlowModel"]
