"""Where a server listens, by which address people reach it, and whether its TLS files go together.

In: settings.  Out: a socket, addresses to print, or one sentence about what is wrong, before any model is loaded.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from chatwright.errors import ConfigError, ResourceError
from chatwright.serving.settings import ServeSettings, is_loopback

__all__ = ["address_of", "bound", "check_tls", "hints_of"]

NOWHERE = ("192.0.2.1", 9)
"""An address of nobody (RFC 5737): asking which way it lies sends nothing."""


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any free one, and :: takes IPv4 too."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        both = family == socket.AF_INET6 and _is_any(host) and socket.has_dualstack_ipv6()
        return socket.create_server((host, port), family=family, backlog=1024, dualstack_ipv6=both)
    except socket.gaierror:
        raise ConfigError(f"{host} is no address of this machine; give --host 127.0.0.1, or 0.0.0.0 for all") from None
    except OSError as error:
        raise ResourceError(f"cannot listen at {host}, port {port} ({error.strerror}); choose another --port") from None


def address_of(settings: ServeSettings, port: int) -> str:
    """An address that can be opened: the public one if it is known, else where the server listens.

    Nobody can open 0.0.0.0: the machine's own address stands for it.
    """
    if settings.public_url:
        return settings.public_url.rstrip("/")
    scheme = "https" if settings.tls_certificate else "http"
    host = _own_address() if _is_any(settings.host) else settings.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def hints_of(settings: ServeSettings) -> Iterator[str]:
    """What to know about that address, if it is not the one that people type."""
    if settings.public_url:
        return
    if settings.behind_proxy:
        yield "That is the address behind the proxy; with --public-url this and all links name the one before it."
    elif not is_loopback(settings.host):
        yield "If people know it by a name, give that with --public-url: it stands in links, and is let in."


def _is_any(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return False


def _own_address() -> str:
    """The address from which this machine would reach others; without a network, the one for itself."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(NOWHERE)
        except OSError:
            return "127.0.0.1"
        found: str = asking.getsockname()[0]
        return found


def check_tls(settings: ServeSettings) -> None:
    """Raise ConfigError, which names the file, unless the certificate and the key can be read and belong together."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None or key is None:
        return
    for what, path in (("certificate", certificate), ("key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"--tls-{what} {path} cannot be read: {error.strerror}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_verify_locations(cafile=certificate)
    except (ssl.SSLError, ValueError):
        raise ConfigError(f"--tls-certificate {certificate} holds no certificate in PEM form") from None
    try:
        context.load_cert_chain(certificate, key, password=lambda: _refuse(key))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                f"the key {key} is not that of the certificate {certificate}; give the two of one pair"
            ) from None
        raise ConfigError(f"--tls-key {key} holds no private key in PEM form") from None


def _refuse(key: Path) -> str:
    """A server that asks for a password would hang, unseen, wherever nobody sits before it."""
    raise ConfigError(f"the key {key} is encrypted; decrypt it first: openssl pkey -in {key} -out FILE")
