"""A seeded split into training and validation that keeps near-copies on one side."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from detector_training.copies import listed_name
from detector_training.errors import DataError
from detector_training.pictures import Picture, Problem


@dataclass(slots=True)
class Split:
    train: list[Picture] = field(default_factory=list)
    val: list[Picture] = field(default_factory=list)
    dropped: list[Problem] = field(default_factory=list)


def split_pictures(
    pictures: Sequence[Picture], groups: Sequence[int], share: float, seed: int, fixed: frozenset[str] = frozenset()
) -> Split:
    """Split by groups: whole groups go to validation until it has `share` of each set.

    With `fixed` (names of a list file) exactly those pictures are validation; a near-copy of one is dropped.
    Among near-copies left in training that belong to different sets, the one with the most labels stays.

    Raises:
        DataError: a side is empty.
    """
    names = [listed_name(picture) for picture in pictures]
    held = {group for group, name in zip(groups, names, strict=True) if name in fixed}
    if not fixed:
        held = _draw_groups(pictures, groups, share, seed)
    split = Split()
    fullest = _fullest(pictures, groups)
    for number, (picture, group) in enumerate(zip(pictures, groups, strict=True)):
        if group in held and (not fixed or names[number] in fixed):
            split.val.append(picture)
        elif group in held:
            split.dropped.append(Problem(names[number], "a near-copy of a validation picture"))
        elif (kept := fullest.get(group)) is not None and kept != number and _other_set(pictures, kept, number):
            split.dropped.append(Problem(names[number], f"a near-copy of {names[kept]}, whose labels are fuller"))
        else:
            split.train.append(picture)
    if not split.train or not split.val:
        empty = "training" if not split.train else "validation"
        raise DataError(
            f"no picture is left for {empty} ({len(pictures)} pictures, {len(set(groups))} groups of near-copies): "
            "give more pictures, or change --val-share"
        )
    return split


def _other_set(pictures: Sequence[Picture], first: int, second: int) -> bool:
    return pictures[first].set_name != pictures[second].set_name


def _draw_groups(pictures: Sequence[Picture], groups: Sequence[int], share: float, seed: int) -> set[int]:
    members: dict[int, list[Picture]] = {}
    total: dict[str, int] = {}
    for picture, group in zip(pictures, groups, strict=True):
        members.setdefault(group, []).append(picture)
        total[picture.set_name] = total.get(picture.set_name, 0) + 1
    order = sorted(members)
    random.Random(seed).shuffle(order)
    taken: dict[str, int] = dict.fromkeys(total, 0)
    held = set()
    for group in order:
        inside = {picture.set_name for picture in members[group]}
        wanted = {name: max(1, round(share * total[name])) for name in inside}
        if share > 0 and all(taken[name] < wanted[name] < total[name] for name in inside):
            held.add(group)
            for picture in members[group]:
                taken[picture.set_name] += 1
    return held


def _fullest(pictures: Sequence[Picture], groups: Sequence[int]) -> dict[int, int]:
    """For each group with several pictures the one with most labels (the first of equals)."""
    best: dict[int, int] = {}
    for number, group in enumerate(groups):
        if group not in best or len(pictures[number].faces) > len(pictures[best[group]].faces):
            best[group] = number
    return best
