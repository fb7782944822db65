"""Verbs that read the records: lineage, verify, export, doctor."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import sys
from pathlib import Path

from seekloop.app.console import print_json, print_table
from seekloop.artifact import lineage as chain
from seekloop.artifact.context import RunContext
from seekloop.artifact.kinds import Dataset
from seekloop.artifact.store import Store
from seekloop.data.export import FORMS
from seekloop.data.export import export as export_dataset
from seekloop.loop.erasure.affected import EXPORTED
from seekloop.loop.project import FILE, Project
from seekloop.runtime.generate import sandbox
from seekloop.system import digests, provenance, settings
from seekloop.system.errors import UsageError

__all__ = ["copy_out", "doctor", "export", "lineage", "verify"]


def lineage(*, folder: Path, identity: str, as_json: bool) -> None:
    """Print every hop from `identity` back to its causes."""
    ctx = Project.open(folder).context()
    trace = chain.trace(identity, store=ctx.store, ledger=ctx.ledger)
    if as_json:
        print_json(trace.as_json())
    else:
        rows = [(hop.role, digests.short(hop.id), hop.summary) for hop in trace.hops]
        print_table(f"lineage of {digests.short(identity)}", head=("hop", "id", "what"), rows=rows)
    ctx.ledger.close()


def verify(*, folder: Path, identity: str | None, as_json: bool) -> None:
    """Re-read every byte behind `identity`, or behind everything in the project."""
    ctx = Project.open(folder).context()
    if identity:
        hops = {hop.id for hop in chain.verify(identity, store=ctx.store, ledger=ctx.ledger).hops}
    else:
        hops = {hop.id for hop in chain.verify_all(store=ctx.store, ledger=ctx.ledger).hops}
    events = ctx.ledger.verify()
    ctx.ledger.close()
    if as_json:
        print_json({"verified": True, "hops": sorted(hops), "events": events})
    else:
        print(
            f"verified: {len(hops)} linked records re-read byte by byte, {events} ledger events in one unbroken chain"
        )


def export(*, folder: Path, identity: str, out: Path, form: str | None) -> None:
    """Copy an artifact's files to a new folder, or write a dataset in a form that other tools read.

    Raises:
        UsageError: there is no such form, or `out` exists.
    """
    known = {name: name for name in FORMS}
    if form is not None and form not in known:
        raise UsageError("data.unknown_form", form=form, known=", ".join(FORMS))
    ctx = Project.open(folder).context()
    if form is None:
        copy_out(identity, out, ctx=ctx)
    else:
        export_dataset(ctx.store.open(identity, Dataset), out, store=ctx.store, form=known[form])
    facts = {"to": str(out.resolve()), "form": form}
    ctx.ledger.note(EXPORTED, ctx.store.load(identity).id, facts=facts, actor=ctx.actor)
    ctx.ledger.close()
    print(out)


def copy_out(identity: str, out: Path, *, ctx: RunContext) -> None:
    """Copy an artifact's files, manifest and receipt to `out`, whole or not at all.

    Raises:
        UsageError: `out` exists.
        ArtifactError: the artifact is missing or damaged.
    """
    if out.exists():
        raise UsageError("loop.folder_exists", path=out)
    ctx.store.verify(identity)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        shutil.copytree(ctx.store.folder(identity), part)
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def doctor(*, folder: Path, as_json: bool) -> None:
    """Check what a run needs and say what is missing."""
    checks: list[tuple[str, bool, str]] = []
    machine = provenance.hardware()
    checks.append(("python", sys.version_info >= (3, 11), str(machine["python"])))
    checks.append(("machine", True, f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_mib']} MiB"))
    for package, extra in (
        ("torch", "train"),
        ("transformers", "train"),
        ("gguf", "compress"),
        ("xllamacpp", "serve"),
        ("fastapi", "serve"),
    ):
        found = importlib.util.find_spec(package) is not None
        version = importlib.metadata.version(package) if found else f"missing: pip install 'seekloop[{extra}]'"
        checks.append((package, found, version))
    reached = sandbox.probe()
    kept = f"{', '.join(reached.has)} by {reached.by}" + (
        f"; lacks {', '.join(reached.lacks)}" if reached.lacks else ""
    )
    checks.append(("engine sandbox", True, kept))
    free = shutil.disk_usage(folder).free // 2**20
    checks.append(("disk", free > 3000, f"{free} MiB free"))
    cached = Store(settings.home() / "models").list("checkpoint")
    checks.append(("model cache", True, f"{len(cached)} base models in {settings.home() / 'models'}"))
    if (folder / FILE).exists():
        ctx = Project.open(folder).context()
        checks.append(("ledger", True, f"{ctx.ledger.verify()} events, chain unbroken"))
        ctx.ledger.close()
    if as_json:
        print_json([{"check": name, "ok": ok, "found": found} for name, ok, found in checks])
    else:
        print_table(
            "doctor",
            head=("check", "", "found"),
            rows=[(name, "ok" if ok else "MISSING", found) for name, ok, found in checks],
        )
    if not all(ok for _, ok, _ in checks):
        sys.exit(2)
