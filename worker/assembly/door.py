"""Settings of a stream as the door needs them."""

from __future__ import annotations

from worker.settings import StreamSettings
from worker.sources.options import SourceOptions


def source_options(stream: StreamSettings, shapes: tuple[tuple[int, int], ...]) -> SourceOptions:
    """How the stream is opened and read; `shapes`: the detector's input shapes."""
    return SourceOptions(
        stream=stream.id,
        url=stream.address,
        live=stream.live,
        transport=stream.transport,
        open_timeout_s=stream.open_timeout,
        read_timeout_s=stream.read_timeout,
        max_fps=stream.fps_limit,
        decode=stream.decode,
        loop=stream.loop,
        realtime=stream.realtime,
        shapes=shapes,
        region=stream.region,
        tls_verify=stream.tls_verify or stream.tls_ca is not None,
        ca_file=None if stream.tls_ca is None else str(stream.tls_ca),
    )
