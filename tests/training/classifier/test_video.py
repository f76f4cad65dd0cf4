"""Faces through H.264: what a low rate does to them, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from classifier_training.augment import Augmentation, AugmentSettings
from classifier_training.video import through_h264


@pytest.fixture
def faces() -> NDArray[np.uint8]:
    """Five blurred noise pictures: (5, 48, 48)."""
    noise = np.random.default_rng(3).uniform(0, 255, (5, 12, 12))
    return noise.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


def test_without_loss_nothing_changes(faces: NDArray[np.uint8]) -> None:
    assert np.array_equal(through_h264(faces, 0, (2, 1)), faces)


def test_the_lower_the_rate_the_more_is_lost(faces: NDArray[np.uint8]) -> None:
    lost = [np.abs(through_h264(faces, crf, (2, -3)).astype(int) - faces).mean() for crf in (20, 28, 36, 44)]
    assert lost == sorted(lost)
    assert 0.5 < lost[0] < lost[-1] / 2


def test_neighbours_on_the_sheet_do_not_reach_one_another(faces: NDArray[np.uint8]) -> None:
    faces[2] = 90
    assert np.abs(through_h264(faces, 40, (3, 3))[2].astype(int) - 90).max() <= 3


def test_a_single_face_of_another_size_keeps_its_shape() -> None:
    face = np.full((1, 40, 63), 128, np.uint8)
    assert through_h264(face, 30, (0, 0)).shape == (1, 40, 63)


def test_the_augmentation_films_the_share_that_is_asked_for(faces: NDArray[np.uint8]) -> None:
    still = AugmentSettings(
        flip=0, rotate_deg=0, scale=(1, 1), shift=0, shear=0, contrast=(1, 1), brightness=0,
        gamma_p=0, erase_p=0, low_resolution_p=0, blur_p=0, jpeg_p=0, noise_p=0,
    )  # fmt: skip
    changed = []
    for share in (0.0, 0.5, 1.0):
        settings = still.model_copy(update={"h264_p": share, "h264_crf": (40, 40)})
        augment = Augmentation(settings, torch.Generator().manual_seed(1))
        out = augment(torch.from_numpy(faces.repeat(8, axis=0)), 48).numpy()[:, 0]
        changed.append(int((np.abs(out - faces.repeat(8, axis=0)).mean(axis=(1, 2)) > 1).sum()))
    assert changed[0] == 0
    assert 10 <= changed[1] <= 30
    assert changed[2] == 40
