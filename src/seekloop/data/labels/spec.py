"""What the data stage is told about labels: which there are, whether a row has several, who decided."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from seekloop.system.spec import Spec

__all__ = ["LabelsSpec"]


class LabelsSpec(Spec):
    """The classes, and how rows come to theirs."""

    names: tuple[str, ...] = ()
    """The classes as a list; `billing/refund/delay` is a class below others."""
    taxonomy: str | None = None
    """The classes as a file with parents, descriptions and aliases: YAML, JSON, CSV or indented text."""
    multi: bool = False
    """Whether a row may have several: a list, or one text with semicolons."""
    unknown: Literal["refuse", "drop"] = "refuse"
    """A label that is none of the classes: stop and name it, or drop the row as `unknown_label`."""
    min_rows: int = Field(default=0, ge=0)
    """A class below another with fewer rows than this gives its rows to the one above; 0: never."""
    decisions: str | None = None
    """Decided labels that stand over those of the sources: a queue's folder, or JSON Lines."""

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.names and self.taxonomy is not None:
            raise ValueError("give names or taxonomy, one of them")
        return self

    def _reads(self) -> tuple[str, ...]:
        return tuple(path for path in (self.taxonomy, self.decisions) if path is not None)
