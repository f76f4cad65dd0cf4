"""Opens both models and fits them to the hall."""

from __future__ import annotations

from dataclasses import dataclass

from worker.events import schema
from worker.face import Box, Quality
from worker.frame import Pixels
from worker.models.backends import BackendChoice, choose_backend, open_backend
from worker.models.bundle import Bundle, ClassifierManifest, DetectorManifest, check_pair, load_bundle
from worker.models.classifier import EmotionClassifier
from worker.models.crop import crop_face
from worker.models.detector import FaceDetector
from worker.models.quality import face_quality
from worker.models.runtime import Backend
from worker.pipeline.inference import Models
from worker.settings import ModelsSettings

FAINT_SCORE = 0.2
"""A detection between this and the bundle's threshold may continue a track, but never starts one (ByteTrack)."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Both models, warm.

    Attributes:
        choice: the runtime and why it was chosen.
        picture_s: seconds that the detector takes for one picture, measured at warm-up.
        face_s: seconds that the classifier takes for one face of eight.
    """

    detector: FaceDetector
    classifier: EmotionClassifier
    choice: BackendChoice
    picture_s: float
    face_s: float

    def for_hall(self) -> Models:
        """The models as the inference thread uses them."""
        return Models(detect=self.detector.detect, crop=self._crop, classify=self.classifier.classify)

    def names(self) -> schema.Models:
        """Both models as records name them."""
        return schema.Models(detector=self.detector.bundle.label, classifier=self.classifier.bundle.label)

    def labels(self) -> list[dict[str, str]]:
        """Labels of the metric `model_info`, one set a model."""
        return [
            _labels("detector", self.detector.bundle, self.detector.backend),
            _labels("classifier", self.classifier.bundle, self.classifier.backend),
        ]

    def _crop(self, luma: Pixels, box: Box) -> tuple[Pixels, Quality]:
        crop = crop_face(luma, box, self.classifier.crop)
        height, width = luma.shape
        return crop, face_quality(box, crop, width, height)


def open_workshop(settings: ModelsSettings) -> Workshop:
    """Load, check and warm both models.

    Raises:
        BundleError: a bundle is damaged, or the two do not fit each other.
        BackendError: the runtime cannot do what is asked.
    """
    found = load_bundle(settings.detector, "detector")
    read = load_bundle(settings.classifier, "classifier")
    check_pair(found, read)
    choice = choose_backend(settings.backend)
    precision, threads = settings.compute_precision, settings.threads or 0
    faint = min(FAINT_SCORE, found.manifest.thresholds.score)
    detector = FaceDetector(found, open_backend(found, choice, precision, threads), faint)
    classifier = EmotionClassifier(read, open_backend(read, choice, precision, threads))
    return Workshop(detector, classifier, choice, detector.warm_up(), classifier.warm_up())


def _labels(
    model: str, bundle: Bundle[DetectorManifest] | Bundle[ClassifierManifest], backend: Backend
) -> dict[str, str]:
    return {
        "model": model,
        "name": bundle.manifest.name,
        "version": bundle.manifest.version,
        "sha256": bundle.sha256[:12],
        "backend": backend.name,
        "device": backend.device,
        "precision": backend.precision,
    }
