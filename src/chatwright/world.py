"""What the program runs on: processes, device, precision, threads. The only caller of torch.distributed.

On a CPU the rows of a batch are divided among threads that each run with one kernel thread (`shards`): on models of a
few million parameters that is faster than splitting every small operation, and the sums keep a fixed order, so the
same thread count gives the same bits.
"""

from __future__ import annotations

import ctypes
import os
import random
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from chatwright.errors import ConfigError, ResourceError

__all__ = ["World", "open_world", "seed_everything"]

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class World:
    """Where and how tensors are computed, and with how many others."""

    device: torch.device
    dtype: torch.dtype
    """Of what flows through networks; weights, losses and optimizers stay in float32."""
    shards: int
    """Threads that share the rows of a batch on this process."""
    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum of a tensor over all processes, in place."""
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def share(self, rows: int) -> slice:
        """The rows of a global batch that belong to this process: contiguous parts of nearly equal size.

        The last batch of an epoch may have fewer rows than there are processes: some parts are empty then.
        """
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Apply a function to every item on the shards' threads; results in order, the first error raised."""
        if self.shards == 1 or len(items) <= 1:
            return [function(item) for item in items]
        graded = torch.is_grad_enabled()  # thread-local in PyTorch: hand it on

        def in_thread(item: Item) -> Result:
            with torch.set_grad_enabled(graded):
                return function(item)

        with ThreadPoolExecutor(self.shards) as pool:
            return list(pool.map(in_thread, items))


def open_world(device: str = "auto", precision: str = "auto", threads: int = 2) -> World:
    """Choose device and precision, set the threads, and join the other processes when torchrun started several.

    Raises ConfigError for an unknown name and ResourceError for a device that is not there.
    """
    if threads < 1:
        raise ConfigError(f"threads is {threads}; it must be at least 1")
    chosen = _device(device)
    if chosen.type == "cpu":
        torch.set_num_threads(1)
        _keep_freed_memory()
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    return World(chosen, _dtype(precision, chosen), threads if chosen.type == "cpu" else 1, rank, size)


def seed_everything(seed: int) -> None:
    """Seed the global generators; what must resume exactly draws from (seed, index) instead."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device is {name!r}; choose auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ResourceError('device is cuda, but PyTorch sees no CUDA device here; set device = "cpu"')
    return device


def _dtype(precision: str, device: torch.device) -> torch.dtype:
    named = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if precision in named:
        return named[precision]
    if precision != "auto":
        raise ConfigError(f"precision is {precision!r}; choose auto, fp32 or bf16")
    return torch.bfloat16 if _has_native_bf16(device) else torch.float32


def _has_native_bf16(device: torch.device) -> bool:
    """CUDA from sm80 on; CPUs with AVX512-BF16 or AMX. Elsewhere bf16 is emulated, and slower than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _keep_freed_memory() -> None:
    """Ask glibc to reuse large buffers instead of returning them to the system after every operation (5-10% faster)."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries have none
        mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD, bytes
        mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD, bytes
