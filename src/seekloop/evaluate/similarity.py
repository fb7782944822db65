"""How near two texts are in meaning: the cosine of the mean-pooled last hidden states of a model, on torch."""

from __future__ import annotations

from collections.abc import Sequence

from seekloop.evaluate.meaning import Meaning
from seekloop.evaluate.passes_spec import SimilaritySpec
from seekloop.evaluate.scoring import Scored
from seekloop.evaluate.seen import Seen

__all__ = ["similarities"]


def similarities(answers: Sequence[Scored], seen: Seen) -> tuple[str, dict[int, float]]:
    """The figure's name, which says whose states they are, and the cosine of each answer that has text to compare with.

    An empty answer has 0: it means nothing. Cosines of a language model's own states are high for any two texts, so
    they tell models apart and are no share of anything; an encoder trained for sentences spreads them.

    Raises:
        DataError: the encoder's folder is none.
        ArtifactError: the base model is not in the store.
    """
    spec = seen.spec.passes.similarity or SimilaritySpec()
    meaning = Meaning.open(spec, seen.inputs.checkpoint, threads=seen.spec.threads, ctx=seen.ctx)
    compared = [at for at, one in enumerate(answers) if one.reference_text]
    given = [at for at in compared if answers[at].text]
    if not compared:
        seen.ctx.progress.say("similarity: left out, as right answers of this dataset hold no free text")
    texts = [text for at in given for text in (answers[at].reference_text, answers[at].text)]
    vectors = meaning.vectors(texts, what="similarity", ctx=seen.ctx)
    cosines = (vectors[::2] * vectors[1::2]).sum(dim=1).tolist() if given else []
    found = dict.fromkeys(compared, 0.0) | {at: round(value, 6) for at, value in zip(given, cosines, strict=True)}
    return f"embedding_similarity_{meaning.name}", found
