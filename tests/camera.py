"""A small RTSP camera for tests: sockets and PyAV's RTP muxer, interleaved TCP, Basic and Digest, and all that can go
wrong with a camera: it refuses, says nothing, goes silent, hangs up, dies and comes back. Needs no root."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import re
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import av

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Auth = Literal["basic", "digest"]


@dataclass
class Camera:
    """Serves one H.264 MP4 clip over and over, in real time, on rtsp://127.0.0.1:PORT/live.

    Attributes:
        mute: accept connections and answer nothing.
        frozen: while set, no frame is sent; the connection stays open.
        connections, refusals: how many connections were accepted and requests answered with 401.
    """

    clip: Path
    auth: Auth | None = None
    user: str = "viewer"
    password: str = "secret"
    mute: bool = False
    port: int = 0
    connections: int = 0
    refusals: int = 0
    frozen: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._sdp = _describe(self.clip)
        self.nonce = secrets.token_hex(8)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        credentials = f"{self.user}:{self.password}@" if self.auth else ""
        return f"rtsp://{credentials}127.0.0.1:{self.port}/live"

    def start(self) -> None:
        """Listen; after `kill` on the same port as before."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._begin(self._accept, self._listener)

    def kill(self) -> None:
        """Stop listening (connections are refused from now on) and hang up everywhere."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(5)
        self._threads.clear()

    def hang_up(self) -> None:
        """Close all connections; new ones are welcome."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _begin(self, work: Callable[..., object], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, name="test-camera", daemon=True)
        self._threads = [known for known in self._threads if known.is_alive()] + [thread]
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            self._begin(self._talk, connection)

    def _talk(self, connection: socket.socket) -> None:
        player: threading.Thread | None = None
        gone = threading.Event()
        sending = threading.Lock()
        with connection, connection.makefile("rb") as reader:
            while (request := _request(reader)) is not None:
                if self.mute:
                    continue
                verb, headers = request
                reply = self._answer(verb, headers)
                try:
                    with sending:
                        connection.sendall(reply.encode())
                except OSError:
                    break
                if verb == "TEARDOWN":
                    break
                if verb == "PLAY" and reply.startswith("RTSP/1.0 200"):
                    wire = _Wire(connection, sending)
                    player = threading.Thread(
                        target=self._play, args=(wire, gone), name="test-camera-player", daemon=True
                    )
                    player.start()
            gone.set()
            self._open.discard(connection)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        if player is not None:
            player.join(5)

    def _answer(self, verb: str, headers: dict[str, str]) -> str:
        sequence = headers.get("cseq", "0")
        extra, body = "", ""
        if self.auth and verb != "OPTIONS" and not self._authorised(verb, headers):
            self.refusals += 1
            challenge = 'Basic realm="cam"' if self.auth == "basic" else f'Digest realm="cam", nonce="{self.nonce}"'
            return f"RTSP/1.0 401 Unauthorized\r\nCSeq: {sequence}\r\nWWW-Authenticate: {challenge}\r\n\r\n"
        if "/live" not in headers["url"]:
            return f"RTSP/1.0 404 Not Found\r\nCSeq: {sequence}\r\n\r\n"
        if verb == "OPTIONS":
            extra = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n"
        elif verb == "DESCRIBE":
            body = self._sdp
            extra = f"Content-Type: application/sdp\r\nContent-Base: {headers['url']}/\r\n"
        elif verb == "SETUP":
            if "TCP" not in headers.get("transport", ""):
                return f"RTSP/1.0 461 Unsupported Transport\r\nCSeq: {sequence}\r\n\r\n"
            extra = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n"
        else:
            extra = "Session: 1\r\n"
        return f"RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{extra}Content-Length: {len(body)}\r\n\r\n{body}"

    def _authorised(self, verb: str, headers: dict[str, str]) -> bool:
        given = headers.get("authorization", "")
        if self.auth == "basic":
            return given == "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', given))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        secret, what = md5(f"{self.user}:cam:{self.password}"), md5(f"{verb}:{fields.get('uri', '')}")
        return fields.get("response") == md5(f"{secret}:{self.nonce}:{what}")

    def _play(self, wire: _Wire, gone: threading.Event) -> None:
        """Send the clip over and over until the connection is gone."""
        started, offset = time.monotonic(), 0
        try:
            with av.open(wire, "w", format="rtp", options={"packetsize": "1400"}) as out:
                track: av.VideoStream | None = None
                while not gone.is_set():
                    with av.open(str(self.clip)) as clip:
                        source = clip.streams.video[0]
                        if track is None:
                            track = out.add_stream_from_template(source)
                        step = round(
                            1 / (source.average_rate or Fraction(25)) / (source.time_base or Fraction(1, 90000))
                        )
                        end = 0
                        for packet in clip.demux(source):
                            if packet.dts is None or packet.pts is None:
                                continue
                            end = max(end, packet.pts + step)
                            packet.pts += offset
                            packet.dts += offset
                            due = started + float(packet.dts * packet.time_base)
                            if gone.wait(max(0.0, due - time.monotonic())):
                                return
                            while self.frozen.is_set():
                                if gone.wait(0.02):
                                    return
                            packet.stream = track
                            out.mux(packet)
                        offset += end
        except (OSError, av.FFmpegError):  # the client is gone
            return


class _Wire(io.RawIOBase):
    """What the RTP muxer writes to: each write is one RTP or RTCP packet, sent interleaved (RFC 2326, 10.12)."""

    def __init__(self, connection: socket.socket, sending: threading.Lock) -> None:
        self._connection = connection
        self._sending = sending

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        packet = bytes(data)
        channel = 1 if 200 <= packet[1] <= 204 else 0
        with self._sending:
            self._connection.sendall(b"$" + struct.pack(">BH", channel, len(packet)) + packet)
        return len(packet)


def _request(reader: io.BufferedReader) -> tuple[str, dict[str, str]] | None:
    """The next request, past interleaved RTCP; None when the connection ends. The URL is header `url`."""
    try:
        while (first := reader.read(1)) == b"$":
            _, length = struct.unpack(">BH", reader.read(3))
            reader.read(length)
        if not first:
            return None
        head = (first + reader.readline()).decode().split()
        headers = {"url": head[1]}
        while line := reader.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        reader.read(int(headers.get("content-length", "0")))
    except (OSError, struct.error, IndexError, ValueError):
        return None
    return head[0], headers


def _describe(clip: Path) -> str:
    """The SDP of an H.264 MP4 (RFC 6184), its parameter sets taken from avcC (ISO 14496-15)."""
    with av.open(str(clip)) as container:
        config = container.streams.video[0].codec_context.extradata or b""
    sets, position = [], 5
    for mask in (31, 255):  # the counts of sequence and of picture parameter sets
        count, position = config[position] & mask, position + 1
        for _ in range(count):
            (length,) = struct.unpack_from(">H", config, position)
            sets.append(base64.b64encode(config[position + 2 : position + 2 + length]).decode())
            position += 2 + length
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
        "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
        f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={','.join(sets)}\r\na=control:track0\r\n"
    )
