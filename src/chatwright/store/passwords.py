"""Passwords: argon2id with the memory and time that OWASP's cheat sheet asks for (19 MiB, two passes).

In: a password.  Out: its hash, with the salt and the settings in it; or whether a password fits a hash.
"""

from __future__ import annotations

import functools
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from chatwright.errors import InputError

SHORTEST, LONGEST = 10, 1000
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = threading.BoundedSemaphore(4)  # each takes its memory: a flood of logins must not take all of it


def hash_password(password: str) -> str:
    """Raises InputError if the password is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"a password has {SHORTEST} to {LONGEST} characters", code="password_length")
    with _AT_ONCE:
        return _HASHER.hash(_bytes(password))


def check_password(known: str | None, password: str) -> bool:
    """Whether the password fits; without a hash never, after the same time."""
    if len(password) > LONGEST:
        return False
    with _AT_ONCE:
        try:
            return _HASHER.verify(known or _unknown(), _bytes(password)) and known is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(known: str) -> bool:
    """Whether the hash was made with other settings than today's."""
    return _HASHER.check_needs_rehash(known)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")


@functools.cache
def _unknown() -> str:
    return _HASHER.hash(b"the password of nobody")
