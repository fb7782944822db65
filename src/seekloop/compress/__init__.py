"""Stage 4: Checkpoint + Dataset -> smaller Checkpoint."""
