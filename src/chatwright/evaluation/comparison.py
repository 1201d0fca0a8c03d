"""Models side by side: figures per model, win rates between them, and what answers reach that need no model.

In: judged answers of every model to the same prompts.  Out: the plain data of `results.json`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from chatwright.evaluation.answers import TestPrompt
from chatwright.evaluation.intervals import Figure
from chatwright.evaluation.measures import (
    INSTRUCTIONS,
    SHARES,
    Judged,
    cluster_of,
    consistency,
    followed_by_rule,
    measures_of,
    outcomes_by_kind,
    right_by_kind,
    truthful_by_difficulty,
    words_per_answer,
)
from chatwright.evaluation.preference import win_rate
from chatwright.text.conversation import Conversation

Judge = Callable[[Conversation, Mapping[str, Any], str], Any]

JUDGED = (
    "helpful",
    "truthful",
    "correct",
    "abstained",
    "invented",
    "harmless",
    "refused_benign",
    "rude",
    "consistency",
)
NO_JUDGE = "there is no village here that knows what is right"
DOES_NOT_KNOW = {"en": "I do not know.", "de": "Das weiß ich nicht."}
UNKNOWN, COMMONEST = "says it does not know", "commonest answer"


@dataclass(frozen=True)
class JudgedAnswers:
    """One model's judged answers, prompt by prompt; `greedy` is empty where a model has no greedy answers."""

    greedy: list[Judged]
    sampled: list[Judged]


def compare(
    judged: Mapping[str, JudgedAnswers], bits: Mapping[str, Mapping[str, Any]], *, temperature: float, judge: str
) -> dict[str, Any]:
    """`evaluation`, `win_rate` and the tables by difficulty, kind and rule. `judge` is "" where nobody judged."""
    by_village = judge == "village"
    evaluation = {name: _figures(own, by_village) for name, own in judged.items()}
    for name, figure in bits.items():
        evaluation[name]["bits_per_byte"] = dict(figure)
    results: dict[str, Any] = {"judge": judge or None, "evaluation": evaluation}
    if not by_village:
        results["reason"] = f"Helpful, truthful and harmless are not judged: {NO_JUDGE}." + (
            f" Win rates are judged by {judge}." if judge else ""
        )
    results["win_rate"] = _win_rates(judged, temperature, judge)
    if by_village:
        results["truthful_by_difficulty"] = _turned(judged, truthful_by_difficulty)
        results["right_by_kind"] = _turned(judged, right_by_kind)
        results["followed_by_rule"] = _turned(judged, followed_by_rule)
    return results


def _figures(own: JudgedAnswers, by_village: bool) -> dict[str, Any]:
    """All figures of a model at the chat's temperature, and those of its greedy answers under "greedy"."""
    found = _measured(own.sampled, by_village)
    if own.greedy:
        repeated = consistency(own.greedy) if by_village else Figure.absent(NO_JUDGE)
        found["consistency"] = repeated.as_dict()
        found["greedy"] = {**_measured(own.greedy, by_village), "consistency": repeated.as_dict()}
    else:
        found["consistency"] = Figure.absent("asked of greedy answers only").as_dict()
    return found


def _measured(answers: Sequence[Judged], by_village: bool) -> dict[str, Any]:
    if not by_village:
        absent = {name: Figure.absent(NO_JUDGE).as_dict() for name in JUDGED}
        return {**absent, "words": words_per_answer(answers).as_dict()}
    figures: dict[str, Any] = {name: figure.as_dict() for name, figure in measures_of(answers).items()}
    return {**figures, "outcomes": outcomes_by_kind(answers)}


