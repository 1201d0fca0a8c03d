"""What PPO reaches when the judge itself is the reward: the ceiling for a reward model that is learned.

    python benchmarks/ceiling.py runs/quickstart --out runs/ceiling

Takes the SFT and reward models and the `[ppo]` settings of a finished village run (the reward model only starts the
value function here), trains with the village's judge as the reward, and compares with SFT and with the run's PPO on
its test prompts. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor

from chatwright.evaluation.scoring import Reward
from chatwright.generation.engine import Answer
from chatwright.stages.evaluate import EvaluateConfig, evaluate
from chatwright.stages.ppo import PPOConfig, ppo
from chatwright.text.conversation import Conversation
from chatwright.text.records import read_prompts
from chatwright.village import Judge


def gold_reward(run: Path) -> Reward:
    """The judge's score of an answer; it needs the facts that stand beside each prompt."""
    judge = Judge.load(run / "village")
    files = [str(run / "village" / f"prompts-{part}.jsonl") for part in ("ppo", "validation")]
    facts = {_key(conversation): known for conversation, known in read_prompts(files)}

    def score(answers: list[Answer]) -> Tensor:
        return torch.tensor(
            [judge(item.conversation, facts[_key(item.conversation)], item.text).score for item in answers]
        )

    return score


def _key(conversation: Conversation) -> str:
    return json.dumps(conversation.to_dicts())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run of the quickstart recipe")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kl-coefficient", type=float, default=0.05, help="against scores between -1 and 1")
    arguments = parser.parse_args()
    run: Path = arguments.run
    settings = json.loads((run / "ppo" / "config.json").read_text(encoding="utf-8"))
    settings |= {"out": str(arguments.out / "ppo"), "kl_coefficient": arguments.kl_coefficient}
    config = TypeAdapter(PPOConfig).validate_python(settings)
    trained = ppo(config, reward=gold_reward(run))
    found = evaluate(
        EvaluateConfig(
            out=arguments.out / "evaluate",
            prompts=[str(run / "village" / "prompts-test.jsonl")],
            judge=run / "village",
            sft=run / "sft",
            ppo=trained,
            extra={"learned": run / "ppo"},
            best_of=1,
        )
    )
    summary = json.loads((found / "receipt.json").read_text(encoding="utf-8"))["summary"]
    kl = json.loads((trained / "receipt.json").read_text(encoding="utf-8"))["summary"]["kl"]
    print(json.dumps({"gold_kl": kl, "win_rate": summary["win_rate"]}))


if __name__ == "__main__":
    main()
