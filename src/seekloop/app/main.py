"""The command line: verbs and their flags. Each verb's work is in `app/verbs/`, imported when it is called.

Data goes to stdout (one JSON document with `--json`), everything else to stderr. Exit codes: 0 done, 2 a problem
that you can fix, 3 a gate said no.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from seekloop import __version__
from seekloop.app import (
    audit,
    bench,
    compliance,
    cycles,
    erasure,
    feedback,
    gate,
    guard,
    keys,
    labels,
    mining,
    passport,
    rating,
    reports,
    retention,
    review,
    roadmap,
    rollout,
    top,
)
from seekloop.app.flags import HERE, AsJson, Folder, spread
from seekloop.loop import catalog
from seekloop.system import settings
from seekloop.system.errors import SeekloopError, UsageError
from seekloop.system.lazy import resolve

__all__ = ["app", "main"]

app = typer.Typer(
    name="seekloop",
    help="data -> tune -> evaluate -> compress -> serve -> learn -> data: one loop, one ledger.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Changes = Annotated[list[str], typer.Option("--set", help="Change one key: method.rank=8. Repeatable.")]
_together = ("tune", "continue")
"""Verbs that several processes can do as one."""


def _verb(target: str, /, **arguments: Any) -> None:
    """Call the verb `module:function` of `app/verbs/`."""
    processes = settings.launch().processes
    if processes > 1 and arguments.get("name") not in _together:
        raise UsageError("system.one_process", count=processes, verbs=", ".join(_together))
    resolve(f"seekloop.app.verbs.{target}")(**arguments)


@app.command()
def init(
    *,
    folder: Annotated[Path, typer.Argument(help="Folder of the new project.")],
    recipe: Annotated[str | None, typer.Option(help="Start from this recipe (default: pick by the dials).")] = None,
    domain: Annotated[str, typer.Option(help="Dial 1: what the model is for.")] = "my domain",
    base: Annotated[str, typer.Option(help="Dial 2: the base model.")] = "smollm2-135m",
    hardware: Annotated[str, typer.Option(help="Dial 3: the machine.")] = "cpu",
    data: Annotated[list[Path] | None, typer.Option(help="A data file. Repeatable.")] = None,
) -> None:
    """Make a project folder with a seekloop.yaml."""
    _verb(
        "project:init",
        folder=folder,
        recipe=recipe,
        dials={"domain": domain, "base": base, "hardware": hardware},
        data=data or [],
    )


@app.command()
def plan(
    *,
    project: Folder = HERE,
    changes: Changes = [],  # noqa: B006
    base: Annotated[str | None, typer.Option(help="Advise for this base alone, without a project.")] = None,
    hardware: Annotated[str, typer.Option(help="`local`, or devices that are not here: 'A100 80GB x2'.")] = "local",
    deadline: Annotated[str | None, typer.Option(help="Be done in: 45m, 2h.")] = None,
    assume: Annotated[
        list[str], typer.Option(help="rows=5000, row_tokens=400, task=classify, price=2 (an hour). Repeatable.")
    ] = [],  # noqa: B006
    probe: Annotated[bool, typer.Option("--probe", help="Measure a few real steps of the planned run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print every step of a run with memory and time before it runs, and advise: method, numbers, formulas, cost."""
    _verb(
        "planning:plan",
        folder=project,
        changes=changes,
        base=base,
        assumed=[*assume, f"hardware={hardware}", *([f"deadline={deadline}"] if deadline else [])],
        probed=probe,
        as_json=as_json,
    )


@app.command()
def run(*, project: Folder = HERE, changes: Changes = [], as_json: AsJson = False) -> None:  # noqa: B006
    """Run the loop: the first round, or the next one when traffic has come in. Steps done before are not done again."""
    _verb("project:run", folder=project, changes=changes, as_json=as_json)


@app.command()
def resume(project: Folder = HERE, as_json: AsJson = False) -> None:
    """Go on with a run that was stopped: the same as `run`, from the last good training checkpoint."""
    _verb("project:run", folder=project, changes=[], as_json=as_json)


