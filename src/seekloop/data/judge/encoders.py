"""Texts to features: n-grams by ourselves, or the states or the verdict of a transformers checkpoint."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from seekloop.data.judge.features import SHAPES, WIDTH, Vector, hashed, shape_of
from seekloop.data.judge.novelty import FEATURES, Novelty
from seekloop.data.judge_spec import BertClassifier, Classifier, EmbeddingClassifier, PlantedClassifier
from seekloop.system import digests, lazy
from seekloop.system.errors import DataError
from seekloop.system.loading import one_at_a_time
from seekloop.text.normalize import key

__all__ = ["Encoder", "Ngrams", "Novel", "Pair", "Transformer", "open_encoder"]

Pair = tuple[str, str | None]
"""What the user said, and the answer where that is judged too."""
_weights = "model.safetensors"


class Encoder(Protocol):
    """What turns texts into features."""

    width: int
    """Columns of the features."""
    digest: str | None
    """Of the weights that a head depends on; None: there are none."""

    def vectors(self, pairs: Sequence[Pair]) -> list[Vector]:
        """The features of each pair, in order."""
        ...


class Ngrams:
    """Hashed character n-grams."""

    width = WIDTH
    digest: str | None = None

    def vectors(self, pairs: Sequence[Pair]) -> list[Vector]:
        """The features of each pair, in order."""
        return [hashed(question, answer) for question, answer in pairs]


class Novel:
    """How unlike its corpus a text is, and the shape of it: each figure and its square.

    Args:
        novelty: what is known of the corpus.
    """

    width = 2 * (FEATURES + SHAPES)
    digest: str | None = None

    def __init__(self, novelty: Novelty) -> None:
        self.novelty = novelty

    def vectors(self, pairs: Sequence[Pair]) -> list[Vector]:
        """The features of each pair's question, in order; answers are not looked at."""
        return [self.vector(question, name=key(question)) for question, _ in pairs]

    def vector(self, text: str, *, name: str) -> Vector:
        """The features of a text, by the rows of the corpus outside the fold of `name`."""
        found = np.concatenate([self.novelty.features(text, key=name), shape_of(text)])
        return Vector(np.arange(self.width, dtype=np.int32), np.concatenate([found, found**2]).astype(np.float32))


class Transformer:
    """A checkpoint in a folder: mean-pooled last states, or the logit of one label of a sequence classifier.

    Args:
        spec: which folder, and which label.
        folder: the folder, found.

    Raises:
        DataError: the folder is no such checkpoint, or has no such label.
        MissingPackage: torch or transformers is not installed.
    """

    def __init__(self, spec: EmbeddingClassifier | BertClassifier, folder: Path) -> None:
        self._torch = lazy.need("torch", extra="train")
        self._pooling = lazy.need("seekloop.runtime.pooling", extra="train")
        transformers = lazy.need("transformers", extra="train")
        self._label = spec.label if isinstance(spec, BertClassifier) else None
        self._limit = spec.max_tokens
        kind = transformers.AutoModel if self._label is None else transformers.AutoModelForSequenceClassification
        if not (folder / "config.json").is_file() or not (folder / _weights).is_file():
            raise DataError("data.no_classifier", path=spec.path, problem=f"no config.json and {_weights} in it")
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            with one_at_a_time():
                self._model: Any = kind.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            problem = str(error).partition("\n")[0]
            raise DataError("data.no_classifier", path=spec.path, problem=problem) from error
        self._model.eval()
        self.digest: str | None = digests.of_file(folder / _weights)
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self._labels = int(self._model.config.num_labels)
        if self._label is not None and self._label >= max(self._labels, 2):
            problem = f"it has {self._labels} labels, and label {self._label} is asked for"
            raise DataError("data.no_classifier", path=spec.path, problem=problem)
        self._limit = min(self._limit, int(config.get("max_position_embeddings", self._limit)))
        self.width = 1 if self._label is not None else int(self._model.config.hidden_size)

    def vectors(self, pairs: Sequence[Pair]) -> list[Vector]:
        """The features of each pair, in order; one batch."""
        torch = self._torch
        first = [question for question, _ in pairs]
        second = [answer or "" for _, answer in pairs] if any(answer is not None for _, answer in pairs) else None
        given = self._tokenizer(
            first, second, truncation=True, max_length=self._limit, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            out = self._model(**given)
            if self._label is None:
                rows = self._pooling.mean_states(out.last_hidden_state, given["attention_mask"])
                rows = torch.nn.functional.normalize(rows, dim=1)
            elif self._labels == 1:
                rows = out.logits if self._label == 1 else -out.logits
            else:
                logs = torch.log_softmax(out.logits.float(), dim=1)
                mine = logs[:, self._label]
                rows = (mine - torch.log1p(-mine.exp().clamp(max=1 - 1e-7))).unsqueeze(1)
        columns = np.arange(self.width, dtype=np.int32)
        return [Vector(columns, row) for row in rows.float().numpy()]


def open_encoder(spec: Classifier, *, root: Path) -> Encoder:
    """The encoder that a spec names; relative folders are taken from `root`.

    Raises:
        DataError: the folder is no such checkpoint.
        MissingPackage: torch or transformers is not installed.
    """
    if isinstance(spec, PlantedClassifier):
        raise ValueError("what it compares with is learnt from a corpus, or read from the head of one")
    if isinstance(spec, EmbeddingClassifier | BertClassifier):
        return Transformer(spec, root / spec.path)
    return Ngrams()
