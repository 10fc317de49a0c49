"""Serves ONNX models with MLServer."""

from lapstrake_onnx.model import OnnxModel

__all__ = ["OnnxModel"]
