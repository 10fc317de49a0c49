"""The runtime."""

from __future__ import annotations

import ctypes
import re

import mlserver_xgboost
from mlserver.errors import MLServerError

_DEVICE = re.compile(r"cpu|cuda(?::(\d+))?")


def gpus() -> int:
    """How many GPUs the driver says there are; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int()
    ready = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if ready else 0


class XGBoostModel(mlserver_xgboost.XGBoostModel):
    """A model of XGBoost's; README.md says what the settings may have."""

    async def load(self) -> bool:
        """Load the file onto the device."""
        device = self._device()
        loaded: bool = await super().load()
        self._model.set_params(device=device)
        return loaded

    def _device(self) -> str:
        """What to compute on.

        Raises:
            MLServerError: it is no device, or isn't there: XGBoost would take the CPU in its place.
        """
        parameters = self.settings.parameters
        extra = (parameters.extra if parameters else None) or {}
        count = gpus()
        device = str(extra.get("device") or ("cuda" if count else "cpu"))
        found = _DEVICE.fullmatch(device)
        if found is None:
            raise MLServerError(f"{self.name}: {device!r} is no device: say cpu, cuda or cuda:1")
        if device != "cpu" and int(found[1] or 0) >= count:
            raise MLServerError(
                f"{self.name}: there is no {device}: the driver tells of {count} GPUs"
            )
        return device
