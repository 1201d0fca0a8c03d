"""The stand-in's routes for runs, label, training and blind comparisons: small, and a function of the question."""

from __future__ import annotations

import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

HOSTILE = '<img src=x onerror="window.stolen = 1"><script>window.stolen = 2</script>'
MARKDOWN = f"# Samples\n\n**Prompt** one {HOSTILE}\n\n> an answer"
TASKS: list[dict[str, Any]] = [
    {"kind": "rank", "category": "open_qa", "answers": [f"Answer number {number}." for number in range(1, 5)]},
    {"kind": "rate_answer", "category": "chat", "answers": [f"The baker sells bread. {HOSTILE}"]},
    {"kind": "rate_chat", "category": "", "answers": []},
    {"kind": "demonstration", "category": "rewrite", "answers": []},
    {"kind": "prompt", "category": "brainstorming", "answers": [], "brief": "Ask for ideas."},
]
FLAGS = ["fails_instruction", "hallucination"]


class Desk:
    """The queue of one labeler: a task stays until it is handed in or skipped."""

    def __init__(self) -> None:
        self.waiting = [self._task(number, own) for number, own in enumerate(TASKS, 1)]
        self.drafts: dict[str, Any] = {}
        self.done: dict[str, dict[str, Any]] = {}
        self.last: dict[str, Any] | None = None
        self.tries = 0

    def _task(self, number: int, own: dict[str, Any]) -> dict[str, Any]:
        says = [] if own["kind"] == "prompt" else [{"role": "user", "content": f"Question {number}? {HOSTILE}"}]
        return {"brief": "", **own, "id": str(number), "messages": says, "submission": f"s{number}"}

    def next(self, kinds: list[str]) -> dict[str, Any] | None:
        found = next((one for one in self.waiting if not kinds or one["kind"] in kinds), None)
        if found is None:
            return None
        flags = FLAGS if found["kind"] == "rate_answer" else []
        expires = "2026-01-01T01:00:00+00:00"
        return {**found, "draft": self.drafts.get(found["id"]), "expires_at": expires, "flags": flags}

    def remove(self, task: str) -> None:
        self.last = next((one for one in self.waiting if one["id"] == task), self.last)
        self.waiting = [one for one in self.waiting if one["id"] != task]


def refused(message: str, status: int, code: str | None = None) -> JSONResponse:
    return JSONResponse({"error": {"message": message, "type": "x", "param": None, "code": code}}, status)


def add(app: FastAPI, fake: Any) -> None:
    fake.desk = Desk()
    fake.votes = []
    fake.jobs = []
    fake.promotions = []
    fake.metrics = 40
    fake.comparisons = {}  # counts of what there is to learn from that a test wants otherwise
    _label(app, fake)
    _comparisons(app, fake)
    _runs(app, fake)
    _training(app, fake)


def _label(app: FastAPI, fake: Any) -> None:
    desk: Desk = fake.desk

    @app.post("/api/v1/label/next")
    async def take(request: Request) -> Any:
        return {"task": desk.next((await request.json()).get("kinds") or [])}

    @app.post("/api/v1/label/{task}/draft")
    async def draft(task: str, request: Request) -> Any:
        desk.drafts[task] = (await request.json())["draft"]
        return {"expires_at": "2026-01-01T01:00:00+00:00"}

    @app.post("/api/v1/label/{task}/submit")
    async def submit(task: str, request: Request) -> Any:
        body = await request.json()
        desk.tries += 1
        if body.get("text") == "refuse this":
            desk.remove(task)
            return refused("This text cannot be taken.", 400)
        desk.done.setdefault(body["submission"], {"task": task, **body})
        desk.remove(task)
        return {"id": "1", "state": "approved"}

    @app.post("/api/v1/label/{task}/skip")
    async def skip(task: str, request: Request) -> Any:
        fake.calls.append(("skip", task, await request.json()))
        desk.remove(task)
        return {}

    @app.post("/api/v1/label/undo")
    async def undo() -> Any:
        if desk.last is None:
            return refused("There is nothing to undo.", 404)
        said = desk.done.pop(desk.last["submission"], {})
        desk.drafts[desk.last["id"]] = {key: said[key] for key in ("ranks", "rating", "flags", "text") if key in said}
        desk.waiting = [{**desk.last, "submission": desk.last["submission"] + "again"}, *desk.waiting]
        return {"task": desk.next([])}

    @app.get("/api/v1/label/guidelines")
    async def guidelines() -> Any:
        return {"markdown": f"**Be fair.** {HOSTILE}"}

    @app.get("/api/v1/label/progress")
    async def progress() -> Any:
        left = len(desk.waiting)
        kinds: list[dict[str, Any]] = [
            {"kind": "rank", "tasks": 5, "open": left, "judgements": 5 - left, "wanted": 5, "held": 1, "seconds": 42.0}
        ]
        kinds[0] |= {"categories": {"chat": [5 - left, 5]}}
        mine = {"today": len(desk.done), "total": len(desk.done) + 7}
        coverage = {"generation": 40, "open_qa": 12, "extract": 2}
        return {"kinds": kinds, "mine": mine, "coverage": coverage, "categories": list(coverage), "flags": FLAGS}

    @app.get("/api/v1/label/agreement")
    async def agreement(kind: str) -> Any:
        own = {"labeler": "person-1", "name": "Ada", "is_me": True, "judgements": 31, "pairwise": 0.74, "pairs": 120}
        own |= {"tau": 0.48, "gold_pairwise": 0.9, "gold_pairs": 20, "seconds": 21.0, "first_is_best": 0.27}
        own |= {"simulated": False}
        found = {"judgements": 31, "shared_items": 12, "pairwise": 0.741, "pairs": 120, "tau": 0.48, "alpha": 0.41}
        return {**found, "labelers": [own] if kind == "ranking" else []}


