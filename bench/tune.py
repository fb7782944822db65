"""The tune room: `make bench-tune DATA=FOLDER`, FOLDER being the public sets that are not ours to ship.

`python -m bench.tune FOLDER TOPIC…` measures some topics alone: a topic is a file `bench/tune_TOPIC.py`. Peers are
installed into `runs/peers/` when they are first needed.
"""

from __future__ import annotations

from bench import topics

__all__ = ["TOPICS"]

TOPICS = ("speed", "ladder", "memory", "trunk", "plan", "search", "methods", "preempt")


if __name__ == "__main__":
    topics.run("tune", TOPICS)
