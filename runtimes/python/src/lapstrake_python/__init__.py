"""Serves a class of the user's own with MLServer; the base of runtimes for other libraries."""

from lapstrake_python.errors import CannotLoad
from lapstrake_python.model import Signature, TensorModel
from lapstrake_python.tensors import TensorSpec
from lapstrake_python.user import PythonModel

__all__ = ["CannotLoad", "PythonModel", "Signature", "TensorModel", "TensorSpec"]
