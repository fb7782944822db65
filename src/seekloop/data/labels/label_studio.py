"""Label Studio: items as its JSON tasks and back, and the labelling configuration that fits the classes.

A flat list of classes is a `Choices` control (type `choices`), levels are a `Taxonomy` control (type `taxonomy`, one
list of names a path). Raters are `completed_by`: a user's number, or an e-mail address. Everything an item holds is
kept, in `data` where Label Studio has no place of its own for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from xml.sax.saxutils import quoteattr

from seekloop.data.labels.items import Guess, Item, Judgement, shown_text
from seekloop.data.labels.taxonomy import Taxonomy

__all__ = ["CONTROL", "config", "from_task", "is_task", "to_task"]

CONTROL = "label"
"""Name of the control that we write."""
_ours = ("text", "row", "messages", "file", "line", "meta")
_kinds = ("choices", "taxonomy")


def config(taxonomy: Taxonomy, *, multi: bool) -> str:
    """The labelling configuration (XML) for these classes.

    Args:
        taxonomy: levels make a `Taxonomy` control, a flat list a `Choices` one.
        multi: whether a row may have several.
    """
    head = f'<View>\n  <Text name="text" value="$text"/>\n  <{{}} name="{CONTROL}" toName="text"{{}}>\n'
    if taxonomy.depth > 1:
        limit = "" if multi else ' maxUsages="1"'
        below: dict[str | None, list[str]] = {}
        for label in taxonomy.labels:
            below.setdefault(label.parent, []).append(label.path)
        lines = _choices(None, below, indent=4)
        return head.format("Taxonomy", limit) + "".join(lines) + "  </Taxonomy>\n</View>\n"
    lines = [f"    <Choice value={quoteattr(path)}{_hint(taxonomy, path)}/>\n" for path in taxonomy.paths]
    choice = ' choice="multiple"' if multi else ' choice="single"'
    return head.format("Choices", choice) + "".join(lines) + "  </Choices>\n</View>\n"


def to_task(item: Item, *, levels: bool) -> dict[str, Any]:
    """The task of an item.

    Args:
        item: what is labelled, and what was said of it.
        levels: whether labels are paths of a `Taxonomy` control.
    """
    data: dict[str, Any] = {"text": shown_text(item), "row": item.id, "messages": list(item.messages)}
    if item.file:
        data |= {"file": item.file, "line": item.line}
    if item.meta:
        data["meta"] = item.meta
    finished = [one for one in item.judgements if one.status != "draft"]
    task: dict[str, Any] = {"data": data, "annotations": [_annotation(one, levels) for one in finished]}
    drafts = [one for one in item.judgements if one.status == "draft"]
    if drafts:
        task["drafts"] = [{**_said(one, levels), "user": one.rater} for one in drafts]
    task["predictions"] = [_prediction(one, levels) for one in item.guesses]
    return task


def is_task(value: Mapping[str, Any]) -> bool:
    """Whether plain values look like a task."""
    return isinstance(value.get("data"), Mapping) and "fields" not in value


def from_task(task: Mapping[str, Any], *, control: str | None = None) -> tuple[Item, Counter[str]]:
    """The item of a task, and what it could not take, counted by kind.

    Args:
        task: plain values of a task with its annotations; several raters, cancelled ones, drafts and predictions.
        control: name of the control to take; None: every choice and taxonomy.

    Raises:
        KeyError, TypeError, ValueError: it is no task.
    """
    data = task["data"]
    left: Counter[str] = Counter()
    done = [_judgement(one, control, left=left) for one in task.get("annotations") or ()]
    drafts = [_judgement(one, control, left=left, draft=True) for one in task.get("drafts") or ()]
    guesses = [_guess(one, control, left=left) for one in task.get("predictions") or ()]
    ours = "row" in data and "messages" in data
    text = str(data.get("text") or next((v for v in data.values() if isinstance(v, str)), ""))
    item = Item(
        id=str(data["row"]) if "row" in data else f"task:{task['id']}",
        messages=tuple(data["messages"]) if ours else ({"role": "user", "content": text},),
        judgements=tuple(done + drafts),
        guesses=tuple(one for one in guesses if one is not None),
        file=str(data.get("file") or ""),
        line=int(data.get("line") or 0),
        meta=data.get("meta") or ({} if ours else {k: v for k, v in data.items() if k not in _ours}),
    )
    return item, left


def _choices(parent: str | None, below: Mapping[str | None, list[str]], *, indent: int) -> Iterable[str]:
    for path in below.get(parent, ()):
        opened = f"{' ' * indent}<Choice value={quoteattr(path.rpartition('/')[2])}"
        if path not in below:
            yield f"{opened}/>\n"
            continue
        yield f"{opened}>\n"
        yield from _choices(path, below, indent=indent + 2)
        yield f"{' ' * indent}</Choice>\n"


def _hint(taxonomy: Taxonomy, path: str) -> str:
    about = next(label.description for label in taxonomy.labels if label.path == path)
    text = " ".join(about.values())
    return f" hint={quoteattr(text)}" if text else ""


def _result(labels: tuple[str, ...], levels: bool) -> list[dict[str, Any]]:
    if not labels:
        return []
    kind = "taxonomy" if levels else "choices"
    value = {kind: [label.split("/") for label in labels] if levels else list(labels)}
    return [{"from_name": CONTROL, "to_name": "text", "type": kind, "value": value}]


def _said(one: Judgement, levels: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"result": _result(one.labels, levels)}
    if one.at is not None:
        value["created_at"] = one.at
    if one.seconds is not None:
        value["lead_time"] = one.seconds
    return value


def _annotation(one: Judgement, levels: bool) -> dict[str, Any]:
    number = one.rater if one.rater.isascii() and one.rater.isdigit() and str(int(one.rater)) == one.rater else None
    by: int | dict[str, str] = {"email": one.rater} if number is None else int(number)
    return {**_said(one, levels), "completed_by": by, "was_cancelled": one.status == "discarded"}


def _prediction(one: Guess, levels: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"result": _result(one.labels, levels)}
    if one.score is not None:
        value["score"] = one.score
    if one.model is not None:
        value["model_version"] = one.model
    return value


def _judgement(value: Mapping[str, Any], control: str | None, *, left: Counter[str], draft: bool = False) -> Judgement:
    by = value.get("completed_by", value.get("user"))
    if isinstance(by, Mapping):
        by = by.get("email") or by.get("username") or by.get("id")
    return Judgement(
        rater="unknown" if by is None else str(by),
        labels=_labels(value.get("result") or (), control, left=left),
        status="draft" if draft else "discarded" if value.get("was_cancelled") else "submitted",
        at=value.get("created_at"),
        seconds=value.get("lead_time"),
    )


def _guess(value: Mapping[str, Any], control: str | None, *, left: Counter[str]) -> Guess | None:
    labels = _labels(value.get("result") or (), control, left=left)
    if not labels and value.get("result"):
        return None
    return Guess(labels=labels, score=value.get("score"), model=value.get("model_version"))


def _labels(result: Iterable[Mapping[str, Any]], control: str | None, *, left: Counter[str]) -> tuple[str, ...]:
    """The labels of a result; regions of other kinds or controls are counted in `left`."""
    found: list[str] = []
    for region in result:
        kind = str(region.get("type"))
        if kind not in _kinds or (control is not None and region.get("from_name") != control):
            left[f"{region.get('from_name')} ({kind})"] += 1
            continue
        for one in region["value"][kind]:
            found.append(one if isinstance(one, str) else "/".join(one))
    return tuple(dict.fromkeys(found))
