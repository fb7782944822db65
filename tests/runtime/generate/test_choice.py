"""The engine that was measured: kept for checkpoints like the one measured, on the machine that measured it."""

from __future__ import annotations

import json

from seekloop.runtime.generate.choice import Choice, choice_file, keep, kept
from seekloop.runtime.generate.measuring import Measured, pick
from seekloop.runtime.generate.open import engines_for, open_backend

FAST = Choice(engine="torch", threads=1, streams=8)


def measured(engine, **tok_s):
    speeds = {int(key[1:]): value for key, value in tok_s.items()}
    return Measured(
        engine=engine, name=engine, threads=2, load_s=1, first_token_s=1, prefill_tok_s=1, tok_s=speeds, peak_mib=1
    )


def test_a_choice_holds_for_the_machine_that_measured_it_and_no_other(ctx, tiny):
    assert kept(tiny, store=ctx.store) is None
    keep(FAST, tiny, store=ctx.store)
    assert kept(tiny, store=ctx.store) == FAST
    path = choice_file(ctx.store)
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"machine": "another"}), "utf-8")
    assert kept(tiny, store=ctx.store) is None


def test_an_engine_that_does_not_run_the_form_is_never_taken(ctx, tiny):
    keep(Choice(engine="llamacpp", threads=1, streams=8), tiny, store=ctx.store)
    assert engines_for(tiny) == ("torch",)
    with open_backend(tiny, store=ctx.store) as backend:
        assert backend.name.startswith("torch")


def test_the_fastest_under_the_expected_load_is_picked_with_no_more_streams_than_help():
    one, many = measured("llamacpp", _1=60, _8=80, _32=82), measured("openvino", _1=30, _8=110, _32=220)
    assert pick([one, many], load=1) == Choice(engine="llamacpp", threads=2, streams=8)
    assert pick([one, many], load=8) == Choice(engine="openvino", threads=2, streams=32)
