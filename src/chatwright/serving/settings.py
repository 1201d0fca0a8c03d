"""What a server is told: where it listens, whom it lets in, how much it takes at once, and facts about its models."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from chatwright.errors import ConfigError
from chatwright.meter import Rates

__all__ = ["Card", "Prices", "ServeSettings", "is_loopback"]


@dataclass(frozen=True, kw_only=True)
class Card:
    """What /v1/models and the bills say about a model."""

    created: int = 0
    """Seconds since 1970."""
    fingerprint: str = ""
    """Changes with the weights; `system_fingerprint` of answers."""
    folder: Path | None = None
    stage: str = ""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Money per 1,000 tokens, in whatever currency the bills use."""

    training: float = 0.0
    use: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Settings of one server. Sizes are in bytes, times in seconds."""

    host: str = "127.0.0.1"
    """Address to listen on; one that other machines can reach needs TLS."""
    port: int = 8000
    """0 takes any free one."""
    behind_proxy: bool = False
    """Whether a proxy that speaks TLS stands before it; keys are needed then, even on loopback."""
    tls_certificate: Path | None = None
    """PEM file of the certificate chain."""
    tls_key: Path | None = None
    """PEM file of its private key."""
    require_key: bool = False
    """Whether a key is needed on loopback too; elsewhere it always is."""
    public_url: str = ""
    """The address that people type, such as https://chat.example.org: its name and its pages are this server's own."""
    allowed_hosts: tuple[str, ...] = ()
    """Names, besides this machine's own, that requests may give as their Host."""
    allowed_origins: tuple[str, ...] = ()
    """Other sites, such as https://example.org, whose pages may ask from a browser."""
    requests_per_minute: int = 0
    """POST requests of each key that has no limit of its own, of each person who is signed in, and of all others
    together; 0: no limit."""
    max_body: int = 8 * 2**20
    """Of one request."""
    max_answers: int = 128
    """Prompts times n of one request."""
    max_inputs: int = 2048
    """Texts of one request for embeddings or moderation."""
    max_stops: int = 64
    """Texts before which one request may ask to end."""
    max_alternatives: int = 20
    """Alternatives per token (top_logprobs, logprobs)."""
    keep_alive: float = 15.0
    """A comment is sent on a stream that has been silent for so long, so that proxies do not close it."""
    write_timeout: float = 30.0
    """A reader that takes nothing for so long is given up."""
    body_timeout: float = 30.0
    """A client that sends nothing of its body for so long is given up."""
    cards: Mapping[str, Card] = field(default_factory=dict)
    """By the names of the models that are served."""
    prices: Prices = field(default_factory=Prices)
    """What requests, and the training that is started in the pages, are entered into the usage with."""
    rates: Rates = field(default_factory=Rates)
    """What the energy of a request is reckoned with."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}; it must lie between 0 (any free one) and 65535")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ConfigError("TLS needs two files: give both --tls-certificate and --tls-key")
        if self.requests_per_minute < 0:
            raise ConfigError(f"requests_per_minute is {self.requests_per_minute}; it must be 0 (no limit) or more")
        if not is_loopback(self.host) and self.tls_certificate is None and not self.behind_proxy:
            raise ConfigError(
                f"{self.host} can be reached from other machines, so what is said must be encrypted: give "
                f"--tls-certificate and --tls-key, or --behind-proxy if a proxy before it speaks TLS"
            )
        self._check_public_url()

    def _check_public_url(self) -> None:
        parts = _split(self.public_url)
        if not self.public_url:
            return
        if parts is None or parts.query or parts.fragment or parts.username is not None:
            raise ConfigError(
                f"--public-url is {self.public_url}; write the address that people type, as https://chat.example.org"
            )
        if is_loopback(str(parts.hostname)):
            return
        if not self.behind_proxy and self.tls_certificate is None:
            raise ConfigError(
                f"--public-url {self.public_url} says that others reach this server: give --behind-proxy if a proxy "
                f"before it speaks TLS, else --tls-certificate and --tls-key"
            )
        if parts.scheme != "https":
            raise ConfigError(f"--public-url is {self.public_url}, but what others reach speaks TLS: write https://")

    @property
    def public_host(self) -> str | None:
        """The name in the public address, in small letters."""
        parts = _split(self.public_url)
        return parts.hostname if parts else None

    @property
    def public_origin(self) -> str | None:
        """What browsers send as the Origin of pages at the public address."""
        parts = _split(self.public_url)
        if parts is None:
            return None
        host, usual = str(parts.hostname), 443 if parts.scheme == "https" else 80
        name = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{name}" if parts.port in (None, usual) else f"{parts.scheme}://{name}:{parts.port}"

    @property
    def needs_key(self) -> bool:
        """Whether every request but /health must bring a key."""
        return self.require_key or self.behind_proxy or not is_loopback(self.host)


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None if it is none of http."""
    try:
        parts = urlsplit(address)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if sound else None


def is_origin(text: str) -> bool:
    """Whether a text is what browsers, their extensions and desktop programs send as Origin: scheme and host only."""
    if text.startswith(("http:", "https:")):
        parts = _split(text)
        return parts is not None and text == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    return text == "null" or re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/@?#\s*]+", text) is not None


def is_loopback(host: str) -> bool:
    """Whether only programs on this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
