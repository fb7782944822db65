"""Typed artifacts, the content-addressed store, and the ledger of everything that happened."""
