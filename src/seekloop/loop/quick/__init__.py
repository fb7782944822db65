"""Quick mode: one epoch on samples of a dataset tells whether it is worth the full run."""
