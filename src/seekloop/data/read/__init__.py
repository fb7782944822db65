"""Readers: files of any usual layout into one corpus of rows."""

from __future__ import annotations

from seekloop.data.read.corpus import read_corpus

__all__ = ["read_corpus"]
