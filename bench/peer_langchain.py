"""langchain-openai as it is, against a gateway: run by its own interpreter with the address and the key."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

__all__ = ["main"]

CASE = {
    "title": "case",
    "type": "object",
    "properties": {"label": {"enum": ["card_arrival", "card_lost"]}, "sure": {"type": "boolean"}},
    "required": ["label", "sure"],
}


def main(url: str, key: str) -> None:
    """Say of each use of it whether it passed."""
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
    from openai import OpenAIError

    known: dict[str, Any] = {"model": "production", "base_url": url, "api_key": key, "max_retries": 0}
    chat = ChatOpenAI(**known, temperature=0, max_tokens=200)

    def tools() -> None:
        bound = chat.bind_tools([{"name": "look_up", "description": "", "parameters": CASE}], tool_choice="look_up")
        (call,) = bound.invoke("Where is my card?").tool_calls
        _same(call["name"], "look_up")
        _same(set(call["args"]), {"label", "sure"})

    def structured(method: str) -> Callable[[], None]:
        return lambda: _same(
            set(chat.with_structured_output(CASE, method=method).invoke("Where is my card?")), {"label", "sure"}
        )

    def streamed() -> None:
        chunks = list(chat.stream("Where is my card?", stream_usage=True))
        _same("".join(str(chunk.content) for chunk in chunks), chat.invoke("Where is my card?").content)
        _same(any(chunk.usage_metadata for chunk in chunks), True)

    def embedded() -> None:
        vectors = OpenAIEmbeddings(**known, check_embedding_ctx_length=False).embed_documents(["one", "two"])
        _same([len(vector) > 1 for vector in vectors], [True, True])

    uses: dict[str, Callable[[], None]] = {
        "invoke": lambda: _same(bool(chat.invoke("Hi").usage_metadata), True),
        "batch": lambda: _same(len(chat.batch(["Hi", "Ho"])), 2),
        "stream": streamed,
        "structured output, json_schema": structured("json_schema"),
        "structured output, function_calling": structured("function_calling"),
        "tools": tools,
        "several": lambda: _same(len(chat.generate([[HumanMessage("Hi")]], n=2).generations[0]), 2),
        "log-probabilities": lambda: _same("logprobs" in chat.bind(logprobs=True).invoke("Hi").response_metadata, True),
        "completions": lambda: _same(isinstance(OpenAI(**known, max_tokens=5).invoke("Hi"), str), True),
        "embeddings": embedded,
    }
    for name, use in uses.items():
        try:
            use()
        except (ValueError, TypeError, AttributeError, OpenAIError) as error:
            print(f"failed: {name}: {type(error).__name__}: {error}")
        else:
            print(f"passed: {name}")


def _same(found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{found!r} instead of {expected!r}")


if __name__ == "__main__":
    main(*sys.argv[1:])
