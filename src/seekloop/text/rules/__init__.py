"""Rules over text: patterns that see through evasions, in time linear in the text, the same on streams as on wholes."""

from seekloop.text.rules.machine import Machine
from seekloop.text.rules.scan import Found, Scan
from seekloop.text.rules.syntax import PatternProblem, parse

__all__ = ["Found", "Machine", "PatternProblem", "Scan", "parse"]
