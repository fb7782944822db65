"""What an evaluation harness asks of a model, in texts: likelihoods of continuations, of whole texts, and answers.

Texts become ids with the checkpoint's own `tokenizer.json`, control tokens in them included: harness prompts hold whole
templates. Nothing here knows a harness; `harness_model` hands this to lm-eval.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tokenizers import Tokenizer

from seekloop.artifact.rows import Message
from seekloop.model.codec import Codec
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.likelihood import Fork, Scorer

__all__ = ["Asked", "LocalModel", "TextModel", "cut_at", "windows"]

_first_round = 32


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One text to go on from."""

    text: str
    until: tuple[str, ...]
    """The answer ends before the first of these."""
    max_tokens: int
    temperature: float = 0.0


class TextModel(Protocol):
    """A model that a harness can ask."""

    name: str
    """Engine and version, for the report."""
    cut: int
    """Contexts that were too long and lost their beginning."""

    def likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, bool]]:
        """Of each (context, continuation): log-probability in nats, and whether greedy decoding would say it."""

    def whole_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """Log-probability of each whole text, in nats."""

    def answers(self, asked: Sequence[Asked]) -> list[str]:
        """What follows each text."""

    def chat(self, turns: Sequence[Message], *, open_turn: bool) -> str:
        """A conversation as the text that the model was trained on."""


class LocalModel:
    """A checkpoint of the store.

    Args:
        scorer: holds it.
        codec: of the checkpoint.
        folder: of the checkpoint, where `tokenizer.json` is.
        context: tokens that one pass may read; a longer context loses its beginning, which is counted.
        progress: called after each scored text.
    """

    def __init__(
        self, scorer: Scorer, *, codec: Codec, folder: Path, context: int, progress: Callable[[], None]
    ) -> None:
        self.name = scorer.name
        self.cut = 0
        self._scorer = scorer
        self._codec = codec
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._context = context
        self._progress = progress

    def likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, bool]]:
        """As `TextModel`. Continuations of one context are scored together."""
        encoded = [self._pair(*pair) for pair in pairs]
        ways: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
        for context, way in encoded:
            ways.setdefault(context, []).append(way)
        found: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[float, bool]] = {}
        for (context, each), scores in zip(ways.items(), self._scores(ways), strict=True):
            found |= {(context, way): (score.logprob, score.greedy) for way, score in zip(each, scores, strict=True)}
        return [found[pair] for pair in encoded]

    def whole_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """As `TextModel`: a text longer than the context in windows, each id predicted once."""
        sums = []
        for text in texts:
            pieces = list(windows(self._encode(text), prefix=self._prefix, size=self._context))
            forks = [Fork(context, (way,)) for context, way in pieces]
            sums.append(sum(scores[0].logprob for _, scores in self._scorer.score(forks)))
            self._progress()
        return sums

    def answers(self, asked: Sequence[Asked]) -> list[str]:
        """As `TextModel`. Generation goes in rounds of twice the length, so that a stop text ends it soon."""
        starts = [self._start(one) for one in asked]
        said: list[tuple[int, ...]] = [() for _ in asked]
        open_, length = list(range(len(asked))), _first_round
        while open_:
            prompts = [
                Prompt(
                    ids=starts[index] + said[index],
                    stop_ids=self._codec.stop_ids,
                    max_tokens=min(length, asked[index].max_tokens - len(said[index])),
                    temperature=asked[index].temperature,
                )
                for index in open_
            ]
            going = []
            for place, completion in self._scorer.generator.generate(prompts):
                index = open_[place]
                said[index] += completion.ids
                _, stopped = cut_at(self._decode(said[index]), asked[index].until)
                done = stopped or completion.finish_reason == "stop" or len(said[index]) >= asked[index].max_tokens
                self._progress() if done else going.append(index)
            open_, length = sorted(going), 2 * length
        return [cut_at(self._decode(ids), one.until)[0] for ids, one in zip(said, asked, strict=True)]

    def chat(self, turns: Sequence[Message], *, open_turn: bool) -> str:
        """As `TextModel`; an answer that is begun already is not closed."""
        if open_turn:
            return self._codec.prompt_text(turns)
        return self._codec.prompt_text(turns[:-1]) + turns[-1].content

    def _scores(self, ways: dict[tuple[int, ...], list[tuple[int, ...]]]) -> Iterator[Sequence[_Score]]:
        forks = [Fork(self._short(context, max(map(len, each))), tuple(each)) for context, each in ways.items()]
        for _, scores in self._scorer.score(forks):
            self._progress()
            yield [_Score(one.logprob, one.greedy) for one in scores]

    def _short(self, context: tuple[int, ...], longest: int) -> tuple[int, ...]:
        room = self._context + 1 - longest
        self.cut += len(context) > room
        return context[-room:]

    def _start(self, asked: Asked) -> tuple[int, ...]:
        ids = self._begun(self._encode(asked.text))
        room = self._context - asked.max_tokens
        self.cut += len(ids) > room
        return ids[-room:]

    def _pair(self, context: str, continuation: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Blanks at the end of the context belong to the continuation: words are tokenised with the blank before."""
        if not context:
            ids = self._encode(continuation)
            return ((self._prefix,), ids) if ids[0] != self._prefix else (ids[:1], ids[1:])
        kept = context.rstrip()
        whole, before = self._encode(context + continuation), self._encode(kept)
        return self._begun(before), whole[len(before) :]

    @property
    def _prefix(self) -> int:
        """What a text without a context follows."""
        return int(self._codec.eos_id if self._codec.bos_id is None else self._codec.bos_id)

    def _begun(self, ids: tuple[int, ...]) -> tuple[int, ...]:
        """With the family's first id in front, once."""
        bos = self._codec.bos_id
        return ids if bos is None or ids[:1] == (bos,) else (bos, *ids)

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


@dataclasses.dataclass(frozen=True)
class _Score:
    logprob: float
    greedy: bool


def cut_at(text: str, until: Sequence[str]) -> tuple[str, bool]:
    """`text` up to the first stop text, and whether there was one."""
    ends = [place for place in (text.find(stop) for stop in until if stop) if place >= 0]
    return (text[: min(ends)], True) if ends else (text, False)


def windows(ids: Sequence[int], *, prefix: int, size: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """A long text as (context, ids to predict), each id predicted once and each pass reading at most `size` ids.

    The first window follows `prefix`, each later one the id before it; the last one is given as much context as fits.

    Args:
        ids: of the text.
        prefix: id that the text follows.
        size: ids of a pass.
    """
    for start in range(0, len(ids), size):
        end = min(start + size, len(ids))
        context = ids[max(0, end - size - 1) : start] if start else (prefix,)
        yield tuple(context), tuple(ids[start:end])
