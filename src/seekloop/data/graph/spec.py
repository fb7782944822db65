"""What a knowledge graph is asked: which file, in which language, which kinds of question, and how many."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec

__all__ = ["KINDS", "GraphSpec", "Kind", "Language", "TripleColumns"]

Kind = Literal["definition", "synonym", "forward", "reverse", "hops", "yes_no", "choice"]
Language = Literal["en", "zh"]
KINDS: tuple[Kind, ...] = ("definition", "synonym", "forward", "reverse", "hops", "yes_no", "choice")


class TripleColumns(Spec):
    """How a table of triples is read. A relation listed here has a meaning of its own; all others are links."""

    subject: str | None = None
    """Column of the subject; None: told by its name (`subject`, `head`, `主语`, `头实体`, …), or the first."""
    relation: str | None = None
    """Column of the relation; None: told by its name, or the second."""
    object: str | None = None
    """Column of the object; None: told by its name, or the third."""
    is_a: tuple[str, ...] = ("is_a", "subclass_of", "instance_of", "属于", "是一种", "上位词", "类别")
    """Relations that say which class a term belongs to."""
    definition: tuple[str, ...] = ("definition", "def", "description", "定义", "描述", "简介")
    """Relations whose object is a text about the subject."""
    synonym: tuple[str, ...] = ("synonym", "alias", "also_known_as", "同义词", "别名", "又称")
    """Relations whose object is another name of the subject."""


class GraphSpec(Spec):
    """A knowledge graph as a source of questions and answers."""

    path: str
    """An OBO file, or a CSV or TSV of triples; a relative path is taken from the project folder."""
    format: Literal["obo", "triples"] | None = None
    """None: `obo` for files that end so or begin with `format-version:`, otherwise triples."""
    encoding: str | None = None
    """None: told by the bytes."""
    triples: TripleColumns = TripleColumns()
    """Columns of a table of triples."""
    language: Language = "en"
    """Language of the templates. Names and definitions stay as the graph has them."""
    kinds: tuple[Kind, ...] = KINDS
    """Kinds of question: definitions, other names, a relation forward and in reverse, two hops, yes or no, and multiple
    choice."""
    relations: tuple[str, ...] = ()
    """Relations to ask about; empty: all."""
    templates: str | None = None
    """A YAML file of your own templates, laid over ours relation by relation."""
    max_per_term: int | None = Field(default=12, ge=1)
    """Rows about one term at most, its kinds in turn; None: all."""
    max_rows: int | None = Field(default=None, ge=1)
    """Rows at most, the relations in turn; None: all."""
    max_listed: int = Field(default=8, ge=1)
    """An answer lists at most this many terms; where there are more, the question asks for so many of them."""
    options: int = Field(default=4, ge=2, le=8)
    """Options of a multiple-choice question, fewer where the graph has no more distractors."""
