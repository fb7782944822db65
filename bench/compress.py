"""The compress room: `make bench-compress DATA=FOLDER`, FOLDER being the public sets that are not ours to ship.

`python -m bench.compress FOLDER TOPIC…` measures some topics alone: a topic is a file `bench/compress_TOPIC.py`.
"""

from __future__ import annotations

from importlib.util import find_spec

from bench import topics

__all__ = ["TOPICS"]

TOPICS = tuple(
    topic for topic in ("forms", "gguf", "packed", "qat", "smaller", "vllm") if find_spec(f"bench.compress_{topic}")
)


if __name__ == "__main__":
    topics.run("compress", TOPICS)
