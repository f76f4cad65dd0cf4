"""Draws a clip's emotions over time, a lane a track: probabilities as stacked areas, the stable emotion as a band."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from worker.commands.story import Story, TrackStory
from worker.drawing import COLOURS
from worker.face import EMOTIONS
from worker.frame import Pixels

WIDTH = 1400
_LEFT, _RIGHT = 150, 30
_HEAD, _FOOT = 96, 56
_FACE, _AREA, _BAND, _PAD = 84, 76, 26, 22
_LANE = _AREA + _BAND + _PAD
_MOST_TRACKS = 12
_PAPER, _INK, _FAINT, _RULE = (255, 255, 255), (50, 45, 40), (140, 135, 130), (225, 222, 220)
_SILENT, _HATCH = (246, 245, 244), (214, 212, 210)
_FONT = cv2.FontFace("sans")
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


def draw_timeline(story: Story) -> Pixels:
    """The picture, (height, 1400, 3) uint8 BGR, of the twelve tracks that were seen longest."""
    tracks = sorted(story.lasting(), key=lambda track: -track.seen_s)[:_MOST_TRACKS]
    tracks.sort(key=lambda track: (track.span[0], track.number))
    height = _HEAD + max(1, len(tracks)) * _LANE + _FOOT
    picture = np.full((height, WIDTH, 3), _PAPER, np.uint8)
    seconds = max(story.seconds, 1e-3)
    _title(picture, story, len(tracks))
    _axis(picture, seconds)
    for lane, track in enumerate(tracks):
        _lane(picture, track, _HEAD + lane * _LANE, seconds)
    if not tracks:
        told = "no face was seen" if story.frames else "it could not be read"
        _write(picture, told, _LEFT + 20, _HEAD + _LANE // 2, 22, _FAINT)
    return picture


def _title(picture: Pixels, story: Story, shown: int) -> None:
    name = story.name if len(story.name) < 70 else story.name[:67] + "..."
    _write(picture, name, 24, 36, 24, _INK, 700)
    lasting = len(story.lasting())
    told = f"{story.seconds:.1f} s"
    told += (
        f" · the {shown} of {lasting} tracks that were seen longest" if shown < lasting else f" · {_people(lasting)}"
    )
    _write(picture, told, 24, 64, 16, _FAINT)
    x = WIDTH - _RIGHT
    for emotion in reversed(EMOTIONS):
        x -= _width(emotion, 16)
        _write(picture, emotion, x, 64, 16, _INK)
        x -= 22
        cv2.rectangle(picture, (x, 51), (x + 14, 65), COLOURS[emotion], cv2.FILLED)
        x -= 18


def _people(count: int) -> str:
    return "one face" if count == 1 else f"{count} faces"


def _axis(picture: Pixels, seconds: float) -> None:
    """Vertical rules at round times."""
    step = next((step for step in _STEPS_S if seconds / step <= 12), _STEPS_S[-1])
    bottom = picture.shape[0] - _FOOT
    for number in range(int(seconds / step + 1e-6) + 1):
        x = _x(number * step, seconds)
        cv2.line(picture, (x, _HEAD - 10), (x, bottom + 6), _RULE, 1)
        text = _clock(number * step, step)
        _write(picture, text, x - _width(text, 15) // 2, bottom + 26, 15, _FAINT)


def _clock(at_s: float, step: float) -> str:
    if step < 1:
        return f"{at_s:.1f} s"
    if step < 60 and at_s < 60:
        return f"{at_s:.0f} s"
    minutes, seconds = divmod(round(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _lane(picture: Pixels, track: TrackStory, top: int, seconds: float) -> None:
    if track.face is not None:
        face = cv2.resize(track.face, (_FACE, _FACE), interpolation=cv2.INTER_AREA)
        picture[top : top + _FACE, 24 : 24 + _FACE] = face[..., None]
    _write(picture, f"#{track.number}", 24, top + _FACE + 18, 15, _INK, 700)
    for moment in track.moments:
        left, right = (
            _x(moment.at_s, seconds),
            max(_x(moment.at_s, seconds) + 1, _x(moment.at_s + moment.lasts_s, seconds)),
        )
        picture[top : top + _AREA + _BAND, left:right] = _hatched(top, top + _AREA + _BAND, left, right)
    _areas(picture, track, top, seconds)
    _bands(picture, track, top + _AREA, seconds)


def _hatched(top: int, bottom: int, left: int, right: int) -> Pixels:
    """What is seen and not told: thin slanting lines, unlike the plain gray of `neutral`."""
    slant = (np.arange(top, bottom)[:, None] + np.arange(left, right)[None]) % 8 < 2
    return np.where(slant[..., None], np.array(_HATCH, np.uint8), np.array(_SILENT, np.uint8))


def _areas(picture: Pixels, track: TrackStory, top: int, seconds: float) -> None:
    """Stacked probabilities: each column of pixels is the mean of what was read in its time."""
    sums: npt.NDArray[np.float64] = np.zeros((WIDTH, len(EMOTIONS)))
    counts = np.zeros(WIDTH)
    for moment in track.moments:
        if moment.probabilities is None:
            continue
        left = _x(moment.at_s, seconds)
        right = max(left + 1, _x(moment.at_s + moment.lasts_s, seconds))
        sums[left:right] += moment.probabilities
        counts[left:right] += 1
    for x in np.flatnonzero(counts):
        edges = np.concatenate([[0], np.cumsum(sums[x] / sums[x].sum())])
        rows = top + _AREA - np.round(edges * _AREA).astype(int)
        for place, emotion in enumerate(EMOTIONS):
            picture[rows[place + 1] : rows[place], x] = _pale(COLOURS[emotion])


def _pale(colour: tuple[int, int, int]) -> list[int]:
    return [round(0.75 * part + 0.25 * 255) for part in colour]


def _bands(picture: Pixels, track: TrackStory, top: int, seconds: float) -> None:
    """The stable emotion, named where there is room; gray where the worker says nothing."""
    for label, begins, ends in _spells(track):
        left, right = _x(begins, seconds), max(_x(begins, seconds) + 1, _x(ends, seconds))
        cv2.rectangle(picture, (left, top + 3), (right, top + _BAND), COLOURS[label], cv2.FILLED)
        if _width(label, 15, 600) + 12 < right - left:
            _write(picture, label, left + 6, top + _BAND - 6, 15, _INK, 600)


def _spells(track: TrackStory) -> Sequence[tuple[str, float, float]]:
    """(emotion, from, to) in seconds for each time that the stable emotion stood without a break."""
    spells: list[tuple[str, float, float]] = []
    for moment in track.moments:
        if moment.stable is None:
            continue
        ends = moment.at_s + moment.lasts_s
        if spells and spells[-1][0] == moment.stable and moment.at_s - spells[-1][2] < 0.05:
            spells[-1] = (moment.stable, spells[-1][1], ends)
        else:
            spells.append((moment.stable, moment.at_s, ends))
    return spells


def _x(at_s: float, seconds: float) -> int:
    return _LEFT + round(min(1.0, at_s / seconds) * (WIDTH - _LEFT - _RIGHT))


def _width(text: str, size: int, weight: int = 400) -> int:
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), _FONT, size, weight)
    return int(width)


def _write(
    picture: Pixels, text: str, x: int, baseline: int, size: int, colour: tuple[int, int, int], weight: int = 400
) -> None:
    cv2.putText(picture, text, (x, baseline), colour, _FONT, size, weight)
