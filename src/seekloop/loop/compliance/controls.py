"""The controls that evidence is exported for: data in `controls.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Literal

from seekloop.system.plain import parse_yaml
from seekloop.system.spec import Spec

__all__ = ["Control", "Language", "controls"]

Language = Literal["en", "zh"]


class Control(Spec):
    """One control, in our own words."""

    id: str
    """Its number in Annex A of ISO/IEC 27001:2022."""
    query: str
    """A name in `queries.QUERIES`."""
    name: Mapping[Language, str]
    """What we call it."""
    asks: Mapping[Language, str]
    """What it asks for."""
    shows: Mapping[Language, str]
    """What the evidence shows."""
    lacks: Mapping[Language, str]
    """And what it does not."""

    @property
    def file(self) -> str:
        """Name of its file in an export."""
        return f"controls/{self.id}-{self.query}.json"


def controls() -> tuple[Control, ...]:
    """All controls, in the order of the file."""
    name = "controls.yaml"
    text = resources.files("seekloop.loop.compliance").joinpath(name).read_text("utf-8")
    return tuple(Control.parse(one) for one in parse_yaml(text, where=name))
