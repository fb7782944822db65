"""Learning rates to start from, by method and rank, where the spec gives none."""

from __future__ import annotations

import math

from seekloop.model.families import FamilyCard
from seekloop.tune.method_spec import FullMethod, LoraMethod, MethodSpec, PeftMethod
from seekloop.tune.soft_spec import LastLayersMethod, PrefixMethod, PromptMethod, PTuningMethod

__all__ = ["default_rate", "rate_factors"]

_proven_rank = 32
"""Up to here the family's own rate holds: at 2e-4 and rank 256 the loss went from 1.4 to 16 (paiml/aprender#2258)."""
_principal = 0.25
_peft = {"IA3": 1e-2, "LN_TUNING": 1e-3, "VERA": 4e-3}
"""IA3: measured; Zhao et al. 2024 (norms), Kopiczko et al. 2024 (VeRA); others begin at LoRA's."""


def default_rate(spec: MethodSpec, card: FamilyCard) -> float:
    """The peak learning rate to take where the spec gives none.

    | method | rate |
    |---|---|
    | full | the family's for full tuning |
    | LoRA to rank 32, DoRA, QLoRA | the family's for LoRA |
    | PiSSA | a quarter of it: A and B begin large, so the same step changes their product more |
    | LoRA above | half of it for each doubling: 64, 1/2; 128, 1/4; 256, 1/8 (paiml/aprender#2258) |
    | rank-stabilised | the family's at every rank: the factor already falls with it |
    | LoRA+ | of A, less by the square root of the ratio: the geometric mean of A's and B's is the family's |
    | IA3 | 1e-2 |
    | VeRA, norms | their papers' |
    | prefix and prompt tuning, P-tuning | 2e-2, 3e-3: the best of a few on ten Banking77 intents |
    | last layers | ten times the family's for full tuning |
    | adapter layers | the family's for LoRA |

    After 30 steps of eight Banking77 rows (SmolLM2-135M, ten intents) the loss of 30 rows held out is 0.28 for the last
    layers there, and 1.46 at twice the family's; for IA3 it is 0.19 there, and 0.79 at its paper's 3e-3. After 90 such
    steps PiSSA finds general text 2 times as perplexing there, as LoRA does, and 52 times at LoRA's own rate.
    """
    rates = card.learning_rates
    match spec:
        case FullMethod():
            return rates.full
        case LoraMethod():
            ranks = max([spec.rank, *spec.rank_pattern.values()])
            stable = spec.scaling == "rank_stabilised"
            scaled = rates.lora * (1.0 if stable else min(1.0, _proven_rank / ranks)) / math.sqrt(spec.rate_ratio)
            return scaled * _principal if spec.init == "pissa" else scaled
        case PeftMethod():
            return _peft.get(spec.peft_type, rates.lora)
        case PrefixMethod() | PromptMethod():
            return 2e-2
        case PTuningMethod():
            return 3e-3
        case LastLayersMethod():
            return 10 * rates.full
        case _:
            return rates.lora


def rate_factors(spec: MethodSpec) -> dict[str, float]:
    """Last part of a parameter's name -> what its rate is multiplied by (LoRA+, Hayou et al. 2024)."""
    if isinstance(spec, LoraMethod) and spec.rate_ratio != 1.0:
        return {"lora_B": spec.rate_ratio}
    return {}
