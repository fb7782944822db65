"""Flags that many verbs have, and flags as a dataclass, where a verb has more than a function should take."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

__all__ = ["HERE", "AsJson", "Folder", "spread"]

Folder = Annotated[Path, typer.Option("--project", "-p", help="Project folder.", show_default=True)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
HERE = Path()


def spread(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator: the verb's `given` is one `kind`, whose fields are its flags on the command line.

    Args:
        kind: a dataclass whose annotated fields say what Typer shows of them.
    """
    hints = get_type_hints(kind, include_extras=True)
    flags = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=_default(field), annotation=hints[field.name]
        )
        for field in dataclasses.fields(kind)
    ]

    def decorated(verb: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(verb, eval_str=True)
        rest = [parameter for name, parameter in own.parameters.items() if name != "given"]
        before = [parameter for parameter in rest if parameter.default is inspect.Parameter.empty]
        after = [parameter for parameter in rest if parameter not in before]

        @functools.wraps(verb)
        def called(**words: Any) -> None:
            taken = {flag.name: words.pop(flag.name) for flag in flags}
            verb(given=kind(**taken), **words)

        vars(called)["__signature__"] = own.replace(parameters=[*before, *flags, *after])
        return called

    return decorated


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
