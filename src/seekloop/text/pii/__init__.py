"""Personal data, found and hidden inside Chinese and English sentences alike."""

from seekloop.text.pii.checks import is_card, is_cn_id
from seekloop.text.pii.kinds import KINDS, NAMES, PERSONAL, Finding
from seekloop.text.pii.redact import ACTIONS, Action, Redacted, Redactor, mask
from seekloop.text.pii.seal import reveal
from seekloop.text.pii.search import find

__all__ = [
    "ACTIONS",
    "KINDS",
    "NAMES",
    "PERSONAL",
    "Action",
    "Finding",
    "Redacted",
    "Redactor",
    "find",
    "is_card",
    "is_cn_id",
    "mask",
    "reveal",
]
