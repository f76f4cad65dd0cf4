"""OpenVINO on the CPU: the runtime of the base install."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import openvino

from worker.errors import BackendError
from worker.models.bf16 import bf16_pays
from worker.models.runtime import BackendName, ComputePrecision

_PRECISIONS: dict[str, ComputePrecision] = {"f32": "f32", "bf16": "bf16", "f16": "fp16"}


class OpenVinoBackend:
    """A network as OpenVINO IR.

    By itself the CPU plug-in computes in bf16 wherever the CPU can; here `auto` takes it only where it is faster
    (`bf16_pays`), and `f32` keeps results reproducible.

    With `batches` (sizes, largest first, the last is 1) a batch is cut into such pieces, each size of each shape
    compiled for itself: the detector then costs 20.3 and 17.8 CPU-ms a picture at sizes 1 and 4 against 27 and 25 with
    the size left free, and gives bit for bit the same whatever batch a picture is in. Each costs 40 to 100 MB, so sizes
    are few. Without `batches` one model of free batch size serves (the classifier loses a tenth by it).
    Models are compiled on their first batch (0.2 s for the detector), so warm up before frames come.
    """

    name: BackendName = "openvino"

    def __init__(
        self,
        path: Path,
        precision: Literal["auto", "f32"] = "auto",
        threads: int = 0,
        batches: tuple[int, ...] = (),
    ) -> None:
        self._core = openvino.Core()
        self._config: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if precision == "f32" or bf16_pays() is False:
            self._config["INFERENCE_PRECISION_HINT"] = "f32"
        if threads:
            self._config["INFERENCE_NUM_THREADS"] = threads
        self._path = path
        self._batches = batches
        self._requests: dict[tuple[int, ...], Any] = {}
        self.device = str(self._core.get_property("CPU", "FULL_DEVICE_NAME")).strip()
        self.precision: ComputePrecision = self._used_precision()

    def infer(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """See `worker.models.runtime.Backend.infer`."""
        try:
            outputs = [self._run(size, piece) for size, piece in self._pieces(batch)]
        except RuntimeError as error:
            raise BackendError(f"OpenVINO failed on a batch of shape {batch.shape}: {_one_line(error)}") from error
        return outputs[0] if len(outputs) == 1 else np.concatenate(outputs)

    def _pieces(self, batch: npt.NDArray[np.generic]) -> Iterator[tuple[int, npt.NDArray[np.generic]]]:
        """The batch in pieces, each with the batch size to compile for (-1: free)."""
        if not self._batches:
            yield -1, batch
            return
        start = 0
        for size in self._batches:
            while len(batch) - start >= size:
                yield size, batch[start : start + size]
                start += size

    def _run(self, size: int, piece: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        shape = (size, *piece.shape[1:])
        if shape not in self._requests:
            model = self._core.read_model(self._path)
            model.reshape(shape)
            self._requests[shape] = self._core.compile_model(model, "CPU", self._config).create_infer_request()
        result: npt.NDArray[np.float32] = self._requests[shape].infer([piece], share_inputs=True)[0]
        return result

    def _used_precision(self) -> ComputePrecision:
        hint = self._config.get("INFERENCE_PRECISION_HINT")
        used = hint or self._core.get_property("CPU", "INFERENCE_PRECISION_HINT").to_string()
        return _PRECISIONS[used]


def _one_line(error: RuntimeError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else "no message"
