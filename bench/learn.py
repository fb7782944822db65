"""The learn room: `make bench-learn DATA=FOLDER`, FOLDER being the public sets that are not ours to ship.

`python -m bench.learn FOLDER TOPIC…` measures some topics alone: a topic is a file `bench/learn_TOPIC.py`. The story is
the longest, and comes last.
"""

from __future__ import annotations

from pathlib import Path

from bench import topics

__all__ = ["TOPICS"]

TOPICS = tuple(
    topic
    for topic in ("gates", "lesson", "mine", "feedback", "faults", "erase", "passport", "story")
    if Path(__file__).with_name(f"learn_{topic}.py").exists()
)


if __name__ == "__main__":
    topics.run("learn", TOPICS)
