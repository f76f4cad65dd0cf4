"""Judges what `probe` measured: what is wrong, what to do about it, and the entry for the settings."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from worker.assembly.study import gates_of
from worker.assembly.workshop import Workshop
from worker.commands.look import Look, brightness
from worker.cores import usable_cores
from worker.face import EMOTIONS, Abstention, Detection, Quality
from worker.frame import Letterbox, Pixels
from worker.models.crop import crop_face
from worker.models.letterbox import PADDING
from worker.models.quality import face_quality
from worker.redact import redact
from worker.settings import GateSettings
from worker.settings.stream import LIVE_FPS

_LOOKS_A_SECOND = 5.0
"""How often a face is classified (`worker.events.reading`)."""
_CLOCK_TRUST_S = 5.0
_LONG_GOP_S = 4.0
_REPEATS = 5
_HEADROOM = 0.9


class Grade(StrEnum):
    """How fit a source is."""

    READY = "ready"
    LIMITED = "limited"
    UNFIT = "not usable"


@dataclass(frozen=True, slots=True)
class SeenFace:
    """One face on one of the samples. `refused`: why no emotion would be told; `label`: the most probable emotion."""

    sample: int
    detection: Detection
    quality: Quality
    refused: str | None
    label: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Cost:
    """What one such stream takes of this machine, as if nothing else ran.

    Attributes:
        fps: frames a second that are analysed: what comes, but no more than a live stream asks for by default.
        decode_cores: of one core, for all frames that the source sends.
        inference: share of what this machine can infer, at `fps` frames a second.
        streams: how many such streams fit.
        most_fps: frames a second of a single such stream that this machine can analyse.
    """

    fps: float
    decode_cores: float
    inference: float
    streams: int
    most_fps: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, what speaks against the source and what to do about it, its faces and its cost."""

    grade: Grade
    findings: tuple[str, ...]
    faces: tuple[SeenFace, ...]
    cost: Cost
    light: float


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds that this machine, doing nothing else, needs to find the faces of a picture and to read one face."""

    picture_s: float
    face_s: float


def speed_of(workshop: Workshop) -> Speed:
    """Measured now: on the CPU by the CPU time that is used, so that what else runs does not count."""
    if workshop.choice.device == "cuda":
        return Speed(workshop.picture_s, workshop.face_s)
    shape = workshop.detector.shapes[0]
    blank = np.full((1, shape[1], shape[0], 3), PADDING, np.uint8)
    letterbox = Letterbox.fit(*shape, (shape,))
    cores = usable_cores()
    began = time.process_time()
    for _ in range(_REPEATS):
        workshop.detector.detect(blank, [letterbox])
    picture_s = (time.process_time() - began) / _REPEATS / cores
    return Speed(picture_s, workshop.face_s * picture_s / max(picture_s, workshop.picture_s))


def judge(look: Look, workshop: Workshop, speed: Speed) -> Judgement:
    """Look for faces in the samples and weigh everything.

    Raises:
        BackendError: the models failed.
    """
    faces = tuple(find_faces(look, workshop))
    light = float(np.mean([brightness(sample.luma) for sample in look.samples]))
    cost = cost_of(look, speed, faces)
    serious, minor = _about_faces(look, faces, light, workshop), _about_video(look, cost)
    grade = Grade.LIMITED if serious else Grade.READY
    return Judgement(grade, (*serious, *minor), faces, cost, light)


def find_faces(look: Look, workshop: Workshop) -> list[SeenFace]:
    """All faces of all samples, each classified on its own."""
    gates = gates_of(workshop.classifier.bundle.manifest, GateSettings())
    sure = workshop.detector.bundle.manifest.thresholds.score
    found = []
    for number, sample in enumerate(look.samples):
        (detections,) = workshop.detector.detect(sample.detector_input[None], [sample.letterbox])
        for detection in detections:
            if detection.score < sure:
                continue
            crop = crop_face(sample.luma, detection.box, workshop.classifier.crop)
            quality = face_quality(detection.box, crop, look.width, look.height)
            refused = gates.refuse(quality)
            (probabilities,) = workshop.classifier.classify(crop[None])
            best = int(probabilities.argmax())
            label, confidence = EMOTIONS[best], float(probabilities[best])
            if refused is None and confidence < gates.confidence:
                refused = Abstention.LOW_CONFIDENCE
            found.append(SeenFace(number, detection, quality, refused and refused.value, label, confidence))
    return found


def cost_of(look: Look, speed: Speed, faces: Sequence[SeenFace]) -> Cost:
    """What a stream like this one takes; a file stands for a camera, as in `capacity`."""
    cores = usable_cores()
    rate = look.fps or look.declared_fps or 25.0
    fps = min(rate, LIVE_FPS)
    decode = (look.decode_ms * rate + look.convert_ms * fps) / 1000
    at_once = len(faces) / max(1, len(look.samples))
    inference = speed.picture_s * fps + speed.face_s * at_once * min(fps, _LOOKS_A_SECOND)
    left = max(0.0, 1 - decode / cores)
    return Cost(fps, decode, inference, int(1 / (inference + decode / cores)), fps * left / inference)


def _about_faces(look: Look, faces: tuple[SeenFace, ...], light: float, workshop: Workshop) -> list[str]:
    """What keeps emotions from being told."""
    shots = len(look.samples)
    if not faces:
        dark = f"; the picture is dark ({light:.0%}): more light" if light < 0.15 else ""
        return [f"no face in {shots} pictures: try again while somebody looks towards the camera{dark}"]
    refused = [face.refused for face in faces if face.refused]
    if len(refused) < len(faces) / 2:
        return []
    reason = max(set(refused), key=refused.count)
    size = float(np.median([face.quality.size_px for face in faces]))
    limits = gates_of(workshop.classifier.bundle.manifest, GateSettings())
    advice = {
        "too_small": f"faces are {size:.0f} px and need {limits.size_px:.0f}: zoom in, hang the camera nearer, "
        "or take its main stream if this is the small one",
        "blurred": "faces are blurred: check the focus, and shorten the exposure if people move",
        "dark": "faces are dark: more light, or turn the camera away from windows",
        "partial": "faces are cut by the picture's edge: turn the camera",
        "low_confidence": "the classifier is not sure of them: faces from the front, nearer and well lit are read best",
    }
    return [f"{len(refused)} of {len(faces)} faces would get no emotion: {advice.get(reason, reason)}"]


def _about_video(look: Look, cost: Cost) -> list[str]:
    """What could be better about the video itself."""
    told = []
    if look.damaged:
        advice = "use transport tcp" if look.transport == "udp" else "check the network and the camera's load"
        told.append(f"{look.damaged} damaged packets or pictures: {advice}")
    rate, declared = look.fps, look.declared_fps
    if look.live and rate and declared and not 0.85 < rate / declared < 1.15:
        told.append(
            f"says {declared:.1f} frames a second and sends {rate:.1f}: long exposures in the dark halve the rate, "
            "a slow link loses frames"
        )
    if look.key_step_s and look.key_step_s > _LONG_GOP_S and look.live:
        told.append(
            f"a key frame only every {look.key_step_s:.1f} s: after a break there is no picture for so long; set the "
            "camera's key frame interval (GOP) to 1 or 2 s"
        )
    if look.b_frames and look.live:
        told.append("B-frames: each picture waits for a later one; switch them off in the camera (profile Baseline)")
    if look.interlaced:
        told.append("interlaced: moving faces are torn into lines; let the camera send progressive pictures")
    if look.clock_offsets and abs(look.clock_offsets[-1][1]) > _CLOCK_TRUST_S:
        told.append(
            f"the camera's clock is {look.clock_offsets[-1][1]:+.0f} s off: arrival times are used instead; set its NTP"
        )
    if not cost.streams:
        told.append(
            f"this machine cannot analyse {cost.fps:.0f} frames a second of it: the entry below asks for what fits"
        )
    return told


def stream_name(url: str) -> str:
    """An id for the stream: the address's host and path, or the file's name, as settings allow."""
    parts = urlsplit(url)
    name = f"{parts.hostname}{parts.path}" if parts.scheme and parts.hostname else Path(url).stem
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:64] or "camera"


def settings_entry(name: str, url: str, look: Look, cost: Cost) -> str:
    """The stream's entry for the settings (YAML), without secrets.

    A password becomes `${CAMERA_ID_PASSWORD}`, a variable of the environment; an address with another secret goes to
    a file.
    """
    lines = [f"- id: {name}"]
    variable = f"CAMERA_{re.sub(r'[^A-Z0-9]', '_', name.upper())}_PASSWORD"
    hidden = re.sub(r"(://[^:/@]*):(?!\$\{)[^/]*@", rf"\1:${{{variable}}}@", url)
    if redact(re.sub(r"://[^/]*@", "://", hidden)) != re.sub(r"://[^/]*@", "://", hidden):
        lines.append(f"  url_file: /run/secrets/{name}  # put the address there: it holds a secret")
    else:
        lines.append(f"  url: {json.dumps(hidden)}")
    if look.transport == "udp":
        lines.append("  transport: udp")
    if not cost.streams:
        lines.append(f"  max_fps: {max(1, int(_HEADROOM * cost.most_fps))}")
    return "\n".join(lines)


def best_sample(look: Look, faces: tuple[SeenFace, ...]) -> tuple[Pixels, list[SeenFace]]:
    """The picture on which most of faces is seen, (h, w, 3) uint8 BGR, and its faces."""
    areas = [sum(f.quality.size_px**2 for f in faces if f.sample == number) for number in range(len(look.samples))]
    number = int(np.argmax(areas))
    picture = look.samples[number].picture
    assert picture is not None
    return picture.copy(), [face for face in faces if face.sample == number]
