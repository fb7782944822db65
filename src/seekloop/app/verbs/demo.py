"""`seekloop demo`: the whole loop on the shipped bank-support sample, measured, with one receipt at the end."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table, reporter
from seekloop.app.traffic import Client, read_customers
from seekloop.artifact import lineage
from seekloop.artifact.context import RunContext
from seekloop.loop import registry
from seekloop.loop.project import Project
from seekloop.loop.receipt import first_receipt, next_receipt
from seekloop.loop.run import first_round, next_round
from seekloop.loop.steps import Steps
from seekloop.serve.process import ServerProcess
from seekloop.serve.traffic import collect
from seekloop.system import digests
from seekloop.system.files import write_whole

__all__ = ["demo", "walk"]

RECIPE = "bank-support_smollm2-135m_lora_cpu"
RECEIPT = "receipt.json"
SAMPLE = ("messages.jsonl", "traffic.jsonl")
JSON = dict[str, Any]


def demo(*, out: Path, as_json: bool) -> None:
    """Make the demo project in `out`, walk the loop through it, write `receipt.json` and print it."""
    project = _project(out)
    ctx = project.context(progress=reporter())
    receipt = walk(project, ctx)
    ctx.ledger.close()
    write_whole(out / RECEIPT, json.dumps(receipt, ensure_ascii=False, indent=2).encode())
    if as_json:
        print_json(receipt)
    else:
        _show(receipt)
        print(f"receipt: {out / RECEIPT}; look around: seekloop lineage {receipt['answer_id']} -p {out}")


def walk(project: Project, ctx: RunContext) -> JSON:
    """Both rounds, with production between them; returns the receipt."""
    started = ctx.clock.monotonic()
    steps = Steps(ctx, "first round")
    receipt = first_receipt(first_round(project.spec, steps), steps)
    production = _production(project, ctx)
    second = production.pop("round2")
    for key in ("accuracy", "macro_f1", "reply_quality", "intervals", "paired"):
        if "frozen" in second.get(key, {}):
            receipt[key]["round2"] = second[key]["frozen"]
    wall = receipt["wall_s"] | second["wall_s"] | production.pop("wall_s")
    total = round(ctx.clock.monotonic() - started, 1)
    return receipt | production | {"round2": second, "wall_s": {**_by_stage(wall), "total": total}, "steps_s": wall}


def _project(out: Path) -> Project:
    """A fresh project with the sample's files. An unfinished demo is gone on with; a finished one is made anew."""
    if (out / RECEIPT).exists():
        shutil.rmtree(out)
    if (out / "seekloop.yaml").exists():
        return Project.open(out)
    (out / "data").mkdir(parents=True, exist_ok=True)
    for name in SAMPLE:
        write_whole(out / "data" / name, resources.files("seekloop.data").joinpath("sample", name).read_bytes())
    return Project.create(out, {"recipe": RECIPE})


def _production(project: Project, ctx: RunContext) -> JSON:
    """Serve, take traffic and feedback, learn, pass the gate, promote, roll back, trace and verify."""
    alias, now = project.spec.alias, ctx.clock.monotonic
    first = registry.released(alias, ctx=ctx).release.id
    customers = read_customers(project.folder / "data" / "traffic.jsonl")
    found: JSON = {"promoted": False, "rolled_back_to": None, "wall_s": {}}
    with ServerProcess(project.folder, alias=alias) as server, Client(server.url, key=server.key) as client:
        started = now()
        answers = client.ask_all(customers, progress=ctx.progress)
        found["streamed_answer_id"], _ = client.ask_streaming(customers[0].text)
        wrong = client.give_feedback(customers, answers)
        found["wall_s"]["serve traffic"] = round(now() - started, 1)
        ctx.progress.say(f"production: {wrong} of {len(customers)} answers were wrong and sent back")

        steps = Steps(ctx, "second round")
        made = next_round(project.spec, collect(ctx, release=first), steps=steps)
        found["round2"] = next_receipt(made, steps)
        found["promoted"] = made.promoted
        if made.release is not None:
            started = now()
            server.wait_for(made.release.id)
            again = client.ask_all(customers, progress=ctx.progress)
            still = sum(not customer.is_answered_by(answer) for customer, answer in zip(customers, again, strict=True))
            found["production"] = {"asked": len(customers), "wrong_before": wrong, "wrong_after": still}
            back = registry.roll_back(alias, reason="the demo shows that it can", ctx=ctx).target
            server.wait_for(back)
            served = client.ask(customers[0].text)["system_fingerprint"]
            assert served == back == first, "after a rollback the old digest answers"
            found["rolled_back_to"] = served
            found["wall_s"]["serve swap"] = round(now() - started, 1)
    found["answer_id"] = answers[0]["id"]
    trace = lineage.verify(answers[0]["id"], store=ctx.store, ledger=ctx.ledger)
    return found | {"lineage": [f"{hop.role}: {digests.short(hop.id)}" for hop in trace.hops]}


