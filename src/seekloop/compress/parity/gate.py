"""Compares a new form with its parent and refuses it where they are too far apart: see design/parity.md."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from seekloop.artifact.kinds import Checkpoint
from seekloop.artifact.store import Store
from seekloop.compress.method import Made, Work
from seekloop.compress.parity.limits import Limits, limits_of
from seekloop.compress.parity.opening import Drafted, open_draft, open_parent
from seekloop.compress.parity.prompts import probes
from seekloop.compress.parity.spec import ParitySpec
from seekloop.compress.parity.tables import Figures, compare
from seekloop.model.codec import Codec
from seekloop.runtime.models import base_of
from seekloop.runtime.train.classifiers import read_classes
from seekloop.system import seeds
from seekloop.system.errors import GateRefused
from seekloop.system.files import write_whole

__all__ = ["FILE", "Parity", "check", "measure"]

FILE = "parity.json"
"""Beside the weights."""

_kept = 0.98
"""A form with fewer of its parent's weights had some removed: a tied head and padding account for less. A classifier's
file is without the head that writes tokens, which may be half of a small model."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """What the gate found."""

    figures: Figures
    limits: Limits
    engine: str
    prompts: str
    """Id of the dataset, or `built-in`."""

    @property
    def broken(self) -> str:
        """The first limit that does not hold, as `figure > limit`; empty: all hold."""
        for name, limit in (
            ("lost", self.limits.max_lost),
            ("kl", self.limits.max_kl),
            ("difference", self.limits.max_difference),
        ):
            value = asdict(self.figures)[name]
            if limit is not None and not value <= limit:
                return f"{name} {value:.3g} > {limit:g}"
        return ""

    @property
    def kl_name(self) -> str:
        """What the divergence is called where the engine tells only part of the vocabulary."""
        return "kl" if self.figures.complete else "kl_at_least"

    def sentence(self) -> str:
        """One line for people."""
        found, least = self.figures, "" if self.figures.complete else "at least "
        return (
            f"parity with the parent: mean KL {least}{found.kl:.2g} nats over {found.places} places "
            f"({found.lost:.2g} of what the context tells), top-1 agreement {found.top1:.3f}; {self.engine}, "
            f"limits for {self.limits.name}"
        )

    def cost(self) -> dict[str, float]:
        """For the receipt: exact figures."""
        found = self.figures
        return {
            f"parity_{self.kl_name}": found.kl,
            "parity_kl_worst": found.kl_worst,
            "parity_lost": found.lost,
            "parity_top1": found.top1,
            "parity_difference": found.difference,
            "parity_places": float(found.places),
        }

    def as_json(self) -> dict[str, Any]:
        """For the artifact: rounded, so that the last bits of another machine make no other artifact."""
        found = self.figures
        return {
            "prompts": self.prompts,
            "places": found.places,
            self.kl_name: round(found.kl, 3),
            "lost": round(found.lost, 2),
            "top1": round(found.top1, 4),
            "engine": self.engine,
            "limits": {key: value for key, value in asdict(self.limits).items() if value is not None},
        }


def check(work: Work, made: Made, *, spec: ParitySpec) -> Parity:
    """Compare the form in the draft, codec included, with its parent; write `parity.json` beside it.

    Raises:
        GateRefused: they are further apart than such a form may be.
        ModelError: no engine here opens this form.
        EngineError: the engine does not open its files.
        MissingPackage: the engine is not installed.
    """
    parity = measure(work, made, spec=spec)
    if parity.broken:
        raise GateRefused(
            "compress.parity_refused",
            broken=parity.broken,
            kl=f"{parity.figures.kl:.3g}",
            top1=f"{parity.figures.top1:.2f}",
            places=parity.figures.places,
            limits=parity.limits.name,
        )
    text = json.dumps(parity.as_json(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    write_whole(work.folder / FILE, text.encode())
    return parity


def measure(work: Work, made: Made, *, spec: ParitySpec) -> Parity:
    """The comparison alone, without a verdict and without a file."""
    store, parent = work.ctx.store, work.parent
    seed = seeds.derive(work.ctx.seed, "compress", "parity")
    codec = Codec.open(work.folder)
    classifier = read_classes(store.folder(parent.id)) is not None
    prompts, asked = probes(spec, work.dataset, codec=codec, store=store, seed=seed, answered=not classifier)
    with work.ctx.progress.task("parity", total=2) as bar:
        with open_parent(parent, store=store) as opened:
            before = opened.all(asked)
        bar.advance()
        draft = Drafted(form=made.form, precision=made.precision, folder=work.folder, width=before.shape[1])
        with open_draft(draft) as opened:
            after = opened.all(asked)
        bar.advance()
    fewer = not classifier and made.parameters < _kept * _weights(parent, store=store)
    changed = made.trained_tokens > 0 or fewer
    limits = limits_of(form=made.form, precision=made.precision, changed=changed, classifier=classifier, spec=spec)
    return Parity(figures=compare(before, after), limits=limits, engine=opened.name, prompts=prompts)


def _weights(parent: Checkpoint, *, store: Store) -> int:
    return base_of(parent, store).parameters
