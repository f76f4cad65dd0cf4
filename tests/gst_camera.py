"""An RTSP camera by gst-rtsp-server, run with the system's python3 (which has the gi bindings):

    /usr/bin/python3 gst_camera.py CLIP [--codec h265] [--auth basic|digest] [--tls CERTIFICATE_AND_KEY.pem]

Serves the H.264 or HEVC track of the MP4 file CLIP in real time at rtsp://127.0.0.1:PORT/live (rtsps with --tls)
over TCP and UDP and prints `ready PORT`. User `viewer`, password `secret`. Ends when its standard input is closed.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def protected(factory: GstRtspServer.RTSPMediaFactory, method: str | None, tls: str | None) -> GstRtspServer.RTSPAuth:
    """Encrypt (`tls` is a PEM file of certificate and key), and ask for user and password (`method`)."""
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "viewer")
    if method == "basic":
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("viewer", "secret"), token)
    elif method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest("viewer", "secret", token)
    else:
        auth.set_default_token(token)
    if tls:
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(tls))
    permissions = GstRtspServer.RTSPPermissions.new()
    permissions.add_role("viewer")
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)
    return auth


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("clip")
    arguments.add_argument("--codec", choices=["h264", "h265"], default="h264")
    arguments.add_argument("--auth", choices=["basic", "digest"])
    arguments.add_argument("--tls")
    chosen = arguments.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service("0")
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_launch(
        f"( filesrc location={chosen.clip} ! qtdemux ! {chosen.codec}parse"
        f" ! rtp{chosen.codec}pay name=pay0 pt=96 config-interval=1 )"
    )
    if chosen.auth or chosen.tls:
        server.set_auth(protected(factory, chosen.auth, chosen.tls))
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.PRIORITY_DEFAULT, GLib.IO_HUP | GLib.IO_IN, lambda *_: loop.quit())
    print("ready", server.get_bound_port(), flush=True)
    loop.run()


if __name__ == "__main__":
    main()
