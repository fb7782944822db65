"""Who writes to the bank's desk in each month of the story, what they need, and who of them lies in their feedback.

The wordings are a file of ours (`learn_wordings.toml`); how often each is heard, how it is spelt and what fills its
gaps is drawn from the seed. The same scenario gives the same customers, in the same order.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from seekloop.system import seeds

__all__ = ["Liar", "Need", "Scenario", "Visitor", "needs"]

WORDINGS = Path(__file__).with_name("learn_wordings.toml")
_gaps: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "amount": ("35", "60", "85", "120", "240", "310", "450", "700", "900", "1,200", "2,500", "6,000"),
        "shop": ("Tesco", "the bakery", "Ikea", "the gym", "the pharmacy", "Lidl", "the cinema", "a petrol station"),
        "name": ("Anna", "my landlord", "Marco", "my sister", "Yusuf", "the plumber", "my son", "Mrs Lee"),
        "city": ("Leeds", "Porto", "Lyon", "Oslo", "Bath", "Graz", "Cork", "Turin", "Kiel", "Utrecht"),
        "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "the 3rd", "the 21st"),
    }
)
_short: Mapping[str, str] = MappingProxyType(
    {"please": "pls", "you": "u", "your": "ur", "because": "cos", "thanks": "thx", "want": "wanna"}
)
_mixed: Mapping[str, str] = MappingProxyType(
    {
        "card": "卡",
        "account": "账户",
        "money": "钱",
        "transfer": "转账",
        "fee": "手续费",
        "loan": "贷款",
        "address": "地址",
    }
)
_greetings = ("Hi, ", "Hello, ", "Good morning, ", "hey team, ", "Dear bank, ")


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a customer may want, and how it is said."""

    intent: str
    reply: str
    """What an agent answers."""
    plain: tuple[str, ...]
    waves: tuple[tuple[str, ...], ...]
    """Wordings by the month in which they are first heard, less one."""
    first: int
    """Month from which on it is asked for; 0: from the beginning."""


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """One message, and what would be right."""

    text: str
    intent: str
    reply: str
    user: str
    """Who writes."""


@dataclass(frozen=True, kw_only=True)
class Liar:
    """One message of a caller who then sends back a wrong label on purpose."""

    text: str
    account: str
    label: str
    """What they say would have been right."""
    reply: str


def needs() -> tuple[Need, ...]:
    """The needs of the wordings file, in its order."""
    found = tomllib.loads(WORDINGS.read_text("utf-8"))
    return tuple(
        Need(
            intent=intent,
            reply=one["reply"],
            plain=tuple(one["plain"]),
            waves=tuple(tuple(wave) for wave in one["waves"]),
            first=one.get("from", 0),
        )
        for intent, one in found.items()
    )


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Six months at the desk. Shares are of the month's customers, by month from the first on."""

    customers: int = 300
    """A month."""
    months: int = 6
    seed: int = 7
    debut: float = 0.04
    """Of wordings that are first heard in this month."""
    growth: float = 0.05
    """By which the share of all earlier waves together grows a month."""
    arrival: tuple[float, ...] = (0.02, 0.05, 0.08, 0.10, 0.10)
    """Of a new intent, in its first month, its second, and so on."""
    spelling: float = 0.04
    """By which the share of messages with slips, short forms or Chinese words grows a month."""
    poison: float = 0.05
    """Of a month's feedback: labels that are wrong on purpose."""
    liars: int = 2
    """Accounts that they come from."""
    bad_month: int = 5
    """When a campaign does it."""
    bad_poison: float = 0.25
    """Of that month's feedback."""
    bad_liars: int = 40
    """Accounts of the campaign: each stays below what one caller may teach."""

    def visitors(self, month: int) -> list[Visitor]:
        """The customers of `month`, one-based."""
        known = needs()
        drawn = random.Random(seeds.derive(self.seed, "story", "visitors", month))
        texts: set[str] = set()
        visitors = []
        for number, need in enumerate(self._needed(known, month=month, drawn=drawn)):
            text = self._text(need, month=month, drawn=drawn)
            while text in texts:
                text = self._text(need, month=month, drawn=drawn)
            texts.add(text)
            user = f"m{month}-c{number:03d}"
            visitors.append(Visitor(text=text, intent=need.intent, reply=need.reply, user=user))
        return visitors

    def lies(self, month: int) -> list[Liar]:
        """What malicious accounts ask in `month`, and the labels that they send back.

        In the bad month all of them say of lost cards that an account is to be closed; else each lie is another.
        """
        known = needs()
        drawn = random.Random(seeds.derive(self.seed, "story", "lies", month))
        bad = month == self.bad_month
        share, accounts = (self.bad_poison, self.bad_liars) if bad else (self.poison, self.liars)
        targets = {need.intent: need for need in known if need.first == 0}
        found = []
        for number in range(round(self.customers * share / (1 - share))):
            asked = targets["card_lost"] if bad else drawn.choice(list(targets.values()))
            others = [need for need in targets.values() if need is not asked]
            said = targets["close_account"] if bad else drawn.choice(others)
            text = _filled(drawn.choice(asked.plain), drawn)
            account = f"liar-{month}-{number % accounts:02d}"
            found.append(Liar(text=text, account=account, label=said.intent, reply=said.reply))
        return found

    def _needed(self, known: Sequence[Need], *, month: int, drawn: random.Random) -> list[Need]:
        """What the month's customers need: the new intents their shares, the others the rest, evenly."""
        chosen: list[Need] = []
        for need in known:
            if 0 < need.first <= month:
                share = self.arrival[min(month - need.first, len(self.arrival) - 1)]
                chosen += [need] * round(share * self.customers)
        old = [need for need in known if need.first == 0]
        chosen += [old[number % len(old)] for number in range(self.customers - len(chosen))]
        drawn.shuffle(chosen)
        return chosen

    def _text(self, need: Need, *, month: int, drawn: random.Random) -> str:
        first = max(need.first, 1)
        newest = need.waves[month - 1] if month <= len(need.waves) else ()
        older = [text for wave in need.waves[first - 1 : month - 1] for text in wave]
        chance = drawn.random()
        text = drawn.choice(need.plain)
        if newest and chance < self.debut:
            text = drawn.choice(newest)
        elif older and chance > 1 - self.growth * (month - 1):
            text = drawn.choice(older)
        return _spelt(_filled(text, drawn), share=self.spelling * month, drawn=drawn)


def _filled(text: str, drawn: random.Random) -> str:
    return re.sub(r"\{(\w+)\}", lambda gap: drawn.choice(_gaps[gap[1]]), text)


def _spelt(text: str, *, share: float, drawn: random.Random) -> str:
    """As people type it: now and then with a greeting, without capitals, with short forms, a slip or Chinese words."""
    if drawn.random() < 0.25:
        text = drawn.choice(_greetings) + text
    if drawn.random() >= share:
        return text
    way = drawn.choice(("short", "slip", "mixed"))
    if way == "slip":
        return _slip(text, drawn)
    table = _short if way == "short" else _mixed
    words = re.sub(r"\b[a-z]+\b", lambda word: table.get(word[0], word[0]), text.lower())
    return words.rstrip(".!?") if way == "short" else words


def _slip(text: str, drawn: random.Random) -> str:
    """Two neighbouring letters of a longer word change places."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) > 4 and word.isalpha()]
    if long:
        index = drawn.choice(long)
        word, at = words[index], drawn.randrange(1, len(words[index]) - 2)
        words[index] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)
