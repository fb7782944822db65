"""Foundations: errors, digests, settings, clock, seeds, lazy imports, files, progress. Imports nothing of ours."""
