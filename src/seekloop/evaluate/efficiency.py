"""How fast, how big and how dear the answers were: figures for the receipt, never for the report.

The report is the same byte for byte when the same is measured again; times are not. Percentiles have the
distribution-free interval of their order statistics, stored beside them as `NAME.low` and `NAME.high`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from seekloop.artifact.kinds import Checkpoint, Figure, Receipt
from seekloop.artifact.store import Store
from seekloop.evaluate.efficiency_spec import EfficiencySpec
from seekloop.metrics import latency
from seekloop.metrics.significance import wilson
from seekloop.runtime.generate.backend import Completion, Prompt

__all__ = ["ANSWERS", "cost", "figures_of", "served_bytes"]

ANSWERS = "answers"
"""How many answers the times are of: the n of every figure in the receipt."""

_percentiles = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_units = {
    "first_token_p50_s": "s",
    "first_token_p95_s": "s",
    "first_token_p99_s": "s",
    "first_token_within_goal": "share",
    "tokens_per_s": "tokens/s",
    "peak_rss_mib": "MiB",
    "size_mb": "MB",
    "cost_per_1000_answers": "money",
}
_weights = (".safetensors", ".gguf", ".bin", ".onnx", ".onnx.data")
_higher = {"first_token_within_goal", "tokens_per_s"}


def cost(
    requests: Sequence[Prompt],
    completions: Sequence[Completion],
    *,
    seconds: float,
    spec: EfficiencySpec,
    served: int,
) -> dict[str, float]:
    """What the answers took. First-token times include waiting for a free stream.

    Args:
        requests: what was asked.
        completions: what came back; at least one.
        seconds: from the first request to the last answer.
        spec: goal and prices.
        served: bytes of the weights that answered.
    """
    first = [completion.first_token_s for completion in completions]
    asked, answered = (float(sum(len(one.ids) for one in of)) for of in (requests, completions))
    within = sum(one <= spec.first_token_goal_s for one in first)
    goal = wilson(within, len(first))
    found = {
        ANSWERS: float(len(completions)),
        "prompt_tokens": asked,
        "tokens": answered,
        "tokens_per_s": round(latency.per_second(answered, seconds), 2),
        "size_mb": round(served / 1e6, 2),
        "first_token_within_goal": round(within / len(first), 4),
        "first_token_within_goal.low": round(goal.low, 4),
        "first_token_within_goal.high": round(goal.high, 4),
    }
    for name, share in _percentiles.items():
        low, high = latency.percentile_interval(first, share)
        key = f"first_token_{name}_s"
        found |= {key: round(latency.percentile(first, share), 4), f"{key}.low": round(low, 4)}
        found[f"{key}.high"] = round(high, 4)
    money = _money(asked, answered, seconds=seconds, spec=spec)
    return found if money is None else {**found, "cost_per_1000_answers": round(1000 * money / len(completions), 6)}


def figures_of(receipt: Receipt) -> tuple[Figure, ...]:
    """The receipt's costs as figures, so that a gate can hold them against a bound; none without the count of answers.

    A percentile or share has its interval; what is measured as a whole (size, memory, throughput, money) is taken as
    it is. Costs that are no figure (tokens in all) are left out.
    """
    known: Mapping[str, float] = receipt.cost
    if not known.get(ANSWERS):
        return ()
    return tuple(
        Figure(
            name=name,
            value=known[name],
            n=int(known[ANSWERS]),
            ci=(known.get(f"{name}.low", known[name]), known.get(f"{name}.high", known[name])),
            unit=unit,
            better="higher" if name in _higher else "lower",
        )
        for name, unit in _units.items()
        if name in known
    )


def served_bytes(checkpoint: Checkpoint, *, store: Store) -> int:
    """Bytes of the weights that answer: an adapter answers with its base.

    Raises:
        ArtifactError: the base of an adapter is not in the store.
    """
    weights = sum(entry.size for name, entry in checkpoint.files.items() if name.endswith(_weights))
    if checkpoint.form != "adapter":
        return weights
    return weights + served_bytes(store.open(checkpoint.parents["base"], Checkpoint), store=store)


def _money(asked: float, answered: float, *, seconds: float, spec: EfficiencySpec) -> float | None:
    """The price of all answers; None where no price is known."""
    parts = (
        (spec.price_per_hour, seconds / 3600),
        (spec.price_per_million_prompt_tokens, asked / 1e6),
        (spec.price_per_million_answer_tokens, answered / 1e6),
    )
    known = [price * amount for price, amount in parts if price is not None]
    return sum(known) if known else None
