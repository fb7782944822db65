"""What a teacher costs: tokens as the endpoint counts them, money by the spec's prices, and a budget that holds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from seekloop.runtime.endpoint.queue import Kept
from seekloop.runtime.endpoint.spec import EndpointSpec, LimitSpec

__all__ = ["Meter", "prompt_tokens", "tokens_of"]

_wide = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]")
_million = 1_000_000
_message_tokens = 4
"""What a chat template adds to a message, about."""


def tokens_of(text: str) -> int:
    """About how many tokens a text has: a Chinese, Japanese or Korean character one, four other characters one.

    Only for estimates and limits; what is paid is what the endpoint counts.
    """
    wide = len(_wide.findall(text))
    return wide + (len(text) - wide + 3) // 4


@dataclass
class Meter:
    """Adds up answers, and says when to stop."""

    teacher: EndpointSpec
    budget: LimitSpec
    tokens_in: int = 0
    tokens_out: int = 0
    answers: int = 0
    estimated: int = 0
    """Answers whose tokens the endpoint did not count."""
    reserved_in: int = field(default=0, repr=False)
    reserved_out: int = field(default=0, repr=False)
    """Of requests under way, at most."""

    def add(self, kept: Kept) -> None:
        """Count an answer."""
        self.tokens_in += kept.tokens_in
        self.tokens_out += kept.tokens_out
        self.answers += 1
        self.estimated += not kept.counted

    def reserve(self, prompt_tokens: int) -> bool:
        """Whether one more request fits the budget even if its answer is as long as it may be; it is then set aside."""
        tokens_in, tokens_out = self.reserved_in + prompt_tokens, self.reserved_out + self.teacher.max_tokens
        if not self._fits(self.tokens_in + tokens_in, self.tokens_out + tokens_out):
            return False
        self.reserved_in, self.reserved_out = tokens_in, tokens_out
        return True

    def release(self, prompt_tokens: int) -> None:
        """Give back what was set aside for a request."""
        self.reserved_in -= prompt_tokens
        self.reserved_out -= self.teacher.max_tokens

    def money(self, tokens_in: int | None = None, tokens_out: int | None = None) -> float | None:
        """What so many tokens cost (None: those counted so far); None where the spec has no prices."""
        if self.teacher.price_in is None and self.teacher.price_out is None:
            return None
        spent_in = self.tokens_in if tokens_in is None else tokens_in
        spent_out = self.tokens_out if tokens_out is None else tokens_out
        return (spent_in * (self.teacher.price_in or 0.0) + spent_out * (self.teacher.price_out or 0.0)) / _million

    def described(self) -> str:
        """For people."""
        money = self.money()
        price = "" if money is None else f", {money:.4f} in money"
        guessed = f" ({self.estimated} answers counted by us)" if self.estimated else ""
        return f"{self.answers} answers, {self.tokens_in} tokens in, {self.tokens_out} out{guessed}{price}"

    def cost(self) -> dict[str, float]:
        """For the receipt."""
        found: dict[str, float] = {"teacher_tokens_in": self.tokens_in, "teacher_tokens_out": self.tokens_out}
        money = self.money()
        return found if money is None else {**found, "money": round(money, 6)}

    def _fits(self, tokens_in: int, tokens_out: int) -> bool:
        money = self.money(tokens_in, tokens_out)
        if self.budget.money is not None and money is not None and money > self.budget.money:
            return False
        return self.budget.tokens is None or tokens_in + tokens_out <= self.budget.tokens


def prompt_tokens(messages: list[dict[str, str]]) -> int:
    """About how many tokens a conversation has."""
    return sum(tokens_of(message["content"]) + _message_tokens for message in messages)
