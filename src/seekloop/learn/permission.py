"""Whether it may be learnt from a finding, and where that is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from seekloop.artifact.consents import Statement
from seekloop.learn.findings import Finding
from seekloop.learn.spec import LearnSpec

__all__ = ["allowed"]


def allowed(found: Iterable[Finding], spec: LearnSpec, *, consents: Mapping[str, Statement]) -> list[Finding]:
    """Findings, each with why it may be learnt from; those that would teach without that are left out.

    Args:
        found: judged.
        spec: what holds where nobody said anything.
        consents: answer -> the newest thing that was said of it.
    """
    return [_marked(one, spec, consents=consents) for one in found]


def _marked(one: Finding, spec: LearnSpec, *, consents: Mapping[str, Statement]) -> Finding:
    may, by = _basis(one, spec, consents=consents)
    if may:
        return replace(one, consent=by)
    return replace(one, dropped="no_consent", evidence={"by": by}) if one.teaches else one


def _basis(one: Finding, spec: LearnSpec, *, consents: Mapping[str, Statement]) -> tuple[bool, str]:
    if one.heard.feedback.consent is False:
        return False, f"feedback {one.heard.feedback.id}"
    said = consents.get(one.heard.answer.id)
    if said is not None:
        return said.allowed, said.by
    by_caller = spec.consent_of.get(one.heard.answer.caller)
    if by_caller is not None:
        return by_caller, "caller"
    return spec.consent == "assumed", spec.consent