def _comparisons(app: FastAPI, fake: Any) -> None:
    def shown() -> dict[str, Any]:
        own = {"id": "1", "name": "village/ppo and village/sft", "pairs": 3, "voted": len(fake.votes)}
        own |= {"closed": getattr(fake, "closed", False), "created_at": "2026-01-01T00:00:00+00:00"}
        known = {"fresh": 12, "test": 0, "held_back": 20, "seen": 8, "given": 0}
        own |= {"left_out": 2, "prompts": known}
        return own | {"model_a": "village/ppo", "model_b": "village/sft", "votes": len(fake.votes)}

    @app.get("/api/v1/comparisons")
    async def comparisons() -> Any:
        return {"comparisons": [shown()]}

    @app.post("/api/v1/comparisons")
    async def start(request: Request) -> Any:
        fake.calls.append(("compare", "", await request.json()))
        return shown()

    @app.post("/api/v1/comparisons/{comparison}/next")
    async def pair(comparison: str) -> Any:
        number = len(fake.votes)
        if number >= 3:
            return {"pair": None}
        prompt = [{"role": "user", "content": f"Prompt {number}"}]
        return {"pair": {"id": str(number), "prompt": prompt, "left": f"Left {number}", "right": f"Right {HOSTILE}"}}

    @app.post("/api/v1/comparisons/pairs/{pair}/vote")
    async def vote(pair: str, request: Request) -> Any:
        fake.votes.append((pair, (await request.json())["vote"]))
        return {}

    @app.get("/api/v1/comparisons/{comparison}/result")
    async def result(comparison: str) -> Any:
        counts = {"pairs": 300, "votes": 300, "wins": 168, "losses": 102, "ties": 20, "both_bad": 10}
        names = {"model_a": "village/ppo", "model_b": "village/sft"}
        return {**names, **counts, "left_share": 0.49, "win_rate": 0.61, "interval": [0.555, 0.664]}

    @app.post("/api/v1/comparisons/{comparison}/close")
    async def close(comparison: str) -> Any:
        fake.closed = True
        return {}


STAGES = [("tokenize", "tokenize"), ("base", "pretrain"), ("sft", "sft"), ("reward", "reward"), ("ppo", "ppo")]


def _runs(app: FastAPI, fake: Any) -> None:
    @app.get("/api/v1/runs")
    async def runs() -> Any:
        stages = [
            {"name": name, "kind": kind, "complete": name != "ppo", "has_rankings": False} for name, kind in STAGES
        ]
        times = {"started_at": "2026-01-01T00:00:00+00:00", "finished_at": None}
        village = {"name": "village", "folder": "/runs/village", "recipe": "quickstart", "state": "running", **times}
        done = {"name": "older", "folder": "/runs/older", "recipe": "quickstart", "state": "complete", **times}
        first, second = ({**own, "stages": stages, "served": ["sft"]} for own in (village, done))
        return {"runs": [first, second]}

    @app.get("/api/v1/runs/models/days")
    async def days(days: int) -> Any:
        row = {"model": "village-ppo", "tokens_in": 900, "tokens_out": 450, "up": 6, "down": 2, "refusals": 1}
        both = [("2026-01-01", 20, 0.4), ("2026-01-02", 35, None)]
        return {"days": [{**row, "day": day, "requests": n, "reward_score": score} for day, n, score in both]}

    @app.get("/api/v1/runs/{run}")
    async def run(run: str) -> Any:
        stages = [_stage(name, kind, run) for name, kind in STAGES]
        nodes = [
            {"id": f"{run}/{name}", "kind": kind, "name": name, "run": run, "complete": True} for name, kind in STAGES
        ]
        nodes.append({"id": "data:1", "kind": "data", "name": f"{HOSTILE}.jsonl", "run": None, "complete": True})
        edges = [("data:1", f"{run}/tokenize", "data"), (f"{run}/tokenize", f"{run}/base", "tokens")]
        edges += [(f"{run}/base", f"{run}/sft", "base"), (f"{run}/sft", f"{run}/reward", "model")]
        edges += [(f"{run}/reward", f"{run}/ppo", "reward"), (f"{run}/sft", f"{run}/ppo", "policy")]
        state = "running" if run == "village" else "complete"
        facts = {"name": run, "folder": f"/runs/{run}", "recipe": None, "state": state, "summary": None}
        return {**facts, "has_report": True, "stages": stages, "lineage": {"nodes": nodes, "edges": edges}}

    @app.get("/api/v1/runs/{run}/report.html")
    async def report(run: str) -> Any:
        policy = "sandbox; default-src 'none'; frame-ancestors 'self'"
        html = f"<h1>Report of {run}</h1>{HOSTILE}<script>parent.stolen = 3; top.stolen = 4</script>"
        return Response(html, headers={"content-security-policy": policy}, media_type="text/html")

    @app.get("/api/v1/runs/{run}/{stage}/metrics")
    async def metrics(run: str, stage: str, after: int = 0) -> Any:
        if run == "village" and stage == "ppo" and after:
            fake.metrics += 5
        rows = [_row(step) for step in range(after + 1, fake.metrics + 1)]
        return {"rows": rows, "next": fake.metrics, "state": "running" if run == "village" else "complete"}

    @app.get("/api/v1/runs/{run}/{stage}/samples")
    async def samples(run: str, stage: str) -> Any:
        return {"markdown": MARKDOWN}

    @app.get("/api/v1/promotions")
    async def promotions() -> Any:
        return {"current": {one["model"]: one for one in fake.promotions}, "history": fake.promotions}

    @app.post("/api/v1/promotions")
    async def promote(request: Request) -> Any:
        body = await request.json()
        made = {
            "id": "1",
            "model": body["model"],
            "folder": f"/runs/{body['run']}/{body['stage']}",
            "note": body["note"],
        }
        made |= {"by": None, "promoted_at": "2026-01-02T00:00:00+00:00", "rolled_back_at": None}
        fake.promotions.append(made)
        return fake.promotions[-1]

    @app.post("/api/v1/promotions/{model}/rollback")
    async def roll_back(model: str) -> Any:
        fake.promotions.clear()
        return {"model": model, "folder": None}


