"""The evaluate room: `make bench-evaluate DATA=FOLDER`, FOLDER being the public sets that are not ours to ship.

`python -m bench.evaluate FOLDER TOPIC…` measures some topics alone: a topic is a file `bench/evaluate_TOPIC.py`. Peers
are installed into `runs/peers/` when they are first needed.
"""

from __future__ import annotations

from bench import topics

__all__ = ["TOPICS"]

TOPICS = ("metrics", "statistics", "speed", "explain")


if __name__ == "__main__":
    topics.run("evaluate", TOPICS)
