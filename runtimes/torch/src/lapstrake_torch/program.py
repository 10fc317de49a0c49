"""Two kinds of files, one way to call them: what a model takes and gives by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lapstrake_python import TensorSpec
from torch.export.graph_signature import InputKind, TensorArgument
from torch.utils import _pytree as pytree

EXPORTED = ".pt2"

_DTYPES: Mapping[torch.dtype, np.dtype[Any]] = {
    torch.bool: np.dtype(np.bool_),
    torch.uint8: np.dtype(np.uint8),
    torch.uint16: np.dtype(np.uint16),
    torch.uint32: np.dtype(np.uint32),
    torch.uint64: np.dtype(np.uint64),
    torch.int8: np.dtype(np.int8),
    torch.int16: np.dtype(np.int16),
    torch.int32: np.dtype(np.int32),
    torch.int64: np.dtype(np.int64),
    torch.float16: np.dtype(np.float16),
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
    torch.bfloat16: np.dtype(np.float32),
}


@dataclass(frozen=True)
class Program:
    """A model that is loaded.

    Attributes:
        inputs: what it takes; types and shapes are None where the file doesn't say.
        outputs: what it gives; None where the file doesn't say.
        types: the type that an input has inside, where that is known.
        call: takes the inputs by name, and gives tensors in whatever nest of containers.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...] | None
    types: Mapping[str, torch.dtype]
    call: Callable[[Mapping[str, torch.Tensor]], object]


def load(path: Path, device: torch.device) -> Program:
    """Load a file; `ValueError` for one whose inputs aren't all tensors."""
    return _exported(path, device) if path.suffix == EXPORTED else _scripted(path, device)


def named(found: object) -> dict[str, torch.Tensor]:
    """The tensors of an answer by name, in the order in which they lie in it."""
    leaves, _ = pytree.tree_flatten_with_path(found)
    return {_name(path): leaf for path, leaf in leaves if isinstance(leaf, torch.Tensor)}


def _name(path: Sequence[Any]) -> str:
    """`output`, `output_0`, or the keys on the way to it."""
    if not path:
        return "output"
    parts = [str(getattr(p, "key", getattr(p, "idx", getattr(p, "name", p)))) for p in path]
    return ".".join(parts) if not parts[0].isdigit() else "output_" + ".".join(parts)


# --- torch.export --------------------------------------------------------------------------------


def _exported(path: Path, device: torch.device) -> Program:
    program = torch.export.load(path)
    if device.type != "cpu":
        from torch.export.passes import move_to_device_pass

        program = move_to_device_pass(program, device)
    nodes = {node.name: node for node in program.graph.nodes}
    names = _user_inputs(program)
    spec = program.call_spec.in_spec
    if spec is None:
        raise ValueError("the program doesn't say how it is called")
    module = program.module()

    def call(inputs: Mapping[str, torch.Tensor]) -> object:
        args, kwargs = pytree.tree_unflatten([inputs[n] for n in names], spec)
        return module(*args, **kwargs)

    values = {n: nodes[n].meta["val"] for n in names}
    return Program(
        inputs=tuple(_spec(n, v) for n, v in values.items()),
        outputs=_user_outputs(program, nodes),
        types={n: v.dtype for n, v in values.items()},
        call=call,
    )


def _user_inputs(program: torch.export.ExportedProgram) -> list[str]:
    inputs = [s for s in program.graph_signature.input_specs if s.kind is InputKind.USER_INPUT]
    if odd := [s.arg for s in inputs if not isinstance(s.arg, TensorArgument)]:
        raise ValueError(f"its input {getattr(odd[0], 'name', odd[0])} is no tensor")
    return [s.arg.name for s in inputs if isinstance(s.arg, TensorArgument)]


def _user_outputs(
    program: torch.export.ExportedProgram, nodes: Mapping[str, Any]
) -> tuple[TensorSpec, ...] | None:
    """The outputs as `named` will name them."""
    names, spec = program.graph_signature.user_outputs, program.call_spec.out_spec
    if spec is None:
        return None
    values = [nodes[n].meta["val"] if n in nodes else n for n in names]
    return tuple(_spec(n, v) for n, v in named(pytree.tree_unflatten(values, spec)).items())


def _spec(name: str, value: torch.Tensor) -> TensorSpec:
    if value.dtype not in _DTYPES:
        raise ValueError(f"{name} is of the type {value.dtype}, which V2 doesn't have")
    shape = tuple(n if isinstance(n, int) else -1 for n in value.shape)
    return TensorSpec(name, _DTYPES[value.dtype], shape)


# --- TorchScript ---------------------------------------------------------------------------------


def _scripted(path: Path, device: torch.device) -> Program:
    module = torch.jit.load(str(path), map_location=device).eval()
    specs = []
    for argument in module.forward.schema.arguments[1:]:  # the first is the module itself
        takes = str(argument.type)
        has_default = argument.has_default_value()
        if takes in ("Tensor", "Optional[Tensor]"):
            specs.append(TensorSpec(argument.name, optional=has_default))
        elif not has_default:
            raise ValueError(f"its input {argument.name} is {takes}, no tensor")
    return Program(tuple(specs), None, {}, lambda inputs: module(**inputs))
