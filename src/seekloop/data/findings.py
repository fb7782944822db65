"""What comparing rows found: the twins, and a report that shows some of them side by side."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seekloop.artifact.rows import Row
from seekloop.data.dedupe import Twin
from seekloop.data.wording import asked

__all__ = ["REPORT", "Findings"]

REPORT = "report.json"
_examples = 5
_shown = 500


class Findings:
    """Rows that are left out because of another, and the first few pairs of each reason."""

    def __init__(self) -> None:
        self.twins: dict[str, Twin] = {}
        """Row id -> why it is left out, and the row that stands for it."""
        self._pairs: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        self._texts: dict[str, str] = {}
        """What was asked in the rows of these pairs; empty until `look` has met them."""

    def add(self, row: Row, twin: Twin) -> None:
        """Note that a row is left out."""
        self.twins[row.id] = twin
        if len(self._pairs[twin.reason]) < _examples:
            self._pairs[twin.reason].append((row.id, twin.id))
            self._texts |= dict.fromkeys((row.id, twin.id), "")

    def look(self, row: Row) -> None:
        """Take a row's text for the report, where it is one of the pairs'."""
        if row.id in self._texts:
            self._texts[row.id] = asked(row)[:_shown]

    def write(
        self, path: Path, *, rows: int, dropped: Mapping[str, int], more: Mapping[str, Any] | None = None
    ) -> None:
        """Write the report: rows that came in, rows left out by reason, pairs to look at, and `more`.

        A twin in an earlier dataset is named by its id alone.
        """
        pairs = {
            reason: [
                {"row": row, "text": self._texts[row], "twin": twin, "twin_text": self._texts[twin]}
                for row, twin in pairs
            ]
            for reason, pairs in sorted(self._pairs.items())
        }
        report: dict[str, Any] = {"rows": rows, "dropped": dict(sorted(Counter(dropped).items())), "pairs": pairs}
        report |= more or {}
        path.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", "utf-8")
