"""Which addresses may come from the API: cameras on the network, and files of one folder where settings allow it.

FFmpeg knows many schemes that lead to local files in roundabout ways: what is allowed is listed, not what is forbidden.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from worker.redact import MASK
from worker.settings import WebSettings
from worker.web.answers import Refusal

_HOLDS_IPV4 = (IPv6Network("::/96"), IPv6Network("64:ff9b::/96"))
_FOREIGN = IPv4Address("192.0.2.1")  # of RFC 5737: no machine has it
SCHEMES = ("rtsp", "rtsps", "http", "https")


def check_address(url: str, settings: WebSettings) -> None:
    """
    Raises:
        Refusal: 422, the address may not come from the API; the sentence does not repeat it.
    """
    if MASK in url:
        raise _refused(
            f"url holds {MASK}, the mask of a secret; leave url out to keep what is there, or give all of it"
        )
    if "${" in url:
        raise _refused("url may not name variables of the worker's environment")
    is_file = "://" not in url
    if any(ord(sign) < 32 or ord(sign) == 127 or (sign == " " and not is_file) for sign in url):
        raise _refused("url may not hold blanks and control characters")
    if is_file:
        _check_file(url, settings.files)
        return
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise _refused("url is no address") from None
    if parts.scheme.lower() not in SCHEMES:
        file = "" if settings.files is None else ", or be the name of a file in the folder web.files"
        raise _refused(f"url must start with {', '.join(f'{scheme}://' for scheme in SCHEMES)}{file}")
    if not host:
        raise _refused("url names no host")
    if not settings.local_targets:
        _check_host(host)


def _check_file(url: str, folder: Path | None) -> None:
    """A path inside the folder, links followed."""
    if folder is None:
        raise _refused("url must be a camera's address: files may be added only where web.files names their folder")
    try:
        path = (folder / url).resolve()
        there = path.is_relative_to(folder.resolve()) and path.exists()
    except (OSError, RuntimeError):  # too long a name, a folder that may not be entered, links in a circle
        there = False
    if not there:
        raise _refused("url is no file in the folder web.files")


def _check_host(host: str) -> None:
    """Every address of the host must be one of the network: the worker must not be led to its own services."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _refused("url names a host that this machine does not know") from None
    for *_, address in found:
        if _is_local(ip_address(str(address[0]).partition("%")[0])):
            raise _refused("url leads to this machine or a link-local address: set web.local_targets to allow that")


def _is_local(address: IPv4Address | IPv6Address) -> bool:
    inner = _inner(address) if isinstance(address, IPv6Address) else None
    return any(
        meant.is_loopback or meant.is_link_local or meant.is_unspecified or meant.is_multicast or _is_own(meant)
        for meant in (address, inner)
        if meant is not None
    )


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for: mapped, compatible, NAT64 (RFC 6052), 6to4."""
    if any(address in net for net in _HOLDS_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_own(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is one of this machine's: services that listen on all of them listen there, too."""
    return _binds(address) and (not _binds(_FOREIGN) or _speaks_from(address))


def _binds(address: IPv4Address | IPv6Address) -> bool:
    try:
        with _datagrams(address) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True


def _speaks_from(address: IPv4Address | IPv6Address) -> bool:
    """For systems that bind anything (net.ipv4.ip_nonlocal_bind): to its own address the kernel speaks from it."""
    try:
        with _datagrams(address) as probe:
            probe.connect((str(address), 9))  # no packet is sent
            return ip_address(str(probe.getsockname()[0]).partition("%")[0]) == address
    except OSError:
        return False


def _datagrams(address: IPv4Address | IPv6Address) -> socket.socket:
    return socket.socket(socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6, socket.SOCK_DGRAM)


def _refused(sentence: str) -> Refusal:
    return Refusal(422, sentence)
