"""Near-copies are found whatever was done to them, and never cross into the hold-out."""

import cv2
import numpy as np

from classifier_training.copies import copy_groups, copy_pairs, grouped_holdout, thumbnails
from classifier_training.data import FaceSet


def test_mirrored_recoded_and_brightened_copies_share_a_group(drawn: FaceSet) -> None:
    generator = np.random.default_rng(1)
    different = generator.integers(0, 255, (6, 48, 48)).astype(np.uint8)
    different = np.stack([cv2.GaussianBlur(image, (0, 0), 4) for image in different])
    different = cv2.normalize(different, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)
    coded = cv2.imdecode(cv2.imencode(".jpg", different[0], [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0)
    copies = np.stack([different[0, :, ::-1], coded, (different[0] * 0.6 + 30).astype(np.uint8)])
    groups = copy_groups(np.concatenate([different, copies]))
    assert groups.tolist() == [0, 1, 2, 3, 4, 5, 0, 0, 0]


def test_blank_pictures_are_nobodys_copy() -> None:
    blank = np.full((3, 48, 48), 7, np.uint8)
    assert copy_groups(blank).tolist() == [0, 1, 2]
    assert len(copy_pairs(thumbnails(blank), thumbnails(blank))) == 0


def test_a_hold_out_takes_whole_groups() -> None:
    groups = np.repeat(np.arange(50), 4)
    held_out = grouped_holdout(groups, 21, seed=3)
    assert held_out.sum() == 24
    assert set(groups[held_out]).isdisjoint(groups[~held_out])
    np.testing.assert_array_equal(held_out, grouped_holdout(groups, 21, seed=3))
