"""Watches one camera or file for some seconds and measures what comes: for `probe`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import numpy as np
from av.container import InputContainer

from worker.errors import SourceUnreadable
from worker.frame import Pixels
from worker.redact import redact
from worker.sources.camera_clock import CameraClock
from worker.sources.opening import open_container, translated
from worker.sources.options import SourceOptions, is_live
from worker.sources.pictures import Pictures, VideoPictures
from worker.sources.video import chosen_track

_SETTLED_S = 1.0
"""What a camera has kept for those who come arrives in one burst: the rate is measured after it."""
_MOST_FRAMES = 3000
_FASTEST_FPS = 300


@dataclass(slots=True)
class Look:
    """What was measured; times in seconds.

    Attributes:
        codec, profile, pixel_format: as FFmpeg calls them.
        declared_fps: what the container or the camera says; None: nothing.
        arrivals: monotonic time of each decoded frame.
        media: media time of each decoded frame that has one.
        keys: numbers of the key frames among all decoded frames.
        b_frames: pictures that depend on later ones.
        interlaced: pictures made of two half pictures.
        first_frame_s: from the first packet sent to the first picture.
        clock_offsets: (monotonic time, camera's clock minus ours) for each sender report heard of.
        damaged: packets or pictures that could not be decoded, or arrived damaged.
        decode_s, convert_s: CPU seconds for all decoded frames, and for the samples.
        samples: pictures to look for faces in, evenly over time.
    """

    live: bool
    transport: str
    codec: str = ""
    profile: str | None = None
    pixel_format: str = ""
    width: int = 0
    height: int = 0
    declared_fps: float | None = None
    bytes: int = 0
    first_frame_s: float = 0.0
    arrivals: list[float] = field(default_factory=list)
    media: list[float] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    b_frames: int = 0
    interlaced: int = 0
    damaged: int = 0
    clock_offsets: list[tuple[float, float]] = field(default_factory=list)
    decode_s: float = 0.0
    convert_s: float = 0.0
    samples: list[Pictures] = field(default_factory=list)

    @property
    def frames(self) -> int:
        return len(self.arrivals)

    @property
    def fps(self) -> float | None:
        """Frames a second: as they arrive from a camera, by media time of a file; None: too few to say."""
        times = self.media
        if self.live:
            times = [at for at in self.arrivals if at - self.arrivals[0] >= _SETTLED_S]
        if len(times) < 3 or times[-1] <= times[0]:
            return None
        return (len(times) - 1) / (times[-1] - times[0])

    @property
    def key_step_s(self) -> float | None:
        """The longest time between two key frames; None: fewer than two were seen."""
        steps = np.diff(self.keys)
        return float(steps.max()) / self.fps if len(steps) and self.fps else None

    @property
    def bit_rate(self) -> float | None:
        """Bits a second of the video, by media time."""
        span = self.media[-1] - self.media[0] if len(self.media) > 1 else 0.0
        return 8 * self.bytes / span if span > 0 else None

    @property
    def clock_drift(self) -> tuple[float, float] | None:
        """(seconds that the camera's clock moved against ours, within so many seconds); None: too short to say.

        A picture that we come to late makes the camera's clock seem behind, never ahead: the largest offset of each
        half of the time is the least disturbed.
        """
        middle = len(self.clock_offsets) // 2
        if middle < 3:
            return None
        first, second = (
            max(part, key=lambda pair: pair[1]) for part in (self.clock_offsets[:middle], self.clock_offsets[middle:])
        )
        return second[1] - first[1], second[0] - first[0]

    @property
    def decode_ms(self) -> float:
        """CPU milliseconds to decode a frame."""
        return 1000 * self.decode_s / max(1, self.frames)

    @property
    def convert_ms(self) -> float:
        """CPU milliseconds to make a frame's two pictures for the models."""
        return 1000 * self.convert_s / max(1, len(self.samples))


def look_at(options: SourceOptions, seconds: float, samples: int) -> Look:
    """Watch a source for `seconds` (a file: of media time) and keep up to `samples` of its pictures.

    Raises:
        SettingsError: this kind of source does not exist.
        SourceError: it cannot be opened, or nothing of it can be decoded.
    """
    live = is_live(options.url)
    look = Look(live, options.transport if options.url.lower().startswith("rtsp") else "")
    began = time.monotonic()
    with open_container(options) as container:
        track = _track(container, options)
        look.codec, look.profile = track.codec_context.name, track.codec_context.profile
        look.declared_fps = declared(track.average_rate) or declared(track.guessed_rate)
        _watch(container, track, options, look, (began, seconds, samples))
    if not look.frames:
        raise SourceUnreadable(f"{redact(options.url)}: packets arrive, but no picture came of them")
    return look


def declared(rate: Fraction | None) -> float | None:
    """A rate that can be meant, in frames a second.

    Where a camera says none, the library may tell the ticks of its clock: 48,000 a second.
    """
    return float(rate) if rate and rate <= _FASTEST_FPS else None


def _track(container: InputContainer, options: SourceOptions) -> av.VideoStream:
    track = chosen_track(container, options.url)
    track.codec_context.thread_count = 1
    track.codec_context.thread_type = "NONE"
    return track


def _watch(
    container: InputContainer,
    track: av.VideoStream,
    options: SourceOptions,
    look: Look,
    limits: tuple[float, float, int],
) -> None:
    """`limits`: monotonic time of the beginning, seconds to watch, pictures to keep."""
    began, seconds, samples = limits
    clock = CameraClock()
    pictures = VideoPictures(options.shapes, options.keep_picture)
    aspect = track.sample_aspect_ratio
    for packet in _packets(container, track, options):
        look.bytes += packet.size
        clock.see(packet)
        for frame in _decoded(packet, look):
            now = time.monotonic()
            if not look.frames:
                look.first_frame_s = now - began
            _count(frame, clock, now, look)
            if _span(look) >= len(look.samples) * seconds / samples and len(look.samples) < samples:
                _keep(pictures, frame, aspect, look)
        if look.frames and (_span(look) >= seconds or look.frames >= _MOST_FRAMES):
            return


def _packets(
    container: InputContainer, track: av.VideoStream, options: SourceOptions
) -> Iterator[av.Packet[av.VideoStream]]:
    asked = time.monotonic()
    try:
        for packet in container.demux(track):
            yield packet
            asked = time.monotonic()
    except av.FFmpegError as error:
        raise translated(error, options, time.monotonic() - asked, options.read_timeout_s) from None


def _decoded(packet: av.Packet[av.VideoStream], look: Look) -> list[av.VideoFrame]:
    look.damaged += packet.is_corrupt
    started = time.thread_time()
    try:
        frames = packet.decode()
    except av.FFmpegError:
        look.damaged += 1
        frames = []
    look.decode_s += time.thread_time() - started
    return frames


def _count(frame: av.VideoFrame, clock: CameraClock, now: float, look: Look) -> None:
    if frame.key_frame:
        look.keys.append(look.frames)
    look.arrivals.append(now)
    if frame.time is not None:
        look.media.append(frame.time)
    look.b_frames += frame.pict_type == av.video.frame.PictureType.B
    look.interlaced += frame.interlaced_frame
    look.damaged += frame.is_corrupt
    look.pixel_format = frame.format.name
    at = clock.at(frame.time)
    if at is not None and (not look.clock_offsets or now - look.clock_offsets[-1][0] > 0.5):
        look.clock_offsets.append((now, at - time.time()))


def _span(look: Look) -> float:
    """How long it was watched: by the clock of a camera, by media time of a file."""
    times = look.arrivals if look.live or not look.media else look.media
    return times[-1] - times[0]


def _keep(pictures: VideoPictures, frame: av.VideoFrame, aspect: Fraction | None, look: Look) -> None:
    started = time.thread_time()
    kept = pictures.render(frame, aspect)
    look.convert_s += time.thread_time() - started
    look.width, look.height = kept.letterbox.width, kept.letterbox.height
    look.samples.append(kept)


def brightness(luma: Pixels) -> float:
    """Mean of a picture's luma, 0 (black) to 1 (white)."""
    return float(luma.mean()) / 255
