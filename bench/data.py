"""The data room: `make bench-data DATA=FOLDER`, FOLDER being the public sets that are not ours to ship.

`python -m bench.data FOLDER TOPIC…` measures some topics alone: a topic is a file `bench/data_TOPIC.py`. Peers are
installed into `runs/peers/` when they are first needed.
"""

from __future__ import annotations

from bench import topics

__all__ = ["TOPICS"]

TOPICS = ("pii", "names", "dedupe", "leaks", "noise", "labels", "documents", "speech", "synth", "read")


if __name__ == "__main__":
    topics.run("data", TOPICS)
