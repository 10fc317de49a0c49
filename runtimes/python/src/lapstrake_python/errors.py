"""What can be wrong besides a request (for which there is MLServer's `InferenceError`, a 400)."""

from __future__ import annotations

from mlserver.errors import MLServerError


class CannotLoad(MLServerError):
    """A model that can't be loaded: which, from where, and why. Answered with 422."""

    def __init__(self, model: str, path: object, why: object) -> None:
        text = " ".join(str(why).split())
        super().__init__(f"{model} can't be loaded from {path}: {text}", 422)


class BadAnswer(MLServerError):
    """The model gave what the V2 protocol has no word for: its own fault, answered with 500."""

    def __init__(self, why: str) -> None:
        super().__init__(why, 500)
