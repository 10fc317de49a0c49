"""Serves PyTorch models with MLServer: torch.export programs and TorchScript."""

from lapstrake_torch.model import TorchModel

__all__ = ["TorchModel"]
