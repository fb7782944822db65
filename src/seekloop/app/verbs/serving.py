"""Verbs around the live server: up, chat, promote, rollback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from seekloop.artifact.kinds import Checkpoint, Release
from seekloop.artifact.rows import Message
from seekloop.loop import registry
from seekloop.loop.project import Project
from seekloop.runtime.generate.backend import Prompt
from seekloop.runtime.generate.open import open_backend
from seekloop.runtime.models import codec_of
from seekloop.serve.access.entry import check_entry
from seekloop.serve.server import serve_forever

__all__ = ["chat", "promote", "rollback", "up"]


def up(
    *,
    folder: Path,
    host: str,
    port: int,
    processes: int | None,
    entry: Mapping[str, Path | bool | None],
    changes: list[str],
) -> None:
    """Serve until interrupted."""
    flags = {name: str(value.resolve()) if isinstance(value, Path) else value for name, value in entry.items() if value}
    given = [f"gateway.access.{name}={json.dumps(value)}" for name, value in flags.items()]
    given += [] if processes is None else [f"gateway.upstream.processes={processes}"]
    project = Project.open(folder, changes=[*changes, *given])
    check_entry(host, project.spec.gateway.access)
    ctx = project.context()
    registry.promoted(project.spec.alias, ctx=ctx)
    ctx.ledger.close()
    serve_forever(
        folder,
        alias=project.spec.alias,
        host=host,
        port=port,
        options=project.spec.gateway,
        announce=lambda url: print(f"serving {url}/v1"),
    )


def chat(*, folder: Path, text: str) -> None:
    """Answer one question with the promoted release."""
    project = Project.open(folder)
    ctx = project.context()
    release = registry.released(project.spec.alias, ctx=ctx).release
    checkpoint = ctx.store.open(release.checkpoint, Checkpoint)
    codec = codec_of(checkpoint, store=ctx.store)
    system = [Message(role="system", content=release.system)] if release.system else []
    ids = codec.prompt_ids([*system, Message(role="user", content=text)])
    prompt = Prompt(ids=ids, stop_ids=codec.stop_ids, max_tokens=release.decoding.max_tokens)
    with open_backend(checkpoint, store=ctx.store, streams=1) as backend:
        for _, completion in backend.generate([prompt]):
            print(codec.parse(completion.ids).content)
    ctx.ledger.close()


def promote(*, folder: Path, release: str, reason: str) -> None:
    """Point the project's alias at a release."""
    project = Project.open(folder)
    ctx = project.context()
    alias = registry.promote(project.spec.alias, ctx.store.open(release, Release), reason=reason, ctx=ctx)
    ctx.ledger.close()
    print(f"{alias.name} -> {alias.target} (version {alias.version})")


def rollback(*, folder: Path, reason: str) -> None:
    """Point the project's alias at the release before the current one."""
    project = Project.open(folder)
    ctx = project.context()
    alias = registry.roll_back(project.spec.alias, reason=reason, ctx=ctx)
    ctx.ledger.close()
    print(f"{alias.name} -> {alias.target} (version {alias.version})")
