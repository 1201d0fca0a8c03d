"""PPO: milliseconds per episode for rollout, score and train, beside a textbook PPO of the same networks.

Ours is what the stage calls: `Engine`, `weigh`, `learn`; the peer is in `plain_ppo.py`. Same weights, prompts, seeds,
minibatches, losses and AdamW, both in fp32; after the first iteration both must have sampled the same answers and moved
the policy to the same weights, or the script stops.

Cases: 4 epochs and 1, on prompts of 32 and answers of 64 tokens, and "ragged": prompts of 16 to 32, answers that end at
random. Last line: ratios as JSON.
"""

from __future__ import annotations

import argparse
import copy
from types import SimpleNamespace
from typing import cast

import measuring
import torch
from episodes import END, Case, Timed, case_of
from plain_ppo import Plain
from torch import Tensor, nn

from chatwright.evaluation.scoring import ROWS
from chatwright.generation.engine import Engine
from chatwright.models.heads import as_scalar_model, count_parameters
from chatwright.text.tokenizer import Tokenizer
from chatwright.training.optimizers import Optimizer, Schedule
from chatwright.training.policy_networks import Networks
from chatwright.training.policy_optimisation import learn, weigh
from chatwright.training.rollouts import collate, sequence_scores

REFERENCE = (
    "For scale only, NOT measured here and in no ratio: TRL 1.12.0's PPO took 132 ms per episode, 9% of it for\n"
    "generation, on another machine of 2 cores (2.6M parameters, 32 + 64 tokens, 4 epochs, fp32)."
)

TRIES = 5
"""Seeds for the first iteration, of which one must give the same answers on both sides."""


class Ours(Timed):
    """The functions of the `ppo` stage; the reward model reads the sampled tokens as they are."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        measuring.ours(case.settings.threads)
        self.policy, trunk = case.networks()
        self.scorer = as_scalar_model(trunk).requires_grad_(False)
        self.networks = Networks(
            self.policy, copy.deepcopy(self.policy).requires_grad_(False), as_scalar_model(trunk), None
        )
        self.networks.value.load_state_dict(self.scorer.state_dict())
        schedule, rate = Schedule(steps=1, shape="constant"), case.settings.learning_rate
        self.optimizers = {
            name: Optimizer([network], schedule, learning_rate=rate, epsilon=1e-5)
            for name, network in self.networks.trained.items()
        }

    def __call__(self) -> None:
        case, settings = self.case, self.case.settings
        world = measuring.ours(settings.threads)
        with self.phase("rollout"):
            engine = Engine(
                self.policy, cast(Tokenizer, SimpleNamespace(stops={END}, size=10**9)), world, batch=settings.batch
            )
            sampled = engine.sample(case.prompts, case.sampling, seeds=case.seeds(self.iteration), is_over=case.is_over)
            self.answers = [[*own.tokens, *[END] * own.ended] for own in sampled]
            logps, ended = [own.logps for own in sampled], [own.ended for own in sampled]
            rollout = collate(case.prompts, self.answers, logps, ended, world.device)
        with self.phase("score"):
            whole = [[*prompt, *answer] for prompt, answer in zip(case.prompts, self.answers, strict=True)]
            order = sorted(range(len(whole)), key=lambda place: len(whole[place]))
            groups = [order[start : start + ROWS] for start in range(0, len(order), ROWS)]
            scores = torch.zeros(len(whole))
            with torch.no_grad():
                found = world.map(lambda own: sequence_scores(self.scorer, [whole[place] for place in own]), groups)
            for group, own in zip(groups, found, strict=True):
                scores[group] = own
            rollout, _ = weigh(settings, self.networks, rollout, scores, settings.kl_coefficient, world)
        with self.phase("train"):
            learn(settings, self.networks, self.optimizers, rollout, None, self.iteration, world, recompute=False)
        self.iteration += 1


def started(case: Case) -> tuple[Ours, Plain]:
    """Both sides after one iteration in which they sampled the same answers and moved the policy alike.

    A draw that falls between two roundings of one probability makes an answer differ; then other seeds are tried.
    """
    for attempt in range(TRIES):
        ours, peer = Ours(case), Plain(case)
        ours.iteration = peer.iteration = attempt
        ours()
        peer()
        if is_same_learning(ours, peer, case):
            return ours, peer
    raise SystemExit("the two sides do not do the same work")


def is_same_learning(ours: Ours, peer: Plain, case: Case) -> bool:
    equal = sum(own == theirs for own, theirs in zip(ours.answers, peer.answers, strict=True))
    start = _flat(case.networks()[0])
    moved = _flat(ours.policy) - start
    apart = float((_flat(peer.policy) - start - moved).norm() / moved.norm())
    print(
        f"  first iteration: {equal} of {len(ours.answers)} answers equal, updates differ by {apart:.1e} of their size"
    )
    return equal == len(ours.answers) and apart < 1e-2


def _flat(network: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in network.parameters()])


def run_case(name: str, case: Case, rounds: int) -> tuple[dict[str, float | None], dict[str, dict[str, float]]]:
    """Measure one case; returns ratios and milliseconds per episode."""
    settings = case.settings
    print(f"\n{name}: {settings.epochs} epochs of {settings.minibatches} minibatches, {settings.batch} episodes, fp32")
    ours, peer = started(case)
    ours.forget()
    peer.forget()
    measuring.take_turns({"ours": ours, "plain": peer}, rounds)
    tokens = sum(map(len, ours.answers)) / settings.batch
    per_episode = {"ours": ours.per_episode(), "plain": peer.per_episode()}
    rows = [(side, *own.values(), f"{own['rollout'] / own['all']:.0%}") for side, own in per_episode.items()]
    print(measuring.table(["ms per episode", *per_episode["ours"], "rollout's share"], rows))
    print(f"  {tokens:.1f} tokens an answer in the last iteration")
    ratios: dict[str, float | None] = {
        f"{name}.{phase}": measuring.faster(ours.seconds[phase], peer.seconds[phase]) for phase in ours.seconds
    }
    return ratios | {f"{name}.all": measuring.faster(ours.whole, peer.whole)}, per_episode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny networks: shows that the script runs, nothing else")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, nargs="+", default=[4, 1])
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    machine, others = measuring.machine(), measuring.Others()
    ratios: dict[str, float | None] = {}
    figures: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{machine}; {asked.threads} threads each")
    for ragged in (False, True):
        for epochs in [1] if asked.quick else asked.epochs:
            case = case_of(quick=asked.quick, ragged=ragged, epochs=epochs, threads=asked.threads)
            name = f"{'ragged' if ragged else 'full'}_{epochs}_epochs"
            own, figures[name] = run_case(name, case, 2 if asked.quick else asked.rounds)
            ratios |= own
    parameters = count_parameters(case.networks()[0])
    print(f"\n{parameters / 1e6:.2f}M parameters in each of the four networks (policy, reference, value, reward).")
    print(REFERENCE)
    facts = {"machine": machine, "parameters": parameters, "ms_per_episode": _rounded(figures)}
    measuring.finish("ppo", ratios, others, quick=asked.quick, **facts)


def _rounded(figures: dict[str, dict[str, dict[str, float]]]) -> dict[str, object]:
    return {
        name: {side: {phase: round(taken, 3) for phase, taken in own.items()} for side, own in case.items()}
        for name, case in figures.items()
    }


if __name__ == "__main__":
    main()
