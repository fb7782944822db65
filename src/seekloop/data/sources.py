"""Where rows come from: a source is of the kind whose key it has, a file, a database, an endpoint or a plug-in."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from seekloop.data.graph.spec import GraphSpec
from seekloop.data.media import AudioSpec, DocumentsSpec
from seekloop.data.pulls import PluginSpec, RestSpec, SqlSpec
from seekloop.system.spec import Spec

__all__ = ["KINDS", "ColumnsSpec", "Format", "PluginSpec", "SourceSpec", "Speaker", "Split"]

Split = Literal["train", "validation", "test"]
Format = Literal[
    "alpaca",
    "sharegpt",
    "messages",
    "pairs",
    "labelled",
    "preference",
    "kto",
    "triples",
    "text",
    "chat",
    "calls",
]
Speaker = Literal["system", "user", "assistant", "tool"]
KINDS = ("path", "sql", "rest", "documents", "audio", "graph", "corpus", "plugin")
"""The keys of `SourceSpec` that say what kind of source it is. Each but `corpus` and `plugin` has its opener in
`data/read/readers.py`."""


class ColumnsSpec(Spec):
    """Which column plays which part. What is left out is found by name, in English or Chinese.

    A name with dots reaches into nested records: `requester.id`.
    """

    text: str | None = None
    """The customer's message, the instruction, or one message of a chat log."""
    context: str | None = None
    """More of the user's turn, put under the text: alpaca's `input`. For triples: what was said before the response."""
    label: str | None = None
    """The intent or class."""
    reply: str | None = None
    """The right answer."""
    system: str | None = None
    """A system message of the row's own."""
    history: str | None = None
    """Earlier turns: a list of [question, answer]."""
    messages: str | None = None
    """A whole conversation: a list of turns."""
    tools: str | None = None
    """Tools that the conversation may call: JSON schemas, or the JSON text of them."""
    chosen: str | None = None
    """Of two answers, the better one."""
    rejected: str | None = None
    """Of two answers, the worse one."""
    desirable: str | None = None
    """Whether the answer is one to learn or one to unlearn: KTO's true or false."""
    followup: str | None = None
    """What the user said after the response."""
    speaker: str | None = None
    """Who wrote a message of a chat log."""
    time: str | None = None
    """When a message of a chat log was written, or a row was said: relative times are anchored to it."""
    group: str | None = None
    """What must stay in one split together, such as a ticket or a document; for chat logs, the session."""
    subject: str | None = None
    """The person that the row is about, kept so that it can be traced and erased."""
    split: str | None = None
    """The split that the row belongs to: train, validation or test."""
    noise: str | None = None
    """Whether somebody marked the row as noise: yes or no, 1 or 0, noise or clean, 噪声 or 正常."""


class SourceSpec(Spec):
    """One source: exactly one of `path`, `sql`, `rest`, `documents`, `audio`, `graph`, `corpus` and `plugin`."""

    path: str | None = None
    """A file, or a folder with LLaMA-Factory's `dataset_info.json`; relative ones from the project folder;
    `sample:NAME` is a file of the shipped sample."""
    sql: SqlSpec | None = None
    """A table or query of a database."""
    rest: RestSpec | None = None
    """Records of an HTTP endpoint: tickets of a CRM or ERP system."""
    documents: DocumentsSpec | None = None
    """PDF, DOCX, HTML, Markdown and plain text."""
    audio: AudioSpec | None = None
    """Recordings of calls."""
    graph: GraphSpec | None = None
    """A knowledge graph, as questions and answers about it."""
    corpus: str | None = None
    """Id of a corpus that was made before, such as rows from a teacher: its rows come as they are, with their ids."""
    plugin: PluginSpec | None = None
    """A source that an installed package opens."""
    name: str | None = Field(default=None, min_length=1)
    """What to call it where rows are mixed by source; several sources may share a name."""
    format: Format | None = None
    """Layout of the records; None: told by their keys."""
    encoding: str | None = None
    """For files. None: told by the bytes; GB18030, UTF-16 and others are read."""
    inside: str | None = None
    """For files that hold several things: the sheet of a workbook, the element of an XML file that is a record, the
    files of a zip archive by pattern (`*.csv`). None: the first sheet, the element that repeats, all files."""
    columns: ColumnsSpec = ColumnsSpec()
    """Columns whose part their names do not tell."""
    speakers: dict[str, Speaker] = Field(default_factory=dict)
    """What the source calls the speakers of a conversation, where it is not a usual name: `{张三: assistant}`."""
    split: Split | None = None
    """The split that all rows of this source belong to, for data that comes already split."""
    datasets: tuple[str, ...] = ()
    """For a folder: the names in `dataset_info.json` to read; empty: all that can be read."""

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        given = self._given()
        if len(given) != 1:
            raise ValueError(f"a source has one of the keys {', '.join(KINDS)}; given: {', '.join(given) or 'none'}")
        return self

    def _given(self) -> list[str]:
        values = {kind: value for kind, value in self if kind in KINDS}
        return [kind for kind in KINDS if values[kind] is not None]

    @property
    def kind(self) -> str:
        """The key that says what kind of source it is: `path`, `sql`, …"""
        return self._given()[0]

    @property
    def shown(self) -> str:
        """How errors, rows and the corpus name it; without secrets."""
        for given in (self.sql, self.rest, self.documents, self.audio, self.plugin):
            if given is not None:
                return given.shown
        if self.graph is not None:
            return self.graph.path
        if self.corpus is not None:
            return self.corpus
        return self.path or ""
