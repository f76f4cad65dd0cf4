"""torch: CUDA in fp16 (extra `cuda`), or the CPU in f32, where the tests hold it equal to OpenVINO.

The CUDA path was run on an H100: `tests/gpu` and `worker.models.gpu_check` (`make gpu-check`) passed there.
"""

from __future__ import annotations

import platform
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from worker.errors import BackendError
from worker.models.bundle import Bundle, ClassifierManifest, DetectorManifest
from worker.models.graph import load_network
from worker.models.runtime import BackendName, ComputePrecision


class TorchBackend:
    """A bundle's network in torch, channels last; on CUDA batches go through a pinned buffer."""

    name: BackendName = "torch"

    def __init__(
        self,
        bundle: Bundle[DetectorManifest] | Bundle[ClassifierManifest],
        device: Literal["cpu", "cuda"],
        precision: Literal["auto", "f32"] = "auto",
        threads: int = 0,
    ) -> None:
        if threads:
            torch.set_num_threads(threads)
        half = device == "cuda" and precision == "auto"
        if device == "cuda" and not half:
            torch.backends.cudnn.allow_tf32 = False  # else convolutions keep 10 bits of mantissa and call it f32
        self.precision: ComputePrecision = "fp16" if half else "f32"
        self._dtype = torch.float16 if half else torch.float32
        self._device = torch.device(device)
        self.device = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or platform.machine()
        network = load_network(bundle, self._dtype).to(self._device)
        self._network = network.to(memory_format=torch.channels_last)

    def infer(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """See `worker.models.runtime.Backend.infer`."""
        try:
            with torch.inference_mode():
                output: Tensor = self._network(self._to_device(torch.from_numpy(batch)))
                result: npt.NDArray[np.float32] = output.float().cpu().numpy()
        except RuntimeError as error:
            raise BackendError(
                f"torch failed on a batch of shape {batch.shape}: {str(error).splitlines()[0]}"
            ) from error
        return result

    def _to_device(self, batch: Tensor) -> Tensor:
        if self._device.type == "cuda":
            batch = batch.pin_memory().to(self._device, non_blocking=True)
        return batch.to(self._dtype) if batch.is_floating_point() else batch
