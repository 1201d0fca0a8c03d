"""A small invented town whose facts are known: it writes text, demonstrations and prompts, labels and judges answers.

In: a VillageConfig (language, seed, sizes).  Out: files for every stage (`write_village`), a gold judge (`Judge`), a
simulated labeler with noise (`Labeler`) and fair prompts for a base model (`few_shot`). Needs no torch and no download.
"""

from __future__ import annotations

from chatwright.village.fewshot import few_shot
from chatwright.village.judge import Judge, Judgement
from chatwright.village.labeler import Labeler
from chatwright.village.town import Town, VillageConfig, found_town
from chatwright.village.writer import write_village

__all__ = ["Judge", "Judgement", "Labeler", "Town", "VillageConfig", "few_shot", "found_town", "write_village"]
