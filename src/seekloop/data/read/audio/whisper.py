"""Speech to text with whisper through CTranslate2: greedy in nothing, guessed at nowhere, the same every time.

A span of speech is heard alone, at temperature 0 with a beam of 5. There is no second try at a higher temperature: what
is not understood is left out by `transcript`, with its confidence written down.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from tokenizers import Tokenizer

from seekloop.data.read.audio.mel import log_mel
from seekloop.data.read.audio.wav import Samples
from seekloop.system.errors import DataError
from seekloop.system.lazy import need

__all__ = ["Heard", "Listener", "Whisper"]

_beam = 5
_longest_answer = 448


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What was understood of one span of speech."""

    text: str
    confidence: float
    """Geometric mean of the tokens' probabilities, 0 to 1."""
    no_speech: float
    """Whisper's own probability that nobody speaks, 0 to 1."""


class Listener(Protocol):
    """Understands speech; `Whisper` is one."""

    identity: str
    """Names model, weights and precision: part of what a kept transcript is found by."""

    def language(self, samples: Samples) -> str:
        """The language spoken in up to 30 s of 16 kHz samples: `zh`, `en`, …"""

    def hear(self, samples: Samples, *, language: str, prompt: str) -> Heard:
        """What is said in up to 30 s of 16 kHz samples."""


class Whisper:
    """Whisper on the CPU.

    Args:
        folder: the model in CTranslate2's form.
        digest: of its weights.
        precision: what is computed in, `float32` or `int8`.
        threads: of each matrix product; another number may change the last bits, and so is part of the identity.

    Raises:
        MissingPackage: `ctranslate2` is not installed.
    """

    def __init__(self, folder: Path, *, digest: str, precision: str, threads: int) -> None:
        self._engine = need("ctranslate2", extra="speech")
        self._model: Any = self._engine.models.Whisper(
            str(folder), device="cpu", compute_type=precision, intra_threads=threads, inter_threads=1
        )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "config.json").read_text("utf-8"))
        self._bands = int(config.get("num_mel_bins", self._model.n_mels))
        self._last: tuple[Samples, Any] | None = None
        self.identity = f"{digest} {precision} {threads} {self._engine.__version__}"

    def language(self, samples: Samples) -> str:
        """The likeliest language of up to 30 s of 16 kHz samples; `en` for a model that knows no other."""
        if not self._model.is_multilingual:
            return "en"
        likeliest: tuple[str, float] = self._model.detect_language(self._encoded(samples))[0][0]
        return likeliest[0].strip("<|>")

    def hear(self, samples: Samples, *, language: str, prompt: str) -> Heard:
        """What is said in up to 30 s of 16 kHz samples; `prompt` shows the style and the words to expect."""
        known = (f"<|{language}|>", "<|transcribe|>") if self._model.is_multilingual else ()
        marks = ("<|startoftranscript|>", *known, "<|notimestamps|>")
        before = ["<|startofprev|>"] if prompt else []
        tokens = [*self._ids(before), *self._tokenizer.encode(prompt, add_special_tokens=False).ids, *self._ids(marks)]
        answer = self._model.generate(
            self._encoded(samples),
            [tokens],
            beam_size=_beam,
            max_length=_longest_answer,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        text = self._tokenizer.decode(answer.sequences_ids[0], skip_special_tokens=True)
        return Heard(
            text=text.strip(), confidence=float(np.exp(answer.scores[0])), no_speech=float(answer.no_speech_prob)
        )

    def _encoded(self, samples: Samples) -> Any:
        """The encoder's states. The last ones are kept: the language is told before the words."""
        if self._last is None or not np.array_equal(self._last[0], samples):
            features = np.ascontiguousarray(log_mel(samples, bands=self._bands)[np.newaxis])
            self._last = samples, self._model.encode(self._engine.StorageView.from_array(features))
        return self._last[1]

    def _ids(self, names: Sequence[str]) -> list[int]:
        found = [self._tokenizer.token_to_id(name) for name in names]
        if None in found:
            raise DataError("data.unknown_language", name=names[found.index(None)].strip("<|>"))
        return [int(one) for one in found if one is not None]
