"""What wrong answers have in common is found where it was planted."""

from __future__ import annotations

import random

from seekloop.evaluate import errors, stage
from seekloop.evaluate.questions import Question
from seekloop.evaluate.scoring import score
from seekloop.evaluate.spec import EvaluateInputs, EvaluateSpec
from seekloop.evaluate.weakest import weakest
from seekloop.metrics.clusters import clusters
from tests.evaluate.conftest import bank_rows, row

PLANTED = {
    "exchange rate": (
        "What is the exchange rate today?",
        "Which exchange rate do I get for euros?",
        "Your exchange rate was wrong when I paid in Paris",
        "How often do you change the exchange rate?",
        "Is the exchange rate better at weekends?",
        "I want the exchange rate of last Monday",
        "Why is that exchange rate so bad?",
    ),
    "stolen": (
        "My card was stolen!",
        "Somebody has stolen my card, block it",
        "I think that my card has been stolen",
        "What do I do about a stolen card?",
        "A thief stole my purse, the stolen card was in it",
        "Help, card stolen on the train",
    ),
    "手续费": (
        "为什么转账要收手续费",
        "跨行手续费是多少",
        "手续费太高了",
        "这笔手续费可以退吗",
        "上个月的手续费怎么算错了",
        "取现手续费怎么收",
        "境外消费有没有手续费",
    ),
}
NOISE = ("Hello", "thanks", "What time do you open", "密码忘了", "top up failed", "change my address", "close account")


def planted():
    """Questions of three kinds and others, in a random order, each with its kind."""
    found = [(text, kind) for kind, texts in PLANTED.items() for text in texts] + [(text, "") for text in NOISE]
    random.Random(7).shuffle(found)
    return found


def answered(question, label, *, got, line=1):
    """A question and its scored answer."""
    asked = row(question, label, f"{label}\nDone.", line=line)
    message = asked.messages[-1].model_copy(update={"content": f"{got}\nDone."})
    return Question(row=asked), score(asked, message, form="label_then_text", finish_reason="stop", completion_tokens=4)


def test_planted_kinds_of_error_are_found_and_named():
    wrong = planted()
    found = clusters([text for text, _ in wrong], others=["Where is my card?", "转账多久到账", "Order a card"] * 8)
    kinds = [{wrong[at][1] for at in one.members} for one in found]
    assert sorted(map(sorted, kinds)) == [[kind] for kind in sorted(PLANTED)]
    for one, (kind,) in zip(found, kinds, strict=True):
        assert len(one.members) >= len(PLANTED[kind]) - 1
        assert kind in one.name


def test_few_errors_are_in_no_group():
    assert clusters(["one", "two"], others=[]) == []


def test_a_weak_slice_and_a_weak_pair_are_found_and_chance_is_not():
    draw = random.Random(1)
    facts = [{"label": f"l{at % 6}", "language": "zh" if at % 5 == 0 else "en"} for at in range(900)]
    right = [
        draw.random() < (0.2 if one["label"] == "l1" else 0.3 if one == {"label": "l2", "language": "zh"} else 0.9)
        for one in facts
    ]
    found, looked_at = weakest(facts, right)
    assert [one.name for one in found if one.certain] == ["label=l1", "label=l2, language=zh"]
    assert looked_at == 6 + 2 + 12


def test_slices_of_a_model_that_errs_at_random_are_rarely_called_weak():
    alarms = 0
    for seed in range(100):
        draw = random.Random(seed)
        facts = [{"label": f"l{at % 12}", "language": "zh" if at % 3 else "en"} for at in range(360)]
        found, _ = weakest(facts, [draw.random() < 0.8 for _ in facts])
        alarms += any(one.certain for one in found)
    assert alarms <= 9


def test_a_report_holds_groups_confusions_and_the_rows_that_are_alone():
    pairs = [answered(text, "a", got="b", line=at) for at, (text, _) in enumerate(planted())]
    pairs += [answered(f"Fine {at}", "b", got="b") for at in range(20)]
    questions, answers = zip(*pairs, strict=True)
    found = errors.find(answers, questions)
    assert (found.n, found.wrong, found.means) == (len(pairs), len(pairs) - 20, "label")
    assert [(one.expected, one.got, one.n, one.of) for one in found.confusions] == [
        ("a", "b", len(planted()), len(planted()))
    ]
    told = [row for group in found.groups for row in group.rows] + [one.row for one in found.alone]
    assert sorted(told) == sorted(one.row for one in answers if not one.correct)


def test_text_without_labels_is_wrong_where_it_has_little_in_common_with_the_right_one():
    asked = row("Why?", None, "We will refund the fee")
    poor, good = (
        score(
            asked,
            asked.messages[-1].model_copy(update={"content": text}),
            form="text",
            finish_reason="stop",
            completion_tokens=3,
        )
        for text in ("No idea.", "We will refund it")
    )
    found = errors.find([poor, good], [Question(row=asked)] * 2)
    assert (found.means, found.wrong) == ("rougeL<0.3", 1)


def test_every_report_has_its_errors_and_they_open_again(ctx, tiny, dataset_of):
    dataset = dataset_of(bank_rows(12))
    spec = EvaluateSpec(engine="echo", max_tokens=4, resamples=100)
    report = stage.run(spec, EvaluateInputs(checkpoint=tiny, dataset=dataset), ctx=ctx)
    found = errors.of_report(report, store=ctx.store)
    assert (found.n, found.wrong) == (12, 12)
    assert ctx.store.path(report.id, errors.FILE).is_file()
