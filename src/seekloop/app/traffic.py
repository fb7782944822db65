"""Production in miniature: customers ask the live server, and agents who know the right answer send feedback."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from seekloop.system.progress import Progress

__all__ = ["Client", "Customer", "read_customers"]

JSON = dict[str, Any]


@dataclass(frozen=True)
class Customer:
    """A message that production sends, with what a human agent would have answered."""

    text: str
    label: str
    reply: str

    def is_answered_by(self, answer: JSON) -> bool:
        """Whether a chat completion names the right label on its first line."""
        content: str = answer["choices"][0]["message"]["content"]
        return content.strip().split("\n")[0].strip() == self.label


def read_customers(path: Path) -> list[Customer]:
    """The customers of a JSONL file with `text`, `intent` and `reply`."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [Customer(row["text"], row["intent"], row["reply"]) for row in rows]


class Client:
    """Talks to a gateway as customers and agents do. Use as a context manager.

    Args:
        url: address of the gateway.
        key: bearer key.
    """

    def __init__(self, url: str, *, key: str) -> None:
        self._http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=120)

    def ask(self, text: str) -> JSON:
        """One chat completion."""
        response = self._http.post("/v1/chat/completions", json=_body(text))
        response.raise_for_status()
        answer: JSON = response.json()
        return answer

    def ask_all(self, customers: Sequence[Customer], *, progress: Progress) -> list[JSON]:
        """A chat completion for each customer, eight at a time."""
        answers = []
        with progress.task("production traffic", total=len(customers)) as bar, ThreadPoolExecutor(8) as pool:
            for answer in pool.map(lambda customer: self.ask(customer.text), customers):
                answers.append(answer)
                bar.advance()
        return answers

    def ask_streaming(self, text: str) -> tuple[str, str]:
        """One chat completion over server-sent events: the answer id that every chunk carried, and the text."""
        ids, text_parts = set(), []
        with self._http.stream("POST", "/v1/chat/completions", json=_body(text, stream=True)) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith("data: {"):
                    chunk = json.loads(line.removeprefix("data: "))
                    ids.add(chunk["id"])
                    text_parts += [choice["delta"].get("content") or "" for choice in chunk["choices"]]
        (answer,) = ids
        return str(answer), "".join(text_parts)

    def give_feedback(self, customers: Sequence[Customer], answers: Sequence[JSON]) -> int:
        """Send what the agents say: the right answer where it was wrong, a thumb up where it was right.

        Returns:
            How many answers were wrong.
        """
        wrong = 0
        for customer, answer in zip(customers, answers, strict=True):
            right = customer.is_answered_by(answer)
            body: JSON = {"answer": answer["id"], "id": f"agent-{answer['id']}", "score": float(right)}
            if not right:
                body |= {"label": customer.label, "correction": f"{customer.label}\n{customer.reply}".rstrip()}
                wrong += 1
            self._http.post("/v1/feedback", json=body).raise_for_status()
        return wrong

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()


def _body(text: str, *, stream: bool = False) -> JSON:
    return {"model": "production", "messages": [{"role": "user", "content": text}], "stream": stream}
