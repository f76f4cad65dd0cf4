"""A report for people who do not program: one HTML file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources

import cv2

from worker import __version__
from worker.commands.story import Story, TrackStory
from worker.commands.timeline import draw_timeline
from worker.drawing import COLOURS
from worker.events import schema
from worker.face import EMOTIONS
from worker.frame import Pixels

_REASONS = {
    "too_small": "the face was too small",
    "blurred": "the face was blurred",
    "dark": "the face was too dark",
    "partial": "part of the face was outside the picture",
    "low_confidence": "the model was not sure enough",
}
_WORDS = (
    ("Face", "One face, from when it came into view until it left. Somebody who leaves and comes back counts anew."),
    ("Emotion", "What the face looked like for most of a moment, smoothed over about half a second."),
    ("Coloured areas", "How probable each emotion was, from one moment to the next. Tall means probable."),
    ("Hatched", "The face was seen, but nothing can be said honestly; the table says why."),
)
_ALWAYS = (
    "The emotions say how a face <em>looks</em>, judged by a model that learned from pictures labelled by people. They "
    "do not say what anybody feels or thinks. People who judge such pictures agree with one another about two times in "
    "three: expect the model to be wrong at least as often."
)


def write_report(stories: Sequence[Story], failures: Sequence[str], models: schema.Models) -> str:
    """The page, for clips and photos in the order given; `failures`: what could not be read."""
    style = resources.files("worker.commands").joinpath("report.css").read_text("utf-8")
    body = "\n".join(_body(stories, failures, models))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>Emotions in {escape(_sources(stories))}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _sources(stories: Sequence[Story]) -> str:
    if len(stories) == 1:
        return stories[0].name
    clips = sum(not story.photo for story in stories)
    parts = [_count(clips, "clip")] if clips else []
    photos = len(stories) - clips
    return " and ".join(parts + ([_count(photos, "photo")] if photos else []))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _body(stories: Sequence[Story], failures: Sequence[str], models: schema.Models) -> Iterator[str]:
    yield f"<main>\n<h1>Emotions in {escape(_sources(stories))}</h1>"
    yield f'<p class="note">{_ALWAYS}</p>'
    for failure in failures:
        yield f'<p class="note fault"><strong>Could not be read to the end:</strong> {escape(failure)}</p>'
    for story in stories:
        yield from _chapter(story)
    yield "<h2>How to read this</h2>\n<dl>"
    for word, meaning in _WORDS:
        yield f"<dt>{word}</dt><dd>{meaning}</dd>"
    yield "</dl>\n<p>" + "&ensp; ".join(f"{_key(name)}{name}" for name in EMOTIONS) + "</p>"
    yield (
        f"</main>\n<footer>Made by emotion-worker {__version__}, offline, on this machine; models "
        f"{escape(models.detector)} and {escape(models.classifier)}. The pictures of faces in this file show real "
        "people: treat it as you treat the recording.</footer>"
    )


def _chapter(story: Story) -> Iterator[str]:
    yield f"<section>\n<h2>{escape(story.name)}</h2>\n<p class='lead'>{_lead(story)}</p>"
    tracks = story.lasting()
    if tracks and not story.photo:
        picture = _inline(draw_timeline(story), ".png")
        yield f'<img class="timeline" alt="Timeline: {escape(_lead(story), quote=True)}" src="{picture}">'
    if tracks:
        titles = ("", "face", "emotion") if story.photo else ("", "face", "seen", "how long it looked like what")
        yield "<table>\n<tr>" + "".join(f"<th>{title}</th>" for title in titles) + "</tr>"
        yield from (_photo_row(track) if story.photo else _row(track) for track in tracks)
        yield "</table>"
    fleeting = len(story.tracks) - len(tracks)
    if fleeting:
        yield f'<p class="words">Not listed: {_count(fleeting, "face")} seen for less than 0.3 seconds.</p>'
    yield "</section>"


def _lead(story: Story) -> str:
    """What happened, in one or two sentences."""
    if not story.frames:
        return "It could not be read."
    tracks = story.lasting()
    if story.photo:
        return f"{_count(len(tracks), 'face')} found." if tracks else "No face was found."
    length = f"{_count(story.frames, 'picture')} in {story.seconds:.1f} seconds were looked at"
    if not tracks:
        return f"{length}: no face was seen."
    total: dict[str, float] = {}
    for track in tracks:
        for name, seconds in track.seconds().items():
            total[name] = total.get(name, 0.0) + seconds
    best = sorted(total.items(), key=lambda item: -item[1])[:2]
    told = " and ".join(f"{name} ({seconds:.1f} s)" for name, seconds in best)
    share = story.frames_with_faces / story.frames
    seen = f"{length}; {_count(len(tracks), 'face')} came into view, and {share:.0%} of the pictures show one."
    return f"{seen} Told most often: {told}." if told else f"{seen} None was clear enough to judge."


def _row(track: TrackStory) -> str:
    came, left = track.span
    seconds, seen = track.seconds(), max(track.seen_s, 1e-6)
    bar = "".join(
        f'<span style="width:{100 * span / seen:.2f}%;background:{_css(name)}" title="{name} {span:.1f} s"></span>'
        for name, span in seconds.items()
    )
    words = [f"{name} {span:.1f} s" for name, span in seconds.items() if span >= 0.05]
    words += [
        f"{span:.1f} s nothing: {_REASONS.get(why, why)}" for why, span in track.silences().items() if span >= 0.05
    ]
    told = "; ".join(words) or "nothing could be said"
    return (
        f'<tr><td class="face">{_face(track)}</td><td>#{track.number}</td>'
        f"<td>{came:.1f} to {left:.1f} s</td>"
        f'<td><div class="bar">{bar}</div><div class="words">{told}</div></td></tr>'
    )


def _photo_row(track: TrackStory) -> str:
    moment = next(track.moments)
    if moment.probabilities is None:
        told = f"nothing: {_REASONS.get(moment.abstained or '', 'it was not looked at')}"
        return f'<tr><td class="face">{_face(track)}</td><td>#{track.number}</td><td>{told}</td></tr>'
    shares = sorted(zip(EMOTIONS, moment.probabilities, strict=True), key=lambda item: -item[1])
    bar = "".join(f'<span style="width:{100 * p:.2f}%;background:{_css(name)}"></span>' for name, p in shares)
    words = ", ".join(f"{name} {p:.0%}" for name, p in shares if p >= 0.05)
    return (
        f'<tr><td class="face">{_face(track)}</td><td>#{track.number}</td>'
        f'<td><div class="bar">{bar}</div><div class="words">{words}</div></td></tr>'
    )


def _face(track: TrackStory) -> str:
    if track.face is None:
        return ""
    return f'<img alt="face #{track.number}" src="{_inline(track.face, ".jpg")}">'


def _inline(picture: Pixels, kind: str) -> str:
    """The picture as a data URL."""
    encoded, data = cv2.imencode(kind, picture)
    assert encoded
    mime = {".png": "image/png", ".jpg": "image/jpeg"}[kind]
    return f"data:{mime};base64,{base64.b64encode(data.tobytes()).decode()}"


def _key(name: str) -> str:
    return f'<span class="key" style="background:{_css(name)}"></span>'


def _css(name: str) -> str:
    blue, green, red = COLOURS[name]
    return f"#{red:02x}{green:02x}{blue:02x}"