def _by_stage(steps: dict[str, float]) -> dict[str, float]:
    """Seconds by the first word of each step's name."""
    stages: dict[str, float] = {}
    for name, seconds in steps.items():
        stage = name.split()[0]
        stages[stage] = round(stages.get(stage, 0.0) + seconds, 1)
    return stages


def _show(receipt: JSON) -> None:
    rows, size = receipt["rows"], receipt["size_mb"]
    dropped = ", ".join(f"{reason} {count}" for reason, count in rows["dropped"].items())
    print(
        f"rows: {rows['in']} in = {rows['train']} train + {rows['validation']} validation + {rows['test']} test + "
        f"{sum(rows['dropped'].values())} dropped ({dropped})"
    )
    print(f"personal data masked: {', '.join(f'{kind} {count}' for kind, count in rows['pii_masked'].items())}")
    table = [
        (
            form,
            _figure(receipt, form, key="accuracy", name="accuracy"),
            _figure(receipt, form, key="macro_f1", name="macro_f1"),
            _figure(receipt, form, key="reply_quality", name="rougeL_en"),
            size.get(form, ""),
        )
        for form in receipt["accuracy"]
    ]
    print_table(
        "held-out test split, 95 % intervals", head=("", "accuracy", "macro-F1", "reply ROUGE-L", "MB"), rows=table
    )
    print(f"accuracy against the one before, same rows: {_differences(receipt)}")
    if production := receipt.get("production"):
        taught = receipt["round2"]["rows"]["train"] - receipt["round2"]["rows"]["replayed"]
        print(
            f"production: {production['wrong_before']} of {production['asked']} wrong in round 1, "
            f"{production['wrong_after']} after round 2, which trained on {taught} of them"
        )
    for outcome in receipt["round2"].get("gate", {}).get("outcomes", []):
        rule = outcome["rule"]
        print(f"gate: {rule['require']} {rule['figure']} on {rule['on']}: {outcome['state']}")
    back = receipt["rolled_back_to"]
    print(
        f"release {digests.short(receipt['release'])}; round 2 promoted: {'yes' if receipt['promoted'] else 'no'}"
        + (f"; rolled back to {digests.short(back)}" if back else "")
    )
    print(f"answer {receipt['answer_id']}: {len(receipt['lineage'])} hops traced, every byte verified")
    print("seconds: " + ", ".join(f"{stage} {seconds:.0f}" for stage, seconds in receipt["wall_s"].items()))


def _figure(receipt: JSON, form: str, *, key: str, name: str) -> str:
    value = receipt[key].get(form)
    interval = receipt["intervals"].get(form, {}).get(name)
    if value is None or interval is None:
        return "" if value is None else f"{value:.3f}"
    low, high = interval["ci"]
    return f"{value:.3f} [{low:.2f}, {high:.2f}] n={interval['n']}"


def _differences(receipt: JSON) -> str:
    """Each form's paired difference in accuracy: tuned to base, the compressed forms to tuned, round 2 to round 1."""
    pairs = {form: one for form, all_of in receipt["paired"].items() for one in all_of if one["figure"] == "accuracy"}
    return ", ".join(
        f"{form} {one['difference']:+.3f} [{one['ci'][0]:+.2f}, {one['ci'][1]:+.2f}]" for form, one in pairs.items()
    )
