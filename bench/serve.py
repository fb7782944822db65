"""The serve room: `make bench-serve DATA=FOLDER`, FOLDER being the public sets that are not ours to ship.

`python -m bench.serve FOLDER TOPIC…` measures some topics alone: a topic is a file `bench/serve_TOPIC.py`.
"""

from __future__ import annotations

from bench import topics

__all__ = ["TOPICS"]

TOPICS = (
    "overload",
    "overload_model",
    "faults",
    "hotpath",
    "conformance",
    "rollout",
    "safety",
    "extraction",
    "audit",
    "cache",
    "tokens",
)


if __name__ == "__main__":
    topics.run("serve", TOPICS)
