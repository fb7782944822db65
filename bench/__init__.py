"""Measurements. `make bench-ROOM` runs `bench/ROOM.py` and writes `benchmarks/ROOM.json`."""
