"""One opening of a stream: counts its decoded frames, thins them, and makes them into `Frame`s."""

from __future__ import annotations

import time
from collections import Counter

from worker.clock import Clock
from worker.frame import ClockName, Frame, Gap, GapCause, Skip
from worker.sources.decoded import Decoded
from worker.sources.options import SourceOptions, is_pictures
from worker.sources.pictures import Pictures
from worker.sources.rate import RateGrid
from worker.sources.report import SourceReport
from worker.sources.timeline import Timeline

_CAMERA_CLOCK_TRUST_S = 5.0


class Run:
    """The ledger of one run at the door: every decoded frame has an index, and is handed over or skipped for a reason.

    Attributes:
        id: the run's ULID.
        decoded: frames decoded so far.
        last_wall: wall time of the newest decoded frame; None before the first.
        started: monotonic time of the first decoded frame; None before it.
        closed: the record that closes the run has been told.
    """

    def __init__(self, options: SourceOptions, run_id: str, clock: Clock, report: SourceReport) -> None:
        self.id = run_id
        self.decoded = 0
        self.last_wall: float | None = None
        self.started: float | None = None
        self.closed = False
        self._options = options
        self._clock = clock
        self._report = report
        self._timeline = Timeline()
        self._grid = RateGrid(None if is_pictures(options.url) else options.max_fps)
        self._skipped: Counter[str] = Counter()
        self._clock_name: ClockName | None = None
        self._camera_offset_s: float | None = None

    def again(self) -> None:
        """The file starts again: same run, media time goes on."""
        self._timeline.again()

    def take(self, item: Decoded) -> tuple[Gap | None, Frame | None]:
        """Count a decoded frame.

        Returns:
            A gap `corrupt` to be told before it, if frames were lost there, and the frame, if it is wanted.
        """
        arrived, wall = self._clock.monotonic(), self._clock.wall()
        index = self.decoded
        guess = self._timeline.guess()
        media_s, lost = self._timeline.place(item.pts_s, item.damaged)
        grid_s = arrived if self._options.live else media_s if media_s is not None else guess
        dressed = self._dress(item) if self._grid.wants(grid_s) else None
        gap = self._corrupt_gap(wall) if lost else None
        self.decoded += 1
        self.last_wall = wall
        self.started = arrived if self.started is None else self.started
        stream = self._options.stream
        self._report.decoded(stream)
        self._report.frame_seen(stream, wall, arrived)
        self._report.stage("decode", item.decode_s)
        if dressed is None:
            self.skip(Skip.MAX_FPS)
            return gap, None
        return gap, self._frame(item, dressed, (index, media_s, arrived, wall))

    def skip(self, reason: Skip, count: int = 1) -> None:
        """Account for `count` decoded frames that are not handed over."""
        self._skipped[reason] += count
        self._report.skipped(self._options.stream, reason, count)

    def refused(self, frame: Frame) -> None:
        """The sink did not take `frame` because the stream is stopping: it and its skips are told at the end."""
        self._skipped.update(frame.skipped)
        self.skip(Skip.STOPPING)

    def rest(self) -> dict[str, int]:
        """Take out what was skipped since the last frame handed over, for the record that closes the run."""
        skipped = {str(reason): count for reason, count in self._skipped.items()}
        self._skipped.clear()
        return skipped

    def _dress(self, item: Decoded) -> tuple[Pictures, float]:
        """The frame's pictures and the seconds they took."""
        started = time.perf_counter()
        pictures = item.render()
        spent = time.perf_counter() - started
        self._report.stage("convert", spent)
        return pictures, spent

    def _frame(
        self, item: Decoded, dressed: tuple[Pictures, float], place: tuple[int, float | None, float, float]
    ) -> Frame:
        """`place`: index, media time, arrival by the monotonic clock and by the wall clock."""
        pictures, convert_s = dressed
        index, media_s, arrived, wall = place
        captured_at = self._captured_at(item, media_s, wall)
        return Frame(
            stream=self._options.stream,
            run=self.id,
            index=index,
            pts_s=media_s,
            captured_at=captured_at,
            clock=self._clock_name if captured_at is not None else None,
            arrived=arrived,
            letterbox=pictures.letterbox,
            detector_input=pictures.detector_input,
            luma=pictures.luma,
            picture=pictures.picture,
            skipped=self.rest(),
            decode_s=item.decode_s,
            convert_s=convert_s,
            live=self._options.live,
        )

    def _captured_at(self, item: Decoded, media_s: float | None, wall: float) -> float | None:
        """Wall time of the frame. The clock is chosen at the run's first frame and never changed within it."""
        options = self._options
        if options.start_time is not None or options.deterministic_run:
            self._clock_name = "file"
            return None if options.start_time is None or media_s is None else options.start_time + media_s
        camera_s = item.camera_s
        trusted = camera_s is not None and abs(camera_s - wall) <= _CAMERA_CLOCK_TRUST_S
        if camera_s is not None:
            self._report.camera_clock_offset(options.stream, camera_s - wall)
        if self._clock_name is None:
            self._clock_name = "rtcp" if trusted else "arrival"
        if self._clock_name == "arrival":
            return wall
        if camera_s is not None and trusted:
            if media_s is not None:
                self._camera_offset_s = camera_s - media_s
            return camera_s
        # the camera's clock jumped away: go on by the offset that was trusted last
        return wall if self._camera_offset_s is None or media_s is None else self._camera_offset_s + media_s

    def _corrupt_gap(self, wall: float) -> Gap:
        self._report.gap(self._options.stream, GapCause.CORRUPT)
        return Gap(self._options.stream, self.id, GapCause.CORRUPT, self.last_wall or wall, wall)
