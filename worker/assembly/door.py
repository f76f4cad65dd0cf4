"""Settings of a stream as the door needs them."""

from __future__ import annotations

from dataclasses import replace

from worker.assembly.addresses import SCHEMES
from worker.settings import Settings, StreamSettings
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


def running_options(stream: StreamSettings, shapes: tuple[tuple[int, int], ...], settings: Settings) -> SourceOptions:
    """How the service opens the stream. What is not the settings file's own address came from the API.

    Such an address is held once more against the schemes that are allowed there, as the door reads it; and unless local
    targets are allowed, a web server may not lead on to one.

    Not held by this: a playlist may name segments on local addresses, an RTSP server may lead on to another, and the
    name of a host is looked up again at each opening. Whoever may change streams can make the worker ask such an
    address, and sees of the answer only the people in it, if it is video.
    """
    options = source_options(stream, shapes)
    own = {known.id: known.address for known in settings.own_streams}
    if own.get(stream.id) == stream.address:
        return options
    allowed = (*SCHEMES, "file") if settings.web.files is not None else SCHEMES
    return replace(options, allowed_schemes=allowed, redirects=settings.web.local_targets)
