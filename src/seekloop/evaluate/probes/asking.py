"""Asks the probes with the engine and codec that ask the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint
from seekloop.evaluate.probes import items
from seekloop.evaluate.probes.items import Item
from seekloop.evaluate.probes.spec import ProbesSpec
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Backend, Prompt

__all__ = ["Probed", "ask", "wanted"]

_tokens: Mapping[bool, int] = {True: 24, False: 64}
"""Longest answer of the general probe, and of the red-team set, where what comes first decides."""
_share = 15
"""Rows an item of the general probe: in tokens it is less than a tenth of the work, even where answers are labels."""


@dataclass(frozen=True, kw_only=True)
class Probed:
    """One item and the answer to it."""

    item: Item
    answer: str


def wanted(spec: ProbesSpec, checkpoint: Checkpoint, *, rows: int) -> list[Item]:
    """The items that are asked beside `rows` rows; a classifier is asked none."""
    if "classes.json" in checkpoint.files:
        return []
    common = items.general() if spec.general is not False else []
    if spec.general is None and rows < _share * len(common):
        common = []
    return [*common, *(items.safety() if spec.safety else [])]


def ask(backend: Backend, asked: Sequence[Item], *, codec: Codec, context: int, ctx: RunContext) -> list[Probed]:
    """The answers, greedy and short; items that do not fit the context are left out, and that is said.

    Args:
        backend: holds the checkpoint.
        asked: what to ask.
        codec: of the checkpoint.
        context: tokens of prompt and answer together.
        ctx: is told how far it is.

    Raises:
        EngineError: the backend stopped answering.
    """
    prompts = [_prompt(item, codec) for item in asked]
    kept = [place for place, one in enumerate(prompts) if len(one.ids) + one.max_tokens <= context]
    if len(kept) < len(asked):
        ctx.progress.say(f"{len(asked) - len(kept)} of {len(asked)} probes do not fit the context and are left out")
    if not kept:
        return []
    answers: dict[int, str] = {}
    with ctx.progress.task("probes", total=len(kept)) as bar:
        for place, completion in backend.generate([prompts[place] for place in kept]):
            answers[kept[place]] = codec.parse(completion.ids).content
            bar.advance()
    return [Probed(item=asked[place], answer=answers[place]) for place in kept]


def _prompt(item: Item, codec: Codec) -> Prompt:
    return Prompt(
        ids=codec.prompt_ids(item.messages), stop_ids=codec.stop_ids, max_tokens=_tokens[item.kind == "general"]
    )
