"""Work that may take seconds and must not hold up answers: one thread, one core, at a lower priority.

In: functions.  Out: their results, awaited in the event loop; too many at once are refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from chatwright.generation.speaker import Busy

__all__ = ["QuietWorker"]

Result = TypeVar("Result")
STEPS_BACK = 10
"""By how much nicer than the server; the nicest there is has 19."""
LAST = 19
MOST_WAITING = 32


class QuietWorker:
    """Runs one function at a time. The engine's threads come first."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "chatwright-quiet", initializer=_step_back)
        self._waiting = 0
        self._lock = threading.Lock()

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of the work. Raises Busy if much is waiting already."""
        with self._lock:
            if self._waiting >= MOST_WAITING:
                raise Busy(f"{self._waiting} looks inside are waiting; try again later")
            self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            with self._lock:
                self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _step_back() -> None:
    import torch

    torch.set_num_threads(1)
    if hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):  # a system that knows no priorities of single threads loses nothing else
            own = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, own, min(LAST, os.getpriority(os.PRIO_PROCESS, own) + STEPS_BACK))
