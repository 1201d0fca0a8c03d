"""chatwright: build, understand and serve your own ChatGPT, from raw text to an assistant.

`chatwright.load(folder)` gives a trained model; everything else starts at the command line (`chatwright --help`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatwright.assistant import Assistant, load

__version__ = "0.1.0"
__all__ = ["Assistant", "__version__", "load"]


def __getattr__(name: str) -> object:
    """Import the model code when it is asked for: the command line's help needs no torch."""
    if name in ("Assistant", "load"):
        return getattr(importlib.import_module("chatwright.assistant"), name)
    raise AttributeError(f"module 'chatwright' has no attribute {name!r}")
