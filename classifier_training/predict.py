"""Anything that classifies faces, behind one call: our bundles, our runs, ensembles of runs, other people's ONNX."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from classifier_training.errors import TrainingError
from classifier_training.labels import LABEL_SETS, emotion_index
from classifier_training.nets import multiply_adds
from classifier_training.runs import load_network, logits_of, read_weights
from worker.face import EMOTIONS
from worker.models.backends import BackendChoice, open_backend
from worker.models.bundle import load_bundle
from worker.models.classifier import EmotionClassifier, softmax

Images = NDArray[np.uint8]
Probabilities = NDArray[np.float32]

_BATCH = 256


@dataclass(frozen=True)
class Predictor:
    """Something that classifies, and what is known of it.

    Attributes:
        name: for tables.
        classify: uint8 (n, 48, 48) to float32 probabilities (n, k).
        labels: the k classes.
        compute_precision: f32, bf16 or fp16.
    """

    name: str
    classify: Callable[[Images], Probabilities]
    labels: tuple[str, ...] = EMOTIONS
    compute_precision: str = "f32"
    gmac: float | None = None
    temperature: float | None = None
    threshold: float | None = None
    bundle_sha256: str | None = None


def in_batches(classify: Callable[[Images], Probabilities]) -> Callable[[Images], Probabilities]:
    """The same in batches of 256, so that memory stays bounded."""
    return lambda images: np.concatenate(
        [classify(images[start : start + _BATCH]) for start in range(0, len(images), _BATCH)]
    )


def flipped_too(classify: Callable[[Images], Probabilities]) -> Callable[[Images], Probabilities]:
    """The mean of a picture's and its mirror image's probabilities."""

    def both(images: Images) -> Probabilities:
        mean = (classify(images) + classify(np.ascontiguousarray(images[:, :, ::-1]))) / 2
        return mean.astype(np.float32)

    return both


def bundle_predictor(path: Path, precision: Literal["auto", "f32"] = "auto") -> Predictor:
    """A bundle through the worker's own classifier on OpenVINO.

    Raises:
        BundleError: damaged, or no classifier.
    """
    bundle = load_bundle(path, "classifier")
    backend = open_backend(bundle, BackendChoice("openvino", "cpu", "evaluation"), precision)
    classifier = EmotionClassifier(bundle, backend)
    manifest = bundle.manifest
    return Predictor(
        bundle.label,
        in_batches(classifier.classify),
        manifest.labels,
        backend.precision,
        manifest.gmac,
        manifest.temperature,
        manifest.thresholds.low_confidence,
        bundle.sha256,
    )


def run_predictor(path: Path) -> Predictor:
    """The weights of a run (`weights.safetensors` or a snapshot) in torch, f32, without a temperature."""
    weights = read_weights(path)
    net, settings = load_network(weights), weights.settings
    gmac = multiply_adds(net, settings.model.size)
    if torch.cuda.is_available():
        cast(nn.Module, net).to("cuda")
    return Predictor(
        f"{path.parent.name}/{path.stem}",
        lambda images: softmax(logits_of(net, images, settings.model)),
        LABEL_SETS[settings.data.classes].names,
        gmac=gmac,
    )


def average_predictor(paths: Sequence[Path]) -> Predictor:
    """The mean of the probabilities of several runs or snapshots (a score average or a snapshot ensemble).

    Raises:
        TrainingError: their label sets differ.
    """
    members = [run_predictor(path) for path in paths]
    if len({member.labels for member in members}) != 1:
        raise TrainingError("runs of different label sets cannot be averaged")

    def classify(images: Images) -> Probabilities:
        return np.asarray(np.mean([member.classify(images) for member in members], axis=0), np.float32)

    return Predictor(
        f"average of {len(members)}",
        classify,
        members[0].labels,
        gmac=sum(member.gmac or 0.0 for member in members),
    )


@dataclass(frozen=True)
class PeerInput:
    """How another's network wants its faces: (x - mean) / scale, and the names of its outputs in their order."""

    mean: float
    scale: float
    labels: tuple[str, ...]


def peer_predictor(path: Path, wanted: PeerInput) -> Predictor:
    """Any ONNX classifier with one picture input (1 or 3 channels, channels first or last) on OpenVINO at f32.

    Outputs whose names are none of the seven emotions (contempt, unknown) are dropped and the rest renormalised.

    Raises:
        TrainingError: it cannot be read, its input is no picture, or the labels do not fit its output.
    """
    import openvino  # measuring a run on a GPU machine needs none

    try:
        model = openvino.Core().read_model(path)
    except RuntimeError as error:
        raise TrainingError(f"{path}: not an ONNX file that OpenVINO reads") from error
    shape = [d.get_length() if d.is_static else 0 for d in model.inputs[0].partial_shape]
    if len(shape) != 4 or not {shape[1], shape[3]} & {1, 3}:
        raise TrainingError(f"{path}: input of shape {shape} is no picture of 1 or 3 channels")
    channels_last = shape[1] not in (1, 3)
    height, width, channels = shape[1:] if channels_last else (shape[2], shape[3], shape[1])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = [emotion_index(label) for label in wanted.labels]
    order = [found.index(emotion) for emotion in range(len(EMOTIONS)) if emotion in found]
    if len(order) != len(EMOTIONS):
        raise TrainingError(f"{path}: the labels {', '.join(wanted.labels)} lack some of the seven emotions")

    def one(image: Images) -> NDArray[np.float32]:
        x = cv2.resize(image, (width or 48, height or 48), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        x = np.repeat(((x - wanted.mean) / wanted.scale)[None], channels, axis=0)
        scores: NDArray[np.float32] = compiled((x.transpose(1, 2, 0) if channels_last else x)[None])[0][0]
        return scores

    def classify(images: Images) -> Probabilities:
        scores = np.stack([one(image) for image in images])
        if scores.shape[1] != len(wanted.labels):
            raise TrainingError(f"{path}: {scores.shape[1]} outputs, but {len(wanted.labels)} labels were given")
        sums_to_one = scores.min() >= 0.0 and np.allclose(scores.sum(axis=1), 1.0, atol=1e-3)
        picked: Probabilities = (scores if sums_to_one else softmax(scores))[:, order]
        picked /= picked.sum(axis=1, keepdims=True)
        return picked

    return Predictor(path.stem, classify)
