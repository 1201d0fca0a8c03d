"""Counters for Prometheus, under vLLM's names where they mean the same, so that its dashboards work here.

In: what requests took, and the engines' own statistics when somebody looks.  Out: the text of /metrics.
Every server has a registry of its own: nothing is global.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from chatwright.generation.speaker import Speaker
from chatwright.serving.answering import Tally

__all__ = ["Metrics"]

# vLLM's buckets begin at 0.3 s, too coarse for small models.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)
MODEL = ["model_name"]


class Metrics:
    """The counters of one server."""

    def __init__(self, models: Mapping[str, Speaker]) -> None:
        self.registry = CollectorRegistry()
        kept = self.registry
        self.requests_running = Gauge(
            "chatwright:http_requests_running", "Requests of clients that are being answered.", MODEL, registry=kept
        )
        self.prompt_tokens = Counter("vllm:prompt_tokens", "Tokens of prompts.", MODEL, registry=kept)
        self.generation_tokens = Counter("vllm:generation_tokens", "Tokens of answers.", MODEL, registry=kept)
        self.successes = Counter(
            "vllm:request_success", "Answers that ended, by reason.", ["model_name", "finished_reason"], registry=kept
        )
        self.cancelled = Counter(
            "chatwright:requests_cancelled", "Requests whose client left before the end.", MODEL, registry=kept
        )
        self.first_token = Histogram(
            "vllm:time_to_first_token_seconds", "From a request's arrival.", MODEL, buckets=SECONDS, registry=kept
        )
        self.between_tokens = Histogram(
            "vllm:inter_token_latency_seconds", "Between tokens of a request.", MODEL, buckets=SECONDS, registry=kept
        )
        self.latency = Histogram(
            "vllm:e2e_request_latency_seconds", "From arrival to the end.", MODEL, buckets=SECONDS, registry=kept
        )
        self.http_requests = Counter(
            "http_requests", "Requests by route, method and status.", ["handler", "method", "status"], registry=kept
        )
        self.registry.register(_Engines(models))
        for model in models:  # known from the start, so that a rate can be reckoned from the first request on
            for counter in (self.requests_running, self.prompt_tokens, self.generation_tokens):
                counter.labels(model)

    def began(self, model: str) -> None:
        self.requests_running.labels(model).inc()

    def ended(self, model: str, tally: Tally, *, answers: int) -> None:
        """Note a request that is over, whether or not its client waited for the end."""
        self.requests_running.labels(model).dec()
        self.prompt_tokens.labels(model).inc(tally.prompt_tokens)
        self.generation_tokens.labels(model).inc(tally.completion_tokens)
        for reason in tally.finish_reasons:
            self.successes.labels(model, reason).inc()
        if len(tally.finish_reasons) < answers:
            self.cancelled.labels(model).inc()
        self.latency.labels(model).observe(tally.seconds)
        if tally.first is not None:
            self.first_token.labels(model).observe(tally.first - tally.began)
            if tally.completion_tokens > 1 and tally.last is not None:
                mean = (tally.last - tally.first) / (tally.completion_tokens - 1)
                self.between_tokens.labels(model).observe(mean)

    def text(self) -> bytes:
        return generate_latest(self.registry)


class _Engines:
    """Reads the engines' statistics at the moment when somebody looks."""

    GAUGES = (
        ("vllm:num_requests_running", "Answers that have a place in the batch.", "running"),
        ("vllm:num_requests_waiting", "Answers that wait for a place.", "waiting"),
        ("vllm:kv_cache_usage_perc", "Share of the cache in use; 1 is all of it.", "cache_used"),
    )
    COUNTERS = (
        ("vllm:prefix_cache_queries", "Tokens of prompts that were looked up.", "prefix_queries"),
        ("vllm:prefix_cache_hits", "Tokens of prompts that had been read before.", "prefix_hits"),
    )

    def __init__(self, models: Mapping[str, Speaker]) -> None:
        self._models = models

    def collect(self) -> Iterable[Metric]:
        read = {name: _stats(speaker) for name, speaker in self._models.items()}
        for title, help_text, key in self.GAUGES:
            gauge = GaugeMetricFamily(title, help_text, labels=MODEL)
            for name, stats in read.items():
                gauge.add_metric([name], float(stats.get(key, 0)))
            yield gauge
        for title, help_text, key in self.COUNTERS:
            counter = CounterMetricFamily(title, help_text, labels=MODEL)
            for name, stats in read.items():
                counter.add_metric([name], float(stats.get(key, 0)))
            yield counter


def _stats(speaker: Any) -> Mapping[str, Any]:
    """An engine's statistics; a speaker without a queue of its own has none."""
    found = getattr(speaker, "stats", None)
    if found is None:
        return {}
    stats = found()
    return stats if isinstance(stats, Mapping) else vars(stats)
