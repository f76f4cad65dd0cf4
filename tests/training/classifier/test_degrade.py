"""The camera conditions do what the robustness table says."""

import numpy as np
import pytest
import torch

from classifier_training import augment
from classifier_training import degrade as conditions
from classifier_training.augment import Augmentation, AugmentSettings, line_kernel
from classifier_training.data import FaceSet
from classifier_training.degrade import CONDITIONS, degrade, gamma, low_resolution, motion_blur, scaled, shifted


def test_every_condition_changes_the_picture_and_keeps_its_form() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)  # drawn ones may be flat
    for name, variants in CONDITIONS.items():
        for variant in variants:
            changed = degrade(pictures, variant)
            assert changed.shape == (3, 48, 48), name
            assert changed.dtype == np.uint8, name
            assert (changed != pictures).any(axis=(1, 2)).all(), name
    assert [len(CONDITIONS[name]) for name in ("shift_6px", "roll_20deg", "motion_blur")] == [4, 2, 2]


def test_half_resolution_is_the_mean_of_four() -> None:
    image = np.zeros((48, 48), np.uint8)
    image[10:12, 20:22] = 200
    assert low_resolution(image, 24)[10:12, 20:22].max() < 200
    flat = np.full((48, 48), 90, np.uint8)
    for variants in CONDITIONS.values():
        if variants is not CONDITIONS["gamma_2.2"]:
            for variant in variants:
                assert np.abs(variant(flat).astype(int) - 90).max() <= 2  # JPEG rounds


def test_a_shift_repeats_the_edge_and_moves_the_rest(drawn: FaceSet) -> None:
    image = drawn.images[0]
    moved = shifted(image, 6, 0)
    np.testing.assert_array_equal(moved[:, 6:], image[:, :-6])
    np.testing.assert_array_equal(moved[:, :6], np.repeat(image[:, :1], 6, axis=1))


def test_a_loose_box_shrinks_and_a_tight_one_enlarges() -> None:
    image = np.zeros((48, 48), np.uint8)
    image[16:32, 16:32] = 255
    assert [(scaled(image, s) > 127).sum() for s in (0.75, 1.0, 1.25)] == [144, 256, 400]


def test_gamma_and_blur_by_hand() -> None:
    assert gamma(np.array([[128]], np.uint8), 2.2)[0, 0] == round(255 * (128 / 255) ** 2.2)
    image = np.zeros((48, 48), np.uint8)
    image[20, 20] = 210
    assert motion_blur(image, 7, vertical=False)[20, 17:24].tolist() == [30] * 7
    assert motion_blur(image, 7, vertical=True)[17:24, 20].tolist() == [30] * 7


def test_line_kernels_are_lines_of_their_length() -> None:
    np.testing.assert_allclose(line_kernel(7.0, 0.0)[3], np.full(7, 1 / 7), atol=1e-6)
    np.testing.assert_allclose(line_kernel(7.0, 90.0)[:, 3], np.full(7, 1 / 7), atol=1e-6)
    assert line_kernel(3.0, 45.0).sum() == pytest.approx(1.0)


def test_augmentation_without_strength_is_serving_s_resize(drawn: FaceSet) -> None:
    off = AugmentSettings(
        flip=0, rotate_deg=0, scale=(1, 1), shift=0, shear=0, contrast=(1, 1), brightness=0, gamma_p=0, erase_p=0,
        low_resolution_p=0, blur_p=0, jpeg_p=0, noise_p=0,
    )  # fmt: skip
    from worker.models.crop import classifier_input

    images = torch.from_numpy(drawn.images[:4])
    found = Augmentation(off, torch.Generator().manual_seed(0))(images, 64).numpy()
    np.testing.assert_allclose(found, classifier_input(drawn.images[:4], 64, 0.0, 1.0), atol=0.05)


def test_augmentation_repeats_with_its_seed_and_stays_in_range(drawn: FaceSet) -> None:
    images = torch.from_numpy(drawn.images[:32])
    images[0] = 255
    runs = [Augmentation(AugmentSettings(), torch.Generator().manual_seed(s))(images, 64) for s in (5, 5, 6)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert runs[0].shape == (32, 1, 64, 64)
    assert runs[0].min() >= 0
    assert runs[0].max() <= 255


@pytest.mark.parametrize("quality", [12, 50, 90])
def test_jpeg_on_tensors_is_opencv_s_but_for_rounding(drawn: FaceSet, quality: int) -> None:
    images = drawn.images[:16]
    wanted = np.stack([conditions.jpeg(image, quality) for image in images])
    found = augment.jpeg(torch.from_numpy(images)[:, None].float(), torch.full((16,), quality))[:, 0].numpy()
    assert np.abs(found - wanted).mean() < 0.5
    assert np.abs(images.astype(float) - wanted).mean() > 2 * np.abs(found - wanted).mean()


def test_low_resolution_on_tensors_is_opencv_s_but_for_rounding(drawn: FaceSet) -> None:
    images = drawn.images[:16]
    bank = augment._resamplings(torch.device("cpu"), 48, 16, 24)
    for row, side in ((0, None), (1, 16), (9, 24)):
        wanted = images if side is None else np.stack([conditions.low_resolution(image, side) for image in images])
        found = augment.low_resolution(torch.from_numpy(images)[:, None].float(), bank[[row] * 16])[:, 0].numpy()
        assert np.abs(found - wanted).max() <= 2
