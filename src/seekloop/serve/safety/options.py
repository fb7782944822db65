"""The dials of safety. Off by default: `mode: enforce` turns the shipped policies on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seekloop.system.spec import Spec
from seekloop.text.pii import PERSONAL

__all__ = ["ClassifierOptions", "PersonalOptions", "SafetyOptions"]

Stage = Literal["asked", "said"]


class ClassifierOptions(Spec):
    """A trained classifier that is asked beside the rules."""

    checkpoint: str | None = None
    """A checkpoint of tune's classify objective; None: no classifier, unless the program gives the gateway one."""
    labels: tuple[str, ...] = ("unsafe",)
    """The classes that stop a text."""
    threshold: float = Field(default=0.8, gt=0.0, le=1.0)
    """Probability from which a class stops a text."""
    where: tuple[Stage, ...] = ("asked", "said")
    """What it is asked about: the conversation's newest message, each sentence of the answer, or both."""
    deadline_ms: float = Field(default=250.0, gt=0)
    """Longest wait for one verdict."""
    fails: Literal["open", "closed"] = "closed"
    """What a verdict counts as that fails or comes too late: closed stops the text, open lets it through."""


class PersonalOptions(Spec):
    """Personal data with a structure: telephones, cards, identity numbers, addresses of mail and network, secrets."""

    asked: bool = False
    """Put placeholders such as [PHONE_1] in its place before the model and the ledger see it."""
    said: bool = False
    """Mask it in answers, which are held back a sentence for it."""
    restore: bool = False
    """Put what the caller sent back into the answer where the model used its placeholder; never into the ledger."""
    kinds: tuple[str, ...] = PERSONAL
    """Kinds that are looked for."""
    allow: tuple[str, ...] = ()
    """Values that stay, such as the house's own hotline."""


class SafetyOptions(Spec):
    """What is looked at, and what comes of it."""

    mode: Literal["off", "watch", "enforce"] = "off"
    """watch: what rules and classifier find is recorded in the ledger's rows, and changes nothing. Personal data has
    dials of its own."""
    shipped: bool = True
    """Take the shipped policies: `default` and `injection`, each in Chinese and English."""
    policies: tuple[str, ...] = ()
    """Policy files of your own, added to the shipped ones."""
    keep_blocked: bool = True
    """Keep the text of a blocked request in its row; else the row has none."""
    classifier: ClassifierOptions = ClassifierOptions()
    """A classifier beside the rules."""
    personal: PersonalOptions = PersonalOptions()
    """Personal data."""
    sandbox: Literal["auto", "require", "off"] = "auto"
    """Engine processes without network and with a read-only view. auto: as far as this machine allows, and said aloud;
    require: an engine that cannot be shut in does not start."""
