"""Opens files and folders: what a file holds is told by its bytes, what a folder holds by its `dataset_info.json`."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterator

from seekloop.data.read import archive, records
from seekloop.data.read.files import TextFile, inspect, locate
from seekloop.data.read.folder import REGISTRY, Plan, plans
from seekloop.data.read.parquet import parquet_rows
from seekloop.data.read.stream import Desk, Record, Stream
from seekloop.data.read.workbook import open_sheet
from seekloop.data.sources import SourceSpec
from seekloop.system import seeds
from seekloop.system.errors import DataError
from seekloop.text.encoding import Encoding

__all__ = ["open_path"]

_parquet = b"PAR1"
_zip = b"PK\x03\x04"


def open_path(source: SourceSpec, desk: Desk) -> Iterator[Stream]:
    """The streams of a file or folder.

    Raises:
        DataError: nothing is there, or it cannot be read; the file is named.
        MissingPackage: the container needs a package of the extra `data`.
    """
    for plan in _plans(source, desk):
        yield from _streams(plan, desk)


def _plans(source: SourceSpec, desk: Desk) -> list[Plan]:
    path = locate(source.path or "", root=desk.ctx.root)
    if path.is_file() and path.name != REGISTRY:
        return [Plan(path=path, shown=source.shown, source=source)]
    ready, left_out = plans(path.parent if path.is_file() else path, source)
    for reason, names in left_out.items():
        desk.say(f"{source.shown}: left out, {reason}: {', '.join(names)}")
    return ready


def _streams(plan: Plan, desk: Desk) -> Iterator[Stream]:
    with plan.path.open("rb") as file:
        magic = file.read(4)
    if magic == _parquet:
        yield _stream(plan, "parquet", opened=lambda: parquet_rows(plan.path, shown=plan.shown), desk=desk)
    elif magic == _zip and archive.is_workbook(plan.path, shown=plan.shown):
        yield _workbook(plan, desk)
    elif magic == _zip:
        inside = plan.source.model_copy(update={"inside": None})
        for path, shown in archive.unpacked(plan.path, pattern=plan.source.inside, shown=plan.shown, desk=desk):
            yield from _streams(dataclasses.replace(plan, path=path, shown=shown, source=inside), desk)
    else:
        yield _text(plan, desk)


def _workbook(plan: Plan, desk: Desk) -> Stream:
    def opened() -> Iterator[Record]:
        return open_sheet(plan.path, wanted=plan.source.inside, shown=plan.shown).records

    sheet = open_sheet(plan.path, wanted=plan.source.inside, shown=plan.shown)
    if sheet.others:
        desk.say(f"{plan.shown}: sheet {sheet.name}; left out: {', '.join(sheet.others)}")
    return _stream(plan, "xlsx", opened=opened, desk=desk)


def _text(plan: Plan, desk: Desk) -> Stream:
    file = inspect(plan.path, shown=plan.shown, encoding=plan.source.encoding)
    if file.encoding.broken_line is not None and not desk.lenient:
        where = f"{file.shown}:{file.encoding.broken_line}"
        raise DataError("data.broken_encoding", encoding=file.encoding.name, where=where)
    container = "txt" if plan.source.format == "text" and file.kind == "txt" else records.container_of(file)
    inside = _element(plan, file) if container == "xml" else None
    if inside is not None:
        desk.say(f"{plan.shown}: each {inside} is a record")
    return _stream(
        plan,
        f"{container}.gz" if file.gzipped else container,
        opened=lambda: records.records(file, container, inside=inside),
        desk=desk,
        encoding=file.encoding,
    )


def _element(plan: Plan, file: TextFile) -> str:
    return plan.source.inside or records.element(file)


def _stream(
    plan: Plan,
    container: str,
    *,
    opened: Callable[[], Iterator[Record]],
    desk: Desk,
    encoding: Encoding | None = None,
) -> Stream:
    found = opened() if plan.take is None else _drawn(opened, plan=plan, desk=desk)
    return Stream(
        shown=plan.shown,
        container=container,
        records=found,
        source=plan.source,
        encoding=encoding,
        names=plan.names,
        keys=plan.keys,
    )


def _drawn(opened: Callable[[], Iterator[Record]], *, plan: Plan, desk: Desk) -> Iterator[Record]:
    """The records that a registry's `num_samples` asks for, in their order, drawn by the seed."""
    count, take = sum(1 for _ in opened()), plan.take or 0
    desk.say(f"{plan.shown}: num_samples takes {min(take, count)} of {count} records")
    if take >= count:
        return opened()
    seed = seeds.derive(desk.ctx.seed, "data", f"num_samples {plan.shown}")
    chosen = bytearray(count)
    for place in random.Random(seed).sample(range(count), take):
        chosen[place] = 1
    return itertools.compress(opened(), chosen)
