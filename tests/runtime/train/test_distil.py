"""What a student learns from its teacher: exact divergences and gradients, and one pass of the teacher."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from seekloop.model.codec import View
from seekloop.runtime.train.batching import collate
from seekloop.runtime.train.loss import label_logits
from seekloop.runtime.train.objectives.distil import Distil, Hidden, divergences
from seekloop.runtime.train.objectives.objective import Whole
from seekloop.runtime.train.targets import Targets, teacher_targets

SHAPE = {"intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 64}
VIEWS = [
    View(row=str(at), turn=0, ids=tuple(range(1, 12 + at)), labels=(-100,) * 6 + tuple(range(7, 12 + at)))
    for at in range(5)
]


def model_of(seed, *, hidden=32, layers=2):
    torch.manual_seed(seed)
    config = LlamaConfig(vocab_size=40, hidden_size=hidden, num_hidden_layers=layers, **SHAPE)
    return AutoModelForCausalLM.from_config(config).eval()


def targets_of(model, ctx, *, k=39, temperature=1.0):
    return teacher_targets(
        model, VIEWS, folder=ctx.work / f"{k}-{temperature}", k=k, temperature=temperature, budget=64, pad=0, ctx=ctx
    )


def logits_of(model, view):
    return torch.cat(list(label_logits(model, collate([view], pad=0, sharing=False))))


@pytest.mark.parametrize("temperature", [1.0, 2.5])
@pytest.mark.parametrize("kind", ["forward", "reverse", "both"])
def test_divergences_over_all_tokens_are_kullback_and_leiblers(ctx, kind, temperature):
    teacher, student, view = model_of(1), model_of(2), VIEWS[2]
    targets = targets_of(teacher, ctx, temperature=temperature)[view]
    mine = logits_of(student, view)
    got = divergences(mine, targets, kind=kind, temperature=temperature)
    p, q = ((logits / temperature).log_softmax(1) for logits in (logits_of(teacher, view), mine))
    ahead, back = (p.exp() * (p - q)).sum(1), (q.exp() * (q - p)).sum(1)
    wanted = {"forward": ahead, "reverse": back, "both": (ahead + back) / 2}[kind]
    assert torch.allclose(got, wanted, atol=2e-3)


def test_fewer_tokens_give_a_lower_bound_and_never_a_negative_one(ctx):
    teacher, student = model_of(1), model_of(2)
    few, all_ = (targets_of(teacher, ctx, k=k)[VIEWS[3]] for k in (3, 39))
    mine = logits_of(student, VIEWS[3])
    short, whole = (divergences(mine, targets, kind="forward") for targets in (few, all_))
    assert (short <= whole + 2e-3).all()
    assert (short >= -1e-4).all()


def test_a_student_that_says_the_same_has_no_divergence(ctx):
    teacher = model_of(1)
    found = divergences(logits_of(teacher, VIEWS[0]), targets_of(teacher, ctx, k=8)[VIEWS[0]], kind="both")
    assert found.abs().max() < 1e-3


def test_its_gradient_is_that_of_the_plain_loss(ctx):
    teacher, student, view = model_of(1), model_of(2), VIEWS[1]
    targets = targets_of(teacher, ctx)
    objective = Distil(targets=targets, share=0.7, temperature=1.0)
    batch = collate([view], pad=0, sharing=False)
    names, weights = zip(*student.named_parameters(), strict=True)
    got = torch.autograd.grad(objective.part(student, batch, whole=Whole(total=1)).loss, weights)
    logits = student(batch.ids).logits[0, 5:-1]
    labels = batch.labels[0, 6:]
    p = torch.full((len(labels), 40), float("-inf")).scatter(1, targets[view].ids, targets[view].log_probs)
    p = torch.where(p.isinf(), targets[view].rest[:, None], p)
    apart = (p.exp() * (p - logits.log_softmax(1))).sum()
    right = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    for name, mine, theirs in zip(names, got, torch.autograd.grad(0.7 * apart + 0.3 * right, weights), strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4), name


def test_the_teacher_is_asked_once(ctx):
    first = targets_of(model_of(1), ctx)
    again = targets_of(model_of(5), ctx)
    assert all(torch.equal(first[view].log_probs, again[view].log_probs) for view in VIEWS)


def test_hidden_states_of_another_width_are_projected(ctx):
    teacher, student = model_of(1, hidden=64, layers=4), model_of(2)
    hidden = Hidden(teacher=teacher, pairs=((0, 1), (1, 3)), weight=1.0)
    objective = Distil(targets=targets_of(teacher, ctx), hidden=hidden)
    names = list(student.state_dict())
    objective.attach(student, seed=3)
    part = objective.part(student, collate(VIEWS, pad=0, sharing=True), whole=Whole(total=1))
    (slope,) = torch.autograd.grad(part.loss, [student.get_submodule("distil_projection").weight])
    assert slope.abs().sum() > 0
    objective.detach(student)
    assert list(student.state_dict()) == names


def test_certain_targets_are_cross_entropy():
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(0))
    found = divergences(logits, Targets.certain([4, 7, 9], k=5), kind="forward")
    assert torch.allclose(found, torch.nn.functional.cross_entropy(logits, torch.tensor([4, 7, 9]), reduction="none"))
