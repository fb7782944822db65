"""Stage 2: Dataset + Checkpoint -> Checkpoint."""
