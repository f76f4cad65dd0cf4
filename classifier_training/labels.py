"""Label sets, and the spellings of emotions and splits that folders and files use."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.face import EMOTIONS

DROPPED = -1

SPELLINGS = {
    "anger": ("anger", "angry", "an", "0"),
    "disgust": ("disgust", "disgusted", "di", "1"),
    "fear": ("fear", "fearful", "afraid", "scared", "fe", "2"),
    "happiness": ("happiness", "happy", "joy", "ha", "3"),
    "sadness": ("sadness", "sad", "sa", "4"),
    "surprise": ("surprise", "surprised", "su", "5"),
    "neutral": ("neutral", "neutrality", "ne", "6"),
}
SPLIT_SPELLINGS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "public", "publictest", "public_test"),
    "test": ("test", "testing", "private", "privatetest", "private_test"),
}
_EMOTION_OF = {name: EMOTIONS.index(emotion) for emotion, names in SPELLINGS.items() for name in names}
_SPLIT_OF = {name: split for split, names in SPLIT_SPELLINGS.items() for name in names}


def emotion_index(name: str) -> int | None:
    """The position in `EMOTIONS` of a folder's or column's name, None where it is no emotion."""
    return _EMOTION_OF.get(name.strip().lower())


def split_name(name: str) -> str | None:
    """`train`, `validation` or `test` for any usual spelling of a split, None otherwise."""
    return _SPLIT_OF.get(name.strip().lower())


@dataclass(frozen=True)
class LabelSet:
    """Classes of a model, and to which of them each of the seven emotions belongs (`DROPPED` for none)."""

    names: tuple[str, ...]
    of_emotion: tuple[int, ...]

    def map(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices in `EMOTIONS` (n,) to indices in `names` (n,), `DROPPED` where this set has no class."""
        return np.array(self.of_emotion, np.int64)[labels]

    def fold(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of the seven emotions (n, 7) to those of this set (n, k), the dropped ones renormalised."""
        folded = np.zeros((len(probabilities), len(self.names)), np.float32)
        for emotion, target in enumerate(self.of_emotion):
            if target != DROPPED:
                folded[:, target] += probabilities[:, emotion]
        folded /= np.maximum(folded.sum(axis=1, keepdims=True), 1e-9)
        return folded


def _subset(*names: str) -> LabelSet:
    return LabelSet(names, tuple(names.index(e) if e in names else DROPPED for e in EMOTIONS))


LABEL_SETS = {
    7: _subset(*EMOTIONS),
    6: _subset("anger", "fear", "happiness", "sadness", "surprise", "neutral"),
    4: _subset("happiness", "neutral", "sadness", "surprise"),
    # Surprise and neutral say neither: they are left out.
    2: LabelSet(("negative", "positive"), (0, 0, 0, 1, 0, DROPPED, DROPPED)),
}
