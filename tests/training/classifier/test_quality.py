"""Quality values against labels: the figures by hand, and the whole way on a few faces."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifier_training.data import FaceSet, read_faces
from classifier_training.evaluate import SHIPPED
from classifier_training.plots import write_quality
from classifier_training.quality import QUALITIES, VALUES, auc, bins_of, measure_quality, share_right, tell
from classifier_training.views import View, camera_view, one_fault, untouched
from worker.face import Quality
from worker.models.bundle import Crop
from worker.models.crop import crop_face
from worker.models.quality import face_quality

RULE = Crop(margin=1.06, dy=-0.03)


def quality_of(view: View) -> Quality:
    height, width = view.luma.shape
    return face_quality(view.box, crop_face(view.luma, view.box, RULE), width, height)


def test_an_untouched_view_is_cropped_to_the_very_picture(drawn: FaceSet) -> None:
    for face in drawn.images[:5]:
        view = untouched(face, RULE)
        np.testing.assert_array_equal(crop_face(view.luma, view.box, RULE), face)
        assert quality_of(view).size_px == pytest.approx(48 / 1.06)
        assert quality_of(view).inside == 1.0


@pytest.mark.parametrize("value", QUALITIES)
def test_a_fault_lowers_its_own_value(drawn: FaceSet, value: str) -> None:
    draw = np.random.default_rng(0)
    faces = drawn.images[:30]
    before = [getattr(quality_of(untouched(face, RULE)), value) for face in faces]
    after = [getattr(quality_of(one_fault(value, face, RULE, draw)), value) for face in faces]
    assert np.mean(after) < 0.8 * np.mean(before)


def test_camera_views_repeat_with_their_seed_and_hold_half_of_the_box(drawn: FaceSet) -> None:
    runs = []
    for seed in (3, 3, 4):
        draw = np.random.default_rng(seed)
        runs.append([camera_view(face, RULE, draw) for face in drawn.images[:40]])
    for one, same in zip(runs[0], runs[1], strict=True):
        assert one.box == same.box
        np.testing.assert_array_equal(one.luma, same.luma)
    assert [view.box for view in runs[0]] != [view.box for view in runs[2]]
    sizes = [quality_of(view).size_px for view in runs[0]]
    assert min(sizes) < 10
    assert max(sizes) > 30
    insides = [quality_of(view).inside for view in runs[0]]
    assert 0.3 < min(insides) < 0.8  # half of the box, or less by a rounding to whole pixels of a tiny face
    assert max(insides) == 1.0


def test_the_figures_by_hand() -> None:
    right = np.array([False, False, True, True])
    counts = np.array([[1, 1, 1, 1], [2, 0, 1, 1], [1, 1, 2, 0]])
    assert share_right(right, counts)[0] == 0.5
    found = auc(np.array([0.1, 0.2, 0.3, 0.4]), right, counts)
    assert found == (1.0, 1.0, 1.0)
    middle = auc(np.array([0.1, 0.3, 0.3, 0.2]), right, counts)
    assert middle is not None
    assert middle[0] == (1 + 1 + 0.5 + 0) / 4  # pairs of a right and a wrong one; a tie is half a pair
    assert auc(np.full(4, 0.5), right, counts) is None
    values = np.arange(100.0)
    bins = bins_of(values, values >= 60, np.ones((3, 100), np.int64))
    assert [bin_["accuracy"] for bin_ in bins] == [0, 0, 0, 1, 1]
    assert [bin_["views"] for bin_ in bins] == [20] * 5


def test_small_and_dark_faces_of_fer2013_are_named_worse(
    fer_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = next(pq.ParquetFile(fer_file).iter_batches(80))
    pq.write_table(pa.Table.from_batches([few]), tmp_path / "few.parquet")
    figures = measure_quality(SHIPPED, read_faces([tmp_path / "few.parquet"], "train").faces, views_each=1)
    tell(figures)
    assert list(figures["values"]) == list(VALUES)
    told = capsys.readouterr().out
    assert all(f"`{value}`" in told for value in VALUES)
    for value in ("size_px", "brightness"):
        bins = figures["values"][value]["alone"]["bins"]
        assert bins[0]["accuracy"] < bins[-1]["accuracy"], value
    assert figures["values"]["size_px"]["as_they_are"] is None, "all are 48 px"
    assert sum(outcome["views"] for outcome in figures["outcomes"].values()) == 80
    json.dumps(figures)
    write_quality(tmp_path / "quality.png", figures)
    assert (tmp_path / "quality.png").stat().st_size > 5_000
