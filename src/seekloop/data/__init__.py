"""Stage 1: Corpus -> Dataset."""