@app.command()
def status(project: Folder = HERE, as_json: AsJson = False) -> None:
    """Show what this project has made, what is released, and its history."""
    _verb("project:status", folder=project, as_json=as_json)


@app.command()
def up(
    *,
    project: Folder = HERE,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8000,
    tls_cert: Annotated[Path | None, typer.Option(help="Certificate and its chain (PEM): answer over https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key of the certificate (PEM).")] = None,
    behind_proxy: Annotated[bool, typer.Option("--behind-proxy", help="Something in front does TLS.")] = False,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="Gateway processes (releases of endpoints only).")
    ] = None,
    changes: Changes = [],  # noqa: B006
) -> None:
    """Serve the promoted release over the OpenAI API, and follow promotions and rollbacks."""
    entry = {"tls_cert": tls_cert, "tls_key": tls_key, "behind_proxy": behind_proxy}
    _verb("serving:up", folder=project, host=host, port=port, processes=processes, entry=entry, changes=changes)


@app.command()
def deploy(
    *,
    target: Annotated[
        str, typer.Argument(help="compose, helm, systemd, vllm, sglang, triton or llama-server.", metavar="TARGET")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    project: Folder = HERE,
) -> None:
    """Write what the promoted release needs to run elsewhere: containers, clusters, services, other engines."""
    _verb("deploying:deploy", target=target, out=out, folder=project)


@app.command()
def chat(
    text: Annotated[str, typer.Argument(help="What to ask.")],
    project: Folder = HERE,
) -> None:
    """Ask the promoted release one question, without a server."""
    _verb("serving:chat", folder=project, text=text)


@app.command()
def promote(
    *,
    release: Annotated[str, typer.Argument(help="Release id, or its beginning.")],
    project: Folder = HERE,
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "by hand",
) -> None:
    """Put a release into production."""
    _verb("serving:promote", folder=project, release=release, reason=reason)


@app.command()
def rollback(
    project: Folder = HERE, reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")] = "by hand"
) -> None:
    """Put the release before the current one back into production."""
    _verb("serving:rollback", folder=project, reason=reason)


@app.command()
def lineage(
    *,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Answer or artifact id.")],
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show every hop from an answer or artifact back to data, spec, code and seed."""
    _verb("records:lineage", folder=project, identity=identity, as_json=as_json)


@app.command()
@spread(passport.Checks)
def verify(
    *,
    given: passport.Checks,
    identity: Annotated[
        str | None, typer.Argument(metavar="[ID|FILE]", help="Answer or artifact id, or a passport; default: all.")
    ] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Re-read every linked byte and the ledger's chain, or check a passport offline; fail at the changed hop."""
    if identity is not None and (given.key is not None or Path(identity).is_file()):
        _verb("passport:check", file=Path(identity), given=given, as_json=as_json)
    else:
        _verb("records:verify", folder=project, identity=identity, as_json=as_json)


app.command()(passport.passport)


@app.command()
def person(
    *,
    subject: Annotated[str, typer.Argument(help="Subject id, as the source had it or as `subject:…`.")],
    erase: Annotated[bool, typer.Option("--erase", help="Write corpora and datasets again without them.")] = False,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show every artifact that carries a person's rows or was made from them; erase them from the data."""
    _verb("people:person", folder=project, subject=subject, erased=erase, as_json=as_json)


@app.command()
def reveal(
    *,
    file: Annotated[Path, typer.Argument(help="Text file, such as an exported train.jsonl.", exists=True)],
    project: Folder = HERE,
) -> None:
    """Print a file with its encrypted personal data in clear; needs the project's key."""
    _verb("people:reveal", folder=project, file=file)


@app.command()
def compare(
    *,
    report: Annotated[str, typer.Argument(help="Report id.")],
    others: Annotated[list[str], typer.Argument(help="Report ids to compare with, on the rows both have.")],
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Compare a report with others, row by row: a verdict in one sentence each, differences, times and costs."""
    _verb("comparing:compare", folder=project, report=report, others=others, as_json=as_json)


@app.command()
def forms(
    *,
    sources: Annotated[
        list[str],
        typer.Option(
            "--from", metavar="ID", help="The dataset whose rows are asked, and a checkpoint (all its forms) or forms."
        ),
    ],
    goal: Annotated[str, typer.Option(help="smallest, fastest or accuracy.")] = "smallest",
    max_drop: Annotated[str | None, typer.Option(help="Points that may be lost against the parent: 1pt.")] = None,
    max_mib: Annotated[float | None, typer.Option(help="Memory that it may need, in MiB.", min=1)] = None,
    changes: Changes = [],  # noqa: B006
    out: Annotated[Path | None, typer.Option(help="Write it as a page (.html) or as Markdown (.md), too.")] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Compare every compressed form of a checkpoint: size, times, accuracy, distance; and pick one for a goal."""
    wanted = resolve("seekloop.loop.forms.spec:Goal").told(goal, max_drop=max_drop, max_mib=max_mib)
    _verb(
        "forms:forms",
        sources=sources,
        goal=wanted,
        changes=changes,
        out=out,
        folder=project,
        as_json=as_json,
    )


@app.command()
def profiles(as_json: AsJson = False) -> None:
    """Show the device profiles that `compress` knows, what each takes and refuses, and whether this machine is one."""
    _verb("profiles:profiles", as_json=as_json)


@app.command()
def kpi(
    *,
    release: Annotated[str | None, typer.Option(help="Only answers of this release.")] = None,
    after: Annotated[str | None, typer.Option(help="Only what came after this moment (ISO 8601).")] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Print the business figures that the project file defines, from production and CSV files, with intervals."""
    _verb("business:kpi", folder=project, release=release, after=after, as_json=as_json)


@app.command()
def explain(
    *,
    checkpoint: Annotated[str | None, typer.Argument(help="Checkpoint id; with --answer, its release's.")] = None,
    ask: Annotated[str | None, typer.Option(help="Explain what it answers to this.")] = None,
    answer: Annotated[str | None, typer.Option(help="Explain this answer of production, by its id.")] = None,
    row: Annotated[str | None, typer.Option(help="Explain what it answers to this row, by its id.")] = None,
    top: Annotated[int, typer.Option(help="Name so many training rows.", min=1)] = 10,
    html: Annotated[Path | None, typer.Option(help="Write it as a page, too.")] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Show which training rows and which words of the prompt made an answer."""
    _verb(
        "explaining:explain",
        checkpoint=checkpoint,
        asked={"ask": ask, "answer": answer, "row": row},
        top=top,
        page_at=html,
        folder=project,
        as_json=as_json,
    )


@app.command()
def score(
    *,
    file: Annotated[Path, typer.Argument(help="JSON lines or CSV with `prediction` and `reference`.")],
    against: Annotated[Path | None, typer.Option(help="Another file to compare with, on the rows both have.")] = None,
    answer: Annotated[str, typer.Option(help="What answers hold: text, label or label_then_text.")] = "text",
    as_json: AsJson = False,
) -> None:
    """Score answers that were made elsewhere."""
    _verb("scoring:score", file=file, against=against, answer=answer, as_json=as_json)


@app.command()
def export(
    *,
    identity: Annotated[str, typer.Argument(metavar="ID", help="Artifact id.")],
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    form: Annotated[
        str | None, typer.Option("--as", help="For datasets: llama-factory or triples.", metavar="FORM")
    ] = None,
    project: Folder = HERE,
) -> None:
    """Copy an artifact out of the store: a PEFT, transformers or GGUF folder that other tools open."""
    _verb("records:export", folder=project, identity=identity, out=out, form=form)


@app.command()
def doctor(
    *,
    spec: Annotated[Path | None, typer.Argument(help="YAML file of a tuning run to look at before it starts.")] = None,
    sources: Annotated[list[str], typer.Option("--from", metavar="ID", help="Its dataset and checkpoint.")] = [],  # noqa: B006
    changes: Changes = [],  # noqa: B006
    masks: Annotated[int, typer.Option(help="Show the trained tokens of so many rows.", min=0)] = 2,
    html: Annotated[Path | None, typer.Option(help="Write these rows as a page, too.")] = None,
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Check the machine and packages; with a tuning spec, grade the run: rows, masks, ends, leaks, lengths, memory."""
    if spec is None:
        _verb("records:doctor", folder=project, as_json=as_json)
        return
    _verb(
        "checking:preflight",
        spec=spec,
        sources=sources,
        changes=changes,
        folder=project,
        masks=masks,
        page_at=html,
        as_json=as_json,
    )


@app.command()
def selftest(as_json: AsJson = False) -> None:
    """Prove on this machine that training is exact: batches, packing, resume, adapters, merging, codecs."""
    _verb("checking:selftest", as_json=as_json)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the demo project; a finished demo there is made anew.")] = Path(
        "runs/demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Walk the whole loop on the shipped bank-support sample and print one receipt."""
    _verb("demo:demo", out=out, as_json=as_json)


@app.command(name="lm-eval")
def lm_eval(
    *,
    tasks: Annotated[list[str], typer.Argument(help="Names that lm-eval knows, or YAML files of tasks.")],
    source: Annotated[
        str, typer.Option("--from", metavar="ID", help="Checkpoint, base model, or http://HOST/v1#MODEL.")
    ],
    changes: Changes = [],  # noqa: B006
    project: Folder = HERE,
    as_json: AsJson = False,
) -> None:
    """Run tasks of lm-eval-harness on a checkpoint or a served endpoint; the figures go into a report."""
    _verb("harness:lm_eval", tasks=tasks, source=source, changes=changes, folder=project, as_json=as_json)


def _add_stage(entry: catalog.StageEntry) -> None:
    def stage(
        *,
        spec: Annotated[Path, typer.Argument(help="YAML file of the stage's spec.")],
        sources: Annotated[list[str], typer.Option("--from", metavar="ID", help="Input artifact. Repeatable.")] = [],  # noqa: B006
        changes: Changes = [],  # noqa: B006
        out: Annotated[Path | None, typer.Option(help="Also copy the result to this new folder.")] = None,
        project: Folder = HERE,
        as_json: AsJson = False,
    ) -> None:
        _verb(
            "stages:run",
            name=entry.name,
            spec=spec,
            sources=sources,
            changes=changes,
            out=out,
            folder=project,
            as_json=as_json,
        )

    app.command(name=entry.name, help=entry.summary)(stage)


for _stage in catalog.stages().values():
    _add_stage(_stage)
app.add_typer(labels.app, name="labels")
app.add_typer(rating.app, name="rate")
app.add_typer(reports.app)
app.add_typer(roadmap.app)
app.add_typer(bench.app, name="bench")
app.add_typer(keys.app, name="keys")
app.add_typer(top.app)
app.add_typer(rollout.app, name="rollout")
app.command()(rollout.releases)
app.add_typer(audit.app, name="audit")
app.add_typer(guard.app, name="guard")
app.add_typer(gate.app, name="gate")
app.add_typer(erasure.app)
app.add_typer(cycles.app, name="loop")
app.add_typer(mining.app)
app.add_typer(review.app, name="review")
app.add_typer(compliance.app)
app.add_typer(retention.app, name="retention")
app.add_typer(feedback.app, name="feedback")


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(f"seekloop {__version__}")
        raise typer.Exit


def main() -> None:
    """Entry point: a fixable problem is printed as a sentence and a hint, anything else keeps its traceback."""
    settings.wait_quietly()
    try:
        for name, (value, least) in settings.faults().items():
            raise UsageError("system.setting_bad", name=name, value=value, least=least)
        app()
    except SeekloopError as error:
        rank = settings.launch().rank
        print(f"error{f' of process {rank}' if rank else ''}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
