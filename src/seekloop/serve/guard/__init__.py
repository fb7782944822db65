"""Extraction defence: who covers the model faster than people do, and what is told to whom."""
