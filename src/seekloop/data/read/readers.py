"""The table of readers: kind of source -> its opener, named as a string, so that only what is used is imported.

Readers of other packages enter through the entry-point group `seekloop.readers`: each entry names a function
`open(source, desk)` that yields `Stream`s, and a spec asks for it with `plugin: {name: …, options: {…}}`.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from seekloop.data.read.stream import Desk, Opener, Stream
from seekloop.data.sources import SourceSpec
from seekloop.system.errors import UsageError
from seekloop.system.lazy import resolve

__all__ = ["OPENERS", "open_source"]

_group = "seekloop.readers"
OPENERS: Mapping[str, str] = MappingProxyType(
    {
        "path": "seekloop.data.read.path:open_path",
        "sql": "seekloop.data.read.sql:open_sql",
        "rest": "seekloop.data.read.rest.opener:open_rest",
        "documents": "seekloop.data.read.documents.opener:open_documents",
        "audio": "seekloop.data.read.audio.opener:open_audio",
        "graph": "seekloop.data.read.graph:open_graph",
    }
)
"""Kind of source (`SourceSpec.kind`) -> `module:function`."""


def open_source(source: SourceSpec, desk: Desk) -> Iterable[Stream]:
    """The streams of a source.

    Raises:
        UsageError: no installed package has the reader that a plug-in source names.
        DataError: as the reader says.
    """
    if source.plugin is not None:
        return _plugin(source.plugin.name)(source, desk)
    opener: Opener = resolve(OPENERS[source.kind])
    return opener(source, desk)


def _plugin(name: str) -> Opener:
    found = {point.name: point for point in importlib.metadata.entry_points(group=_group)}
    if name not in found:
        raise UsageError("data.unknown_reader", name=name, known=", ".join(sorted(found)) or "-")
    opener: Opener = found[name].load()
    return opener
