"""What an answer goes through on its way out: rules, personal data, the classifier; the same whole and in pieces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from seekloop.model.codec import Delta
from seekloop.serve.safety.filter import Filter
from seekloop.serve.safety.judge import Judge
from seekloop.serve.safety.leaves import changed_json, texts_of
from seekloop.serve.safety.personal import Restorer
from seekloop.serve.safety.policy import Policies, Rule
from seekloop.serve.safety.sentences import Sentences

__all__ = ["Guard"]

Mask = Callable[[str], str]


class _Channel:
    """Content or reasoning: rules first, then sentences where something looks at those."""

    def __init__(self, rules: Filter | None, *, mask: Mask | None, sentences: bool) -> None:
        self.rules = rules
        self.masked = False
        """Whether personal data was taken out."""
        self._mask = mask
        self._sentences = Sentences() if sentences else None

    def push(self, text: str) -> list[str]:
        """The pieces that are ready, in order; after a block all that was free before it."""
        free = self.rules.push(text) if self.rules else text
        return self._pieces(free, last=self.rules is not None and self.rules.blocked is not None)

    def finish(self) -> list[str]:
        """The rest."""
        return self._pieces(self.rules.finish() if self.rules else "", last=True)

    def _pieces(self, text: str, *, last: bool) -> list[str]:
        if self._sentences is None:
            return [text] if text else []
        pieces = self._sentences.push(text)
        return [self._clean(piece) for piece in (*pieces, *(self._sentences.finish() if last else ()))]

    def _clean(self, text: str) -> str:
        clean = self._mask(text) if self._mask else text
        self.masked = self.masked or clean != text
        return clean


class Guard:
    """One answer on its way out. Once `blocked`, nothing more of it goes out.

    Args:
        policies: whose rules look at it; None: no rules.
        enforce: whether rules and classifier change anything; else they are only noted.
        judge: the classifier, where it looks at answers.
        mask: takes personal data out of a sentence.
        values: placeholder -> what the caller had written, to be put back; empty: nothing is.
    """

    def __init__(
        self,
        *,
        policies: Policies | None,
        enforce: bool,
        judge: Judge | None,
        mask: Mask | None,
        values: Mapping[str, str],
    ) -> None:
        self._policies, self._enforce, self._judge, self._mask = policies, enforce, judge, mask
        self._restorers = {name: Restorer(values) for name in ("reasoning", "content")} if values else {}
        self._channels: dict[str, _Channel] = {}
        """Those through which something has gone; most answers have no reasoning."""
        self._told = {"reasoning": "", "content": ""}
        self.blocked: Rule | None = None
        """What ended the answer."""
        self.hits: dict[str, Rule] = {}
        """Every rule that matched, by id."""
        self.changed = False
        """Whether something of the model's own words was kept back."""

    @property
    def content(self) -> str:
        """The content as the ledger keeps it: what was delivered, with placeholders."""
        return self._told["content"]

    @property
    def reasoning(self) -> str:
        """The reasoning as the ledger keeps it."""
        return self._told["reasoning"]

    async def push(self, delta: Delta) -> Delta:
        """What may go out, now that `delta` has come."""
        reasoning = await self._pass("reasoning", delta.reasoning) if delta.reasoning else ""
        content = ""
        if delta.content:
            # Reasoning is over where the answer begins: what was held back of it is due, and judged, before that.
            reasoning += await self._end("reasoning")
            content = await self._pass("content", delta.content)
        return Delta(reasoning=reasoning, content=content)

    async def finish(self, calls: Sequence[dict[str, Any]] = ()) -> Delta:
        """The rest of the answer, and its tool calls: all of them, or none."""
        reasoning = await self._end("reasoning")
        content = await self._end("content")
        return Delta(reasoning=reasoning, content=content, tool_calls=await self._calls(calls))

    def words(self, text: str) -> str:
        """A whole text of the answer that goes into the ledger beside it: the words of a tool call."""
        rules = self._filter()
        if rules is not None:
            text = rules.push(text) + rules.finish()
        return self._mask(text) if self._mask else text

    def _channel(self) -> _Channel:
        return _Channel(self._filter(), mask=self._mask, sentences=bool(self._mask or self._judge))

    def _filter(self) -> Filter | None:
        if self._policies is None:
            return None
        return Filter(self._policies, where="answer", enforce=self._enforce)

    async def _pass(self, name: str, text: str) -> str:
        if name not in self._channels:
            self._channels[name] = self._channel()
        channel = self._channels[name]
        return await self._let(name, [] if self.blocked else channel.push(text), channel=channel)

    async def _end(self, name: str) -> str:
        channel, out = self._channels.pop(name, None), ""
        if channel is not None:
            out = await self._let(name, [] if self.blocked else channel.finish(), channel=channel)
        return out + (self._restorers[name].finish() if name in self._restorers else "")

    async def _let(self, name: str, pieces: Sequence[str], *, channel: _Channel) -> str:
        """Let pieces out up to one that the classifier stops; behind them the channel's own block counts."""
        if self.blocked is not None:
            return ""
        out = ""
        for piece in pieces:
            if await self._is_stopped(piece):
                break
            out += piece
        if channel.rules is not None:
            self._note(channel.rules)
        self.changed = self.changed or channel.masked or self.blocked is not None
        self._told[name] += out
        if name not in self._restorers:
            return out
        shown = self._restorers[name].push(out)
        return shown + self._restorers[name].finish() if self.blocked is not None else shown

    async def _is_stopped(self, text: str) -> bool:
        """Whether the classifier ends the answer before `text`."""
        rule = None if self._judge is None else await self._judge.judge(text)
        if rule is not None:
            self.hits.setdefault(rule.id, rule)
            self.blocked = rule if self._enforce else None
        return self.blocked is not None

    def _note(self, rules: Filter) -> None:
        for key, rule in rules.hits.items():
            self.hits.setdefault(key, rule)
        self.changed = self.changed or (self._enforce and any(r.action == "redact" for r in rules.hits.values()))
        self.blocked = self.blocked or rules.blocked

    async def _calls(self, calls: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
        out = []
        for call in calls if self.blocked is None else ():
            function = call["function"]
            texts = [function["name"], *texts_of(function["arguments"])]
            if self._has_blocked(texts) or await self._is_stopped("\n".join(texts)):
                self.changed = True
                return ()
            arguments = changed_json(function["arguments"], self.words)
            self.changed = self.changed or arguments != function["arguments"]
            for restorer in tuple(self._restorers.values())[:1]:
                arguments = changed_json(arguments, restorer.whole)
            out.append({**call, "function": {**function, "arguments": arguments}})
        return tuple(out)

    def _has_blocked(self, texts: Sequence[str]) -> bool:
        for text in texts:
            rules = self._filter()
            if rules is not None:
                rules.push(text)
                rules.finish()
                self._note(rules)
        return self.blocked is not None
