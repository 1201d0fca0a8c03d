"""Where PPO stands between iterations: the price of distance, and when to stop.

In: the distance of an iteration, the figures of a validation.  Out: what a checkpoint keeps besides weights.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

__all__ = ["Standing", "adapted"]


@dataclass(frozen=True)
class Standing:
    """What PPO knows besides its weights: everything in it is saved."""

    kl_coefficient: float
    iterations: int = 0
    recompute: bool = False
    stopped: str = ""
    """Why training stopped early; empty while it goes on."""
    best_score: float = float("-inf")
    best_iteration: int = 0
    worse: int = 0
    improved: bool = False

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "best_score": self.best_score if self.best_iteration else -1e30}

    def after(self, kl: float, *, target: float | None, recomputed: bool) -> Standing:
        """After an iteration, whose answers lay `kl` nats from the reference."""
        return replace(
            self,
            kl_coefficient=adapted(self.kl_coefficient, kl, target),
            iterations=self.iterations + 1,
            recompute=self.recompute or recomputed,
        )

    def judged(self, *, objective: float, kl: float, kl_stop: float, patience: int) -> Standing:
        """After a validation: keep these weights if they are better and near enough, and stop if they are not."""
        far = kl > kl_stop
        better = objective > self.best_score and not far
        worse = 0 if better else self.worse + 1
        stopped = ""
        if far:
            stopped = f"validation KL {kl:.2f} passed {kl_stop}"
        elif worse >= patience:
            stopped = f"no better validation score in {worse} evaluations"
        return replace(
            self,
            improved=better,
            worse=worse,
            stopped=stopped,
            best_score=objective if better else self.best_score,
            best_iteration=self.iterations if better else self.best_iteration,
        )


def adapted(kl_coefficient: float, kl: float, target: float | None) -> float:
    """The KL coefficient after an iteration: moved by a tenth of the relative error, itself cut at 20%.

    Ziegler et al. 2019, section 2.2: a proportional controller in the logarithm. Without a target it stays.
    """
    if target is None:
        return kl_coefficient
    return kl_coefficient * (1 + 0.1 * min(0.2, max(-0.2, kl / target - 1)))
