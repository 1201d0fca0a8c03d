"""Every error chatwright raises on purpose, as a tree. Each message is one sentence: what, where, what to do.

ChatwrightError              caught by the command line: printed as one line, exit code 2
├── InputError               a file, text or argument that people brought is unusable
├── ConfigError              a setting is unknown, of the wrong type or out of range
├── ArtefactError            a model, token file or stage folder is missing, damaged or of another kind
├── ResourceError            not enough memory, disk or processors; or another process holds the folder
└── TrainingError            training cannot go on: loss or weights are not finite
"""

from __future__ import annotations

__all__ = ["ArtefactError", "ChatwrightError", "ConfigError", "InputError", "ResourceError", "TrainingError"]


class ChatwrightError(Exception):
    """An error with a message that a person can act on."""


class InputError(ChatwrightError):
    """A file, text or argument that people brought is unusable."""


class ConfigError(ChatwrightError):
    """A setting is unknown, of the wrong type or out of range."""


class ArtefactError(ChatwrightError):
    """A model, token file or stage folder is missing, damaged or of another kind."""


class ResourceError(ChatwrightError):
    """Not enough memory, disk or processors; or another process holds the folder."""


class TrainingError(ChatwrightError):
    """Training cannot go on: loss or weights are not finite."""
