"""Decode the video of one opened container, and tell a file's end from its being cut short."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from types import TracebackType
from typing import Self, cast

import av
from av.container import InputContainer
from av.stream import Disposition

from worker.errors import SourceTimeout, SourceUnreadable
from worker.redact import redact
from worker.sources.backlog import Backlog
from worker.sources.camera_clock import CameraClock
from worker.sources.decoded import Decoded
from worker.sources.opening import open_container, translated
from worker.sources.options import SourceOptions, is_live
from worker.sources.pictures import VideoPictures
from worker.sources.report import SourceReport

_ENDS_EARLY_S = 1.0
_CATCHING_UP_S = 40.0
"""How long a late reader waits for a key frame to go on from; one that comes so seldom is no use."""
_WAITED_S = 0.002
"""A packet that took longer than this was not there yet; others lay in a buffer."""
_NO_TIMESTAMPS = 0x80
"""FFmpeg's AVFMT_NOTIMESTAMPS: the format has no times (MJPEG over HTTP, raw H.264); 25 frames a second are made up."""


class Video:
    """An opened file or camera. Opened, read and closed by one thread; use it as a context manager.

    Of several video tracks FFmpeg's best is read: the default track before others, then the one with more frames
    probed, then the higher bit rate. Cover pictures of audio files are no video.
    """

    def __init__(self, options: SourceOptions, report: SourceReport) -> None:
        """Open it; errors as `open_container`, and SourceUnreadable if it holds no video that can be decoded."""
        self._options = options
        self._report = report
        self._container = open_container(options)
        try:
            self._track = self._choose()
        except SourceUnreadable:
            self._container.close()
            raise
        self._clock = CameraClock()
        self._pictures = VideoPictures(options.shapes, options.keep_picture, options.region)
        paced_by_camera = is_live(options.url) and not self.has_end and not self.comes_in_bursts
        self._timed = not (paced_by_camera and int(self._container.format.flags) & _NO_TIMESTAMPS)
        self._backlog = Backlog(partial(report.behind, options.stream)) if paced_by_camera and self._timed else None
        # Where only the length of the whole is announced (Matroska), any track may be the one that reaches it.
        self._whole = self.has_end and not self._track.frames and self._container.format.name != "mpegts"
        sound = tuple(self._container.streams.audio) if self._whole else ()
        self._read = (self._track, *sound)
        self._packets = 0
        self._waited_s = 0.0
        self._latest_s = 0.0
        self._last_damaged = False
        self._pending_damage = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()

    @property
    def has_end(self) -> bool:
        """True for what ends by itself: files, and videos of known length on a web server."""
        if not is_live(self._options.url):
            return True
        return self._container.duration is not None and not self._options.url.lower().startswith("rtsp")

    @property
    def comes_in_bursts(self) -> bool:
        """True for what a web server hands out faster than it happens: HLS and DASH segments, recordings."""
        by_web = self._options.url.lower().startswith("http")
        return by_web and (self.has_end or self._container.format.name in ("hls", "dash"))

    def frames(self, beat: Callable[[bool], None] | None = None) -> Iterator[Decoded]:
        """Decode to the end. `beat` is called for each packet of the track, with whether it will be decoded.

        Raises:
            SourceTimeout, SourceUnreachable: a camera went silent or away.
            SourceUnreadable: the file is damaged or cut short here; the frames before were delivered.
        """
        decoded = 0
        for packet in self._demuxed():
            wanted = self._wanted(packet)
            if beat is not None:
                beat(wanted)
            if not wanted:
                continue
            for item in self._decode(packet):
                decoded += 1
                yield item
        if self.has_end:
            self._check_complete(decoded)

    def _choose(self) -> av.VideoStream:
        track = chosen_track(self._container, self._options.url)
        context = track.codec_context
        context.thread_count = self._options.decoder_threads
        context.thread_type = "AUTO" if self._options.decoder_threads > 1 else "NONE"
        if self._options.decode == "keyframes":
            context.skip_frame = "NONKEY"
        return track

    def _demuxed(self) -> Iterator[av.Packet[av.VideoStream]]:
        """The track's packets and the empty one that flushes the decoder."""
        asked = time.monotonic()
        try:
            for packet in self._container.demux(*self._read):
                if packet.pts is not None and packet.size:
                    end = packet.pts + (packet.duration or 0)
                    self._latest_s = max(self._latest_s, float(end * packet.time_base))
                if packet.stream is not self._track:  # `stream_index` is 0 for every packet that flushes a decoder
                    continue
                self._waited_s = time.monotonic() - asked
                if packet.size:
                    self._packets += 1
                    self._last_damaged = packet.is_corrupt
                yield cast("av.Packet[av.VideoStream]", packet)
                asked = time.monotonic()
        except av.FFmpegError as error:
            if is_live(self._options.url):
                waited = time.monotonic() - asked
                raise translated(error, self._options, waited, self._options.read_timeout_s) from None
            raise SourceUnreadable(f"{redact(self._options.url)}: damaged: it cannot be read on from here") from None

    def _wanted(self, packet: av.Packet[av.VideoStream]) -> bool:
        """Whether there is time to decode the packet. Raises SourceTimeout where that has been so for too long."""
        if self._backlog is None or not packet.size:
            return True
        stamp = packet.pts if packet.dts is None else packet.dts
        media_s = None if stamp is None else float(stamp * packet.time_base)
        now = time.monotonic()
        wanted = self._backlog.wants(media_s, now, packet.is_keyframe, self._waited_s > _WAITED_S)
        if not wanted and self._backlog.behind_s(now) > _CATCHING_UP_S:
            raise SourceTimeout(
                f"{redact(self._options.url)}: it is read too late, and no key frame comes to go on from"
            )
        return wanted

    def _decode(self, packet: av.Packet[av.VideoStream]) -> Iterator[Decoded]:
        self._clock.see(packet)
        damaged = packet.is_corrupt
        started = time.perf_counter()
        try:
            frames = packet.decode()
        except av.FFmpegError:
            frames = []
            damaged = True
        spent = (time.perf_counter() - started) / max(1, len(frames))
        if damaged:
            self._damage()
        for frame in frames:
            if frame.is_corrupt:
                self._damage()
            pts_s = frame.time if self._timed else None
            render = partial(self._pictures.render, frame, self._pixel_aspect())
            yield Decoded(pts_s, spent, self._pending_damage, self._clock.at(pts_s), render)
            self._pending_damage = False

    def _damage(self) -> None:
        self._report.decode_error(self._options.stream)
        self._pending_damage = True

    def _pixel_aspect(self) -> Fraction | None:
        """The container's word goes before the codec's, as in FFmpeg's av_guess_sample_aspect_ratio."""
        return self._track.sample_aspect_ratio or self._track.codec_context.sample_aspect_ratio

    def _check_complete(self, decoded: int) -> None:
        """Raise if the file has fewer packets, or less time, than its own header says."""
        where = redact(self._options.url)
        if not decoded:
            raise SourceUnreadable(f"{where}: not one frame of its video can be decoded")
        short = self._track.frames > self._packets
        if self._whole and self._container.duration is not None:
            short = self._latest_s + _ENDS_EARLY_S < self._container.duration / av.time_base
        if short or self._last_damaged:
            raise SourceUnreadable(f"{where}: cut short: it ends after {decoded} frames, before its own end")


def chosen_track(container: InputContainer, url: str) -> av.VideoStream:
    """The video track that is read, with a decoder for it.

    Raises:
        SourceUnreadable: there is no video, or this build has no decoder for it.
    """
    tracks = [track for track in container.streams.video if not track.disposition & Disposition.attached_pic]
    if not tracks:
        raise SourceUnreadable(f"{redact(url)}: there is no video in it, only other tracks")
    best = container.streams.best("video")
    track = next((track for track in tracks if best is not None and track.index == best.index), tracks[0])
    if track.codec_context is None:
        raise SourceUnreadable(f"{redact(url)}: no decoder for its video; re-encode it as H.264")
    return track
