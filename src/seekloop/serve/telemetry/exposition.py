"""Figures in Prometheus' text format, from a registry of the gateway's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import TYPE_CHECKING

from seekloop.serve.telemetry.figures import Figure, Gauge, Spread, Tally
from seekloop.system.lazy import need

if TYPE_CHECKING:
    from prometheus_client.core import Metric

__all__ = ["Exposition"]


class Exposition:
    """A registry whose every scrape reads the figures anew.

    Args:
        read: gives all figures, when somebody asks.
        model: value of the label `model_name`, which `vllm:` figures have.

    Raises:
        MissingPackage: prometheus-client is not installed.
    """

    def __init__(self, read: Callable[[], Iterable[Figure]], *, model: str) -> None:
        self._client = need("prometheus_client", extra="serve")
        self._core = need("prometheus_client.core", extra="serve")
        self._read = read
        self._model = model
        self._registry = self._client.CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    @property
    def content_type(self) -> str:
        """Of `text`."""
        return str(self._client.CONTENT_TYPE_LATEST)

    def text(self) -> bytes:
        """All figures."""
        shown: bytes = self._client.generate_latest(self._registry)
        return shown

    def describe(self) -> Iterable[Metric]:
        """Nothing: the registry must not scrape to know the names."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Every figure, as the registry wants it."""
        for figure in self._read():
            if isinstance(figure, Spread):
                yield self._histogram(figure)
            else:
                yield self._counter(figure) if isinstance(figure, Tally) else self._gauge(figure)

    def _own(self, name: str) -> dict[str, str]:
        return {"model_name": self._model} if name.startswith("vllm:") else {}

    def _histogram(self, spread: Spread) -> Metric:
        own = self._own(spread.name)
        family = self._core.HistogramMetricFamily(spread.name, spread.text, labels=list(own))
        bounds = [*(self._client.utils.floatToGoString(bound) for bound in spread.bounds), "+Inf"]
        buckets = list(zip(bounds, accumulate(spread.counts), strict=True))
        family.add_metric(list(own.values()), buckets=buckets, sum_value=spread.total)
        made: Metric = family
        return made

    def _counter(self, tally: Tally) -> Metric:
        own = self._own(tally.name)
        family = self._core.CounterMetricFamily(tally.name, tally.text, labels=[*own, *tally.labels])
        for labels, value in tally.values.items():
            family.add_metric([*own.values(), *labels], value)
        made: Metric = family
        return made

    def _gauge(self, gauge: Gauge) -> Metric:
        own = self._own(gauge.name)
        family = self._core.GaugeMetricFamily(gauge.name, gauge.text, labels=[*own, *gauge.labels])
        for labels, value in gauge.values.items():
            family.add_metric([*own.values(), *labels], value)
        made: Metric = family
        return made
