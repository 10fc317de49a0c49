"""The $name runtime."""

from $module.runtime import $cls

__all__ = ["$cls"]
