"""Which rows train and which are held out."""

from dataclasses import replace

import numpy as np

from classifier_training.copies import copy_groups, grouped_holdout
from classifier_training.data import FaceSet
from classifier_training.errors import TrainingError
from classifier_training.labels import DROPPED, LABEL_SETS
from classifier_training.settings import DataSettings


def split_faces(faces: FaceSet, settings: DataSettings) -> tuple[FaceSet, FaceSet]:
    """Training rows and hold-out: whole groups of near-copies, then the label set's classes, then `per_class`."""
    held_out = grouped_holdout(copy_groups(faces.images), settings.holdout_rows, settings.holdout_seed)
    parts = []
    for mask in (~held_out, held_out):
        part = faces.where(mask)
        labels = LABEL_SETS[settings.classes].map(part.labels)
        part = replace(part, labels=labels).where(labels != DROPPED)
        parts.append(part)
    train, holdout = parts
    if not len(train):
        raise TrainingError(f"a hold-out of {settings.holdout_rows} rows leaves nothing to train on: read more data")
    if settings.per_class is not None:
        order = np.random.default_rng(settings.holdout_seed).permutation(len(train))
        chosen = [order[train.labels[order] == c][: settings.per_class] for c in np.unique(train.labels)]
        train = train.where(np.isin(np.arange(len(train)), np.concatenate(chosen)))
    if len(np.unique(train.labels)) < 2:
        raise TrainingError("the training rows are all of one class: nothing can be learnt")
    return train, holdout
