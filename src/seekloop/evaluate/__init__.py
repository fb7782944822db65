"""Stage 3: Checkpoint + Dataset -> Report."""
