"""Which language a text is in: by its script alone, or by a model that tells the languages of one script apart.

The model is py3langid's (naive Bayes over byte n-grams, Lui and Baldwin 2012; BSD, 4.5 MB, in the wheel), which comes
with the extra `data`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

from seekloop.system import lazy
from seekloop.text.segment import language_of

__all__ = ["KNOWN", "By", "detect", "told_by"]

By = Literal["script", "model"]
"""`script`: `en` is any text in Latin letters; `model`: German is `de`."""
KNOWN = (
    *("ar", "bg", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it"),
    *("ja", "ko", "nl", "no", "pl", "pt", "ro", "ru", "sv", "th", "tr", "uk", "ur", "vi", "zh"),
)
"""Languages that the model chooses among."""
_shared = frozenset({"en", "ru", "ar"})
"""Scripts that several languages share, as `language_of` calls them."""


def detect(text: str) -> tuple[str, float]:
    """The language of `KNOWN` and its probability; `und` for a text without letters.

    Han, kana, Hangul, Greek, Hebrew, Devanagari and Thai are told by script, the others by the model.

    Raises:
        MissingPackage: py3langid is not installed.
    """
    script = language_of(text)
    return _model()(text) if script in _shared else (script, 1.0)


def told_by(by: By, *, least: float) -> Callable[[str], str]:
    """What tells a text's language; `und` where the model is less sure than `least`.

    Raises:
        MissingPackage: py3langid is needed and not installed.
    """
    if by == "script":
        return language_of
    _model()

    def told(text: str) -> str:
        language, share = detect(text)
        return language if share >= least else "und"

    return told


@functools.cache
def _model() -> Callable[[str], tuple[str, float]]:
    module = lazy.need("py3langid.langid", extra="data")
    identifier = module.LanguageIdentifier.from_model_file(module.MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(KNOWN))

    def classify(text: str) -> tuple[str, float]:
        language, share = identifier.classify(text)
        return str(language), float(share)

    return classify
