"""When the worker says no emotion of a face, and how much a face that it does read counts."""

from __future__ import annotations

from dataclasses import dataclass

from worker.face import Abstention, Quality


@dataclass(frozen=True, slots=True)
class Gates:
    """Thresholds below which the classifier is not to be trusted; measured values stand in the classifier's manifest.

    Attributes:
        size_px: smallest size, pixels of the full picture.
        sharpness: smallest sharpness, 0..1.
        brightness: smallest mean luma, 0..1.
        inside: smallest share of the box that lies inside the picture, 0..1.
        confidence: smallest calibrated probability of the first label, 0..1.
    """

    size_px: float = 24.0
    sharpness: float = 0.05
    brightness: float = 0.08
    inside: float = 0.8
    confidence: float = 0.35

    def refuse(self, quality: Quality) -> Abstention | None:
        """Why a crop of this quality is not worth classifying, the most telling reason first; None if it is."""
        if quality.size_px < self.size_px:
            return Abstention.TOO_SMALL
        if quality.inside < self.inside:
            return Abstention.PARTIAL
        if quality.brightness < self.brightness:  # before sharpness: a dark crop looks blurred as well
            return Abstention.DARK
        if quality.sharpness < self.sharpness:
            return Abstention.BLURRED
        return None

    def weight(self, quality: Quality) -> float:
        """How much a reading counts in smoothing: 0.5 for a crop that just passes, 1 from twice the threshold on."""

        def share(value: float, threshold: float) -> float:
            return value / (2 * threshold) if threshold > 0 else 1.0

        weakest = min(share(quality.size_px, self.size_px), share(quality.sharpness, self.sharpness))
        return min(1.0, max(0.5, weakest))
