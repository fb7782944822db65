"""Policies: rules as data in YAML files, ours and the user's, read and compiled once when the gateway starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from seekloop.system import digests
from seekloop.system.errors import UsageError
from seekloop.system.plain import parse_yaml
from seekloop.system.spec import Spec
from seekloop.text.rules import Machine, PatternProblem, parse
from seekloop.text.rules.syntax import Node

__all__ = ["Policies", "PolicySpec", "Rule", "RuleSpec", "Where", "load"]

Where = Literal["user", "system", "tool", "answer"]
"""Whose text a rule looks at."""
Action = Literal["block", "redact", "flag"]
SHIPPED = ("default", "injection")


class RuleSpec(Spec):
    """One rule."""

    id: str = Field(min_length=1)
    """What the ledger's rows call it."""
    category: str = Field(min_length=1)
    """What it is about: self_harm, weapons, secrets …; free to choose."""
    action: Action
    """block: refuse the request, or end the answer before it; redact: put [CATEGORY] in its place; flag: record it."""
    severity: Literal["low", "medium", "high"] = "medium"
    """For people and dashboards."""
    where: tuple[Where, ...] = ("user", "answer")
    """Whose text it looks at."""
    gap: int = Field(default=40, ge=0, le=200)
    """Most characters that `...` stands for."""
    exact: bool = False
    """Look for plain text as it is written, not in disguise."""
    any: tuple[str, ...] = Field(min_length=1)
    """Patterns, of which one is enough."""


class PolicySpec(Spec):
    """One file of rules."""

    name: str
    """Of the policy."""
    version: int = Field(ge=1)
    """Raised with every change."""
    rules: tuple[RuleSpec, ...]
    """In no order: every rule is looked for."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule as it is applied."""

    id: str
    category: str
    action: Action
    severity: str

    def facts(self, where: str) -> dict[str, str]:
        """What a row in the ledger says of it."""
        return {
            "rule": self.id,
            "category": self.category,
            "action": self.action,
            "severity": self.severity,
            "where": where,
        }


@dataclass(frozen=True, kw_only=True)
class _Compiled:
    """The rules of one place, as one automaton."""

    machine: Machine
    rules: tuple[Rule, ...]
    """By the numbers of the machine's patterns."""


class Policies:
    """All rules, by where they look.

    Args:
        specs: of files, in order; no two rules have one id.
        trees: pattern trees of each rule, by its id.
    """

    def __init__(self, specs: Sequence[PolicySpec], trees: Mapping[str, Sequence[Node]]) -> None:
        self.digest = digests.of_json([spec.model_dump(mode="json") for spec in specs])
        """Of everything that decides a verdict of the rules: stands in every row."""
        self.names = tuple(f"{spec.name} v{spec.version}" for spec in specs)
        self.rules = tuple(rule for spec in specs for rule in spec.rules)
        wheres: tuple[Where, ...] = ("user", "system", "tool", "answer")
        self._by_where: dict[Where, _Compiled] = {where: self._compiled(where, trees) for where in wheres}

    def machine(self, where: Where) -> Machine:
        """The automaton of the rules that look there."""
        return self._by_where[where].machine

    def rule(self, where: Where, number: int) -> Rule:
        """The rule of one of its patterns."""
        return self._by_where[where].rules[number]

    def _compiled(self, where: Where, trees: Mapping[str, Sequence[Node]]) -> _Compiled:
        looking = [rule for rule in self.rules if where in rule.where]
        return _Compiled(
            machine=Machine([tree for rule in looking for tree in trees[rule.id]]),
            rules=tuple(
                Rule(id=rule.id, category=rule.category, action=rule.action, severity=rule.severity)
                for rule in looking
                for _ in trees[rule.id]
            ),
        )


def load(files: Iterable[str | Path] = (), *, shipped: bool = True) -> Policies:
    """Read and compile policies.

    Raises:
        UsageError: a file is missing, no YAML, has an unknown key or a pattern that cannot be read; says file and line.
    """
    sources: list[tuple[str, str]] = []
    if shipped:
        folder = resources.files("seekloop.serve.safety") / "policies"
        sources += [(f"{name}.yaml", (folder / f"{name}.yaml").read_text("utf-8")) for name in SHIPPED]
    sources += [(str(path), _text(Path(path))) for path in files]
    specs: list[PolicySpec] = []
    trees: dict[str, list[Node]] = {}
    for where, text in sources:
        spec = _spec(text, where=where)
        specs.append(spec)
        for index, rule in enumerate(spec.rules):
            if rule.id in trees:
                raise UsageError("safety.rule_twice", id=rule.id, where=f"{where}:{_line(text, index)}")
            trees[rule.id] = [
                _tree(rule, number, text=text, where=where, index=index) for number in range(len(rule.any))
            ]
    return Policies(specs, trees)


def _text(path: Path) -> str:
    if not path.is_file():
        raise UsageError("safety.no_policy", path=path)
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError("system.spec_not_utf8", where=path) from error


def _spec(text: str, *, where: str) -> PolicySpec:
    value = parse_yaml(text, where=where)
    if not isinstance(value, dict):
        raise UsageError("system.spec_not_mapping", where=where)
    try:
        return PolicySpec.parse(value)
    except UsageError as error:
        place = _line_of_key(text, str(error.facts.get("key", "")))
        raise UsageError(error.code, **{**error.facts, "where": f"{where}:{place}"}) from error


def _tree(rule: RuleSpec, number: int, *, text: str, where: str, index: int) -> Node:
    try:
        return parse(rule.any[number], gap=rule.gap, exact=rule.exact)
    except PatternProblem as error:
        place = f"{where}:{_line(text, index, 'any', number)}"
        raise UsageError("safety.bad_pattern", pattern=rule.any[number], problem=error, where=place) from error


def _line(text: str, rule: int, *path: str | int) -> int:
    """The line of a part of a rule, from one."""
    return _mark(yaml.compose(text, Loader=yaml.SafeLoader), ("rules", rule, *path))


def _line_of_key(text: str, key: str) -> int:
    path = tuple(int(part) if part.isdecimal() else part for part in key.split(".")) if key else ()
    return _mark(yaml.compose(text, Loader=yaml.SafeLoader), path)


def _mark(node: Any, path: tuple[str | int, ...]) -> int:
    """The line of what lies at `path`, or of the last part of it that is there."""
    for step in path:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next((value for key, value in node.value if key.value == step), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            found = node.value[step]
        if found is None:
            break
        node = found
    return int(node.start_mark.line) + 1
