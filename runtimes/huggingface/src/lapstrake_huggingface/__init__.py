"""Serves Hugging Face's pipelines over text with MLServer."""

from lapstrake_huggingface.model import HuggingFaceModel

__all__ = ["HuggingFaceModel"]
