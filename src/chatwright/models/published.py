"""The object in a config.json, read with its types checked and its keys named; nothing is guessed.

In: a JSON object that others wrote.  Out: numbers, flags and activations; ArtefactError, naming file and key, where a
value is missing, of another type, or greater than any model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chatwright.errors import ArtefactError
from chatwright.models.layers import Activation

__all__ = ["Published"]

ACTIVATIONS: dict[str, Activation] = {
    "silu": "silu",
    "swish": "silu",
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
MOST = 2**24
"""Greater sizes are no models but mistakes, or attempts to make a reader run out of memory."""


@dataclass(frozen=True)
class Published:
    """The object in a config.json, with readers that check types and name the key; `where` is the file."""

    values: Mapping[str, Any]
    where: str

    def integer(self, *keys: str, default: int | None = None, most: int = MOST) -> int:
        """The first of `keys` that is there and not null."""
        key, value = self._first(keys, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise self.refusal(key, value, f"a whole number up to {most:,}")
        return value

    def real(self, *keys: str, default: float | None = None) -> float:
        key, value = self._first(keys, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < float("inf"):
            raise self.refusal(key, value, "a number")
        return float(value)

    def positive(self, *keys: str, default: float | None = None) -> float:
        """As `real`, for what is divided by or raised to a power."""
        value = self.real(*keys, default=default)
        if value <= 0:
            raise self.refusal(self._first(keys, default)[0], value, "a number above 0")
        return value

    def flag(self, key: str, default: bool) -> bool:
        _, value = self._first((key,), default)
        if not isinstance(value, bool):
            raise self.refusal(key, value, "true or false")
        return value

    def activation(self, key: str, default: str) -> Activation:
        _, value = self._first((key,), default)
        if not isinstance(value, str) or value not in ACTIVATIONS:
            raise self.refusal(key, value, f"one of {', '.join(ACTIVATIONS)}")
        return ACTIVATIONS[value]

    def must_be(self, key: str, *allowed: object) -> None:
        """Raise unless the key is absent, null, or one of the values that this package's block does."""
        value = self.values.get(key)
        if value is not None and value not in allowed:
            wanted = " or ".join(repr(own) for own in allowed) or "absent"
            raise self.refusal(key, value, f"{wanted}; nothing else can be imported here")

    def refusal(self, key: str, value: object, wanted: str) -> ArtefactError:
        return ArtefactError(f"{self.where}: {key} is {_short(value)}; it must be {wanted}")

    def _first(self, keys: Sequence[str], default: object) -> tuple[str, Any]:
        for key in keys:
            if self.values.get(key) is not None:
                return key, self.values[key]
        if default is None:
            raise ArtefactError(f"{self.where} does not say {keys[0]}; the file is not complete")
        return keys[0], default


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
