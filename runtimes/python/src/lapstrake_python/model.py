"""The base of runtimes whose models map named tensors to named tensors."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, TypeVar

from mlserver import MLModel
from mlserver.errors import InferenceError, MLServerError
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor
from mlserver.utils import get_model_uri

from lapstrake_python.errors import BadAnswer, CannotLoad
from lapstrake_python.tensors import Array, TensorSpec, decode_inputs, encode_output

T = TypeVar("T")


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives; None where it doesn't say."""

    inputs: tuple[TensorSpec, ...] | None
    outputs: tuple[TensorSpec, ...] | None


class TensorModel(MLModel):
    """A subclass opens a file, runs it and closes it; requests are checked and answered here.

    Those three are called in one thread that belongs to the model: one at a time, and the server
    answers others meanwhile.

    Attributes:
        files: the names under which a model is looked for where the settings name a folder.
        refusals: what `run` raises for inputs that the library doesn't take: answered with 400
            and the error's text. All else that it raises is a 500.
    """

    files: ClassVar[Sequence[str]] = ()
    refusals: ClassVar[tuple[type[Exception], ...]] = (ValueError,)

    _thread: ThreadPoolExecutor | None = None
    _signature: Signature | None = None

    # --- for subclasses --------------------------------------------------------------------------

    def open(self, path: Path) -> Signature:
        """Load the model at `path`; any error is told as a model that can't be loaded."""
        raise NotImplementedError

    def run(self, inputs: dict[str, Array], wanted: Sequence[str]) -> Mapping[str, object]:
        """The outputs by name, as arrays or what numpy makes arrays of.

        Args:
            inputs: by name, in the types and shapes that the signature has.
            wanted: the outputs that the request asks for, all where it is empty. Giving more than
                these is no error.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the model; also called where `open` failed."""

    def option(self, key: str, default: T) -> T:
        """A setting of `parameters.extra`; `CannotLoad` where it has another type than `default`.

        Raises:
            CannotLoad: the settings have something else there.
        """
        parameters = self.settings.parameters
        value = ((parameters.extra if parameters else None) or {}).get(key, default)
        if not isinstance(value, type(default)):
            wanted = type(default).__name__
            raise CannotLoad(self.name, "its settings", f"extra.{key} is {value!r}, no {wanted}")
        return value

    # --- what MLServer calls ---------------------------------------------------------------------

    async def load(self) -> bool:
        """Open the model; its metadata is what it says of itself, unless the settings say it."""
        path = Path(await get_model_uri(self.settings, wellknown_filenames=list(self.files)))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=self.name)
        found = await self._apart(lambda: self._open(path))
        self._signature = Signature(_told(found.inputs, self.settings.inputs), found.outputs)
        if not self.settings.inputs:
            self.inputs = _metadata(found.inputs)
        if not self.settings.outputs:
            self.outputs = _metadata(found.outputs)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Check the request, run the model, answer with what was asked for."""
        signature = self._signature
        if signature is None:
            raise InferenceError(f"{self.name} is not loaded")
        inputs = decode_inputs(payload.inputs, signature.inputs)
        wanted = [o.name for o in payload.outputs or ()]
        if signature.outputs is not None:
            _check_wanted(wanted, [o.name for o in signature.outputs])
        found = await self._apart(lambda: self._run(inputs, wanted))
        _check_wanted(wanted, found)
        outputs = [encode_output(name, found[name]) for name in wanted or found]
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)

    async def unload(self) -> bool:
        """Wait for requests that are being answered, and free the model."""
        thread, self._thread, self._signature = self._thread, None, None
        if thread is not None:
            await asyncio.wrap_future(thread.submit(self.close))
            thread.shutdown(wait=False)
        gc.collect()
        return True

    # --- the rest --------------------------------------------------------------------------------

    async def _apart(self, act: Callable[[], T]) -> T:
        if self._thread is None:
            raise InferenceError(f"{self.name} is not loaded")
        return await asyncio.wrap_future(self._thread.submit(act))

    def _open(self, path: Path) -> Signature:
        if not path.exists():  # such as an address of a store, which MLServer passes on
            raise CannotLoad(self.name, path, "there is no such file or folder")
        try:
            return self.open(path)
        except MLServerError:
            raise
        except Exception as error:
            raise CannotLoad(self.name, path, f"{type(error).__name__}: {error}") from error

    def _run(self, inputs: dict[str, Array], wanted: Sequence[str]) -> Mapping[str, object]:
        try:
            found = self.run(inputs, wanted)
        except MLServerError:
            raise
        except self.refusals as error:
            raise InferenceError(" ".join(str(error).split()) or type(error).__name__) from error
        if not found:
            raise BadAnswer(f"{self.name} gave no outputs")
        return found


def _told(
    specs: tuple[TensorSpec, ...] | None, settings: Sequence[MetadataTensor] | None
) -> tuple[TensorSpec, ...] | None:
    """What the model says of its inputs; where it doesn't, what the settings say."""
    written = {t.name: TensorSpec.of(t) for t in settings or ()}
    if specs is None:
        return tuple(written.values()) or None
    return tuple(
        replace(s, dtype=s.dtype or written[s.name].dtype, shape=s.shape or written[s.name].shape)
        if s.name in written
        else s
        for s in specs
    )


def _check_wanted(wanted: Sequence[str], known: Sequence[str] | Mapping[str, object]) -> None:
    for name in wanted:
        if name not in known:
            have = ", ".join(known)
            raise InferenceError(f"the model has no output {name!r}; its outputs are {have}")


def _metadata(specs: Sequence[TensorSpec] | None) -> list[MetadataTensor]:
    found = [s.metadata for s in specs or ()]
    return [m for m in found if m is not None]
