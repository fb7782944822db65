"""A model card or data card, in Hugging Face's form: Markdown with YAML before it, from artifacts and the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Checkpoint, Corpus, Dataset, Release
from seekloop.loop.compliance.data_card import data_card
from seekloop.loop.compliance.model_card import model_card
from seekloop.loop.compliance.words import Words
from seekloop.system.errors import UsageError

__all__ = ["card_of"]


def card_of(identity: str, *, language: str, ctx: RunContext) -> str:
    """The card of an artifact.

    Args:
        identity: of a checkpoint or release (model card), a dataset or corpus (data card).
        language: `en` or `zh`.
        ctx: of the project that has it.

    Raises:
        UsageError: another kind of artifact, or another language.
        ArtifactError: there is no such artifact, or something that it was made of is missing.
    """
    words = Words(language)
    found = ctx.store.load(identity)
    match found:
        case Checkpoint() | Release():
            lines = model_card(found, words=words, ctx=ctx)
        case Dataset() | Corpus():
            lines = data_card(found, words=words, ctx=ctx)
        case _:
            raise UsageError("compliance.no_card", kind=found.id.partition(":")[0])
    return "\n".join(_spaced(lines)) + "\n"


def _spaced(lines: Iterable[str]) -> Iterator[str]:
    """One empty line where there are several: sections and tables each bring their own."""
    before = ""
    for line in lines:
        if line or before:
            yield line
        before = line
