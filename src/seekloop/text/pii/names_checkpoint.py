"""Names by any token-classification checkpoint in a folder, its labels being those of the field: B-PER, I-LOC, ORG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from seekloop.system.errors import DataError
from seekloop.system.lazy import need
from seekloop.system.loading import one_at_a_time
from seekloop.text.pii.kinds import Finding

__all__ = ["CheckpointNames", "kind_of"]

_kinds: Mapping[str, tuple[str, ...]] = {
    "person": ("PER", "PERSON", "NAME", "NR", "PERSON_NAME", "FIRSTNAME", "LASTNAME", "GIVENNAME", "SURNAME"),
    "place": ("LOC", "LOCATION", "GPE", "FAC", "ADDRESS", "ADDR", "SCENE", "NS", "CITY", "STREET"),
    "organisation": ("ORG", "ORGANIZATION", "ORGANISATION", "COMPANY", "GOVERNMENT", "NT", "CORP"),
}
_window, _overlap, _at_once = 512, 32, 16
_weights = "model.safetensors"


class _Token(NamedTuple):
    kind: str | None
    begins: bool
    start: int
    end: int
    share: float


def kind_of(label: str) -> str | None:
    """Our kind for a label such as `B-PER`, `I_location` or `S-ORG`; None: it is none of the three."""
    name = label.upper().replace("_", "-")
    head, _, rest = name.partition("-")
    name = rest if head in ("B", "I", "E", "S", "M", "L", "U") and rest else name
    known = {one: kind for kind, names in _kinds.items() for one in names}
    return known.get(name.replace("-", "_")) or known.get(name.partition("-")[0])


class CheckpointNames:
    """Names in texts of whatever language the checkpoint reads.

    Args:
        folder: config.json with `id2label`, model.safetensors and the tokenizer.

    Raises:
        DataError: the folder is no such checkpoint, or none of its labels is a person, place or organisation.
        MissingPackage: torch or transformers is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self._torch = need("torch", extra="train")
        transformers = need("transformers", extra="train")
        if not (folder / "config.json").is_file() or not (folder / _weights).is_file():
            raise DataError("text.no_names_model", path=str(folder), problem=f"no config.json and {_weights} in it")
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            load = transformers.AutoModelForTokenClassification.from_pretrained
            with one_at_a_time():
                self._model: Any = load(folder, local_files_only=True, use_safetensors=True)
        except (OSError, ValueError) as error:
            problem = str(error).partition("\n")[0]
            raise DataError("text.no_names_model", path=str(folder), problem=problem) from error
        self._model.eval()
        labels = [str(self._model.config.id2label[place]) for place in range(self._model.config.num_labels)]
        self._kinds = [kind_of(label) for label in labels]
        self._begins = [label[:2].upper() in ("B-", "B_", "S-", "S_", "U-", "U_") for label in labels]
        if not any(self._kinds):
            problem = f"none of its labels is a person, place or organisation: {', '.join(labels[:5])}"
            raise DataError("text.no_names_model", path=str(folder), problem=problem)
        self._limit = min(_window, int(self._model.config.max_position_embeddings))

    def find(self, texts: Sequence[str]) -> list[list[Finding]]:
        """Findings of each text, in order and without overlaps; confidence is the mean probability of its tokens."""
        found: list[list[Finding]] = []
        for at in range(0, len(texts), _at_once):
            found += self._batch(texts[at : at + _at_once])
        return found

    def _batch(self, texts: Sequence[str]) -> list[list[Finding]]:
        given = self._tokenizer(
            list(texts),
            truncation=True,
            max_length=self._limit,
            stride=min(_overlap, self._limit // 4),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=True,
            return_tensors="pt",
        )
        offsets = given.pop("offset_mapping").tolist()
        rows = given.pop("overflow_to_sample_mapping").tolist()
        with self._torch.inference_mode():
            shares = self._model(**given).logits.float().softmax(-1)
        best = shares.max(-1)
        found: list[list[Finding]] = [[] for _ in texts]
        for row, places, labels, likely in zip(rows, offsets, best.indices.tolist(), best.values.tolist(), strict=True):
            tokens = [
                _Token(self._kinds[label], self._begins[label], start, end, share)
                for (start, end), label, share in zip(places, labels, likely, strict=True)
                if end > start
            ]
            _add(found[row], _spans(tokens, texts[row]))
        return found


def _add(known: list[Finding], new: Sequence[Finding]) -> None:
    """Add what the next window found; what two windows saw of one name is one name."""
    for one in new:
        last = known[-1] if known else None
        if last is None or one.start >= last.end:
            known.append(one)
        elif one.kind == last.kind and one.end > last.end:
            known[-1] = Finding(one.kind, last.start, one.end, min(last.confidence, one.confidence))


def _spans(tokens: Sequence[_Token], text: str) -> list[Finding]:
    """Runs of tokens of one kind; only spaces may stand between two of them."""
    groups: list[list[_Token]] = []
    for token in tokens:
        if token.kind is None:
            continue
        last = groups[-1][-1] if groups else None
        joined = last is not None and last.kind == token.kind and not text[last.end : token.start].strip()
        if joined and not token.begins:
            groups[-1].append(token)
        else:
            groups.append([token])
    return [
        Finding(str(group[0].kind), group[0].start, group[-1].end, sum(one.share for one in group) / len(group))
        for group in groups
        if "[" not in text[group[0].start : group[-1].end]
    ]