def _turned(
    judged: Mapping[str, JudgedAnswers], split: Callable[[Sequence[Judged]], Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """A table {part: {model: figure}}."""
    table: dict[str, dict[str, Any]] = {}
    for name, own in judged.items():
        for part, figure in split(own.sampled).items():
            table.setdefault(part, {})[name] = figure
    return table


# -- win rates -----------------------------------------------------------------------------------------------------


def _win_rates(judged: Mapping[str, JudgedAnswers], temperature: float, judge: str) -> dict[str, Any]:
    extra = [name for name in judged if name not in ("base", "sft", "ppo", "best_of_n")]
    pairs = [("ppo", "sft"), ("sft", "base")]
    pairs += [pair for name in extra for pair in (("ppo", name), (name, "sft"))]
    pairs += [("ppo", "best_of_n"), ("best_of_n", "sft")] if "best_of_n" in judged else []
    rates: dict[str, Any] = {}
    for first, second in pairs:
        rates[f"{first}_vs_{second}"] = _win_rate(judged, first, second, "sampled", temperature, judge)
    for first, second in pairs[:2]:
        rates[f"{first}_vs_{second}_greedy"] = _win_rate(judged, first, second, "greedy", 0.0, judge)
    return rates


def _win_rate(
    judged: Mapping[str, JudgedAnswers], first: str, second: str, decoding: str, temperature: float, judge: str
) -> dict[str, Any]:
    """Every answer of one model against every answer of the other to the same prompt.

    The judge scores answers one by one and never sees two, so neither side can gain by its place.
    """
    missing = [name for name in (first, second) if name not in judged]
    if missing or not judge:
        reason = f"the run has no {missing[0]} model" if missing else "there is neither a village nor a judge_reward"
        absent = dict.fromkeys(("value", "low", "high", "untied_value"))
        return {**absent, "n": 0, "untied": 0, "temperature": temperature, "reason": reason}
    ours, theirs = _by_prompt(getattr(judged[first], decoding)), _by_prompt(getattr(judged[second], decoding))
    scores_a: list[float] = []
    scores_b: list[float] = []
    clusters: list[str] = []
    shared = [prompt for prompt in ours if prompt in theirs]
    for prompt in shared:
        for a in ours[prompt]:
            for b in theirs[prompt]:
                scores_a.append(nan if a.score is None else a.score)
                scores_b.append(nan if b.score is None else b.score)
                clusters.append(cluster_of(a.facts, prompt))
    rate = win_rate(scores_a, scores_b, clusters).as_dict()
    return {**rate, "prompts": len(shared), "temperature": temperature, "judge": judge}


def _by_prompt(answers: Sequence[Judged]) -> dict[int, list[Judged]]:
    found: dict[int, list[Judged]] = {}
    for answer in answers:
        found.setdefault(answer.prompt, []).append(answer)
    return found


# -- answers that need no model ------------------------------------------------------------------------------------


def without_model(
    results: Mapping[str, Any],
    prompts: Sequence[TestPrompt],
    examples: Sequence[tuple[Conversation, Mapping[str, Any]]],
    judge: Judge,
) -> dict[str, Any]:
    """`baselines`, and `evaluation` with the baseline of every share written beside it.

    One row says always that it does not know; the other gives the commonest demonstrated answer to such a question
    (its kind, attribute and rule, as the facts tell them). Harmless is held against the first alone: the second is told
    which requests are harmful, and knowing that is most of the matter.
    """
    texts = {UNKNOWN: [_unknown_text(prompts, judge)] * len(prompts)}
    if examples:
        texts[COMMONEST] = commonest_answers(prompts, examples)
    baselines = {}
    for name, said in texts.items():
        verdicts = [
            Judged.by(judge(asked.prompt, asked.facts, text), number, text, asked.facts)
            for number, (asked, text) in enumerate(zip(prompts, said, strict=True))
        ]
        baselines[name] = _measured(verdicts, by_village=True)
    evaluation = {name: _against(figures, baselines) for name, figures in results["evaluation"].items()}
    return {"baselines": baselines, "evaluation": evaluation}


def _against(figures: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    found = dict(figures)
    for share in SHARES:
        rows = [UNKNOWN] if share == "harmless" else list(baselines)
        values = [value for row in rows if (value := baselines[row][share]["value"]) is not None]
        if values and found.get(share):
            own = found[share]
            figure = Figure(own["value"], own["low"], own["high"], own["n"], reason=own.get("reason", ""))
            found[share] = figure.against(max(values)).as_dict()
    return found


def _unknown_text(prompts: Sequence[TestPrompt], judge: Judge) -> str:
    """The phrase, in the language of the village, that its judge takes for "I do not know"."""
    asked = next((prompt for prompt in prompts if prompt.facts.get("kind") == "unanswerable"), None)
    for text in DOES_NOT_KNOW.values():
        if asked is not None and judge(asked.prompt, asked.facts, text).outcome in ("abstained", "correct"):
            return text
    return DOES_NOT_KNOW["en"]


def commonest_answers(
    prompts: Sequence[TestPrompt], examples: Sequence[tuple[Conversation, Mapping[str, Any]]]
) -> list[str]:
    """For each prompt, what demonstrations answer most often to prompts of its sort, else of its kind, else to any."""
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for conversation, facts in examples:
        for sort in _sorts(facts):
            counts.setdefault(sort, Counter())[conversation.last.content] += 1
    commonest = {sort: min(found.items(), key=lambda entry: (-entry[1], entry[0]))[0] for sort, found in counts.items()}
    return [next(commonest[sort] for sort in _sorts(prompt.facts) if sort in commonest) for prompt in prompts]


def _sorts(facts: Mapping[str, Any]) -> list[tuple[str, ...]]:
    kind, rule = str(facts.get("kind", "")), str(facts.get("rule", ""))
    detail = str(facts.get("attribute") or facts.get("category") or "")
    return [(kind, rule, detail, str(facts.get("count", ""))), (kind, rule, detail), (kind, rule), (kind,), ()]


# -- what PPO climbed, and what was true -----------------------------------------------------------------------------


def gold_curve(answers: Sequence[Mapping[str, Any]], judge: Judge) -> list[dict[str, Any]]:
    """Mean score of the reward model and mean true score of the same answers, step by step.

    `answers` are the lines {"step", "prompt", "facts", "answer", "score"} that a ppo stage keeps of its validations.
    Where the first goes on rising and the second falls, the reward model is being exploited (Gao et al. 2022).
    """
    by_step: dict[int, list[tuple[float, float]]] = {}
    for line in answers:
        prompt = Conversation.from_messages(line["prompt"])
        verdict = judge(prompt, line.get("facts") or {}, line["answer"])
        by_step.setdefault(int(line["step"]), []).append((float(line["score"]), float(verdict.score)))
    return [
        {
            "step": step,
            "score": sum(score for score, _ in found) / len(found),
            "gold": sum(gold for _, gold in found) / len(found),
            "n": len(found),
        }
        for step, found in sorted(by_step.items())
    ]


# -- dialogues -----------------------------------------------------------------------------------------------------


def dialogues_of(prompts: Sequence[TestPrompt], answers: Mapping[str, Sequence[Judged]]) -> list[dict[str, Any]]:
    """The prompts with each model's first answer, whether the judge found it right, and what it was taken for."""
    first: dict[tuple[str, int], Judged] = {}
    for name, own in answers.items():
        for answer in own:
            first.setdefault((name, answer.prompt), answer)
    return [
        {
            "prompt": asked.prompt.to_dicts(),
            "about": _about(asked.facts),
            "answers": {name: _shown(first[name, number]) for name in answers if (name, number) in first},
        }
        for number, asked in enumerate(prompts)
    ]


def _shown(answer: Judged) -> dict[str, Any]:
    # Of an instruction the outcome is half of the matter: "wrong: correct" would puzzle.
    outcome = None if answer.kind in INSTRUCTIONS else answer.outcome
    return {"text": answer.text, "right": answer.right, "outcome": outcome, "ended": answer.ended}


def _about(facts: Mapping[str, Any]) -> str:
    words = [str(facts[key]).replace("_", " ") for key in ("kind", "rule", "reason") if facts.get(key)]
    if facts.get("phrasing") == "unseen":
        words.append("in a phrasing not seen before")
    if facts.get("value"):
        words.append(f"the record says: {facts['value']}")
    return " · ".join(words)


def dialogues_as_text(dialogues: Sequence[Mapping[str, Any]]) -> str:
    """The same as Markdown; what models said stands in indented blocks, where nothing in it is markup."""
    lines = []
    for number, dialogue in enumerate(dialogues, 1):
        lines += [f"## Test prompt {number}", "", dialogue["about"], ""]
        for message in dialogue["prompt"]:
            lines += [f"{message['role']}:", "", *_block(message["content"]), ""]
        for name, answer in dialogue["answers"].items():
            verdict = {True: " (right)", False: " (wrong)"}.get(answer["right"], "")
            lines += [f"**{name}**{verdict}:", "", *_block(answer["text"]), ""]
    return "\n".join(lines) + "\n"


def _block(text: str) -> list[str]:
    return [f"    {line}" for line in (text or "(no answer)").splitlines()]
