"""Where adapters can stand: every projection under the name it was published with, and the rows it is of our matrices.

Queries, keys and values are one matrix here (`read`), and three or one where models are published; an adapter belongs
to a published projection, so that files for PEFT map exactly, both ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from chatwright.errors import ArtefactError, ConfigError
from chatwright.models.huggingface import Rule, family_for, parameter_shapes
from chatwright.models.recurrent import RecurrentConfig
from chatwright.models.transformer import TransformerConfig

__all__ = ["Site", "chosen", "published_name", "sites_of"]


@dataclass(frozen=True)
class Site:
    """One projection of one block."""

    module: str
    """Path of our matrix inside the backbone."""
    start: int
    end: int
    """Rows of that matrix."""
    rule: Rule
    """How these rows are published."""
    transposed: bool
    """Published as (inputs, outputs), as GPT-2's are; adapters lie the usual way all the same."""

    @property
    def name(self) -> str:
        """Path of the published module, such as model.layers.0.self_attn.q_proj."""
        return self.rule.theirs[0].removesuffix(".weight")

    def to_published(self, up: Tensor) -> Tensor:
        """B [O, R] with its rows in the order of the published matrix."""
        return self.rule.split(up)[0]

    def from_published(self, up: Tensor) -> Tensor:
        """The way back."""
        return self.rule.join([up])


def sites_of(shape: TransformerConfig | RecurrentConfig) -> list[Site]:
    """All projections of a model, block by block; ConfigError for a model without blocks."""
    if isinstance(shape, RecurrentConfig):
        raise ConfigError("lora works on Transformers, this model is recurrent; leave lora out to learn all weights")
    return [site for rule in _rules(shape) for site in _sites(rule)]


def published_name(shape: TransformerConfig | RecurrentConfig, name: str) -> str | None:
    """The name that one of our weights has where a model of this shape was published; None if it has none."""
    rules = [] if isinstance(shape, RecurrentConfig) else _rules(shape)
    return next((rule.theirs[0] for rule in rules if rule.ours == name), None)


def chosen(sites: Sequence[Site], targets: Sequence[str]) -> list[Site]:
    """The projections that `targets` names; raises ConfigError for one that the model does not have."""
    groups = {"all": list(sites), "attention": [site for site in sites if ".attention." in site.module]}
    found: set[str] = set()
    for target in targets:
        own = groups.get(target) or [site for site in sites if f".{site.name}".endswith(f".{target}")]
        if not own:
            known = ", ".join(sorted({site.name.rpartition(".")[2] for site in sites}))
            raise ConfigError(
                f"lora.targets: {target!r} is no projection of this model; choose all, attention or {known}"
            )
        found.update(site.name for site in own)
    return [site for site in sites if site.name in found]


def _rules(shape: TransformerConfig) -> list[Rule]:
    """How the weights are published, or under our own names where no published family has this shape."""
    try:
        return family_for(shape).rules(shape)
    except ArtefactError:
        return [Rule(name, (name,), (size[0],), size) for name, size in parameter_shapes(shape).items()]


def _sites(rule: Rule) -> list[Site]:
    if len(rule.shape) != 2 or ".blocks." not in rule.ours:
        return []
    module = rule.ours.removeprefix("backbone.").removesuffix(".weight")
    sites, start = [], 0
    for number, (name, rows) in enumerate(zip(rule.theirs, rule.rows, strict=True)):
        own = replace(
            rule,
            theirs=(name,),
            rows=(rows,),
            shape=(rows, rule.shape[1]),
            transposed=False,
            neighbours=rule.neighbours if number < 2 else None,  # values are not turned
        )
        sites.append(Site(module, start, start + rows, own, rule.transposed))
        start += rows
    return sites
