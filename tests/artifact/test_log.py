"""The database's log: emptied beside the writing, and no row is lost or changed by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seekloop.artifact.ledger import Answer, Ledger
from seekloop.system.errors import LedgerError


def _answers(first: int, count: int) -> list[Answer]:
    return [
        Answer(
            id=f"ans_{number:032x}",
            release="release:sha256:aa",
            at="2026-01-01T00:00:00+00:00",
            caller="local",
            messages=[{"role": "user", "content": f"question {number}"}],
            content="answer",
            finish_reason="stop",
            prompt_tokens=1,
            completion_tokens=1,
            first_token_ms=1.0,
            total_ms=1.0,
        )
        for number in range(first, first + count)
    ]


def test_a_log_that_is_emptied_stays_short(tmp_path: Path) -> None:
    ledger = Ledger.in_folder(tmp_path)
    sizes = []
    for turn in range(12):
        for part in range(10):
            ledger.record_answers(_answers(100 * turn + 10 * part, 10))
        ledger.empty_log()
        sizes.append((tmp_path / "ledger.db-wal").stat().st_size)
    assert max(sizes[2:]) <= 2 * sizes[1]
    assert len(ledger.answers()) == ledger.verify() == 1200
    ledger.close()


@pytest.mark.parametrize("count", [1, 2, 3, 63, 64, 65, 200])
def test_a_batch_of_any_size_is_whole(tmp_path: Path, count: int) -> None:
    ledger = Ledger.in_folder(tmp_path)
    ledger.record_answers(_answers(0, count))
    assert [answer.id for answer in ledger.answers()] == [answer.id for answer in _answers(0, count)]
    assert ledger.verify() == count
    ledger.close()


def test_who_failed_to_write_can_write_again(tmp_path: Path) -> None:
    ledger = Ledger.in_folder(tmp_path)
    ledger.move_alias("production", "release:a", expected_version=0, actor="a", reason="first")
    with pytest.raises(LedgerError) as caught:
        ledger.move_alias("production", "release:b", expected_version=0, actor="b", reason="late")
    assert caught.value.code == "artifact.alias_moved"
    assert ledger.move_alias("production", "release:b", expected_version=1, actor="b", reason="now").version == 2
    ledger.close()
