"""Stage 4: a checkpoint becomes smaller or plainer, and is proven to be the same model before it counts."""
