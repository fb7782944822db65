"""Chinese names by jieba's part-of-speech tags: `nr` people, `ns` places, `nt` organisations."""

from __future__ import annotations

import logging
import re
import tempfile
from collections.abc import Sequence
from typing import Any

from seekloop.system.lazy import need
from seekloop.text.pii.kinds import Finding

__all__ = ["JiebaNames", "open_jieba"]

_kinds = {"nr": "person", "nrt": "person", "nrfg": "person", "ns": "place", "nt": "organisation"}
_han = re.compile("[\u4e00-\u9fff]")


class JiebaNames:
    """Names in Chinese texts; texts without a Han character have none."""

    def __init__(self, tagger: Any) -> None:
        self._tagger = tagger

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Findings of each text, in order."""
        return [self._names(text) if _han.search(text) else [] for text in texts]

    def _names(self, text: str) -> list[Finding]:
        found, place = [], 0
        for pair in self._tagger.cut(text):
            word, kind = pair.word, _kinds.get(pair.flag)
            # One character alone is a surname used as a word more often than a name.
            if kind is not None and len(word) > 1 and _han.match(word):
                found.append(Finding(kind, place, place + len(word), 0.6))
            place += len(word)
        return found


def open_jieba() -> JiebaNames:
    """The tagger with its dictionary in memory.

    Raises:
        MissingPackage: `jieba` is not installed.
    """
    jieba = need("jieba", extra="data")
    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    # It would read its cache from a well-known name in the shared temporary folder, where anybody can put one.
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.tmp_dir = folder
        tokenizer.initialize()
    return JiebaNames(need("jieba.posseg", extra="data").POSTokenizer(tokenizer))
