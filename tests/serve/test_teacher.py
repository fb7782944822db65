"""A release that we serve ourselves can be the teacher of the next one."""

from __future__ import annotations

import dataclasses
import json

from seekloop.artifact.rows import Message, read_rows
from seekloop.data.read import read_corpus
from seekloop.data.sources import SourceSpec
from seekloop.data.synthesise.run import Session, synthesise
from seekloop.data.synthesise.spec import SynthesiseInputs, SynthesiseSpec
from tests.serve.conftest import KEY

TASK = {"kind": "paraphrase", "per_label": 3, "per_request": 2, "rounds": 1}


def test_our_own_gateway_is_a_teacher(world, tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", KEY)
    (tmp_path / "seeds.jsonl").write_text('{"text": "my card is gone", "intent": "lost"}\n', "utf-8")
    ctx = dataclasses.replace(world.ctx, root=tmp_path, work=tmp_path / "work")
    corpus = read_corpus([SourceSpec(path="seeds.jsonl")], ctx=ctx)
    inputs = SynthesiseInputs(corpus=corpus)

    def spec(url: str) -> SynthesiseSpec:
        teacher = {"url": f"{url}/v1", "model": "production", "key": "${TEACHER_KEY}", "json_mode": False}
        return SynthesiseSpec.parse({"teacher": {**teacher, "max_tokens": 64, "temperature": 0}, "task": TASK})

    with Session(spec("http://x"), inputs, ctx=ctx) as session:
        body = next(session.asker.pending(session.first_round())).body
    answer = Message(role="assistant", content=json.dumps({"paraphrases": ["I lost it", "the plastic went missing"]}))
    prompt = world.codec.prompt_ids([Message(**message) for message in body["messages"]])
    checkpoint = world.checkpoint("teacher")
    world.scripts[checkpoint.id] = {prompt: world.codec.answer_ids(answer)[:-1]}
    with world.serving(world.release_of(checkpoint)) as served:
        made = synthesise(spec(served.url), inputs, ctx=ctx)
    rows = list(read_rows(ctx.store.path(made.id, "rows.jsonl")))
    assert [(row.messages[0].content, row.label, row.dropped) for row in rows] == [
        ("I lost it", "lost", None),
        ("the plastic went missing", "lost", None),
    ]
    assert ctx.store.receipt(made.id).cost["teacher_tokens_in"] == len(prompt)
