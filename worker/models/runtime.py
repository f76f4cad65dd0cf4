"""What a runtime is to the rest of the room: the protocol that each backend fulfils."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from worker.errors import BackendError

BackendName = Literal["openvino", "torch"]
ComputePrecision = Literal["f32", "bf16", "fp16"]


def numbers(output: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A network's `output` as it is.

    Raises:
        BackendError: not all of it are numbers (fp16 can overflow; a broken device gives anything).
    """
    if not np.isfinite(output).all():
        raise BackendError("the model's output holds values that are no numbers: try models.compute_precision: f32")
    return output


class Backend(Protocol):
    """One network on one device.

    Attributes:
        name: the runtime.
        device: the device in words, for example a CPU's or GPU's model name.
        precision: the compute precision that is actually used.
    """

    @property
    def name(self) -> BackendName: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> ComputePrecision: ...

    def infer(self, batch: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
        """Run one batch: uint8 (n, h, w, 3) BGR for a detector, float32 (n, 1, h, w) for a classifier.

        Raises:
            BackendError: the runtime failed.
        """
        ...
