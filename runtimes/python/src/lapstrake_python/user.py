"""Serves a class that knows nothing of MLServer; README.md says what it may have."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from mlserver.types import MetadataTensor

from lapstrake_python.errors import CannotLoad
from lapstrake_python.model import Signature, TensorModel
from lapstrake_python.tensors import Array, TensorSpec

FILE = "model.py"
DEFAULT_OUTPUT = "predict"

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class PythonModel(TensorModel):
    """A class of the user's, from a file or package beside model-settings.json."""

    files = (FILE,)

    _module: str = ""
    _object: Any = None

    def open(self, path: Path) -> Signature:
        """Import the module, make the object, and load it."""
        module = self._import(path)
        cls = self._class(module, path)
        made = cls(**self.option("arguments", {}))
        if not callable(getattr(made, "predict", None)):
            raise CannotLoad(self.name, path, f"{cls.__name__} has no method predict")
        if callable(getattr(made, "load", None)):
            made.load(path if path.is_dir() else path.parent)
        self._object = made
        return Signature(
            self._told(made, "inputs", path) or _arguments(made.predict),
            self._told(made, "outputs", path),
        )

    def run(self, inputs: dict[str, Array], wanted: Sequence[str]) -> Mapping[str, object]:
        """Call `predict`; what is no dict is the one output."""
        del wanted
        found = self._object.predict(**inputs)
        return found if isinstance(found, Mapping) else {DEFAULT_OUTPUT: found}

    def close(self) -> None:
        """Close the object, and forget its modules."""
        made, self._object = self._object, None
        try:
            if callable(getattr(made, "close", None)):
                made.close()
        finally:
            for name in [n for n in sys.modules if _is_part(n, self._module)]:
                del sys.modules[name]

    def _import(self, path: Path) -> ModuleType:
        """Import under a name of this model's own: two models may both have a `model.py`."""
        file = path / "__init__.py" if path.is_dir() else path
        if not file.is_file():
            raise CannotLoad(self.name, path, f"it has neither {FILE} nor __init__.py")
        self._module = f"_lapstrake_model_{id(self):x}"
        spec = importlib.util.spec_from_file_location(
            self._module,
            file,
            submodule_search_locations=[str(path)] if path.is_dir() else None,
        )
        if spec is None or spec.loader is None:
            raise CannotLoad(self.name, file, "it is no Python module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[self._module] = module
        spec.loader.exec_module(module)
        return module

    def _class(self, module: ModuleType, path: Path) -> type[Any]:
        named = self.option("class", "")
        if named:
            found: object = getattr(module, named, None)
            if not isinstance(found, type):
                raise CannotLoad(self.name, path, f"it has no class {named}")
            return found
        able: dict[str, type[Any]] = {n: c for n, c in vars(module).items() if self._is_able(c)}
        if len(able) != 1:
            have = ", ".join(sorted(able)) or "none"
            why = "one class with a method predict is wanted, or extra.class to name it"
            raise CannotLoad(self.name, path, f"{why}; it has {have}")
        return next(iter(able.values()))

    def _is_able(self, value: object) -> bool:
        """Whether it is a class of this module (not one that it imports) that can predict."""
        return (
            inspect.isclass(value)
            and _is_part(value.__module__, self._module)
            and not value.__name__.startswith("_")
            and callable(getattr(value, "predict", None))
        )

    def _told(self, made: object, what: str, path: Path) -> tuple[TensorSpec, ...] | None:
        """What the object says of its inputs or outputs, in the words of the V2 protocol."""
        told: Iterable[Any] | None = getattr(made, what, None)
        if told is None:
            return None
        try:
            return tuple(TensorSpec.of(MetadataTensor.model_validate(t)) for t in told)
        except (TypeError, ValueError) as error:
            raise CannotLoad(self.name, path, f"its {what}: {error}") from error


def _arguments(predict: Any) -> tuple[TensorSpec, ...] | None:
    """The inputs by the arguments' names; None where there is a `**name`, which takes any."""
    parameters = inspect.signature(predict).parameters.values()
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    return tuple(
        TensorSpec(p.name, optional=p.default is not inspect.Parameter.empty)
        for p in parameters
        if p.kind in _NAMED
    )


def _is_part(name: str, module: str) -> bool:
    return bool(module) and (name == module or name.startswith(f"{module}."))
