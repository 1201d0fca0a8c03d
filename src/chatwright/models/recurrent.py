"""The recurrent language model: an LSTM that reads one token after the other and remembers in a vector of fixed size.

In: token ids [B, T], and what was read before (`RecurrentState`).  Out: a vector for every token [B, T, W], and the
new state. It keeps the same contract as the Transformer, so the same heads, stages, sampler and engine run on it.

    tokens -> embedding * sqrt(W) -> LSTM x layers -> vectors

Shapes: B rows, T tokens, W width, P documents in a batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from chatwright.errors import ConfigError, InputError

__all__ = ["Recurrent", "RecurrentConfig", "RecurrentState"]


@dataclass(frozen=True, kw_only=True)
class RecurrentConfig:
    """Shape of an LSTM language model; embedding, hidden state and output vectors have one width."""

    vocabulary: int
    width: int
    layers: int
    context: int
    """Tokens that training rows and the engine give it at most; its memory itself has no end."""
    tied: bool = True
    """The output matrix is the embedding (Press and Wolf 2017)."""
    dropout: float = 0.0
    """Share of the channels between layers that training blanks out, the same at every token of a row."""

    def __post_init__(self) -> None:
        if min(self.vocabulary, self.width, self.layers, self.context) < 1:
            raise ConfigError("every size of a recurrent model must be at least 1")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; it must lie in [0, 1)")


@dataclass
class RecurrentState:
    """What an LSTM remembers: hidden and cell vectors [layers, B, W], and the tokens read per row [B]."""

    hidden: Tensor
    cell: Tensor
    lengths: Tensor
    longest: int = 0
    """The greatest of `lengths`, or more: known without asking the device."""

    def take(self, index: Tensor) -> RecurrentState:
        lengths = self.lengths[index]
        longest = int(lengths.max()) if len(index) else 0
        return RecurrentState(self.hidden[:, index], self.cell[:, index], lengths, longest)

    def join(self, other: RecurrentState) -> RecurrentState:
        return RecurrentState(
            torch.cat([self.hidden, other.hidden], dim=1),
            torch.cat([self.cell, other.cell], dim=1),
            torch.cat([self.lengths, other.lengths]),
            max(self.longest, other.longest),
        )

    def repeat(self, copies: int) -> RecurrentState:
        rows = torch.arange(len(self.lengths), device=self.lengths.device)
        return self.take(rows.repeat_interleave(copies))

    def detach(self) -> RecurrentState:
        """Cuts the gradient between two windows of a text: truncated back-propagation through time."""
        return RecurrentState(self.hidden.detach(), self.cell.detach(), self.lengths.detach(), self.longest)


class Recurrent(nn.Module):
    """A backbone: reads tokens, any number at a time, and gives each a vector."""

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        # Of the vectors that go out. The recurrence stays in the weights' float32: its rounding adds up over the text.
        self.dtype = torch.float32
        self.embedding = nn.Embedding(config.vocabulary, config.width)
        self.blocks = nn.ModuleList(nn.LSTM(config.width, config.width, batch_first=True) for _ in range(config.layers))
        self.initialise()

    def initialise(self) -> None:
        """Normal input weights of deviation 1/sqrt(W), orthogonal recurrent ones, and gates that begin by remembering.

        A forget bias of 1 keeps the memory open at the start (Jozefowicz et al. 2015). Each gate has two biases, as
        in cuDNN; they add up to one.
        """
        nn.init.normal_(self.embedding.weight, std=self.width**-0.5)
        for name, weight in self.blocks.named_parameters():
            if "weight_ih" in name:
                nn.init.normal_(weight, std=self.width**-0.5)
            elif "weight_hh" in name:
                for gate in weight.chunk(4):
                    nn.init.orthogonal_(gate)
            else:
                nn.init.zeros_(weight)
                if "bias_ih" in name:
                    nn.init.ones_(weight.chunk(4)[1])  # gates stand in the order input, forget, cell, output

    def start(self, batch_size: int, *, memory: Tensor | None = None) -> RecurrentState:
        """The state of `batch_size` rows that have read nothing (`memory` is for decoders that attend to a source)."""
        del memory
        weight = self.embedding.weight
        empty = torch.zeros(self.config.layers, batch_size, self.width, device=weight.device, dtype=weight.dtype)
        return RecurrentState(empty, empty.clone(), torch.zeros(batch_size, dtype=torch.long, device=weight.device))

    def forward(
        self, tokens: Tensor, state: RecurrentState | None = None, *, documents: Tensor | None = None
    ) -> tuple[Tensor, RecurrentState | None]:
        """Vectors [B, T, W] of `tokens` [B, T], which follow what `state` has read; the state is updated in place.

        `documents` [B, T] gives every token the number of its document, consecutive within a row: each document is
        read with an empty memory. Tokens numbered below 0 are padding at the end of a row: they are not remembered,
        and their vectors are zero.
        """
        if state is None:
            x = self._whole(tokens, None)[0] if documents is None else self._apart(tokens, documents)
            return x.to(self.dtype), None
        if documents is None:
            x, state.hidden, state.cell = self._whole(tokens, (state.hidden, state.cell))
            state.lengths = state.lengths + tokens.shape[1]
        else:
            if bool((documents.amax(1) > documents[:, 0].clamp(min=0)).any()):
                raise InputError("a state continues one document per row; read packed documents without a state")
            lengths = (documents >= 0).sum(dim=1)
            x, state.hidden, state.cell = self._onwards(tokens, lengths, state)
            state.lengths = state.lengths + lengths
        state.longest += tokens.shape[1]
        return x.to(self.dtype), state

    def _embedded(self, tokens: Tensor) -> Tensor:
        """Vectors of about unit size, whatever the width."""
        return self.embedding(tokens) * self.width**0.5

    def _whole(self, tokens: Tensor, memory: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        """Rows without padding: vectors [B, T, W] and the memories [layers, B, W] after the last token."""
        x = self._embedded(tokens)
        hidden, cell = [], []
        for number, block in enumerate(self.blocks):
            before = None if memory is None else (memory[0][number, None], memory[1][number, None])
            x, (own_hidden, own_cell) = block(self._thinned(x, tokens, number), before)
            hidden.append(own_hidden)
            cell.append(own_cell)
        return self._thinned(x, tokens, len(self.blocks)), torch.cat(hidden), torch.cat(cell)

    def _apart(self, tokens: Tensor, documents: Tensor) -> Tensor:
        """Every document as a row of its own, so that no memory crosses from one into the next: vectors [B, T, W].

        Documents of like length are read together, padded to the longest among them, which wastes at most half.
        PyTorch's packed sequences waste nothing, but their backward pass takes time with the square of the length.
        """
        pieces = _pieces(documents)
        origins = torch.zeros_like(pieces.lengths)  # where in `parts` each document begins
        parts, filled = [], 0
        for own in _alike(pieces.lengths):
            columns = torch.arange(int(pieces.lengths[own].max()), device=tokens.device)
            places = (pieces.starts[own, None] + columns).clamp(max=tokens.shape[1] - 1)
            own_tokens = tokens[pieces.rows[own, None], places].where(columns < pieces.lengths[own, None], 0)
            origins[own] = filled + torch.arange(len(own), device=tokens.device) * len(columns)
            parts.append(self._whole(own_tokens, None)[0].flatten(0, 1))
            filled += own_tokens.numel()
        parts.append(self.embedding.weight.new_zeros(1, self.width))  # what padding gets
        piece = pieces.numbers.clamp(min=0)
        sources = torch.full_like(tokens, filled)
        if len(origins):
            inside = origins[piece] + torch.arange(tokens.shape[1], device=tokens.device) - pieces.starts[piece]
            sources = inside.where(pieces.numbers >= 0, filled)
        return torch.cat(parts).index_select(0, sources.flatten()).view(*tokens.shape, self.width)

    def _onwards(self, tokens: Tensor, lengths: Tensor, state: RecurrentState) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of different `lengths` [B]: vectors [B, T, W], and the memories after each row's own last token."""
        vectors = state.hidden.new_zeros(*tokens.shape, self.width)
        hidden, cell = state.hidden.clone(), state.cell.clone()
        rows = lengths.nonzero().flatten()
        if not len(rows):
            return vectors, hidden, cell
        known = lengths[rows].cpu()  # where pack_padded_sequence wants them
        own_tokens = tokens[rows]
        x = self._embedded(own_tokens)
        for number, block in enumerate(self.blocks):
            x = self._thinned(x, own_tokens[:, : x.shape[1]], number)
            packed: PackedSequence = pack_padded_sequence(x, known, batch_first=True, enforce_sorted=False)
            read, (own_hidden, own_cell) = block(
                packed, (state.hidden[number, rows][None], state.cell[number, rows][None])
            )
            x, _ = pad_packed_sequence(read, batch_first=True)
            hidden[number, rows], cell[number, rows] = own_hidden[0], own_cell[0]
        vectors[rows, : x.shape[1]] = self._thinned(x, own_tokens[:, : x.shape[1]], len(self.blocks))
        return vectors, hidden, cell

    def _thinned(self, x: Tensor, tokens: Tensor, place: int) -> Tensor:
        """Blank out channels while training, the same at every token of a row (Gal and Ghahramani 2016).

        The choice is drawn from the tokens that are read and from the place in the network: it depends neither on
        how rows are divided among threads nor on an interruption, so that a resumed run draws the same.
        """
        if not (self.config.dropout and self.training and torch.is_grad_enabled()):
            return x
        weights = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
        masks = []
        for seed in (tokens * weights).sum(dim=1).tolist():
            rng = torch.Generator().manual_seed(seed * (len(self.blocks) + 1) + place)
            masks.append(torch.rand(self.width, generator=rng) >= self.config.dropout)
        return x * torch.stack(masks).to(x.device)[:, None] / (1 - self.config.dropout)


class _Pieces(NamedTuple):
    """Where documents lie in a batch: row, first token and number of tokens of each, LongTensor [P]."""

    rows: Tensor
    starts: Tensor
    lengths: Tensor
    numbers: Tensor
    """The document each token is in, LongTensor [B, T]; -1: padding."""


def _pieces(documents: Tensor) -> _Pieces:
    """The documents in `documents` [B, T], in the order of rows; padding is none."""
    inside = documents >= 0
    begins = inside.clone()
    begins[:, 1:] &= documents[:, 1:] != documents[:, :-1]
    rows, starts = begins.nonzero(as_tuple=True)
    numbers = (begins.flatten().cumsum(0).view_as(documents) - 1).where(inside, -1)
    return _Pieces(rows, starts, torch.bincount(numbers[inside], minlength=len(rows)), numbers)


def _alike(lengths: Tensor) -> list[Tensor]:
    """Places of documents whose lengths lie between the same two powers of two, LongTensor each."""
    powers = [(length - 1).bit_length() for length in lengths.tolist()]
    return [
        torch.tensor([place for place, own in enumerate(powers) if own == power], device=lengths.device)
        for power in sorted(set(powers))
    ]