def _stage(name: str, kind: str, run: str) -> dict[str, Any]:
    is_open = name == "ppo" and run == "village"
    receipt = {
        "seconds": 95.0,
        "tokens": 50_000,
        "energy_estimated_j": 9000.0,
        "summary": {"score": 0.59, "prompts": 200},
    }
    return {
        "name": name,
        "kind": kind,
        "state": "running" if is_open else "complete",
        "started_at": "2026-01-01T00:00:00+00:00",
        "config": {"seed": 1},
        "receipt": None if is_open else receipt,
        "seed": 1,
        "parents": {"model": "sft"} if name == "reward" else {},
        "has_samples": name == "sft",
        "metrics": [] if name == "tokenize" else ["step", "score", "kl"],
        "served_as": ["village-sft"] if name == "sft" else [],
    }


def _row(step: int) -> dict[str, Any]:
    row: dict[str, Any] = {"step": step, "score": 1 - math.exp(-step / 30), "kl": step / 60, "clip_fraction": 0.1}
    return row | ({"validation_score": 0.9 - math.exp(-step / 30)} if step % 10 == 0 else {})


def _training(app: FastAPI, fake: Any) -> None:
    @app.get("/api/v1/admin/training")
    async def training() -> Any:
        last = {"job": None, "run": "older", "accuracy": 0.62, "interval": [0.55, 0.69], "comparisons": 3060}
        last |= {"simulated": 2955}
        counts = {"comparisons": 312, "rankings": 60, "simulated": 20, "demonstrations": 4, "waiting": 3}
        counts |= {"simulated_comparisons": 104, **fake.comparisons}
        sources = [{"run": "older", "sft": True, "reward": True}, {"run": "village", "sft": True, "reward": False}]
        people = [{"labeler": "person-1", "name": "Ada", "rows": 40, "left_out": 0, "simulated": False}]
        people += [{"labeler": "person-2", "name": HOSTILE, "rows": 20, "left_out": 12, "simulated": True}]
        about = {"enough": 2000, "advice": "", "left_out": 12, "people": people}
        return {**counts, **about, "last": last, "sources": sources}

    @app.get("/api/v1/admin/jobs")
    async def jobs() -> Any:
        return {"jobs": fake.jobs[::-1]}

    @app.post("/api/v1/admin/jobs")
    async def start(request: Request) -> Any:
        body = await request.json()
        fake.calls.append(("job", body["kind"], body))
        times = {"created_at": "2026-01-02T00:00:00+00:00", "started_at": None, "finished_at": None}
        job = {"id": str(len(fake.jobs) + 1), "kind": body["kind"], "state": "running", "run": "village", "error": ""}
        job |= {"prompts": {"training": 144, "validation": 16} if body["kind"] != "reward" else None}
        fake.jobs.append({**job, **times, "settings": {"run": body["run"]}})
        return fake.jobs[-1]

    @app.get("/api/v1/admin/jobs/{job}")
    async def job(job: str) -> Any:
        return {**fake.jobs[int(job) - 1], "log": f"step 3 of 40 {HOSTILE}\n"}

    @app.post("/api/v1/admin/jobs/{job}/cancel")
    async def cancel(job: str) -> Any:
        fake.jobs[int(job) - 1]["state"] = "stopped"
        return fake.jobs[int(job) - 1]
