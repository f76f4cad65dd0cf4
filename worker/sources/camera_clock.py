"""The camera's own clock, from the RTCP sender reports of an RTSP stream."""

from __future__ import annotations

import struct

import av

_REFERENCE_TIME = struct.Struct("<q")
"""FFmpeg's AVProducerReferenceTime starts with the wall clock in microseconds since 1970 (libavutil/defs)."""


class CameraClock:
    """Maps media time to the camera's wall time by the newest packet that carries a producer reference time."""

    def __init__(self) -> None:
        self._offset_s: float | None = None
        self._unplaced_s: float | None = None

    def see(self, packet: av.Packet[av.VideoStream]) -> None:
        """Learn from a packet; FFmpeg attaches the time once the camera has sent a sender report."""
        if not packet.has_sidedata("prft"):
            return
        (wall_us,) = _REFERENCE_TIME.unpack_from(bytes(packet.get_sidedata("prft")))
        if packet.pts is None:
            self._unplaced_s = wall_us / 1e6
        else:
            self._offset_s = wall_us / 1e6 - float(packet.pts * packet.time_base)

    def at(self, pts_s: float | None) -> float | None:
        """Wall time (Unix seconds) of media time `pts_s` by the camera; None while it has told none.

        A frame without media time (often a camera's first) is of the newest packet without media time.
        """
        if pts_s is None:
            return self._unplaced_s
        return None if self._offset_s is None else pts_s + self._offset_s
