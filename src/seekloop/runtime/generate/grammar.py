"""Grammars over token ids: whether one can be followed, and following it through an answer. llguidance does the work.

A grammar is what llguidance reads: `{"grammars": [{"lark_grammar": …}, {"name": …, "json_schema": …}]}` as JSON text.
"""

from __future__ import annotations

import functools
import threading
from types import ModuleType
from typing import Any

from seekloop.model.codec import Codec
from seekloop.runtime.generate.allowed import with_ids, without_ids
from seekloop.system.errors import EngineError, UsageError
from seekloop.system.lazy import need

__all__ = ["Grammars", "Guide", "check_grammar"]

_silent = 0


class Guide:
    """Follows one answer through a grammar.

    Args:
        matcher: an `llguidance.LLMatcher` at the grammar's beginning.
        size: one more than the highest id of the vocabulary; models may have rows for more.
        stop_ids: ids that end the answer, allowed where the grammar is satisfied.
    """

    def __init__(self, matcher: Any, *, size: int, stop_ids: frozenset[int]) -> None:
        self._matcher = matcher
        self._size = size
        self._stop_ids = stop_ids

    @property
    def complete(self) -> bool:
        """Whether the answer may end here."""
        return bool(self._matcher.is_accepting())

    @property
    def over(self) -> bool:
        """Whether the answer must end here: the grammar is satisfied, and allows nothing more."""
        return self.complete and bool(self._matcher.is_stopped())

    def takes(self, id_: int) -> bool:
        """Whether the grammar allows an id next; the stop ids are not asked for here."""
        known = id_ < self._size and id_ not in self._stop_ids
        return known and self._matcher.validate_tokens([id_]) == 1

    def take(self, id_: int) -> None:
        """Go on by an id that is allowed.

        Raises:
            EngineError: the grammar has become more than can be followed.
        """
        if not self._matcher.consume_token(id_):
            raise self._lost()

    def forced(self) -> list[int]:
        """The ids that come next whatever the model thinks; empty where there is a choice."""
        return [] if self._matcher.is_stopped() else list(self._matcher.compute_ff_tokens())

    def allowed(self) -> bytes:
        """The ids that may come next, a bit each; those that end the answer among them where it may end.

        Raises:
            EngineError: no id is allowed: the grammar has become more than can be followed.
        """
        bits: bytes = self._matcher.compute_bitmask()
        bits = with_ids(bits, self._stop_ids) if self.complete else without_ids(bits, self._stop_ids)
        if not any(bits):
            raise self._lost()
        return bits

    def _lost(self) -> EngineError:
        return EngineError("grammar.lost", problem=_line(self._matcher.get_error()))


class Grammars:
    """Grammars over one vocabulary, which is read when the first guide is wanted. What llguidance takes as a tokenizer.

    Args:
        codec: whose vocabulary.
    """

    def __init__(self, codec: Codec) -> None:
        self.special_token_ids = sorted(codec.control_ids)
        self.eos_token_id = codec.eos_id
        self.bos_token_id = None
        self._codec = codec
        self._reading = threading.Lock()

    @property
    def tokens(self) -> list[bytes]:
        """What each id writes."""
        return [self._codec.token_bytes(id_) for id_ in range(self._codec.vocab_size)]

    def __call__(self, text: str) -> list[int]:
        """The ids of a text, as llguidance asks for them."""
        return list(self._codec.plain_ids(text))

    def guide(self, grammar: str) -> Guide:
        """Follow a grammar from its beginning; the first call takes as long as reading the vocabulary does.

        Raises:
            UsageError: it is not a grammar that can be followed.
            MissingPackage: llguidance is not installed.
        """
        with self._reading:
            vocabulary = self._vocabulary
        matcher = _library().LLMatcher(vocabulary, grammar, log_level=_silent)
        if matcher.is_error():
            raise _refused(matcher.get_error())
        return Guide(matcher, size=self._codec.vocab_size, stop_ids=self._codec.stop_ids)

    @functools.cached_property
    def _vocabulary(self) -> Any:
        library = _library()
        return library.LLTokenizer(library.TokenizerWrapper(self), n_vocab=self._codec.vocab_size)


def check_grammar(grammar: str) -> None:
    """Make sure that a grammar can be followed, before any engine is asked.

    Raises:
        UsageError: it cannot; what is wrong with it is told.
        MissingPackage: llguidance is not installed.
    """
    problem = _library().LLMatcher.validate_grammar(grammar)
    if problem and not problem.startswith("WARNING"):
        raise _refused(problem)


def _library() -> ModuleType:
    return need("llguidance", extra="serve")


def _refused(problem: str) -> UsageError:
    return UsageError("grammar.bad_schema", problem=_line(problem))


def _line(problem: str) -> str:
    """The first line of what the library says, which may show a whole grammar."""
    return problem.strip().partition("\n")[0][:300]
