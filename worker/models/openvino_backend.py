"""OpenVINO on the CPU: the runtime of the base install."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import openvino

from worker.errors import BackendError
from worker.models.backends import BackendName, ComputePrecision

_PRECISIONS: dict[str, ComputePrecision] = {"f32": "f32", "bf16": "bf16", "f16": "fp16"}


class OpenVinoBackend:
    """A network as OpenVINO IR; one compiled model for each shape of picture, batch size free.

    By itself the CPU plug-in computes in bf16 where the CPU can; `precision="f32"` keeps results reproducible.
    Shapes are compiled on their first batch (0.2 s for the detector), so warm up before frames come.
    """

    name: BackendName = "openvino"

    def __init__(self, path: Path, precision: Literal["auto", "f32"] = "auto", threads: int = 0) -> None:
        self._core = openvino.Core()
        self._config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if precision == "f32":
            self._config["INFERENCE_PRECISION_HINT"] = "f32"
        if threads:
            self._config["INFERENCE_NUM_THREADS"] = threads
        self._path = path
        self._requests: dict[tuple[int, ...], Any] = {}
        self.device = str(self._core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
        self.precision: ComputePrecision = self._used_precision()

    def infer(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """See `worker.models.backends.Backend.infer`."""
        shape = batch.shape[1:]
        try:
            if shape not in self._requests:
                self._requests[shape] = self._compile(shape).create_infer_request()
            outputs = self._requests[shape].infer([batch], share_inputs=True)
        except RuntimeError as error:
            raise BackendError(f"OpenVINO failed on a batch of shape {batch.shape}: {_one_line(error)}") from error
        result: npt.NDArray[np.float32] = outputs[0]
        return result

    def _compile(self, shape: tuple[int, ...]) -> Any:
        model = self._core.read_model(self._path)
        model.reshape([-1, *shape])
        return self._core.compile_model(model, "CPU", self._config)

    def _used_precision(self) -> ComputePrecision:
        hint = self._config.get("INFERENCE_PRECISION_HINT")
        used = hint or self._core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
        return _PRECISIONS[used]


def _one_line(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
