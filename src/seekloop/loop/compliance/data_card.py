"""The card of a dataset or corpus."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Corpus, Dataset
from seekloop.artifact.lineage import SHREDDED, gather
from seekloop.artifact.rowset import TRAIN
from seekloop.loop.compliance.counted import Counted, count_rows
from seekloop.loop.compliance.words import Words, cell, named, table
from seekloop.system import digests

__all__ = ["data_card"]

_rows, _report = "rows.jsonl", "report.json"
_sizes = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def data_card(data: Dataset | Corpus, *, words: Words, ctx: RunContext) -> Iterator[str]:
    """Lines of the card.

    Raises:
        ArtifactError: a file is damaged, or what it was made of is missing.
    """
    file = TRAIN if isinstance(data, Dataset) else _rows
    counted = count_rows(data, file, ctx=ctx)
    yield from _front(data, counted)
    yield f"# {words('data_title', name=digests.short(data.id))}"
    yield ""
    yield words("generated", project=ctx.root.resolve().name)
    yield ""
    yield f"- {words('id')}: `{data.id}`"
    if counted is None:
        yield f"- {words('rows_gone', file=file)}"
    yield from _section(words("rows"), _balance(data, counted, words=words))
    yield from _section(words("sources"), _sources(data, counted, words=words, ctx=ctx))
    if counted is not None:
        yield from _section(words("languages"), table(words("languages_head"), _by_count(counted.languages)))
        yield from _section(words("labels"), _labels(counted, words))
    yield from _section(words("pii"), _personal(data, counted, words=words))
    if isinstance(data, Dataset):
        yield from _section(words("checks"), _checks(data, words=words, ctx=ctx))
    yield from _section(words("erased"), _erased(data.id, words=words, ctx=ctx))
    yield from _section(words("proof"), [words("proof_says", id=data.id)])


def _front(data: Dataset | Corpus, counted: Counted | None) -> Iterator[str]:
    """https://huggingface.co/docs/hub/datasets-cards; nobody stated a licence, so none is given."""
    told: dict[str, Any] = {"pretty_name": digests.short(data.id), "tags": ["seekloop"]}
    if counted is not None and counted.languages:
        told["language"] = sorted(one for one in counted.languages if one != "und")
    if isinstance(data, Dataset):
        told["task_categories"] = ["text-generation" if data.answer == "text" else "text-classification"]
    told["size_categories"] = [next((name for limit, name in _sizes if data.rows < limit), "n>1M")]
    yield "---"
    yield str(yaml.safe_dump(told, sort_keys=False, allow_unicode=True)).rstrip("\n")
    yield "---"


def _section(title: str, lines: Any) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield from lines


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most first."""
    return sorted(counts.items(), key=lambda one: (-one[1], one[0]))


def _balance(data: Dataset | Corpus, counted: Counted | None, *, words: Words) -> Iterator[str]:
    rows: list[tuple[str, int]] = [(words("rows_in"), data.rows)]
    if isinstance(data, Corpus):
        left = counted.dropped if counted is not None else {}
        rows += [(words("rows_dropped", reason=reason), n) for reason, n in sorted(left.items())]
        yield from table(words("rows_head"), rows)
        return
    rows += [(words("rows_made", how=how), n) for how, n in sorted(data.added.items())]
    rows += [(words("rows_split", split=split), n) for split, n in data.splits.items()]
    rows += [(words("rows_dropped", reason=reason), n) for reason, n in sorted(data.dropped.items())]
    rows += [(words("rows_replayed"), data.replay), (words("rows_calibration"), data.calibration)]
    yield from table(words("rows_head"), rows)
    yield ""
    yield words("balanced")


def _sources(data: Dataset | Corpus, counted: Counted | None, *, words: Words, ctx: RunContext) -> Iterator[str]:
    """Every source that was read, with its format, and how many of the rows are from it."""
    formats: dict[str, str] = {}
    for one in gather(data.id, store=ctx.store, ledger=ctx.ledger).artifacts:
        if isinstance(one, Corpus):
            formats |= dict(zip(one.sources, one.formats, strict=False))
    used: Mapping[str, int] = counted.sources if counted is not None else {}
    names = sorted({*formats, *used})
    unknown = words("unrecorded")
    rows = [(name, formats.get(name, unknown), used.get(name, 0 if counted else unknown)) for name in names]
    yield from table(words("sources_head"), rows) if rows else [words("unrecorded")]


def _labels(counted: Counted, words: Words) -> Iterator[str]:
    if counted.labels:
        yield from table(words("labels_head"), _by_count(counted.labels))
    else:
        yield words("unlabelled")


def _personal(data: Dataset | Corpus, counted: Counted | None, *, words: Words) -> Iterator[str]:
    masked = data.pii if isinstance(data, Dataset) else {}
    if masked:
        yield from table(words("pii_head"), _by_count(masked))
        yield ""
    else:
        yield f"- {words('pii_none') if isinstance(data, Dataset) else words('unmeasured')}"
    if counted is not None:
        yield f"- {words('people', people=counted.people, origins=counted.origins)}"
        yield f"- {words('consent', names=named(counted.consent, words))}"


def _checks(data: Dataset, *, words: Words, ctx: RunContext) -> Iterator[str]:
    spec = data.made_by.spec.get("dedupe")
    left = {name: n for name, n in data.dropped.items() if name.startswith(("duplicate", "leak", "near", "frozen"))}
    if spec is None:
        yield f"- {words('unrecorded')}"
    else:
        told = {name: words("on" if spec.get(name) else "off") for name in ("exact", "near")}
        similarity = spec.get("similarity", words("unrecorded"))
        yield f"- {words('checks_says', **told, similarity=similarity, dropped=named(left, words))}"
    frozen = _frozen(data, ctx)
    yield f"- {words('frozen_unmeasured') if frozen is None else words('frozen', **frozen)}"


def _frozen(data: Dataset, ctx: RunContext) -> dict[str, Any] | None:
    """What the dataset's own report says of earlier rounds' test rows; None: it was not looked at."""
    path = ctx.store.folder(data.id) / _report
    if _report not in data.files or not path.is_file():
        return None
    told = json.loads(path.read_text("utf-8")).get("frozen")
    names = ("held_out", "rounds", "compared", "near", "at")
    return {name: told[name] for name in names} if told and set(names) <= set(told) else None


def _erased(identity: str, *, words: Words, ctx: RunContext) -> Iterator[str]:
    found = list(ctx.ledger.events(kind=SHREDDED, subject=identity))
    for event in found:
        facts = event.facts
        by = digests.short(facts["by"]) if facts["by"] else words("none")
        files = ", ".join(cell(name) for name in facts["files"])
        yield f"- {words('erased_says', at=event.at[:19], count=facts['count'], files=files, by=by)}"
    if not found:
        yield f"- {words('not_erased')}"
