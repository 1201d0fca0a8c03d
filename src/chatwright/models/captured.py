"""The one-token step made ready once for every shape it is called with: a program from Inductor, or a CUDA graph.

In: a `Step`.  Out: the same logits for the same tokens and state, with less work between the kernels.

On a CPU torch.compile fuses the small operations; it needs a C++ compiler and takes its time at the first tokens. On
CUDA the kernels are recorded once and replayed as a whole, which spares the launch of each. Nothing of this runs
unless it is asked for. **The CUDA side has only ever run with a stand-in for graphs, on a CPU**: compare its greedy
answers with those without it before relying on it.
"""

from __future__ import annotations

import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chatwright.errors import ResourceError
from chatwright.models.state import CLEANED, CacheState
from chatwright.models.stepping import Step

__all__ = ["Captured", "Compiled", "quickened"]

MOST = 128
"""Graphs that are kept: one for every number of rows, reach and place in memory."""

Record = Callable[[Callable[[], Tensor]], tuple[Callable[[], object], Tensor]]
"""Runs a function once on tensors that stay where they are; gives what repeats it, and where its result appears."""


def quickened(step: Step, device: torch.device) -> Compiled | Captured:
    """The quickest way to repeat a step on this device; ResourceError where no C++ compiler is found for a CPU."""
    return Captured(step) if device.type == "cuda" else Compiled(step)


class Compiled:
    """A step as a program of Inductor, for any number of rows; made at the first call, which takes a while."""

    def __init__(self, step: Step) -> None:
        known = (os.environ.get("CXX", "g++"), "clang++")
        if not any(map(shutil.which, known)):
            raise ResourceError(
                "compiling the one-token step needs a C++ compiler, and none is here; install g++, or leave compile out"
            )
        self.step = step
        self._run = torch.compile(step.run, dynamic=True)

    def __call__(self, tokens: Tensor, state: CacheState) -> Tensor:
        look = self.step.prepare(state, CLEANED)
        logits: Tensor = self._run(tokens, state.lengths, state.keys, state.values, look)
        self.step.note(state)
        return logits


@dataclass(frozen=True)
class _Graph:
    tokens: Tensor
    places: Tensor
    replay: Callable[[], object]
    logits: Tensor
    angles: Sequence[Tensor]
    """What the recording reads and the step may let go of: it must stay where it is."""


class Captured:
    """A step as CUDA graphs on the cache that the state holds, one for every shape.

    The logits it gives are overwritten by its next call.
    """

    def __init__(self, step: Step, record: Record | None = None) -> None:
        self.step, self._record = step, record or _cuda_record
        self._graphs: OrderedDict[tuple[int, ...], _Graph] = OrderedDict()

    def __call__(self, tokens: Tensor, state: CacheState) -> Tensor:
        look = self._look(state)
        key = (len(tokens), look, state.keys.data_ptr(), state.values.data_ptr(), *state.keys.shape)
        if key not in self._graphs:
            while len(self._graphs) >= MOST:
                self._graphs.popitem(last=False)
            self._graphs[key] = self._recorded(tokens, state, look)
        self._graphs.move_to_end(key)
        graph = self._graphs[key]
        graph.tokens.copy_(tokens)
        graph.places.copy_(state.lengths)
        graph.replay()
        self.step.note(state)
        return graph.logits

    def _look(self, state: CacheState) -> int:
        """Powers of two, so that a growing row needs few graphs."""
        look = max(CLEANED, 1 << (self.step.prepare(state) - 1).bit_length())
        look = min(look, state.capacity)
        state.reserve(look)
        return look

    def _recorded(self, tokens: Tensor, state: CacheState, look: int) -> _Graph:
        own, places = tokens.clone(), state.lengths.clone()
        keys, values = state.keys, state.values
        # Recording runs the step, more than once: it writes the same keys and values to the same places each time.
        replay, logits = self._record(lambda: self.step.run(own, places, keys, values, look))
        return _Graph(own, places, replay, logits, self.step.angles)


def _cuda_record(run: Callable[[], Tensor]) -> tuple[Callable[[], object], Tensor]:
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # libraries set themselves up at the first calls, which cannot be recorded
        for _ in range(2):
            run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        logits = run()
    return graph.replay, logits
