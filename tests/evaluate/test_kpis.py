"""A business figure is counted on what is there; what is not there is counted too, and what is wrong is named."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seekloop.artifact.ledger import Answer, Feedback
from seekloop.artifact.records import Outcome
from seekloop.evaluate import kpis
from seekloop.evaluate.kpi_sources import Cell
from seekloop.evaluate.kpi_spec import COLUMNS, CsvKpi, TrafficKpi
from seekloop.metrics.significance import wilson
from seekloop.system.errors import DataError, UsageError

TABLE = "ticket,agent,solved,minutes\n1,Ann,yes,12\n2,Bo,no,30.5\n3,Ann,,7\n4,李,是,\n"


def answer(number, **changes):
    fields = {
        "id": f"ans_{number}",
        "release": "release:1",
        "at": f"2026-01-01T00:00:{number:02d}+00:00",
        "caller": f"caller {number % 3}",
        "messages": [],
        "content": "",
        "finish_reason": "stop",
        "prompt_tokens": 5,
        "completion_tokens": 5,
        "first_token_ms": 100.0 * number,
        "total_ms": 200.0 * number,
    }
    return Answer(**{**fields, **changes})


def feedback(number, answer, **said):
    return Feedback(id=f"fb_{number}", answer=f"ans_{answer}", at=f"2026-01-02T00:00:{number:02d}", caller="c", **said)


@pytest.fixture
def counted(tmp_path):
    """Counts one figure of a CSV file with these bytes."""

    def count(content=TABLE, **spec):
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "tickets.csv").write_bytes(raw)
        kpi = CsvKpi.parse({"name": "figure", "path": "tickets.csv", **spec})
        return kpis.measure([kpi], answers=[], feedback=[], root=tmp_path, seed=1)[0]

    return count


def of_traffic(answers, said=(), **spec):
    kpi = TrafficKpi.parse({"name": "figure", **spec})
    return kpis.measure([kpi], answers=answers, feedback=said, root=None, seed=1)[0]


def test_a_share_of_a_table_has_its_n_its_interval_and_its_gaps(counted):
    found = counted(column="solved", aggregate="share")
    assert (found.figure.value, found.figure.n, found.rows, found.missing) == (pytest.approx(2 / 3), 3, 4, 1)
    assert found.figure.ci == pytest.approx(wilson(2, 3))


def test_a_mean_leaves_gaps_out_and_never_takes_them_as_zero(counted):
    found = counted(column="minutes", unit="min", better="lower")
    assert (found.figure.value, found.figure.n, found.missing) == (pytest.approx(16.5), 3, 1)
    assert found.figure.ci[0] < 16.5 < found.figure.ci[1]
    assert (found.figure.unit, found.figure.better) == ("min", "lower")


@pytest.mark.parametrize(
    ("counts", "value"), [(">= 12", 2 / 3), ("<12", 1 / 3), ("= 7.0", 1 / 3), ("!= 12", 2 / 3), ("> 99", 0)]
)
def test_a_rule_says_which_numbers_count(counted, counts, value):
    assert counted(column="minutes", aggregate="share", counts=counts).figure.value == pytest.approx(value)


def test_a_rule_may_name_a_word(counted):
    assert counted(column="agent", aggregate="share", counts="= Ann").figure.value == 0.5


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_table_is_read_in_the_encoding_it_is_in(counted, encoding):
    table = "工单,解决\n" + "".join(f"第{i}号客户的投诉工单,{'是' if i % 2 else '否'}\n" for i in range(20))
    assert counted(table.encode(encoding), column="解决", aggregate="share").figure.value == 0.5


@pytest.mark.parametrize(
    ("content", "spec", "code", "where"),
    [
        ("a,b\n1,2\n", {"column": "c"}, "kpi_no_column", "tickets.csv:1"),
        ("a,a\n1,2\n", {"column": "a"}, "kpi_no_column", "tickets.csv:1"),
        ("", {"column": "a"}, "kpi_no_column", "tickets.csv:1"),
        ("a,b\n1,2\n3\n", {"column": "a"}, "kpi_bad_line", "tickets.csv:3"),
        ("a,b\n1,2\nfast,2\n", {"column": "a"}, "kpi_bad_value", "tickets.csv:3"),
        ("a,b\n1,2\ninf,2\n", {"column": "a"}, "kpi_bad_value", "tickets.csv:3"),
        ("a\n85%\n", {"column": "a"}, "kpi_bad_value", "tickets.csv:2"),
        ("a\nyes\nmaybe\n", {"column": "a", "aggregate": "share"}, "kpi_bad_value", "tickets.csv:3"),
        ('a,b\n"two\nlines",2\nx,2\n', {"column": "a", "aggregate": "share"}, "kpi_bad_value", "tickets.csv:3"),
    ],
)
def test_what_is_wrong_in_a_table_is_named_by_file_and_line(counted, content, spec, code, where):
    with pytest.raises(DataError) as caught:
        counted(content, **spec)
    assert (caught.value.code, caught.value.facts["where"]) == (f"evaluate.{code}", where)


def test_two_encodings_in_one_table_are_refused_by_line(counted):
    lines = [f"第{number}行的客户投诉内容,1" for number in range(60)]
    mixed = "意见,分数\n".encode() + "\n".join(lines).encode() + "\n客户,1\n".encode("gb18030")
    with pytest.raises(DataError) as caught:
        counted(mixed, column="分数")
    assert (caught.value.code, caught.value.facts["where"]) == ("evaluate.kpi_bad_bytes", "tickets.csv:62")


def test_a_table_without_values_is_no_figure_and_no_zero(counted):
    found = counted("a\n\nNaN\nN/A\n-\n", column="a")
    assert (found.figure, found.rows, found.missing) == (None, 3, 3)


def test_a_missing_file_is_a_sentence(tmp_path):
    kpi = CsvKpi(name="figure", path="none.csv", column="a")
    with pytest.raises(DataError) as caught:
        kpis.measure([kpi], answers=[], feedback=[], root=tmp_path, seed=1)
    assert caught.value.code == "evaluate.kpi_no_file"


def test_satisfaction_is_of_the_answers_somebody_scored_and_the_newest_word_counts():
    answers = [answer(number) for number in range(5)]
    said = [feedback(1, 0, score=0.0), feedback(2, 0, score=1.0), feedback(3, 1, score=0.5), feedback(4, 2, label="x")]
    found = of_traffic(answers, said, column="score")
    assert (found.figure.value, found.figure.n, found.rows, found.missing) == (0.75, 2, 5, 3)
    assert of_traffic(answers, said, column="corrected", aggregate="share").figure.value == 0.2
    assert of_traffic(answers, said, column="judged", aggregate="share").figure.value == 0.6


def test_response_time_is_a_percentile_with_its_interval():
    found = of_traffic([answer(number) for number in range(1, 41)], column="total_ms", aggregate="percentile")
    assert found.figure.value == pytest.approx(200 * 38.05)
    assert found.figure.ci[0] < found.figure.value < found.figure.ci[1]


def test_answers_of_one_caller_are_not_taken_as_independent():
    answers = [answer(number, caller=f"caller {number // 10}") for number in range(40)]
    said = [feedback(number, number, score=float(number < 20)) for number in range(40)]
    alone, grouped = (
        of_traffic(answers, said, aggregate="share", counts=">= 0.5", group=group) for group in (None, "caller")
    )
    assert grouped.figure.value == alone.figure.value
    assert grouped.figure.ci[1] - grouped.figure.ci[0] > 1.5 * (alone.figure.ci[1] - alone.figure.ci[0])


def test_every_column_of_traffic_can_be_read():
    became = Outcome(completed=True, resolved_by="model", value=3.0)
    said = [feedback(1, 1, label="x", score=1), feedback(2, 1, outcome=became, signals=("copied",))]
    for name in COLUMNS:
        found = of_traffic([answer(1)], said, column=name, aggregate="share", counts="!= 7")
        assert found.figure is not None, name


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=30))
def test_rows_are_values_and_gaps_and_nothing_else(values):
    cells = [Cell(None if one is None else str(one), None, "f:1") for one in values]
    found = kpis.count(TrafficKpi(name="figure"), cells, seed=1, resamples=100)
    n = 0 if found.figure is None else found.figure.n
    assert (found.rows, n + found.missing) == (len(values), len(values))
    if found.figure and found.figure.ci:
        assert found.figure.ci[0] <= found.figure.value <= found.figure.ci[1]
        assert math.isfinite(found.figure.value)


@pytest.mark.parametrize(
    "values",
    [
        {"counts": ">= 1"},
        {"aggregate": "share", "counts": "about 3"},
        {"aggregate": "percentile", "group": "caller"},
        {"column": "scor"},
        {"name": "two words"},
    ],
)
def test_a_definition_that_means_nothing_is_refused(values):
    with pytest.raises(UsageError):
        TrafficKpi.parse({"name": "figure", **values})
