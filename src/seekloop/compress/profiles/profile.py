"""The profiles of `profiles.yaml`: by name, and what they say to a method. Loads no ML package."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from seekloop.system.errors import UsageError

__all__ = ["Profile", "profile", "profiles"]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of device."""

    name: str
    needs: Mapping[str, Any]
    """`arch` and `flags` of its processor, or the name of its OpenVINO device."""
    method: Mapping[str, Any]
    """Defaults of the method."""
    why: Mapping[str, str]
    """By language."""
    refuses: tuple[Mapping[str, Any], ...]
    """`when`: keys of a method; `en` and `zh`: why not."""
    budget_mib: float | None = None
    """Memory that weights may take; None: as much as there is."""

    def filled(self, method: Mapping[str, Any] | None) -> dict[str, Any]:
        """A method with the profile's defaults in the places that it leaves open; another type is left as it is."""
        given = dict(method or {})
        if given.get("type", self.method["type"]) != self.method["type"]:
            return given
        # An embedding of few bits is meant for matrices of few bits.
        defaults = {
            key: value
            for key, value in self.method.items()
            if key != "embedding" or given.get("precision", self.method["precision"]) == self.method["precision"]
        }
        return defaults | given

    def refusal(self, method: Mapping[str, Any], language: str) -> str | None:
        """Why this device refuses a method; None: it does not."""
        for one in self.refuses:
            if all(method.get(key) == value for key, value in one["when"].items()):
                return str(one[language])
        return None


def profile(name: str) -> Profile:
    """The profile called `name`.

    Raises:
        UsageError: there is none; the known ones are named.
    """
    if name not in profiles():
        close = difflib.get_close_matches(name, profiles(), n=1)
        raise UsageError("compress.unknown_profile", name=name, known=", ".join(close or profiles()))
    return profiles()[name]


@functools.cache
def profiles() -> dict[str, Profile]:
    """Every profile by name."""
    text = resources.files("seekloop.compress.profiles").joinpath("profiles.yaml").read_text("utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return {name: Profile(name=name, **{**entry, "refuses": tuple(entry["refuses"])}) for name, entry in table.items()}
