"""The `passport` verb and its flags, and those that `verify` has for passports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop.app.flags import HERE, AsJson, Folder
from seekloop.system.lazy import resolve

__all__ = ["Checks", "passport"]


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Flags of `verify` for passports."""

    key: Annotated[Path | None, typer.Option(help="Public keys (PEM) of whoever signed the passport.")] = None
    store: Annotated[
        Path | None, typer.Option(help="Re-read every byte that the passport speaks of: a project, or a store.")
    ] = None
    text: Annotated[Path | None, typer.Option(help="A file with the answer's exact text; needs --opening.")] = None
    opening: Annotated[str | None, typer.Option(help="64 hex digits that came with the passport.")] = None


def passport(
    *,
    what: Annotated[str, typer.Argument(metavar="ANSWER|key", help="Answer id; `key`: the key that signs.")],
    out: Annotated[Path | None, typer.Option(help="Write the signed passport; with `key`, all public keys.")] = None,
    language: Annotated[str | None, typer.Option(help="Of the page for people: en or zh.")] = None,
    texts: Annotated[bool, typer.Option("--texts", help="Tell what was asked and answered, too.")] = False,
    rows: Annotated[bool, typer.Option("--rows", help="Name every train row by id and digest, too.")] = False,
    rotate: Annotated[bool, typer.Option("--rotate", help="With `key`: sign with a new key from now on.")] = False,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Write an answer's signed passport, and print what it says; or show, export and rotate the key that signs."""
    arguments: dict[str, Any] = {"folder": project, "out": out, "as_json": as_json}
    if what == "key":
        resolve("seekloop.app.verbs.passport:key")(rotate=rotate, **arguments)
        return
    more = {"language": language, "texts": texts, "leaves": rows}
    resolve("seekloop.app.verbs.passport:make")(answer=what, more=more, **arguments)
