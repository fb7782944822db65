"""Follows the path of a validation error through a spec's type annotations, to the key that the user wrote."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

__all__ = ["Place", "walk"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where an error is."""

    keys: tuple[str, ...]
    """The keys that the user wrote, outermost first; list items by index."""
    owner: type[BaseModel]
    """The class that holds the last of them."""


def walk(spec: type[BaseModel], path: tuple[str | int, ...]) -> Place:
    """The place that pydantic calls `path`, which also names the union members on the way; those are no keys.

    A path that leads nowhere in the annotations (a custom validator's) is taken as keys.
    """
    here: Any = spec
    owner = spec
    keys: list[str] = []
    for part in path:
        here = _plain(here)
        if _is_model(here):
            owner = here
            field = _field(here, part)
            here = field.annotation if field else None
            keys.append(str(part))
        elif len(members := _members(here)) > 1:
            here = next((member for member in members if _is_called(member, str(part))), None)
            owner = here if _is_model(here) else owner
        elif members:
            here = members[0]
        else:
            here = _item(here)
            keys.append(str(part))
    return Place(keys=tuple(keys), owner=owner)


def _plain(annotation: Any) -> Any:
    """`annotation` without Annotated and without `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
            continue
        members = _members(annotation)
        if len(members) != 1:
            return annotation
        annotation = members[0]


def _members(annotation: Any) -> list[Any]:
    """The members of a union other than None; empty for everything else."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return []
    return [_plain(member) for member in get_args(annotation) if member is not types.NoneType]


def _item(annotation: Any) -> Any:
    """What a mapping or sequence holds; None where the annotation does not say."""
    inner = [part for part in get_args(annotation) if part is not ...]
    origin = get_origin(annotation)
    is_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    return (inner[-1] if is_mapping else inner[0]) if inner else None


def _is_called(member: Any, part: str) -> bool:
    """Whether pydantic calls a union member `part`: by a value of its Literal fields, or by its class name.

    The name of a class with validators stands inside the validator's: `function-before[…, Lora]`.
    """
    if not _is_model(member):
        return False
    tags = {str(tag) for field in member.model_fields.values() for tag in get_args(field.annotation)}
    return part in tags or part.rstrip("]").rpartition(", ")[2] == member.__name__


def _field(model: type[BaseModel], part: str | int) -> Any:
    """The field called `part`, by name or alias; None where there is none."""
    by_alias = {field.alias: field for field in model.model_fields.values() if field.alias}
    return model.model_fields.get(str(part)) or by_alias.get(str(part))


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
