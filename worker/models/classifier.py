"""The emotion classifier: 48x48 crops in, calibrated probabilities out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from worker.face import EMOTIONS
from worker.frame import Pixels
from worker.models.bundle import Bundle, ClassifierManifest, Crop
from worker.models.crop import classifier_input
from worker.models.runtime import Backend, numbers
from worker.models.warm_up import seconds_of

WARM_UP_FACES = 8


class EmotionClassifier:
    """A classifier bundle on a backend. Belongs to one thread.

    Attributes:
        crop: the rule by which `worker.models.crop.crop_face` makes its crops.
    """

    def __init__(self, bundle: Bundle[ClassifierManifest], backend: Backend) -> None:
        self.bundle = bundle
        self.backend = backend
        self.crop: Crop = bundle.manifest.crop

    def classify(self, crops: Pixels) -> npt.NDArray[np.float32]:
        """Probabilities (n, 7), float32, in the order of `worker.face.EMOTIONS`, of crops (n, 48, 48) uint8.

        The logits are divided by the bundle's temperature (Guo et al. 2017) before the softmax.

        Raises:
            BackendError: the runtime failed.
        """
        if not len(crops):
            return np.empty((0, len(EMOTIONS)), np.float32)
        manifest = self.bundle.manifest
        inputs = classifier_input(crops, manifest.input_size, manifest.mean, manifest.scale)
        return softmax(numbers(self.backend.infer(inputs)) / manifest.temperature)

    def warm_up(self) -> float:
        """Run once; the seconds that one face of a batch of eight takes."""
        crops = np.full((WARM_UP_FACES, self.crop.base, self.crop.base), 114, np.uint8)
        return seconds_of(lambda: self.classify(crops)) / WARM_UP_FACES


def softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Probabilities over the last axis, float32."""
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    probabilities = weights / weights.sum(axis=-1, keepdims=True)
    return np.asarray(probabilities, np.float32)
