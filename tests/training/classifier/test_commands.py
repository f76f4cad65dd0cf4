"""The commands as a user calls them: exit codes, one line for an error, the files they promise."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from classifier_training import classic, compare, explore
from classifier_training.data import FaceSet, Reading
from classifier_training.errors import TrainingError
from classifier_training.evaluate import measure_all, write_figures
from classifier_training.labels import LABEL_SETS
from classifier_training.predict import PeerInput, Predictor, peer_predictor
from classifier_training.search import search
from classifier_training.settings import TrainingSettings
from tests.training.classifier.conftest import drawn_faces, write_parquet

REPOSITORY = Path(__file__).parents[3]


def command(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"classifier_training.{name}", *map(str, arguments)],
        capture_output=True, text=True, cwd=REPOSITORY, check=False,
    )  # fmt: skip


def test_evaluate_tells_and_writes_what_it_promises(tmp_path: Path) -> None:
    data = write_parquet(drawn_faces(28), tmp_path / "faces.parquet", usage=1)
    done = command(
        "evaluate", "--images", data, "--split", "validation", "--train", data, "--json", tmp_path / "figures.json",
        "--predictions", tmp_path / "predictions.csv", "--plots", tmp_path / "plots",
    )  # fmt: skip
    assert done.returncode == 65  # no Training rows in that file
    assert done.stderr.count("\n") == 1
    done = command(
        "evaluate", "--images", data, "--json", tmp_path / "figures.json",
        "--predictions", tmp_path / "predictions.csv", "--plots", tmp_path / "plots",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    lines = (tmp_path / "predictions.csv").read_text().splitlines()
    assert len(lines) == 29
    assert abs(sum(float(v) for v in lines[1].split(",")[3:]) - 1) < 1e-4
    plots = {path.name for path in (tmp_path / "plots").iterdir()}
    assert plots == {"confusion.png", "reliability.png", "risk_coverage.png", "mistakes.png"}


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("train", ("none.yaml", "--data", ".", "--out", "x"), "none.yaml"),
        ("evaluate", ("--images", "nowhere"), "nowhere does not exist"),
        ("evaluate", ("--images", "nowhere", "--bundle", "no_bundle"), "no_bundle"),
        ("evaluate", ("--images", "nowhere", "--peer", "no.onnx"), "no.onnx"),
        ("quality", ("--data", "nowhere"), "nowhere does not exist"),
        ("export", ("--run", "norun", "--data", ".", "--version", "1", "--out", "o"), "crop rule"),
    ],
)
def test_errors_are_one_line(name: str, arguments: tuple[str, ...], said: str) -> None:
    done = command(name, *arguments)
    assert done.returncode not in (0, 1), done.stderr
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("kind", "least"), [("majority", 0.14), ("random", 0.0), ("knn", 0.5), ("mlp", 0.5)])
def test_classic_baselines_learn_what_they_can(kind: str, least: float) -> None:
    train, fresh = drawn_faces(210), drawn_faces(70, seed=5)
    classify = classic.KINDS[kind](train, 7, 0)
    probabilities = classify(fresh.images)
    assert probabilities.shape == (70, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert (probabilities.argmax(axis=1) == fresh.labels).mean() >= least


def test_compare_puts_the_best_first_beside_the_peers(tmp_path: Path) -> None:
    faces = drawn_faces(14)
    perfect = Predictor("perfect", lambda images: np.eye(7, dtype=np.float32)[faces.labels[: len(images)]])
    write_figures(tmp_path / "perfect.json", measure_all(perfect, faces, LABEL_SETS[7], None))
    rows = [compare.read_row(tmp_path / "perfect.json"), *compare.peer_rows()]
    lines = compare.table(rows).splitlines()
    assert lines[2].startswith("| perfect |")
    assert "| 100.0 |" in lines[2]
    assert any("human" in line for line in lines)
    compare.plot(rows, tmp_path / "accuracy.png")
    assert (tmp_path / "accuracy.png").stat().st_size > 1000
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"broken\.json"):
        compare.read_row(tmp_path / "broken.json")


def tiny_onnx(path: Path, channels: int) -> None:
    """Emotion k is the likelier the nearer the mean gray is to 36 k + 18, as a softmax over Gaussians' logs."""
    from onnx import TensorProto, helper, numpy_helper

    centres = (np.arange(8, dtype=np.float32) * 36 + 18) / 255
    # -(m - c)^2 = 2 c m - c^2 - m^2, and m^2 is the same for all.
    weight, bias = (200 * 2 * centres)[None] / channels * np.ones((channels, 1), np.float32), -200 * centres**2
    nodes = [
        helper.make_node("GlobalAveragePool", ["face"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["scores"]),
    ]
    inputs = [helper.make_tensor_value_info("face", TensorProto.FLOAT, [1, channels, 40, 40])]
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 8])]
    values = [numpy_helper.from_array(v.astype(np.float32), n) for v, n in ((weight, "weight"), (bias, "bias"))]
    graph = helper.make_graph(nodes, "peer", inputs, outputs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize("channels", [1, 3])
def test_a_peer_is_read_with_its_own_order_and_more_classes(tmp_path: Path, channels: int) -> None:
    tiny_onnx(tmp_path / "peer.onnx", channels)
    order = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
    peer = peer_predictor(tmp_path / "peer.onnx", PeerInput(0.0, 255.0, order))
    images = np.stack([np.full((48, 48), 36 * k + 18, np.uint8) for k in range(7)])
    probabilities = peer.classify(images)
    assert [peer.labels[i] for i in probabilities.argmax(axis=1)] == [
        "neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger",
    ]  # fmt: skip
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    with pytest.raises(TrainingError, match="lack some"):
        peer_predictor(tmp_path / "peer.onnx", PeerInput(0.0, 255.0, order[1:]))
    with pytest.raises(TrainingError, match="8 outputs"):
        peer_predictor(tmp_path / "peer.onnx", PeerInput(0.0, 255.0, order[:7])).classify(images)


def test_explore_finds_copies_blanks_and_doubtful_labels() -> None:
    faces = drawn_faces(21)
    images = np.concatenate([faces.images, faces.images[:1], np.full((1, 48, 48), 9, np.uint8)])
    labels = np.concatenate([faces.labels, [5, 0]])
    votes = np.concatenate([faces.votes, np.zeros((2, 10), np.uint8)])
    votes[:21] = 0
    votes[3, 1] = 10  # happiness, and labelled so
    votes[4, 1] = 9  # labelled sadness
    found = FaceSet(images, labels, votes, np.arange(23))
    assert explore.blanks(found).tolist() == [22]
    assert explore.mislabel_candidates(found) == [(4, "happiness")]
    page = explore.report(Reading(found, ("faces.csv:7: <bad>",)), "drawn")
    assert "faces.csv:7: &lt;bad&gt;" in page
    assert "groups carry more than one label" in page
    assert page.count("<img") > 20


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    base = TrainingSettings.model_validate(
        {
            "data": {"train": ["faces.parquet"], "holdout_rows": 14},
            "model": {"architecture": "lenet", "size": 48},
            "schedule": {"epochs": 1, "batch": 16, "precision": "f32"},
        }
    )
    write_parquet(drawn_faces(42), tmp_path / "faces.parquet")
    for trials in (1, 2):
        study = search(base, tmp_path, tmp_path / "study", 1)
        assert len(study.trials) == trials
    assert study.best_value > 0
    assert (tmp_path / "study" / "study.db").exists()
