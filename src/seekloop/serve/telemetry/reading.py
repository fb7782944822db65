"""Figures as they are scraped, and what two scrapes tell: rates, shares, quantiles."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Scrape", "parse"]

_line = re.compile(r"([\w:]+)(?:\{(.*)\})? (\S+)")
_label = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_escaped = re.compile(r"\\(.)")
Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Scrape:
    """Every sample of one moment, or what was added between two."""

    samples: Mapping[tuple[str, Labels], float]

    def total(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels, others whatever they are."""
        wanted = labels.items()
        return sum(
            value for (given, own), value in self.samples.items() if given == name and wanted <= dict(own).items()
        )

    def by(self, name: str, label: str) -> dict[str, float]:
        """Value of the label -> sum of the samples that have it, the largest first."""
        found: dict[str, float] = {}
        for (given, own), value in self.samples.items():
            key = dict(own).get(label)
            if given == name and key is not None:
                found[key] = found.get(key, 0.0) + value
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    def since(self, before: Scrape) -> Scrape:
        """What was added: a sample that fell was counted anew, by a gateway that was started again."""
        samples = before.samples
        added = {key: value - min(value, samples.get(key, 0.0)) for key, value in self.samples.items()}
        fell = {key: value for key, value in self.samples.items() if value < samples.get(key, 0.0)}
        return Scrape({**added, **fell})

    def quantile(self, name: str, share: float) -> float | None:
        """Quantile of a histogram, as Prometheus' `histogram_quantile` has it: even within a bucket; None: it is empty.

        Args:
            name: of the histogram, without `_bucket`.
            share: 0 to 1.
        """
        buckets = sorted((_bound(bound), count) for bound, count in self.by(f"{name}_bucket", "le").items())
        if not buckets or not buckets[-1][1]:
            return None
        rank, low, below = share * buckets[-1][1], 0.0, 0.0
        for bound, count in buckets:
            if count >= rank and count > below:
                return low if math.isinf(bound) else low + (bound - low) * (rank - below) / (count - below)
            low, below = bound, count
        return low


def parse(text: str) -> Scrape:
    """The samples of a scrape in Prometheus' text format; what is not one is left out."""
    samples: dict[tuple[str, Labels], float] = {}
    for line in text.splitlines():
        match = None if line.startswith("#") else _line.match(line)
        if match is not None:
            labels = frozenset((key, _escaped.sub(_plain, value)) for key, value in _label.findall(match[2] or ""))
            samples[match[1], labels] = float(match[3])
    return Scrape(samples)


def _plain(match: re.Match[str]) -> str:
    return {"n": "\n"}.get(match[1], match[1])


def _bound(text: str) -> float:
    return math.inf if text == "+Inf" else float(text)
