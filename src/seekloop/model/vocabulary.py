"""A tokenizer that knows which tokens control the model: those come from templates, never from what users write."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable

from tokenizers import Tokenizer

from seekloop.model.alphabet import token_bytes
from seekloop.model.template import Piece
from seekloop.system.errors import ModelError

__all__ = ["Vocabulary"]

_cached_length = 2048


class Vocabulary:
    """The tokenizer of one codec.

    Published tokenizers leave some control tokens unflagged (`<｜User｜>`, `<think>`). So an added token is taken for a
    control token where it is flagged, or looks like a tag; added tokens that are ordinary characters stay ordinary.

    Args:
        source: the text of `tokenizer.json`.

    Raises:
        ModelError: it is not a byte-level BPE tokenizer.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        value = json.loads(source)
        for token in value["added_tokens"]:
            token["special"] = token["special"] or not set("<>|｜").isdisjoint(token["content"])
        self.bytes = token_bytes(value)
        self._plain = Tokenizer.from_str(json.dumps(value, ensure_ascii=False))
        self._plain.encode_special_tokens = True  # their text is text
        self.controls = {token["id"]: token["content"] for token in value["added_tokens"] if token["special"]}
        self.control_ids = {text: id_ for id_, text in self.controls.items()}
        longest_first = sorted(self.control_ids, key=lambda text: (-len(text), text))
        self._pattern = re.compile(f"({'|'.join(map(re.escape, longest_first))})" if longest_first else "(?!)()")
        self._cached = functools.lru_cache(maxsize=8192)(self._tokenise)

    @property
    def size(self) -> int:
        """One more than the highest id."""
        return max(self.bytes) + 1

    def encode(self, pieces: Iterable[Piece]) -> list[int]:
        """Ids of pieces. Text between two control tokens is tokenised as one, whoever wrote its parts."""
        ids: list[int] = []
        text = ""
        for piece in pieces:
            parts = self._pattern.split(piece.text) if piece.trusted else [piece.text]
            text += parts[0]
            for control, after in zip(parts[1::2], parts[2::2], strict=True):
                ids += [*self._fragment(text), self.control_ids[control]]
                text = after
        return [*ids, *self._fragment(text)]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, control tokens included; bytes that are no character become U+FFFD."""
        return b"".join(self.bytes.get(id_, b"") for id_ in ids).decode("utf-8", "replace")

    def check(self, tokenizer: Tokenizer) -> None:
        """Check that ids made fragment by fragment are those of `tokenizer`'s own reading of the whole text.

        Raises:
            ModelError: they are not (it strips or adds spaces beside control tokens), or text can become a control
                token.
        """
        for control in self.control_ids:
            for text in ("Hi there\n", " spaced  out ", "你好，世界"):
                whole = tokenizer.encode(f"{text}{control}{text}", add_special_tokens=False).ids
                if whole != self.encode([Piece(text, False), Piece(control, True), Piece(text, False)]):
                    raise ModelError("model.fragments_differ", token=control)
            if not self.controls.keys().isdisjoint(self._tokenise(control)):
                raise ModelError("model.fragments_differ", token=control)

    def _fragment(self, text: str) -> tuple[int, ...]:
        return self._cached(text) if len(text) <= _cached_length else self._tokenise(text)

    def _tokenise(self, text: str) -> tuple[int, ...]:
        return tuple(self._plain.encode(text, add_special_tokens=False).ids) if text else ()
