"""Every error chatwright raises on purpose, as a tree. Each message is one sentence: what, where, what to do.

ChatwrightError              caught by the command line: printed as one line, exit code 2
├── InputError               a file, text or argument that people brought is unusable
│   ├── NotFoundError        what was asked for is not there, or not this person's
│   └── ConflictError        it was taken, changed or decided by someone else meanwhile
├── ForbiddenError           who asks may not do this: wrong password, wrong role, an expired link
├── ConfigError              a setting is unknown, of the wrong type or out of range
├── ArtefactError            a model, token file or stage folder is missing, damaged or of another kind
├── ResourceError            not enough memory, disk or processors; or another process holds the folder
│   └── ThrottledError       too many attempts or rows for now; `retry_after` says how many seconds to wait
└── TrainingError            training cannot go on: loss or weights are not finite
"""

from __future__ import annotations

__all__ = [
    "ArtefactError",
    "ChatwrightError",
    "ConfigError",
    "ConflictError",
    "ForbiddenError",
    "InputError",
    "NotFoundError",
    "ResourceError",
    "ThrottledError",
    "TrainingError",
]


class ChatwrightError(Exception):
    """An error with a message that a person can act on.

    `code` names the case, for programs and for pages that say it in another language; None where nobody needs that.
    """

    def __init__(self, message: str = "", *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


class InputError(ChatwrightError):
    """A file, text or argument that people brought is unusable."""


class NotFoundError(InputError):
    """What was asked for is not there, or not this person's."""


class ConflictError(InputError):
    """It was taken, changed or decided by someone else meanwhile."""


class ForbiddenError(ChatwrightError):
    """Who asks may not do this: wrong password, wrong role, an expired link."""


class ConfigError(ChatwrightError):
    """A setting is unknown, of the wrong type or out of range."""


class ArtefactError(ChatwrightError):
    """A model, token file or stage folder is missing, damaged or of another kind."""


class ResourceError(ChatwrightError):
    """Not enough memory, disk or processors; or another process holds the folder."""


class ThrottledError(ResourceError):
    """Too many attempts or rows for now; `retry_after` says how many seconds to wait."""

    def __init__(self, message: str, *, retry_after: float, code: str | None = None) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after


class TrainingError(ChatwrightError):
    """Training cannot go on: loss or weights are not finite."""
