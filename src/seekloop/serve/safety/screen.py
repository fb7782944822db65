"""The screen: what a request says is looked at before the model sees it, and its answer is given a guard."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from seekloop.artifact.rows import Message
from seekloop.artifact.store import Store
from seekloop.serve.safety.filter import Filter
from seekloop.serve.safety.guard import Guard
from seekloop.serve.safety.judge import Classifier, Judge, checkpoint_classifier
from seekloop.serve.safety.options import SafetyOptions
from seekloop.serve.safety.personal import Placeholders
from seekloop.serve.safety.policy import Policies, Rule, Where, load
from seekloop.system.errors import UsageError
from seekloop.text.pii import KINDS, mask
from seekloop.text.script import simple_forms

__all__ = ["Screen", "Screening"]

_logger = logging.getLogger("seekloop.serve")
_looked_at: Mapping[str, Where] = MappingProxyType({"user": "user", "system": "system", "tool": "tool"})
"""Role -> place. What the assistant said before was looked at when it was said."""


@dataclass(kw_only=True)
class Screening:
    """One request as the screen found it, and what comes of its answer."""

    screen: Screen
    messages: list[Message]
    """As the model and the ledger see them."""
    changed: bool = False
    """Whether they are not as they were sent."""
    hits: list[dict[str, str]] = field(default_factory=list)
    """Rules that matched, as a row tells them."""
    blocked: Rule | None = None
    """Why it is not answered."""
    personal: dict[str, int] = field(default_factory=dict)
    """Values that were hidden, by kind."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Placeholder -> value, where they are to be put back: such an answer is this caller's alone."""
    guard: Guard | None = None
    """Of the newest attempt at an answer."""

    def begin(self) -> Guard:
        """A fresh guard for an attempt at the answer."""
        self.guard = self.screen.guard(self.values)
        return self.guard

    def kept(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The messages as the ledger keeps them."""
        if self.blocked is None or self.screen.options.keep_blocked:
            return messages
        return [{"role": message["role"], "content": ""} for message in messages]

    def facts(self) -> dict[str, Any]:
        """What the row of the answer says: verdict, rules and the digest of the policies; nothing of any text."""
        said = [rule.facts("answer") for rule in self.guard.hits.values()] if self.guard else []
        stopped = self.blocked or (self.guard.blocked if self.guard else None)
        found: dict[str, Any] = {
            "policy": self.screen.digest,
            "mode": self.screen.options.mode,
            "hits": [*self.hits, *said],
            "blocked": None if stopped is None else {"rule": stopped.id, "by": "asked" if self.blocked else "said"},
        }
        return found | ({"personal": self.personal} if self.personal else {})

    def ended(self) -> None:
        """Have what came of the answer counted."""
        for rule in self.guard.hits.values() if self.guard else ():
            self.screen.counts["said", rule.action, rule.category] += 1

    def refusal(self, answer: str) -> UsageError:
        """What the caller is told when the request is blocked; `answer` is the id of its row."""
        assert self.blocked is not None
        return UsageError("safety.blocked", category=self.blocked.category, rule=self.blocked.id, answer=answer)


class Screen:
    """The safety of one gateway. Made by `open`.

    Args:
        options: the dials.
        policies: the rules; None: no rules.
        judge: the classifier; None: there is none.
    """

    def __init__(self, options: SafetyOptions, *, policies: Policies | None, judge: Judge | None) -> None:
        self.options, self.policies, self.judge = options, policies, judge
        self.digest = None if policies is None else policies.digest
        """Of the rules in force."""
        self.rules = (self.digest or "", options.model_dump_json())
        """What an answer that passed has been held to."""
        self.counts: Counter[tuple[str, str, str]] = Counter()
        """(asked or said, action, category) -> how often."""

    @classmethod
    def open(cls, options: SafetyOptions, *, store: Store, classifier: Classifier | None = None) -> Screen | None:
        """The screen that the dials ask for; None where all of them are off.

        Args:
            options: the dials.
            store: where the classifier's checkpoint is.
            classifier: any function that gives classes probabilities, in place of a checkpoint.

        Raises:
            UsageError: a policy that cannot be read (file and line), an unknown kind of personal data, no classifier.
        """
        personal = options.personal
        unknown = [kind for kind in personal.kinds if kind not in KINDS]
        if unknown:
            raise UsageError("safety.unknown_kind", kind=unknown[0], known=", ".join(KINDS))
        if options.mode == "off" and not (personal.asked or personal.said):
            return None
        on = options.mode != "off"
        if on and not simple_forms():
            _logger.warning("%s", UsageError("safety.no_traditional").sentence())
        policies = load(options.policies, shipped=options.shipped) if on else None
        if classifier is None and on and options.classifier.checkpoint is not None:
            classifier = checkpoint_classifier(options.classifier.checkpoint, store=store)
        judge = Judge(classifier, options.classifier) if classifier is not None and on else None
        return cls(options, policies=policies, judge=judge)

    @property
    def enforces(self) -> bool:
        """Whether rules and classifier change anything."""
        return self.options.mode == "enforce"

    def asked(self, messages: Sequence[Message]) -> Screening:
        """Look at a conversation: personal data first, then the rules of each message's place."""
        personal = self.options.personal
        seen, found = list(messages), Screening(screen=self, messages=[])
        if personal.asked:
            holder = Placeholders(personal.kinds, personal.allow)
            seen = holder.hide(seen)
            found.personal = holder.counts
            found.values = holder.values if personal.restore else {}
        found.messages = [self._message(message, found) for message in seen]
        found.changed = any(new is not old for new, old in zip(found.messages, messages, strict=True))
        return found

    async def judged(self, found: Screening) -> None:
        """Have the classifier look at the newest message that is not the assistant's."""
        if self.judge is None or "asked" not in self.judge.options.where or found.blocked is not None:
            return
        newest = next((one for one in reversed(found.messages) if one.role in _looked_at), None)
        rule = await self.judge.judge(newest.content) if newest is not None else None
        if rule is not None:
            self._note(found, [rule], where=_looked_at[newest.role] if newest else "user")

    def guard(self, values: Mapping[str, str]) -> Guard:
        """A guard for one answer."""
        personal, judge = self.options.personal, self.judge
        return Guard(
            policies=self.policies,
            enforce=self.enforces,
            judge=judge if judge is not None and "said" in judge.options.where else None,
            mask=self._mask if personal.said else None,
            values=values,
        )

    def close(self) -> None:
        """Let the classifier go."""
        if self.judge is not None:
            self.judge.close()

    def status(self) -> dict[str, Any]:
        """Policies, mode and counts, for people and dashboards."""
        counted = [
            {"stage": stage, "action": action, "category": category, "count": count}
            for (stage, action, category), count in sorted(self.counts.items())
        ]
        return {
            "mode": self.options.mode,
            "policies": list(self.policies.names) if self.policies else [],
            "digest": self.digest,
            "rules": len(self.policies.rules) if self.policies else 0,
            "personal": {"asked": self.options.personal.asked, "said": self.options.personal.said},
            "classifier": None if self.judge is None else dict(self.judge.counts),
            "matched": counted,
        }

    def _message(self, message: Message, found: Screening) -> Message:
        where = _looked_at.get(message.role)
        if self.policies is None or where is None:
            return message
        numbers = self.policies.machine(where).found(message.content)
        if not numbers:
            return message
        rules = {rule.id: rule for rule in (self.policies.rule(where, number) for number in sorted(numbers))}
        self._note(found, list(rules.values()), where=where)
        if self.enforces and found.blocked is None and any(rule.action == "redact" for rule in rules.values()):
            filter_ = Filter(self.policies, where=where, enforce=True)
            return message.model_copy(update={"content": filter_.push(message.content) + filter_.finish()})
        return message

    def _note(self, found: Screening, rules: Sequence[Rule], *, where: Where) -> None:
        for rule in rules:
            found.hits.append(rule.facts(where))
            self.counts["asked", rule.action, rule.category] += 1
            if self.enforces and rule.action == "block" and found.blocked is None:
                found.blocked = rule

    def _mask(self, text: str) -> str:
        personal = self.options.personal
        return mask(text, kinds=personal.kinds, allow=personal.allow)[0]
