"""Figures against values worked out by hand or by scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from classifier_training import measure


@pytest.fixture
def random_case() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (4000, 7))
    probabilities = measure.softmax(logits)
    labels = np.array([generator.choice(7, p=row / row.sum()) for row in probabilities])
    return logits, labels


def test_class_figures_equal_scikit_learns(random_case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = random_case
    predicted = logits.argmax(axis=1)
    figures = measure.class_figures(measure.confusion_matrix(predicted, labels, 7))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(labels, predicted)
    np.testing.assert_allclose([c.precision for c in figures], precision)
    np.testing.assert_allclose([c.recall for c in figures], recall)
    np.testing.assert_allclose([c.f1 for c in figures], f1)
    assert [c.support for c in figures] == support.tolist()


def test_nll_and_brier_equal_scikit_learns(random_case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = random_case
    probabilities = measure.softmax(logits)
    assert measure.nll(probabilities, labels) == pytest.approx(metrics.log_loss(labels, probabilities))
    by_hand = np.mean([np.sum((p - np.eye(7)[y]) ** 2) for p, y in zip(probabilities, labels, strict=True)])
    assert measure.brier(probabilities, labels) == pytest.approx(by_hand)


def test_calibrated_probabilities_have_a_small_ece_and_sharpened_ones_a_large_one(
    random_case: tuple[np.ndarray, np.ndarray],
) -> None:
    logits, labels = random_case
    assert measure.ece(measure.softmax(logits), labels) < 0.03
    assert measure.ece(measure.softmax(logits * 3), labels) > 0.1


def test_ece_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    # Bin of 0.9: accuracy 0.5, off by 0.4; bin of 0.6: accuracy 1, off by 0.4.
    assert measure.ece(probabilities, np.array([0, 1, 0, 0])) == pytest.approx(0.4)


def test_the_temperature_undoes_a_sharpening(random_case: tuple[np.ndarray, np.ndarray]) -> None:
    logits, labels = random_case
    assert measure.fit_temperature(logits * 2.0, labels) == pytest.approx(2.0, rel=0.05)


def test_the_threshold_lies_where_half_are_right() -> None:
    generator = np.random.default_rng(2)
    confidence = generator.uniform(0.3, 0.99, 6000)
    probabilities = np.stack([confidence, *[(1 - confidence) / 6] * 6], axis=1)
    labels = (generator.uniform(size=6000) > confidence).astype(np.int64)
    threshold, coverage = measure.threshold_for(probabilities, labels, 0.5)
    assert threshold == pytest.approx(0.5, abs=0.05)
    assert coverage == (confidence >= threshold).mean()
    assert measure.threshold_for(probabilities, np.zeros(6000, np.int64), 0.5) == (confidence.min(), 1.0)


def test_accuracy_of_the_surest_share() -> None:
    confidence = np.linspace(0.99, 0.51, 100)
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.array([0] * 60 + [1] * 40)  # right until the 60th
    assert measure.selective_accuracy(probabilities, labels, 0.6) == 1.0
    assert measure.selective_accuracy(probabilities, labels, 0.75) == pytest.approx(0.8)


def test_the_interval_holds_the_mean_and_narrows() -> None:
    few, many = (measure.bootstrap_interval(np.arange(n) % 10 < 7) for n in (100, 3600))
    assert few[0] < 0.7 < few[1]
    assert many[1] - many[0] < (few[1] - few[0]) / 3


def test_votes_agree_with_the_majority_and_rows_without_votes_do_not_count() -> None:
    votes = np.array([[0, 10, 0], [5, 5, 0], [0, 0, 0]], np.uint8)
    assert measure.vote_agreement(np.array([1, 0, 0]), votes, [0, 1]) == 1.0
    assert measure.vote_agreement(np.array([0, 0, 0]), votes, [0, 1]) == 0.5
    assert measure.vote_agreement(np.array([0]), votes[2:], [0, 1]) is None
