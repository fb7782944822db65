"""`seekloop demo`: the whole loop on the shipped bank-support sample, measured, with one receipt at the end."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from seekloop.app.console import print_json, print_table, reporter
from seekloop.app.traffic import read_customers
from seekloop.app.walk import walk
from seekloop.loop.project import Project
from seekloop.system import digests
from seekloop.system.files import write_whole

__all__ = ["demo"]

RECIPE = "bank-support_smollm2-135m_lora_cpu"
RECEIPT = "receipt.json"
SAMPLE = ("messages.jsonl", "traffic.jsonl")
JSON = dict[str, Any]


def demo(*, out: Path, as_json: bool) -> None:
    """Make the demo project in `out`, walk the loop through it, write `receipt.json` and print it."""
    project = _project(out)
    ctx = project.context(progress=reporter())
    receipt = walk(project, read_customers(out / "data" / "traffic.jsonl"), ctx=ctx)
    ctx.ledger.close()
    write_whole(out / RECEIPT, json.dumps(receipt, ensure_ascii=False, indent=2).encode())
    if as_json:
        print_json(receipt)
    else:
        _show(receipt)
        print(f"receipt: {out / RECEIPT}; look around: seekloop lineage {receipt['answer_id']} -p {out}")


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
