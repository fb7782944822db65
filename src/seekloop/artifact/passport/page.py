"""A passport as a page for people, in English or Chinese: one line a hop, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from seekloop.artifact.passport.claims import HOPS
from seekloop.system import digests

__all__ = ["page"]

_words: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "en": {
            "title": "Passport of {answer}",
            "head": "| | Hop | What it says |",
            "weights": "weights that answered",
            "forms": "back to the base model",
            "training": "how they were made",
            "rows": "rows they were trained on",
            "sources": "where the rows came from",
            "decision": "decoding, template, guardrail, cache",
            "evaluation": "report that admitted the release",
            "approval": "who or what approved",
            "ledger": "the log of it",
            "reverse": "what else was made of the rows",
            "weights_says": "{form}, {files} in release {release}",
            "endpoint_says": "an endpoint in release {release}: its weights are known to its provider only",
            "forms_says": "{line}",
            "training_says": "{stages}",
            "rows_says": "{rows} train rows, root {root}",
            "sources_says": "{files} source files, {origins} rows back from answers, {people} about a known person, "
            "{redacted} values hidden, {dropped} rows left out",
            "decision_says": "temperature {temperature}, {cache}; {guardrail}",
            "evaluation_says": "{figures}; on the split {split}",
            "approval_says": "{moves}; {gates} gate events, {rollouts} rollout events",
            "ledger_says": "event {seq}, chain of {head} events; their HMACs need the ledger's key to check",
            "reverse_says": "{made} artifacts, {releases} releases; {state}",
            "generated": "generated",
            "repeated": "repeats {answer}",
            "no_guard": "no guardrail",
            "guard": "guardrail {policy}, {mode}{blocked}",
            "blocked": ", blocked by {rule}",
            "tainted": "this release is tainted",
            "clean": "this release is not tainted",
            "none": "none",
        },
        "zh": {
            "title": "{answer} 的回答凭证",
            "head": "| | 环节 | 内容 |",
            "weights": "作答的权重",
            "forms": "追溯到基座模型",
            "training": "权重的制作方式",
            "rows": "训练所用的数据行",
            "sources": "数据行的来源",
            "decision": "解码、模板、护栏、缓存",
            "evaluation": "准入评测报告",
            "approval": "批准者与依据",
            "ledger": "账本记录",
            "reverse": "同一数据还做出了什么",
            "weights_says": "{form}，{files}，版本 {release}",
            "endpoint_says": "版本 {release} 是外部接口，其权重只有提供方知道",
            "forms_says": "{line}",
            "training_says": "{stages}",
            "rows_says": "{rows} 行训练数据，根 {root}",
            "sources_says": "{files} 个来源文件，{origins} 行来自线上回答，{people} 行涉及已知个人，"
            "隐去 {redacted} 处个人信息，剔除 {dropped} 行",
            "decision_says": "温度 {temperature}，{cache}；{guardrail}",
            "evaluation_says": "{figures}；所用切分 {split}",
            "approval_says": "{moves}；门禁事件 {gates} 个，灰度事件 {rollouts} 个",
            "ledger_says": "第 {seq} 号事件，链上共 {head} 个事件；其 HMAC 须持账本密钥才能校验",
            "reverse_says": "{made} 个产物，{releases} 个版本；{state}",
            "generated": "由模型生成",
            "repeated": "重复 {answer}",
            "no_guard": "无护栏",
            "guard": "护栏 {policy}，模式 {mode}{blocked}",
            "blocked": "，被规则 {rule} 拦截",
            "tainted": "该版本已标记为受污染",
            "clean": "该版本未受污染",
            "none": "无",
        },
    }
)
_shown = 3
_Say = Callable[[Mapping[str, Any], Mapping[str, str]], dict[str, Any]]


def page(hops: Sequence[Mapping[str, Any]], *, answer: str, language: str) -> str:
    """A table with a line for each hop.

    Args:
        hops: as the passport has them.
        answer: id of the answer.
        language: `zh`; anything else is English.
    """
    words = _words["zh" if language == "zh" else "en"]
    lines = [f"# {words['title'].format(answer=answer)}", "", words["head"], "|---|---|---|"]
    for one in hops:
        name, claim = one["name"], one["claim"]
        form = "endpoint" if name == "weights" and not claim["exact"] else name
        said = words[f"{form}_says"].format_map(_says[name](claim, words))
        lines.append(f"| {one['hop']} | {words[name]} | {said.replace('|', chr(92) + '|')} |")
    return "\n".join(lines)


def _weights(claim: Mapping[str, Any], _words: Mapping[str, str]) -> dict[str, Any]:
    files = ", ".join(f"{name} {digests.short(digest)}" for name, digest in claim["weights"].items())
    return {"form": claim["form"], "files": files, "release": digests.short(claim["release"])}


def _forms(claim: Mapping[str, Any], _words: Mapping[str, str]) -> dict[str, Any]:
    told = [f"{one['form']} {one['precision']} {digests.short(one['id'])}" for one in claim["line"]]
    return {"line": " ← ".join(told)}


def _training(claim: Mapping[str, Any], _words: Mapping[str, str]) -> dict[str, Any]:
    told = [
        f"{made['stage']}, spec {digests.short(made['spec_digest'])}, code {made['code_version']}, "
        f"lock {digests.short(made['lock_digest'])}, seed {made['seed']}"
        for made in claim["made_by"].values()
    ]
    return {"stages": "; ".join(told)}


def _rows(claim: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    trains = [one["train"] for one in claim["datasets"].values() if one["train"]]
    roots = ", ".join(digests.short(one["root"]) for one in trains)
    return {"rows": " + ".join(str(one["rows"]) for one in trains) or 0, "root": roots or words["none"]}


def _sources(claim: Mapping[str, Any], _words: Mapping[str, str]) -> dict[str, Any]:
    told = list(claim["datasets"].values())
    return {
        "files": len({name for one in told for name in one["sources"] or ()}),
        "origins": sum(len(one["origins"] or ()) for one in told),
        "people": sum(one["people"] or 0 for one in told),
        "redacted": sum(sum(one["redacted"].values()) for one in told),
        "dropped": sum(sum(one["dropped"].values()) for one in told),
    }


def _decision(claim: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    guard, cache = claim["guardrail"], claim["cache"]
    told = words["no_guard"]
    if guard is not None:
        by = guard.get("blocked")
        blocked = words["blocked"].format(rule=by["rule"]) if by else ""
        policy = digests.short(str(guard.get("policy")))
        told = words["guard"].format(policy=policy, mode=guard.get("mode"), blocked=blocked)
    return {
        "temperature": claim["decoding"].get("temperature", claim["release_decoding"]["temperature"]),
        "cache": words[cache["outcome"]].format(answer=cache.get("answer")),
        "guardrail": told,
    }


def _evaluation(claim: Mapping[str, Any], _words: Mapping[str, str]) -> dict[str, Any]:
    figures = [f"{one['name']} {one['value']:.3g} (n={one['n']})" for one in claim["figures"][:_shown]]
    figures += ["…"] if len(claim["figures"]) > _shown else []
    return {"figures": ", ".join(figures), "split": claim["split"]}


def _approval(claim: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    moves = ", ".join(f"{one['alias']}@{one['version']} {one['by']} {one['at']}" for one in claim["moved"])
    return {"moves": moves or words["none"], "gates": len(claim["gates"]), "rollouts": len(claim["rollouts"])}


def _ledger(claim: Mapping[str, Any], _words: Mapping[str, str]) -> dict[str, Any]:
    return {"seq": claim["answer"]["seq"], "head": claim["head"]["seq"]}


def _reverse(claim: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    made = sum(claim["made_of_each_dataset"].values())
    return {
        "made": made,
        "releases": len(claim["releases"]),
        "state": words["tainted" if claim["tainted"] else "clean"],
    }


_ways: tuple[_Say, ...] = (
    *(_weights, _forms, _training, _rows, _sources),
    *(_decision, _evaluation, _approval, _ledger, _reverse),
)
_says: Mapping[str, _Say] = MappingProxyType(dict(zip(HOPS, _ways, strict=True)))
