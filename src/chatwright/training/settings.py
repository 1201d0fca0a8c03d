"""What all training stages ask of their settings, before anything is read: numbers within bounds, known names.

In: a stage's name and its settings.  Out: nothing, or ConfigError that names the setting.
"""

from __future__ import annotations

from chatwright.errors import ConfigError
from chatwright.training.optimizers import KINDS

__all__ = ["at_least", "known_optimizer", "more_than", "within"]


def at_least(stage: str, config: object, least: float, *names: str) -> None:
    """Raise ConfigError unless each of these settings is `least` or more; None is left to the stage."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value >= least:
            raise ConfigError(f"{stage}.{name} is {value}; it must be at least {least}")


def more_than(stage: str, config: object, bound: float, *names: str) -> None:
    """Raise ConfigError unless each of these settings is more than `bound`; None is left to the stage."""
    for name in names:
        value = getattr(config, name)
        if value is not None and not value > bound:
            raise ConfigError(f"{stage}.{name} is {value}; it must be more than {bound}")


def within(stage: str, config: object, least: float, most: float, *names: str) -> None:
    """Raise ConfigError unless each of these settings lies between `least` and `most`, both allowed."""
    for name in names:
        value = getattr(config, name)
        if not least <= value <= most:
            raise ConfigError(f"{stage}.{name} is {value}; it must lie between {least} and {most}")


def known_optimizer(stage: str, kind: str) -> None:
    """Raise ConfigError for an optimizer that there is not."""
    if kind not in KINDS:
        raise ConfigError(f"{stage}.optimizer is {kind!r}; choose {' or '.join(KINDS)}")
