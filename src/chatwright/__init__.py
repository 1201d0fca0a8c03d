"""chatwright: build, understand and serve your own ChatGPT, from raw text to an assistant."""

from __future__ import annotations

__version__ = "0.1.0"
