"""What is looked for: the kinds of personal data, and one piece of it in a text."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["KINDS", "NAMES", "PERSONAL", "Finding"]

PERSONAL = (
    "secret",
    "email",
    "ipv6",
    "mac",
    "cn_id",
    "iban",
    "uscc",
    "hk_id",
    "tw_id",
    "card",
    "us_ssn",
    "ipv4",
    "birth_date",
    "travel_permit",
    "passport",
    "driver_licence",
    "plate",
    "phone",
)
"""Structured kinds that are a person's, in order of precedence."""
KINDS = (*PERSONAL, "hotline")
"""Every structured kind. `hotline` is a number of a business, such as 95588 or 400-810-0000: known so that it is taken
for nothing else, and left alone unless it is asked for."""
NAMES = ("person", "place", "organisation")
"""Kinds without a structure: only a name recogniser finds them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of personal data in a text: `text[start:end]`."""

    kind: str
    start: int
    end: int
    confidence: float = 1.0
    """0 to 1: what the form alone is worth, raised by a context word, halved by a label such as `order no.`."""
