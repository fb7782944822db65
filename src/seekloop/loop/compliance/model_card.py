"""The card of a checkpoint or release: front matter, then sections from `model_sections`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Release, Report
from seekloop.loop.compliance import model_sections as sections
from seekloop.loop.compliance.model_facts import Facts, gather_facts
from seekloop.loop.compliance.words import Words
from seekloop.system import digests

__all__ = ["model_card"]

_licences = {"Apache-2.0": "apache-2.0", "MIT": "mit"}
_relations = {
    "adapter": "adapter",
    "gguf": "quantized",
    "openvino": "quantized",
    "compressed-tensors": "quantized",
    "bitsandbytes": "quantized",
}
_metrics = {"accuracy": "accuracy", "macro_f1": "f1", "rougeL_en": "rouge", "rougeL_zh": "rouge", "chrf": "chrf"}


def model_card(subject: Checkpoint | Release, *, words: Words, ctx: RunContext) -> Iterator[str]:
    """Lines of the card.

    Raises:
        ArtifactError: something that it was made of is missing or damaged.
    """
    facts = gather_facts(subject, ctx=ctx)
    yield "---"
    yield str(yaml.safe_dump(_front(facts), sort_keys=False, allow_unicode=True)).rstrip("\n")
    yield "---"
    yield f"# {words('model_title', name=digests.short(subject.id))}"
    yield ""
    yield words("generated", project=ctx.root.resolve().name)
    for title, lines in (
        ("what", sections.what(facts, words)),
        ("status", sections.status(facts, words)),
        ("line", sections.line(facts, words)),
        ("training_data", sections.training_data(facts, words)),
        ("training", sections.training(facts, words)),
        ("figures", sections.figures(facts, words)),
        ("slices", sections.slices(facts, words)),
        ("forgetting", sections.forgetting(facts, words)),
        ("limits", sections.limits(facts, words)),
        ("cost", sections.cost(facts, words)),
        ("proof", iter([words("proof_says", id=subject.id)])),
    ):
        yield ""
        yield f"## {words(title)}"
        yield ""
        yield from lines


def _front(facts: Facts) -> dict[str, Any]:
    """https://huggingface.co/docs/hub/model-cards; what is not known is left out."""
    told: dict[str, Any] = {}
    if facts.family is not None:
        known = _licences.get(facts.family.licence)
        told["license"] = known or "other"
        if known is None:
            told["license_name"] = facts.family.licence
    if facts.base is not None and facts.base.id != facts.checkpoint.id:
        told["base_model"] = facts.base.source or facts.base.id
        told["base_model_relation"] = _relations.get(facts.checkpoint.form, "finetune")
    languages = sorted(one for one in facts.languages if one != "und")
    if languages:
        told["language"] = languages
    told["tags"] = ["seekloop", facts.checkpoint.family]
    told["pipeline_tag"] = _task(facts)
    if facts.datasets:
        told["datasets"] = [one.id for one in facts.datasets]
    if facts.reports:
        kinds = {_metrics.get(figure.name) for report in facts.reports for figure in report.figures}
        told["metrics"] = sorted(one for one in kinds if one is not None)
        results = [_result(report, facts) for report in facts.reports]
        told["model-index"] = [{"name": digests.short(facts.subject.id), "results": results}]
    return told


def _task(facts: Facts) -> str:
    newest = facts.datasets[0] if facts.datasets else None
    return "text-classification" if newest is not None and newest.answer == "label" else "text-generation"


def _result(report: Report, facts: Facts) -> dict[str, Any]:
    metrics = []
    for figure in report.figures:
        args: dict[str, Any] = {"n": figure.n}
        if figure.ci is not None:
            args |= {"ci_low": figure.ci[0], "ci_high": figure.ci[1], "confidence": 0.95}
        kind = _metrics.get(figure.name, figure.name)
        metrics.append({"type": kind, "name": figure.name, "value": figure.value, "args": args})
    dataset = {"name": digests.short(report.dataset), "type": report.dataset, "split": report.split}
    return {"task": {"type": _task(facts)}, "dataset": dataset, "metrics": metrics}
