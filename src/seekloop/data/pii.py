"""What the data stage is told about personal data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, model_validator

from seekloop.system.spec import Spec
from seekloop.text import pii
from seekloop.text.pii.names import FOLDER, NameFinder

__all__ = ["PiiSpec"]

_known = (*pii.KINDS, *pii.NAMES)


class PiiSpec(Spec):
    """Personal data."""

    mask: tuple[str, ...] = pii.PERSONAL
    """Kinds with a structure to look for; an empty list looks for none."""
    action: pii.Action = "mask"
    """What is done with a finding: `mask` ([PHONE]), `replace` (a stand-in, the same for the same value in this
    project), `hash` ([PHONE#…]), `encrypt` ([PHONE~…], which the key opens), `drop` (mask it and leave the row out as
    `personal_data`), `keep` (only count it)."""
    actions: dict[str, pii.Action] = Field(default_factory=dict)
    """Other actions, by kind; a kind named here is looked for."""
    names: tuple[NameFinder, ...] = ()
    """Also names of people, places and organisations, found by `rules` (ours, Chinese and English), `jieba` (Chinese),
    `spacy` (English) or `path:FOLDER`, any token-classification checkpoint."""
    allow: tuple[str, ...] = ()
    """Values that stay as they are, such as the house's own hotline."""
    subjects: Literal["found", "all"] = "found"
    """Which subject ids become pseudonyms under the project's key: those that are personal data themselves, or all."""
    least: float = Field(default=0.5, ge=0, le=1)
    """Confidence under which a finding stays as it is."""

    @model_validator(mode="after")
    def _kinds_known(self) -> Self:
        unknown = sorted({*self.mask, *self.actions} - set(_known))
        if unknown:
            raise ValueError(f"unknown kind {unknown[0]}; known: {', '.join(_known)}")
        if not self.names and (named := sorted(set(self.actions) & set(pii.NAMES))):
            raise ValueError(f"{named[0]} has no structure: say in names what shall find it")
        return self

    @property
    def by_kind(self) -> dict[str, pii.Action]:
        """What is done with each kind that is looked for."""
        kinds: Iterable[str] = (*self.mask, *(pii.NAMES if self.names else ()))
        return {**dict.fromkeys(kinds, self.action), **self.actions}

    def _reads(self) -> tuple[str, ...]:
        return tuple(name.removeprefix(FOLDER) for name in self.names if name.startswith(FOLDER))
