"""Frozen specs: every option of a stage, typed, with unknown keys refused and the likely one named."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from seekloop.system import digests, places, plain
from seekloop.system.errors import UsageError

__all__ = ["Spec", "override"]


class Spec(BaseModel):
    """Base of every spec. At most 20 fields a class; one union member per method; a docstring under every field."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_default_member(cls, value: Any) -> Any:
        """`method: {rank: 8}` means the default method with rank 8: a missing tag is the default's."""
        if not isinstance(value, Mapping):
            return value
        filled = dict(value)
        for name, field in cls.model_fields.items():
            given, tag = value.get(name), field.discriminator
            default = field.get_default(call_default_factory=True, validated_data={})
            if isinstance(tag, str) and isinstance(given, Mapping) and isinstance(default, BaseModel):
                filled[name] = {tag: default.model_dump()[tag], **given}
        return filled

    def reads(self) -> tuple[str, ...]:
        """Files and folders that it names and its stage reads beside the inputs: the result depends on their bytes.

        A spec names its own in `_reads`; those of the specs inside it are added.
        """
        values = list(self.__dict__.values())
        inner = [part for value in values for part in (value if isinstance(value, tuple) else (value,))]
        nested = (path for part in inner if isinstance(part, Spec) for path in part.reads())
        return (*self._reads(), *nested)

    def _reads(self) -> tuple[str, ...]:
        return ()

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """Build the spec from plain values.

        Raises:
            UsageError: an unknown key (with the likely one) or a wrong value, named.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise _explain(cls, error) from error

    @classmethod
    def load(cls, path: Path, *, changes: Iterable[str] = ()) -> Self:
        """Read a YAML file and apply `KEY=VALUE` overrides.

        Raises:
            UsageError: no such file, not YAML, an unknown key, or a wrong value.
        """
        return cls.parse(override(plain.read_yaml(path), changes))

    @property
    def digest(self) -> str:
        """`sha256:HEX` of the whole spec, defaults included."""
        return digests.of_json(self.model_dump(mode="json"))


def override(value: Mapping[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    """`value` with each `a.b=VALUE` of `changes` put in; `a.0` is a list's first item. `value` itself stays as it is.

    VALUE is read as YAML, so numbers stay numbers.

    Raises:
        UsageError: a change is not `KEY=VALUE`, its value is not YAML, or its key leads through a plain value.
    """
    result = dict(value)
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        path = key.split(".")
        if not equals or not all(path):
            raise UsageError("system.override_not_pair", text=change)
        result = _put(result, path, value=plain.parse_yaml(text, where=f"--set {change}"), key=key)
    return result


def _put(holder: Any, path: list[str], *, value: Any, key: str) -> Any:
    """`holder` with `value` at `path`: only what lies on the path is copied."""
    if not path:
        return value
    name, rest = path[0], path[1:]
    if isinstance(holder, Mapping) or holder is None:
        inner = holder or {}
        return {**inner, name: _put(inner.get(name), rest, value=value, key=key)}
    if isinstance(holder, list) and name.isdecimal() and int(name) < len(holder):
        index = int(name)
        return [*holder[:index], _put(holder[index], rest, value=value, key=key), *holder[index + 1 :]]
    raise UsageError("system.override_no_place", key=key, name=name, value=plain.show(holder))


def _explain(spec: type[BaseModel], error: ValidationError) -> UsageError:
    """The first complaint of `error` as one sentence; complaints about the members of one union are put together."""
    found = [(places.walk(spec, problem["loc"]), problem) for problem in error.errors(include_url=False)]
    place, first = next((pair for pair in found if pair[1]["type"] == "extra_forbidden"), found[0])
    key = ".".join(place.keys)
    if first["type"] == "extra_forbidden":
        known = sorted(place.owner.model_fields)
        return UsageError(
            "system.spec_unknown_key",
            key=key,
            spec=place.owner.__name__,
            suggestion=_suggest(place.keys[-1], known),
            known=", ".join(known),
        )
    wrong = dict.fromkeys(_problem(problem) for where, problem in found if where.keys == place.keys)
    return UsageError(
        "system.spec_bad_value", key=key or "the value", spec=place.owner.__name__, problem="; ".join(wrong)
    )


def _problem(problem: Any) -> str:
    """One of pydantic's complaints in words, with the likely choice where one was mistyped."""
    facts = problem.get("ctx", {})
    choices = str(facts.get("expected_tags", facts.get("expected", "")))
    given = str(facts.get("tag", problem["input"]))
    known = choices.replace(" or ", ", ").replace("'", "").split(", ")
    return str(problem["msg"]).removeprefix("Value error, ") + (_suggest(given, known) if choices else "")


def _suggest(given: str, known: list[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
