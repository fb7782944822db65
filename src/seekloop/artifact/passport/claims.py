"""The ten hops of a passport: each a pure function of the evidence in the file, so that whoever has the file makes them
again and compares.

Evidence is JSON: `artifacts` (id -> manifest; the id is the manifest's digest), `events` (as the ledger's chain has
them), `rows` (dataset id -> what `rowset` counted), `reverse` (dataset id -> what was made of it), `ledger` (its head
and newest anchor), `texts` (commitments to what was asked and answered). A hop's `digest` is over its claim and over
all the evidence that it stands on, so that nothing in the file can change without a hop that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from seekloop.system import digests

__all__ = ["HOPS", "Evidence", "checkpoints_of", "hop_of", "hops_of", "stands_on"]

_weight_files = (".safetensors", ".gguf", ".bin", ".xml", ".onnx", "endpoint.json")
_gates = ("gate.registered", "gate.verdict", "gate.approved", "gate.declined")


class Evidence:
    """What a passport stands on.

    Args:
        value: the JSON of it. Whatever is looked for and is not there is a KeyError.
        answer: id of the answer.
    """

    def __init__(self, value: Mapping[str, Any], *, answer: str) -> None:
        self.value = value
        self.answer = answer
        self.artifacts: Mapping[str, Mapping[str, Any]] = value["artifacts"]

    @property
    def answered(self) -> Mapping[str, Any]:
        """The event of the answer."""
        return self.newest("answer.recorded", self.answer)

    @property
    def release_id(self) -> str:
        """Id of the release that answered."""
        return str(self.answered["facts"]["release"])

    @property
    def release(self) -> Mapping[str, Any]:
        """Manifest of the release that answered."""
        return self.artifacts[self.release_id]

    @property
    def line(self) -> list[str]:
        """Ids of the served checkpoint and of every checkpoint that it was made from, nearest first."""
        found, pending = [], [str(self.release["checkpoint"])]
        while pending:
            identity = pending.pop(0)
            if identity not in found:
                found.append(identity)
                pending += checkpoints_of(self.artifacts[identity])
        return found

    @property
    def trained_on(self) -> list[str]:
        """Ids of the datasets that this line of checkpoints was made with, nearest first."""
        named = [parent for one in self.line for parent in self.artifacts[one]["parents"].values()]
        return list(dict.fromkeys(one for one in named if one.startswith("dataset:")))

    def events(self, *kinds: str, subject: str | None = None) -> Iterator[Mapping[str, Any]]:
        """Events of these kinds, about a subject where one is given."""
        for event in self.value["events"]:
            if event["kind"] in kinds and subject in (None, event["subject"]):
                yield event

    def newest(self, kind: str, subject: str) -> Mapping[str, Any]:
        """The last event of a kind about a subject."""
        found = list(self.events(kind, subject=subject))
        if not found:
            raise KeyError(subject)
        return found[-1]

    def created(self, identities: list[str]) -> list[int]:
        """Numbers of the events that recorded artifacts."""
        return [event["seq"] for event in self.events("artifact.created") if event["subject"] in identities]


def checkpoints_of(manifest: Mapping[str, Any]) -> list[str]:
    """Ids of the checkpoints that an artifact was made from."""
    return [parent for parent in manifest["parents"].values() if parent.startswith("checkpoint:")]


def hops_of(evidence: Evidence) -> list[dict[str, Any]]:
    """The ten hops, in order."""
    return [hop_of(name, evidence) for name in HOPS]


def hop_of(name: str, evidence: Evidence) -> dict[str, Any]:
    """One hop: its claim, the ids and event numbers that it stands on, and the digest over all of it."""
    artifacts, events, rest = stands_on(name, evidence)
    value = {"hop": HOPS.index(name) + 1, "name": name, "claim": _hops[name](evidence), "artifacts": artifacts}
    bodies = [dict(event) for event in evidence.value["events"] if event["seq"] in events]
    value["events"] = [event["seq"] for event in bodies]
    return {**value, "digest": digests.of_json({**value, "bodies": bodies, "rest": rest})}


def _weights(evidence: Evidence) -> dict[str, Any]:
    served = evidence.artifacts[evidence.release["checkpoint"]]
    return {
        "answer": evidence.answer,
        "release": evidence.release_id,
        "checkpoint": evidence.release["checkpoint"],
        "form": served["form"],
        "weights": _weights_of(served),
        # An endpoint is a name: whoever runs it knows what its weights were.
        "exact": served["form"] != "endpoint",
    }


def _forms(evidence: Evidence) -> dict[str, Any]:
    line = [
        {
            "id": identity,
            "form": manifest["form"],
            "precision": manifest["precision"],
            "family": manifest["family"],
            "made_from": checkpoints_of(manifest),
            "source": manifest["source"],
            "weights": _weights_of(manifest),
        }
        for identity in evidence.line
        for manifest in [evidence.artifacts[identity]]
    ]
    return {"line": line, "base": [one["id"] for one in line if not one["made_from"]]}


def _training(evidence: Evidence) -> dict[str, Any]:
    made = {identity: evidence.artifacts[identity]["made_by"] for identity in evidence.line}
    names = ("stage", "spec_digest", "code_version", "lock_digest", "seed")
    return {"made_by": {identity: {name: origin[name] for name in names} for identity, origin in made.items()}}


def _rows(evidence: Evidence) -> dict[str, Any]:
    used = {}
    for dataset in evidence.trained_on:
        manifest, rows = evidence.artifacts[dataset], evidence.value["rows"].get(dataset)
        used[dataset] = {
            "by": [one for one in evidence.line if dataset in evidence.artifacts[one]["parents"].values()],
            "splits": manifest["splits"],
            "train": None if rows is None else {name: rows[name] for name in ("rows", "root", "digest")},
        }
    return {"datasets": used}


def _sources(evidence: Evidence) -> dict[str, Any]:
    told = {}
    for dataset in evidence.trained_on:
        manifest, rows = evidence.artifacts[dataset], evidence.value["rows"].get(dataset) or {}
        told[dataset] = {
            **{name: rows.get(name) for name in ("sources", "origins", "consent", "people", "made")},
            "redacted": manifest["pii"],
            "dropped": manifest["dropped"],
        }
    corpora = [one for one in evidence.artifacts if one.startswith("corpus:")]
    read = {one: {name: evidence.artifacts[one][name] for name in ("rows", "sources", "formats")} for one in corpora}
    return {"datasets": told, "corpora": read}


def _decision(evidence: Evidence) -> dict[str, Any]:
    facts = evidence.answered["facts"]
    decoding = dict(facts["decoding"])
    cached = decoding.pop("cached", None)
    files = evidence.artifacts[evidence.release["checkpoint"]]["files"]
    names = ("codec.json", "chat_template.jinja", "tokenizer.json")
    return {
        "decoding": decoding,
        "release_decoding": evidence.release["decoding"],
        "system": digests.of_json(evidence.release["system"]),
        "template": {name: files[name]["digest"] for name in names if name in files},
        "guardrail": facts.get("safety"),
        "cache": {"outcome": "generated"} if cached is None else {"outcome": "repeated", **cached},
        "finish_reason": facts["finish_reason"],
        "texts": evidence.value["texts"]["digests"],
    }


def _evaluation(evidence: Evidence) -> dict[str, Any]:
    report = evidence.artifacts[evidence.release["report"]]
    dataset = evidence.artifacts[report["dataset"]]
    names = ("subject", "dataset", "split", "engine", "figures", "comparisons")
    return {
        "report": evidence.release["report"],
        **{name: report[name] for name in names},
        "about_what_is_served": report["subject"] == evidence.release["checkpoint"],
        "rows": dataset["files"].get(f"{report['split']}.jsonl", {}).get("digest"),
        "answers": {name: entry["digest"] for name, entry in report["files"].items()},
    }


def _approval(evidence: Evidence) -> dict[str, Any]:
    mine = (evidence.release_id, evidence.release["checkpoint"])
    moves = [one for one in evidence.events("alias.moved") if one["facts"]["target"] == evidence.release_id]
    judged = [one for one in evidence.events(*_gates) if one["subject"] in mine]
    rules = {one["facts"].get("rule_digest") for one in judged} - {None}
    trials = [one for one in evidence.value["events"] if one["kind"].startswith("rollout.")]
    return {
        "moved": [{"alias": one["subject"], "version": one["facts"]["version"], **_who(one)} for one in moves],
        "gates": [{"decision": one["facts"].get("decision"), **_who(one)} for one in judged],
        "rules": sorted(rules),
        "registered_before": [one["seq"] for one in evidence.events("gate.registered") if one["subject"] in rules],
        "rollouts": [
            {"rollout": one["subject"], "rule_digest": one["facts"].get("rule_digest"), **_who(one)} for one in trials
        ],
        "arm": evidence.answered["facts"].get("arm") or None,
    }


def _ledger(evidence: Evidence) -> dict[str, Any]:
    answered, ledger = evidence.answered, evidence.value["ledger"]
    return {
        "head": ledger["head"],
        "anchor": ledger["anchor"],
        "answer": {name: answered[name] for name in ("seq", "prev", "mac")},
        "events": len(evidence.value["events"]),
        "shown_by_the_file": "every event named here, as it was when this was signed, and the head of the chain then",
        "needs_the_ledger": "that each event's HMAC holds and that none is missing between them",
    }


def _reverse(evidence: Evidence) -> dict[str, Any]:
    reverse = evidence.value["reverse"]
    gone = evidence.events("payload.erased", subject=evidence.answer)
    return {
        "made_of_each_dataset": {one: len(reverse[one]) for one in evidence.trained_on},
        "releases": sorted({i for one in evidence.trained_on for i in reverse[one] if i.startswith("release:")}),
        "tainted": [_who(one) for one in evidence.events("release.tainted", subject=evidence.release_id)],
        "erased": [_who(one) for one in gone],
    }


def _who(event: Mapping[str, Any]) -> dict[str, Any]:
    return {"what": event["kind"], "seq": event["seq"], "by": event["actor"], "at": event["at"]}


def _weights_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    return {name: entry["digest"] for name, entry in manifest["files"].items() if name.endswith(_weight_files)}


def stands_on(name: str, evidence: Evidence) -> tuple[list[str], set[int], Any]:
    """Ids of artifacts, numbers of events and whatever else a hop stands on."""
    answered, value = evidence.answered["seq"], evidence.value
    release, checkpoint, report = evidence.release_id, evidence.release["checkpoint"], evidence.release["report"]
    line, datasets = evidence.line, evidence.trained_on
    match name:
        case "weights":
            return [release, checkpoint], {answered, *evidence.created([release, checkpoint])}, None
        case "forms":
            return line, set(evidence.created(line)), None
        case "training":
            return line, set(), None
        case "rows":
            return datasets, set(evidence.created(datasets)), [value["rows"].get(one) for one in datasets]
        case "sources":
            rest = sorted({*evidence.artifacts} - {release, report, *line})
            return rest, set(evidence.created(rest)), value["rows"]
        case "decision":
            cached = {one["seq"] for one in evidence.events("answer.recorded")}
            return [release, checkpoint], cached, value["texts"]
        case "evaluation":
            measured = [report, evidence.artifacts[report]["dataset"]]
            return measured, set(evidence.created(measured)), None
        case "approval":
            kinds = ("alias.moved", "gate.", "rollout.")
            return [release], {one["seq"] for one in value["events"] if one["kind"].startswith(kinds)}, None
        case "ledger":
            return [], {one["seq"] for one in value["events"]}, value["ledger"]
        case _:
            about = {one["seq"] for one in evidence.events("payload.erased", "release.tainted")}
            return datasets, about, value["reverse"]


_hops: Mapping[str, Callable[[Evidence], dict[str, Any]]] = {
    "weights": _weights,
    "forms": _forms,
    "training": _training,
    "rows": _rows,
    "sources": _sources,
    "decision": _decision,
    "evaluation": _evaluation,
    "approval": _approval,
    "ledger": _ledger,
    "reverse": _reverse,
}
HOPS = tuple(_hops)
"""The ten hops, from the answer down."""
